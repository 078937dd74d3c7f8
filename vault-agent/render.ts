/** Renders the files of Vault Agent. Pure: test/unit/vault-agent.test.ts asserts the exact output. */
import { canonicalJson, type Json } from "../components/canonical-json";

export interface AgentConfig {
  /** Vault as the VM reaches it. */
  vaultAddress: string;
  /** Namespace of the role and of the secret; default none. */
  namespace?: string;
  /** PEM file with the authorities that sign Vault's certificate; default the public ones. */
  caFile?: string;
  roleIdFile: string;
  secretIdFile: string;
  templateFile: string;
  /** File that the service reads. */
  configFile: string;
  /** Script run whenever the rendered file has changed. */
  reloadCommand: string;
  /** How often Vault is asked for a newer secret, in seconds. */
  renderInterval: number;
  /** How long the reload command may take in all, in seconds. */
  reloadDeadline: number;
}

/** Where the agent passes requests on to Vault with its own token: for its own container alone, above all components/host/look.sh. */
export const AGENT_LISTENER = "127.0.0.1:8100";

/** Each question about the token would be three lines of a lower level; what an agent does well is in its metrics. */
export const AGENT_LOG = `log_format = "json"
log_level  = "warn"
`;

export const hcl = (text: string): string => JSON.stringify(text);

/** The part of an agent's configuration that says where Vault is and how to log in. */
export function agentBase(
  config: Pick<AgentConfig, "vaultAddress" | "namespace" | "caFile" | "roleIdFile" | "secretIdFile">,
): string {
  const namespace = config.namespace === undefined ? "" : `\n  namespace = ${hcl(config.namespace)}`;
  const ca = config.caFile === undefined ? "" : `\n  ca_cert = ${hcl(config.caFile)}`;
  return `# Written by the program; changes made here are overwritten by the next deploy.
vault {
  address = ${hcl(config.vaultAddress)}${namespace}${ca}
  retry {
    # As good as for ever. -1 would be never: then every failure starts all templates anew, after a pause that only grows.
    num_retries = 1000000
  }
}

auto_auth {
  method "approle" {
    # Between attempts to log in, and between those to read a secret; the default is five minutes.
    max_backoff = "10s"
    config = {
      role_id_file_path                   = ${hcl(config.roleIdFile)}
      secret_id_file_path                 = ${hcl(config.secretIdFile)}
      # The default removes the file, and an agent that restarts could not log in again.
      remove_secret_id_file_after_reading = false
    }
  }
}

# By this scripts in the container ask Vault about the agent's token, which so stands in no file and no argument.
api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address                = ${hcl(AGENT_LISTENER)}
  tls_disable            = true
  require_request_header = true
}
`;
}

export function renderAgentConfig(config: AgentConfig): string {
  return `${agentBase(config)}
template_config {
  # KV secrets have no lease; this is how often they are read again (default 5 minutes).
  static_secret_render_interval = "${config.renderInterval}s"
  exit_on_retry_failure         = false
}

template {
  source               = ${hcl(config.templateFile)}
  destination          = ${hcl(config.configFile)}
  perms                = "0440"
  error_on_missing_key = true
  exec {
    command = ["/bin/sh", ${hcl(config.reloadCommand)}]
    timeout = "${config.reloadDeadline + 5}s"
  }
}

${AGENT_LOG}`;
}

/**
 * The service's configuration file is the secret itself, as JSON.
 *
 * @param credentialsPath where Vault makes `database.user` and `database.password`; default: they are in the secret
 */
export function renderTemplate(secretPath: string, credentialsPath?: string): string {
  const secret = `{{ with secret ${hcl(secretPath)} }}`;
  if (credentialsPath === undefined) return `${secret}{{ .Data.data | toJSONPretty }}{{ end }}\n`;
  // What comes first in a merge wins.
  return `${secret}{{ $config := .Data.data }}{{ with secret ${hcl(credentialsPath)} }}\
{{ $login := sprig_dict "user" .Data.username "password" .Data.password }}\
{{ $database := sprig_merge $login $config.database }}\
{{ sprig_merge (sprig_dict "database" $database) $config | toJSONPretty }}{{ end }}{{ end }}\n`;
}

/** Lines of the rendered file that hold what Vault has made, as an extended regular expression. */
export const MADE_BY_VAULT = '^ {4}"(password|user)": ';

/**
 * The file that {@link renderTemplate} makes of a secret: Go's JSON, with sorted keys and its escapes.
 *
 * @param leftOut which lines are left out; the text is then no JSON, but good for a digest
 */
export function renderedSecret(data: unknown, leftOut?: string): string {
  // Through JSON once: drops undefined members, as sending it to Vault does.
  const text = canonicalJson(JSON.parse(JSON.stringify(data)) as Json, 2);
  const lines = text.split("\n").filter((line) => leftOut === undefined || !new RegExp(leftOut).test(line));
  return `${lines.join("\n")}\n`;
}
