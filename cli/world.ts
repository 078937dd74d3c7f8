import type { Client } from "pg";
import { exec, type ExecResult } from "../ci/lib/exec";
import { conceal } from "../ci/lib/secrets";
import type { StackOutputs } from "../ci/lib/stack";
import { adminClient } from "../components/database/admin-client";
import { askHost } from "../components/vm/ask-host";
import { remoteShell } from "../lib/remote-shell";
import type { Values } from "../config";
import { KEYS } from "../config/keys";
import { parseValues, withEnvironment } from "../config/parse";
import { nameArguments } from "../lib/argument-names";
import { PrometheusApi } from "../lib/prometheus-api";
import { VaultClient } from "../lib/vault/client";
import { CommandError, messageOf } from "./errors";
import { concealLogins, grafanaHeaders } from "./logins";
import { findProject, settingsInFile, type Env, type Project } from "./project";
import { stateUnread } from "./state-problem";

export interface WorldOptions {
  /**
   * Where the settings come from: `pulumi` asks the CLI, which needs a login to the state; `file` reads the stack's
   * file, and asks the CLI only if something in it is encrypted. Default: pulumi.
   */
  readonly settings?: "pulumi" | "file";
}

/** Stands for AUDIT_REGISTRY_PASSWORD if it is not set: a deploy needs it and asks for it itself, other commands do not. */
export const NOT_GIVEN = "not given";

/** @throws CommandError or ConfigError, which say what is missing or wrong and the cure */
export async function openWorld(
  { env, cwd, stack }: { env: Env; cwd: string; stack?: string },
  { settings = "pulumi" }: WorldOptions = {},
): Promise<World> {
  nameArguments(KEYS);
  concealLogins(env);
  const project = findProject(cwd, env, stack);
  const inFile = settings === "file" ? settingsInFile(project) : undefined;
  const texts = inFile?.encrypted.length === 0 ? inFile.texts : await settingsByPulumi(project, env);
  const all = withEnvironment(texts, env);
  const password = "audit:registryPassword";
  const lacks = Boolean(all["audit:registryUsername"]) && !all[password];
  return new World(project, env, parseValues(lacks ? { ...all, [password]: NOT_GIVEN } : all));
}

/**
 * What a command talks to: a stack's settings, its outputs, and the servers and machines that the settings name, with
 * the logins that a deploy takes from the environment. Nothing is asked before it is needed.
 */
export class World {
  constructor(
    readonly project: Project,
    readonly env: Env,
    /** Every setting by its key, validated. */
    readonly values: Values,
  ) {}

  get stack(): string {
    return this.project.stack;
  }

  /** Runs the Pulumi CLI on this stack and says nothing. It does not throw for another exit code than 0. */
  pulumi(args: readonly string[], echo?: (line: string) => void): Promise<ExecResult> {
    return runPulumi(this.project, this.env, args, echo);
  }

  /** Outputs of the last deploy; empty before the first. */
  async outputs(): Promise<StackOutputs> {
    const { code, stdout, all } = await this.pulumi(["stack", "output", "--json"]);
    if (code !== 0) throw stateUnread(`the outputs of stack ${this.stack}`, all);
    return JSON.parse(stdout) as StackOutputs;
  }

  /** The command that runs a shell line on the VM, for `sh -c "$command <quoted line>"`. */
  get hostShell(): string {
    const { hostAddress, hostSshOptions } = this.values;
    if (hostAddress === undefined)
      throw new CommandError(`stack ${this.stack} runs on a cluster; this command is for a VM (audit:hostAddress)`);
    return remoteShell(hostAddress, hostSshOptions);
  }

  /** Runs a shell line on the VM. @returns what it printed @throws CommandError with what it printed on stderr */
  onHost(script: string): Promise<string> {
    return askHost(this.hostShell, script).catch((error: unknown) => {
      throw new CommandError(
        `the VM at ${this.values.hostAddress ?? ""} (audit:hostAddress) says: ${messageOf(error).split("\n").join("; ")}`,
      );
    });
  }

  /** @param login default: VAULT_TOKEN; none for what needs no login */
  vault(login: "token" | "none" = "token"): VaultClient {
    const { vaultAddress: address, vaultNamespace: namespace } = this.values;
    if (login === "none") return new VaultClient({ address, namespace });
    return new VaultClient({
      ...{ address, namespace },
      token: this.login("VAULT_TOKEN", "log in to Vault, for example with `vault login`, and export the token"),
    });
  }

  prometheus(): PrometheusApi {
    return new PrometheusApi(this.values.prometheusUrl, this.env);
  }

  /** Asks Grafana's API. */
  grafana(path: string): Promise<Response> {
    return fetch(`${this.values.grafanaUrl}${path}`, {
      headers: grafanaHeaders(this.env),
      signal: AbortSignal.timeout(10_000),
    });
  }

  /** A client of PostgreSQL that is not connected yet, with the deployer's login; `end()` it. */
  database(database?: string): Promise<Client> {
    const { values } = this;
    const password = this.login("PGPASSWORD", `export the password of ${values.databaseAdminUser}`);
    const admin = {
      host: values.databaseAdminHost ?? values.databaseHost,
      port: values.databaseAdminPort || values.databasePort,
      ...{ username: values.databaseAdminUser, sslmode: values.databaseSslMode },
    };
    return adminClient(admin, password, values.caFile, database);
  }

  /** The token of a holder, such as `reader` or `writer-billing`, from Vault. */
  async token(holder: string): Promise<string> {
    const { vaultMount, vaultPath } = this.values;
    const path = `${vaultPath}-tokens/${holder}`;
    const secret = (await this.vault().request("GET", `${vaultMount}/data/${path}`)) as
      { data: { data: { token?: string } | null } } | undefined;
    const token = secret?.data.data?.token;
    if (token === undefined)
      throw new CommandError(
        `Vault has no token at ${vaultMount}/${path}; a deploy writes those of audit:applications`,
      );
    conceal(token);
    return token;
  }

  /** A login of the environment. @throws CommandError naming the variable and the cure */
  login(name: string, cure: string): string {
    const value = this.env[name]?.trim();
    if (!value) throw new CommandError(`${name} is not set; ${cure} (in the sandbox: eval "$(make -s env)")`);
    return value;
  }
}

async function settingsByPulumi(project: Project, env: Env): Promise<Record<string, string>> {
  const { code, stdout, all } = await runPulumi(project, env, ["config", "--json", "--show-secrets"]);
  if (code !== 0) throw stateUnread(`the settings of stack ${project.stack}`, all);
  const found = JSON.parse(stdout) as Record<string, { value?: string; secret?: boolean }>;
  for (const { value, secret } of Object.values(found)) if (secret) conceal(value);
  return Object.fromEntries(Object.entries(found).map(([key, { value = "" }]) => [key, value]));
}

function runPulumi(project: Project, env: Env, args: readonly string[], echo?: (line: string) => void) {
  return exec("pulumi", [...args, "--stack", project.stack, "--non-interactive", "--color", "never"], {
    cwd: project.directory,
    env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_OPTION_CONFIG_FILE: project.file },
    echo,
  }).catch((error: unknown) => {
    if (!messageOf(error).includes("ENOENT")) throw error;
    throw new CommandError(
      "the program pulumi is not in PATH; install Pulumi's CLI (https://www.pulumi.com/docs/install/), in the version that versions.json names",
    );
  });
}
