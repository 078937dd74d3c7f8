import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { compression, verifiedBackend } from "./backend";
import { demand, obtainCredentials, type Credentials } from "./credentials";
import { ROOT, type Exec, type ExecResult } from "./exec";
import { imageByDigest } from "../../lib/image-reference";
import type { ReleaseState } from "../../lib/release-state";
import { Failure, oneLine, optional, type Job } from "./failure";
import type { Update } from "./order";
import type { State } from "./placeholders";
import { pluginEnvironment } from "./plugins";
import type { ReleaseSettings } from "../../lib/release-state";
import { conceal } from "./secrets";
import { openSession } from "./session";
import type { SshSession } from "./ssh";
import { stackFile } from "./stack-file";
import type { VaultSession } from "./vault";

/** The stack's outputs; see index.ts. */
export interface StackOutputs {
  serviceUrl?: string;
  dashboardUrl?: string;
  nginxDashboardUrl?: string;
  image?: string;
  release?: string;
  releases?: ReleaseState;
}

/** The holder of the state's lock, from the CLI's message. */
export interface LockOwner {
  readonly text: string;
  readonly host: string;
  readonly pid: number;
}

/** As `pulumi config --json` prints it. */
type Settings = Readonly<Record<string, { value?: string } | undefined>>;

/** The stack that a job works on: AUDIT_STACK, default vm2. */
export const stackName = (job: Job): string => optional(job.env, "AUDIT_STACK") ?? "vm2";

/** The Pulumi CLI on the stack of AUDIT_STACK (default vm2), with the job's credentials in its environment. */
export class Stack {
  readonly name: string;
  readonly credentials: Credentials;
  readonly #env: Record<string, string | undefined>;
  readonly #close: () => Promise<void>;
  #settings: Promise<Settings> | undefined;

