/** Renders the files of Vault Agent. Pure: test/unit/vault-agent.test.ts asserts the exact output. */
import { canonicalJson, type Json } from "../components/canonical-json";
import { quote } from "../components/shell";

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

/** Where the agent passes requests on to Vault with its own token: for its own container alone. */
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

export interface Rendering {
  /** Name of the agent's container, and the file that it renders. */
  container: string;
  file: string;
  /** sha256 of the file wanted, in hex; of its lines but for those left out. */
  digest: string;
  /** Extended regular expression of lines that do not count; default none. */
  leftOut?: string;
  /** Seconds for the file to be rendered. */
  deadline: number;
}

/** Waits, on the host, until the file is the one wanted. The agent may be started again meanwhile. */
export function renderedScript({ container, file, digest, leftOut, deadline }: Rendering): string {
  const sum = leftOut === undefined ? `sha256sum ${file}` : `grep -v -E '${leftOut}' ${file} | sha256sum`;
  return [
    `end=$(( $(date +%s) + ${deadline} ))`,
    `until [ "$(docker exec ${container} sh -c ${quote(sum)} 2> /dev/null | cut -d " " -f 1)" = ${digest} ]; do`,
    `  if [ "$(date +%s)" -ge "$end" ]; then echo "the agent has not rendered the secret of this deploy within ${deadline} s; its last lines:" >&2; docker logs --tail 20 ${container} >&2; exit 1; fi`,
    "  sleep 0.2",
    "done",
  ].join("\n");
}

export interface ReloadTarget {
  /** Name in messages. */
  name: string;
  /** Address of `POST /reload`. */
  url: string;
}

export interface ReloadScript {
  configFile: string;
  /** File whose presence says that the second group serves. */
  flagFile: string;
  /** Replicas of the group that serves without the flag file, and with it. */
  first: readonly ReloadTarget[];
  second: readonly ReloadTarget[];
  /** Seconds until a replica that has not confirmed counts as failed. */
  deadline: number;
  /** File that tells the health check of the agent how the last reload ended. */
  resultFile: string;
}

/**
 * The template's command. A command that fails is not run again until the content changes, so it must itself insist:
 * each replica of the slot that serves is asked until it answers 2xx with the digest of the file that was rendered. An image that
 * says no digest is taken at its word: 2xx means that the new configuration is in force (audit-svc/CONTRACT.md).
 */
export function renderReloadScript(script: ReloadScript): string {
  const targets = (list: readonly ReloadTarget[]) => list.map((t) => `${t.name}=${t.url}`).join(" ");
  return `#!/bin/sh
# Written by the SecretsBinding component. Asks every serving replica to read its configuration again.
set -u
digest=$(sha256sum ${script.configFile} | cut -d ' ' -f 1)
if [ -f ${script.flagFile} ]; then
  targets="${targets(script.second)}"
else
  targets="${targets(script.first)}"
fi
# 2xx, and the right digest if one is told.
confirms() {
  answer=$(wget -q -T 3 -O - --post-data "" "$1" 2>/dev/null) || return 1
  case "$answer" in
    *"$digest"*) return 0 ;;
    *'"digest"'*) return 1 ;;
  esac
}
end=$(( $(date +%s) + ${script.deadline} ))
missing=""
for target in $targets; do
  name=\${target%%=*}
  url=\${target#*=}
  until confirms "$url"; do
    if [ "$(date +%s)" -ge "$end" ]; then
      missing="$missing $name"
      break
    fi
    sleep 0.5
  done
done
if [ -n "$missing" ]; then
  echo "reload: not confirmed by:$missing (wanted configuration digest $digest)" >&2
  echo "failed $digest$missing" > ${script.resultFile}
  exit 1
fi
echo "confirmed $digest" > ${script.resultFile}
`;
}
