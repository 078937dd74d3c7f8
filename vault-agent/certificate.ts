import { isIP } from "node:net";
import { AGENT_LOG, agentBase, hcl, type AgentConfig } from "./render";

/** Renders the files of the Vault Agent that keeps the edge's certificate. Pure. */
export interface CertificateAgent extends Pick<
  AgentConfig,
  "vaultAddress" | "namespace" | "caFile" | "roleIdFile" | "secretIdFile"
> {
  /** Directories of the templates and of what is rendered from them. */
  templates: string;
  directory: string;
  /** Mount of Vault's PKI, its role, the host name or address to certify, and the certificate's life, for example "72h". */
  mount: string;
  role: string;
  serverName: string;
  ttl: string;
}

/** File with the certificate, its chain and its key: one file, so that there is no moment at which they do not match. */
export const CERTIFICATE_FILE = "edge.pem";
/** File with the certificate's end, in Prometheus' format. */
export const CERTIFICATE_METRICS = "certificate.prom";

export function renderCertificateMetrics(source: string, end: string | number): string {
  return `# HELP audit_edge_certificate_expiry_timestamp_seconds End of the edge's certificate
# TYPE audit_edge_certificate_expiry_timestamp_seconds gauge
audit_edge_certificate_expiry_timestamp_seconds{source="${source}"} ${end}
`;
}

/**
 * The agent's configuration and its two templates. Both ask for the same secret, which an agent fetches once for all of its
 * templates, so they always speak of the same certificate. It asks for a new one when most of the certificate's life is over.
 */
export function renderCertificateAgent(agent: CertificateAgent): Record<string, string> {
  const { mount, role, serverName, ttl, directory, templates } = agent;
  // An address as common_name would be judged as a host name, and stand in the certificate as one, which no client accepts.
  const subject = isIP(serverName) === 0 ? "common_name" : "ip_sans";
  const issue = `with secret ${hcl(`${mount}/issue/${role}`)} ${hcl(`${subject}=${serverName}`)} ${hcl(`ttl=${ttl}`)}`;
  const template = (source: string, destination: string) => `
template {
  source               = ${hcl(`${templates}/${source}`)}
  destination          = ${hcl(`${directory}/${destination}`)}
  perms                = "0440"
  error_on_missing_key = false
}
`;
  return {
    "agent.hcl":
      agentBase(agent) +
      "\ntemplate_config {\n  exit_on_retry_failure = false\n}\n" +
      template("certificate.ctmpl", CERTIFICATE_FILE) +
      template("metrics.ctmpl", CERTIFICATE_METRICS) +
      `\n${AGENT_LOG}`,
    "certificate.ctmpl": `{{ ${issue} }}{{ .Data.certificate }}
{{ range .Data.ca_chain }}{{ . }}
{{ end }}{{ .Data.private_key }}
{{ end }}`,
    "metrics.ctmpl": `{{ ${issue} }}${renderCertificateMetrics("vault", "{{ .Data.expiration }}")}{{ end }}`,
  };
}
