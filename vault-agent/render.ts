/**
 * Renders the files of Vault Agent from the templates of this directory, by Mustache. The output depends only on the
 * arguments; test/unit/vault-agent/render.test.ts asserts the exact text.
 */
import { join } from "node:path";
import { canonicalJson, type Json } from "../lib/canonical-json";
import { fillTemplate, inQuotes } from "../lib/templates";

/** How an agent logs in: by an AppRole, or by the token of its pod's service account. */
export type AgentLogin =
  | { roleIdFile: string; secretIdFile: string }
  | {
      /** The auth method's mount, the role there, and the file with the token. */
      kubernetes: { mount: string; role: string; tokenFile: string };
      /** Port of the pod at which the agent serves its metrics, at {@link AGENT_METRICS}, and nothing else. */
      metricsPort: number;
    };

interface AgentFiles {
  /** Vault as the agent reaches it. */
  vaultAddress: string;
  /** Namespace of the role and of the secret; default none. */
  namespace?: string;
  /** PEM file with the authorities that sign Vault's certificate; default the public ones. */
  caFile?: string;
  templateFile: string;
  /** File that the service reads. */
  configFile: string;
  /** Script run whenever the rendered file has changed; default none. */
  reloadCommand?: string;
  /** How often the agent asks Vault for a newer secret, in seconds. */
  renderInterval: number;
  /** How long the reload command may take in all, in seconds. */
  reloadDeadline: number;
  /**
   * Unix socket at which the agent forwards requests to Vault with its own token, and who owns it: the agent's user, and
   * the group that may connect. Default: there is none.
   */
  socket?: { path: string; user: number; group: number };
}

export type AgentConfig = AgentFiles & AgentLogin;

/**
 * Where the agent forwards requests to Vault with its own token; only for its own container, above all
 * components/host/look.sh.
 */
export const AGENT_LISTENER = "127.0.0.1:8100";

/** Where an agent in a pod serves its metrics; without the query they are not in Prometheus' format. */
export const AGENT_METRICS = { path: "/agent/v1/metrics", format: "prometheus" } as const;

/** What {@link base} needs of an agent. */
export type AgentBase = Pick<AgentFiles, "vaultAddress" | "namespace" | "caFile"> & AgentLogin;

/** The values of base.hcl. */
export const base = (agent: AgentBase) => {
  const { vaultAddress, namespace, caFile } = agent;
  return {
    ...{ vaultAddress, namespace: namespace ?? false, caFile: caFile ?? false },
    ...("kubernetes" in agent
      ? { appRole: false, kubernetes: agent.kubernetes, listener: false, metricsPort: agent.metricsPort }
      : {
          appRole: { roleIdFile: agent.roleIdFile, secretIdFile: agent.secretIdFile },
          kubernetes: false,
          listener: AGENT_LISTENER,
          metricsPort: false,
        }),
  };
};

/** Fills in a template of this directory, in which every value is in quotes. */
export const fillIn = (file: string, values: object): string => fillTemplate(join(__dirname, file), values, inQuotes);

export function renderAgentConfig(config: AgentConfig): string {
  return fillIn("agent.hcl", {
    ...config,
    ...base(config),
    socket: config.socket ?? false,
    reloadCommand: config.reloadCommand ?? false,
    reloadTimeout: config.reloadDeadline + 5,
  });
}

/**
 * The template of the service's configuration file.
 *
 * @param credentialsPath where Vault creates `database.user` and `database.password`; default: they are in the secret
 */
export function renderTemplate(secretPath: string, credentialsPath?: string): string {
  return credentialsPath === undefined
    ? fillIn("config.ctmpl", { secretPath })
    : fillIn("config-with-login.ctmpl", { secretPath, credentialsPath });
}

/** Lines of the rendered file that contain the login that Vault created, as an extended regular expression. */
export const MADE_BY_VAULT = '^ {4}"(password|user)": ';

/**
 * The file that the template of {@link renderTemplate} renders from a secret: Go's JSON, with sorted keys and its
 * escapes.
 *
 * @param leftOut lines to leave out; the text is then not JSON, but good for a digest
 */
export function renderedSecret(data: unknown, leftOut?: string): string {
  // Through JSON once: drops undefined members, as sending it to Vault does.
  const text = canonicalJson(JSON.parse(JSON.stringify(data)) as Json, 2);
  const lines = text.split("\n").filter((line) => leftOut === undefined || !new RegExp(leftOut).test(line));
  return `${lines.join("\n")}\n`;
}
