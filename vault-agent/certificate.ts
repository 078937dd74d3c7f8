import { isIP } from "node:net";
import { base, fillIn, type AgentBase } from "./render";

/** Renders the files of the Vault Agent that renews the edge's certificate. Pure. */
export interface CertificateAgent extends AgentBase {
  /** Directories of the templates and of what is rendered from them. */
  templates: string;
  directory: string;
  /** Mount of Vault's PKI, its role, the host name or address to certify, and the certificate's life, for example "72h". */
  mount: string;
  role: string;
  serverName: string;
  ttl: string;
}

/** File with the certificate, its chain and its key: one file, so that they always match. */
export const CERTIFICATE_FILE = "edge.pem";
/** File with the certificate's expiry, in Prometheus' text format. */
export const CERTIFICATE_METRICS = "certificate.prom";

export const renderCertificateMetrics = (source: string, end: string | number): string =>
  fillIn("certificate.prom", { source, end });

/** The agent's configuration and its two templates. */
export function renderCertificateAgent(agent: CertificateAgent): Record<string, string> {
  const { mount, role, serverName, ttl, directory, templates } = agent;
  // Vault would treat an address in common_name as a host name and certify it as one, which no client accepts.
  const subject = isIP(serverName) === 0 ? "common_name" : "ip_sans";
  const issue = { mount, role, subject, serverName, ttl };
  const files = { "certificate.ctmpl": CERTIFICATE_FILE, "metrics.ctmpl": CERTIFICATE_METRICS };
  return {
    "agent.hcl": fillIn("certificate-agent.hcl", {
      ...base(agent),
      templates: Object.entries(files).map(([source, destination]) => ({
        source: `${templates}/${source}`,
        destination: `${directory}/${destination}`,
      })),
    }),
    "certificate.ctmpl": fillIn("certificate.ctmpl", issue),
    "metrics.ctmpl": fillIn("metrics.ctmpl", { ...issue, source: "vault", end: "{{ .Data.expiration }}" }),
  };
}