  private constructor(
    private readonly job: Job,
    private readonly exec: Exec,
    credentials: Credentials,
    session: SshSession,
  ) {
    this.name = stackName(job);
    this.credentials = credentials;
    const { vault, values } = credentials;
    this.#env = {
      ...job.env,
      // A stack on a VM does not need it.
      KUBECONFIG: undefined,
      ...session.env,
      PULUMI_BACKEND_URL: verifiedBackend(values.PULUMI_BACKEND_URL ?? ""),
      ...compression(job.env),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      ...pluginEnvironment(),
      PGPASSWORD: values.PGPASSWORD,
      // Not GRAFANA_AUTH: the plugin would store it in the state (docs/decisions/0125).
      GRAFANA_AUTH: undefined,
      GRAFANA_HTTP_HEADERS: grafanaHeaders(values.GRAFANA_AUTH),
      AUDIT_REGISTRY_PASSWORD: values.AUDIT_REGISTRY_PASSWORD,
      AUDIT_PROMETHEUS_USERNAME: values.AUDIT_PROMETHEUS_USERNAME,
      AUDIT_PROMETHEUS_PASSWORD: values.AUDIT_PROMETHEUS_PASSWORD,
      AUDIT_PROMETHEUS_TOKEN: values.AUDIT_PROMETHEUS_TOKEN,
      ...vaultLogin(vault),
      VAULT_NAMESPACE: optional(job.env, "VAULT_NAMESPACE"),
      VAULT_SERVER_URL: vault.address,
      VAULT_SERVER_TOKEN: vault.token,
      // The program does not need these, so its plugins and scripts must not get them either.
      VAULT_ID_TOKEN: undefined,
      HARBOR_PASSWORD: undefined,
      GITLAB_TOKEN: undefined,
      CI_JOB_TOKEN: undefined,
      SSH_PRIVATE_KEY: undefined,
    };
    this.#close = async () => {
      await session.close();
      await vault.close();
    };
  }

  /** Logs in, does the work, and always logs out again. */
  static async with(job: Job, exec: Exec, work: (stack: Stack) => Promise<void>, root = ROOT): Promise<void> {
    const credentials = await obtainCredentials(job, "deploy");
    let stack: Stack;
    try {
      demand(credentials, "PULUMI_BACKEND_URL", "PGPASSWORD", "GRAFANA_AUTH");
      const session = await openSession(job, credentials, exec, stackFile(root, stackName(job)));
      stack = new Stack(job, exec, credentials, session);
    } catch (error) {
      await credentials.vault.close();
      throw error;
    }
    try {
      await work(stack);
    } finally {
      await stack.#close();
    }
  }

  /** Runs the CLI; its output goes to the log unless `quiet`. */
  run(args: readonly string[], options: { quiet?: boolean } = {}): Promise<ExecResult> {
    const all = [...args, "--stack", this.name, "--non-interactive", "--color", "never"];
    return this.exec("pulumi", all, { env: this.#env, echo: options.quiet ? undefined : this.job.say });
  }

  /** Runs the command `audit` on this stack, with its output in the log. @returns its exit code */
  async audit(args: readonly string[]): Promise<number> {
    const all = [join(ROOT, "cli/audit.mjs"), ...args, "--stack", this.name];
    return (await this.exec(process.execPath, all, { env: this.#env, echo: this.job.say })).code;
  }

  /**
   * Outputs of the last deploy; empty before the first.
   *
   * @throws Failure if they cannot be read, for example because the stack does not exist
   */
  async outputs(): Promise<StackOutputs> {
    const result = await this.run(["stack", "output", "--json"], { quiet: true });
    if (result.code !== 0) throw failed(`read stack ${this.name}`, result.all);
    return JSON.parse(result.stdout) as StackOutputs;
  }

  /** The whole state with its secrets in plain text: never print it or write it to a file. */
  async export(): Promise<State> {
    const result = await this.run(["stack", "export", "--show-secrets"], { quiet: true });
    if (result.code !== 0) throw failed(`export the state of stack ${this.name}`, result.all);
    return JSON.parse(result.stdout) as State;
  }

  /** Its last updates, newest first. */
  async history(): Promise<Update[]> {
    const result = await this.run(["stack", "history", "--json", "--page-size", "50"], { quiet: true });
    if (result.code !== 0) throw failed(`read the history of stack ${this.name}`, result.all);
    return JSON.parse(result.stdout) as Update[];
  }

  /**
   * A value of the stack's configuration, lists as JSON; undefined if it is not set.
   *
   * @throws Failure if it is encrypted
   */
  async config(key: string): Promise<string | undefined> {
    this.#settings ??= this.#readSettings();
    const setting = (await this.#settings)[key];
    if (setting !== undefined && setting.value === undefined)
      throw new Failure(
        `${key} of stack ${this.name} is encrypted, and a job needs to read it: set it again without --secret`,
      );
    return setting?.value;
  }

  async #readSettings(): Promise<Settings> {
    const result = await this.run(["config", "--json"], { quiet: true });
    if (result.code !== 0) throw failed(`read the settings of stack ${this.name}`, result.all);
    return JSON.parse(result.stdout) as Settings;
  }

  /**
   * Asks the VM's Docker Engine for its version. A deploy that cannot reach the VM must not begin, because it would
   * change Vault and PostgreSQL but not the VM. A cluster is asked by the program, before it changes anything.
   *
   * @throws Failure naming the address and what ssh printed, or audit:hostSshOptions if ssh could not be given that
   */
  async checkHost(): Promise<void> {
    const address = (await this.config("audit:hostAddress")) ?? "";
    if (!address.startsWith("ssh://")) return;
    const options = sshOptions(await this.config("audit:hostSshOptions"));
    const args = [...options, "--", address, "docker version --format '{{.Server.Version}}'"];
    const result = await this.exec("ssh", args, { env: this.#env });
    if (result.code === 0) return;
    const reason = oneLine(result.all) || `ssh ended with ${result.code}`;
    throw new Failure(`the VM at ${address} (audit:hostAddress) cannot be reached, so nothing was changed: ${reason}`);
  }

  /**
   * Deploys a release. A lock left behind by a process of this machine is released. Another machine's lock is released
   * only if LOCK_OWNER names its holder, so that nobody breaks a lock without checking.
   *
   * @throws Failure in one line; the CLI has already printed its own report
   */
  async up(settings: ReleaseSettings, message: string): Promise<void> {
    const args = [
      ...["up", "--yes", "--skip-preview", "--suppress-progress", "--message", message],
      ...configFlags(settings),
    ];
    let result = await this.run(args);
    const owner = result.code === 0 ? undefined : lockOwner(result.all);
    if (owner !== undefined) {
      const gone = owner.host === hostname() && !isAlive(owner.pid);
      if (!gone && optional(this.job.env, "LOCK_OWNER") !== owner.text) {
        throw new Failure(
          `stack ${this.name} is locked by ${owner.text}; if that run is over, run this job again with LOCK_OWNER set to "${owner.text}"`,
        );
      }
      this.job.say(`the lock of ${owner.text} is released: ${gone ? "its process is gone" : "LOCK_OWNER names it"}`);
      await this.run(["cancel", "--yes"]);
      result = await this.run(args);
    }
    if (result.code !== 0) throw failed(`deploy ${settings["audit:image"]}`, result.all);
  }
}

/** What audit:hostSshOptions says. The program checks it as well, but a job reads it before the program runs. */
function sshOptions(text = "[]"): string[] {
  let options: unknown;
  try {
    options = JSON.parse(text);
  } catch {
    // Falls through: the parser's message would not name the setting.
  }
  if (Array.isArray(options) && options.every((option) => typeof option === "string")) return options;
  throw new Failure('audit:hostSshOptions must be a list such as ["-F", "ssh/config"]');
}

/** Environment for the vault CLI and the plugin. */
export const vaultLogin = ({ address, token }: VaultSession) => ({ VAULT_ADDR: address, VAULT_TOKEN: token });

/** The login of GRAFANA_AUTH, a token or `user:password`, as the header that the plugin sends. */
export function grafanaHeaders(auth = ""): string {
  const basic = Buffer.from(auth).toString("base64");
  conceal(basic);
  return JSON.stringify({ Authorization: auth.includes(":") ? `Basic ${basic}` : `Bearer ${auth}` });
}

/** Flags with settings for one run of the CLI, which override the stack's file. */
export const configFlags = (settings: Partial<ReleaseSettings>): string[] =>
  Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${value}`]);

/** The holder of the lock, if the lock made the CLI fail. */
export function lockOwner(output: string): LockOwner | undefined {
  if (!output.includes("currently locked by")) return undefined;
  const found = /created by (\S+@(\S+) \(pid (\d+)\))/.exec(output);
  if (found === null) return undefined;
  return { text: found[1] ?? "", host: found[2] ?? "", pid: Number(found[3]) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie: killed, but nobody has read its exit code. In a container without an init it stays one.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The CLI's failure in one line: its first error; the lines after it are only explanations. */
export function failed(what: string, output: string): Failure {
  const lines = output.split("\n").map((line) => line.trim());
  const at = lines.findIndex(
    (line) => line.startsWith("error: ") && !/^error: (update failed|preview failed|Running program)/.test(line),
  );
  const any = at >= 0 ? at : lines.findIndex((line) => line.startsWith("error: "));
  // A colon at the end means that a script's output follows on separate lines.
  let end = any + 2;
  while (end - any < 5 && lines[end - 1]?.endsWith(":")) end += 1;
  const words = (any < 0 ? lines.filter((line) => line !== "").slice(-1) : lines.slice(any, end)).filter(Boolean);
  return new Failure(`Pulumi could not ${what}: ${words.join(" ").replace(/^error: /, "") || "it printed nothing"}`);
}

/**
 * Checks that an image is given by digest, the only form that is deployed.
 *
 * @returns it in the program's normalized form
 */
export function checkImage(image: string): string {
  const read = imageByDigest(image);
  if (typeof read !== "string") return read.name;
  throw new Failure(`IMAGE ${read}; the image job writes it as host/project/name@sha256:…`);
}

/**
 * Allows only images from the stack's own repository. The registry password is sent to whatever host the image names,
 * and anybody who may start a pipeline can choose that name.
 *
 * @param own images of the stack, by digest: the one in its file, and those deployed
 * @throws Failure naming both places
 */
export function checkRepository(image: string, own: readonly (string | undefined)[]): void {
  const placeOfImage = (text: string): string => {
    const reference = imageByDigest(text);
    return typeof reference === "string" ? "" : `${reference.registry}/${reference.repository}`;
  };
  const places = [...new Set(own.filter((text) => text !== undefined).map(placeOfImage))].filter(Boolean);
  if (places.includes(placeOfImage(image))) return;
  throw new Failure(
    `IMAGE ${image} is not from the stack's repository, ${places.join(" or ") || "which audit:image does not name"}; set audit:image in the stack's file to an image of the one that is meant`,
  );
}
