import { randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { parse, stringify } from "yaml";
import { placeOf, type Credentials } from "./credentials";
import { ROOT, type Exec, type ExecResult } from "./exec";
import { Failure, type Job } from "./failure";
import { adopted, changesOf, withoutSecrets, type Plan, type Resource, type State } from "./placeholders";
import { pluginEnvironment } from "./plugins";
import type { ReleaseSettings } from "../../lib/release-state";
import { configFlags, failed, stackName } from "./stack";
import { stackFile } from "./stack-file";

/** Variables that a preview gets from the job; others might make its result differ between jobs. */
const PASSED =
  /^(PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|PULUMI_HOME|NODE_\w+|SSL_CERT_\w+|(https?|no|all)_proxy|VAULT_NAMESPACE)$/i;

/** Plugins and program require these to be set; the values open nothing. */
const NO_LOGINS = {
  VAULT_TOKEN: "no-login-of-a-preview",
  PGPASSWORD: "no-login-of-a-preview",
  GRAFANA_HTTP_HEADERS: '{"Authorization":"no-login-of-a-preview"}',
  AUDIT_REGISTRY_PASSWORD: "no-login-of-a-preview",
  // Otherwise it would be the runner's own.
  KUBECONFIG: "/dev/null",
};

/** The copy of the stack's state that previews run on, as it is published. */
export interface Published {
  readonly state: State;
  /** Record of the deploy that made it. */
  readonly deploy: string;
  /** The version of each of the service's secrets in Vault at that time, by mount and path. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * A separate stack in a temporary directory: its state has placeholders for secrets, its backend is that directory, its
 * passphrase is random, and its only logins are those passed to it. Without any, even an unreviewed program may be
 * previewed on it.
 */
export class CopiedStack {
  readonly name: string;
  readonly #env: Record<string, string | undefined>;
  readonly #settings: string;
  readonly #project: string;

  private constructor(
    job: Job,
    private readonly exec: Exec,
    private readonly root: string,
    private readonly dir: string,
    logins: Readonly<Record<string, string>>,
  ) {
    this.name = stackName(job);
    this.#project = join(dir, "project");
    this.#settings = join(this.#project, `Pulumi.${this.name}.yaml`);
    this.#env = {
      ...Object.fromEntries(Object.entries(job.env).filter(([key]) => PASSED.test(key))),
      ...NO_LOGINS,
      ...logins,
      PULUMI_BACKEND_URL: `file://${join(dir, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      ...pluginEnvironment(root),
    };
  }

  /** @param logins variables that override {@link NO_LOGINS} and {@link PASSED} */
  static async with<T>(
    job: Job,
    exec: Exec,
    work: (stack: CopiedStack) => Promise<T>,
    root = ROOT,
    logins: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const dir = mkdtempSync(join(tmpdir(), "preview-"));
    try {
      const stack = new CopiedStack(job, exec, root, dir, logins);
      await stack.#make();
      return await work(stack);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  async #make(): Promise<void> {
    mkdirSync(join(this.dir, "state"));
    mkdirSync(this.#project);
    cpSync(join(this.root, "Pulumi.yaml"), join(this.#project, "Pulumi.yaml"));
    const own = join(this.root, `Pulumi.${this.name}.yaml`);
    writeFileSync(this.#settings, settingsWithoutSecrets(existsSync(own) ? readFileSync(own, "utf8") : ""));
    await this.#must("make the preview's stack", ["stack", "init", this.name, "--secrets-provider", "passphrase", "--no-select"]); // prettier-ignore
  }

  /** A setting from the stack's file; undefined if it is not set. */
  setting(key: string): string | undefined {
    return stackFile(this.#project, this.name)(key);
  }

  async load({ version, deployment }: State): Promise<void> {
    const { encryptionsalt: salt } = parse(readFileSync(this.#settings, "utf8")) as { encryptionsalt?: string };
    const file = join(this.dir, "copy.json");
    const secrets_providers = { type: "passphrase", state: { salt: salt ?? "" } };
    writeFileSync(file, JSON.stringify({ version, deployment: { ...deployment, secrets_providers } }));
    await this.#must("load the copy of the state", ["stack", "import", "--stack", this.name, "--file", file]);
  }

  /** @param options as of `pulumi preview` */
  preview(options: readonly string[], settings: Partial<ReleaseSettings>, echo?: Job["say"]): Promise<ExecResult> {
    const args = ["preview", ...options, "--suppress-progress", ...configFlags(settings)];
    const all = [
      ...args,
      "--config-file",
      this.#settings,
      "--stack",
      this.name,
      "--non-interactive",
      "--color",
      "never",
    ];
    return this.exec("pulumi", all, { env: this.#env, echo, cwd: this.root });
  }

  /** The program's plan: resources that it would change compared with the copy. */
  async plan(settings: Partial<ReleaseSettings>): Promise<Plan> {
    const file = join(this.dir, "plan.json");
    const result = await this.preview(["--save-plan", file, "--show-secrets"], settings);
    if (result.code !== 0) throw failed("preview the copy of the state", result.all);
    return JSON.parse(readFileSync(file, "utf8")) as Plan;
  }

  async #must(what: string, args: readonly string[]): Promise<void> {
    const result = await this.exec("pulumi", ["-C", this.#project, ...args, "--non-interactive", "--color", "never"], { env: this.#env }); // prettier-ignore
    if (result.code !== 0) throw failed(what, result.all);
  }
}

/** A stack's file without its encrypted values, so that nobody needs to decrypt them. */
export function settingsWithoutSecrets(text: string): string {
  const hide = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(hide);
    if (value === null || typeof value !== "object") return value;
    if ("secure" in value) return "placeholder";
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, hide(inner)]));
  };
  const { config = {} } = (parse(text) ?? {}) as { config?: object };
  return stringify({ config: hide(config) });
}

/**
 * Maximum number of previews until nothing changes any more; each resolves one more step in a chain of dependent
 * resources.
 */
const ROUNDS = 8;

/**
 * Makes the copy that previews run on, in the deploy job, which has just deployed this very program. So any change that
 * its preview on the copy shows comes only from the placeholders; it is adopted into the copy until no change is left.
 *
 * @param state as `pulumi stack export --show-secrets` prints it
 * @param settings the settings with which the release was deployed
 */
export function makeCopy(job: Job, exec: Exec, state: State, settings: ReleaseSettings, root = ROOT): Promise<State> {
  return CopiedStack.with(
    job,
    exec,
    async (stack) => {
      let copy = withoutSecrets(state);
      for (let round = 0; round < ROUNDS; round += 1) {
        await stack.load(copy);
        const plan = await stack.plan(settings);
        const next = adopted(copy, plan);
        if (next === undefined) {
          const left = changesOf(plan);
          if (left.length > 0)
            job.say(`warning: each preview will show ${left.join(", ")}, which comes from the copy alone`);
          return copy;
        }
        copy = next;
      }
      throw new Failure(`a preview on the copy of the state still shows changes after ${ROUNDS} rounds`);
    },
    root,
  );
}

/** The copy's place in Vault: every preview may read it, only a deploy may write it. */
const copyPath = (job: Job): { mount: string; path: string } => placeOf(job.env, `state-copy/${stackName(job)}`);

/** The stack's secrets in Vault: the copy does not contain them, and the job drift may not read them. */
export const secretsIn = (state: State): Resource[] =>
  (state.deployment.resources ?? []).filter(({ type }) => type === "vault:kv/secretV2:SecretV2");

/** The secrets of a cluster; the copy has placeholders for them, too. */
export const secretsOnCluster = (state: State): Resource[] =>
  (state.deployment.resources ?? []).filter(({ type }) => type === "kubernetes:core/v1:Secret");

/** A secret's metadata, for which no right to read the secret is needed. */
interface Metadata {
  current_version?: number;
  versions?: Record<string, { created_time?: string; deletion_time?: string; destroyed?: boolean }>;
}

/**
 * The newest version of each, by mount and path, with its time, because the versions of a secret that is deleted and
 * recreated start at 1 again.
 */
export async function versionsOf(state: State, { vault }: Credentials): Promise<Record<string, string>> {
  const asked = secretsIn(state).map(async ({ outputs = {} }) => {
    const { mount, name } = outputs as { mount?: string; name?: string };
    const { current_version: number, versions = {} } = ((await vault.read(`${mount}/metadata/${name}`)) ??
      {}) as Metadata;
    const newest = versions[String(number)];
    const gone = newest === undefined || newest.destroyed === true || (newest.deletion_time ?? "") !== "";
    return [`${mount}/${name}`, gone ? "gone" : `at version ${number} of ${newest.created_time}`] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

/**
 * Publishes the copy, compressed, because Vault limits a secret to about a megabyte.
 *
 * @returns the stored size in bytes
 */
export async function publishCopy(
  job: Job,
  { vault }: Credentials,
  { state, deploy, versions }: Published,
): Promise<number> {
  const { mount, path } = copyPath(job);
  const packed = gzipSync(JSON.stringify(state), { level: 9 }).toString("base64");
  await vault.write(`${mount}/data/${path}`, { data: { state: packed, deploy, versions } });
  return packed.length;
}

/** @returns undefined if no deploy has published one yet */
export async function publishedCopy(job: Job, { vault }: Pick<Credentials, "vault">): Promise<Published | undefined> {
  const { mount, path } = copyPath(job);
  const found = await vault.readSecret(mount, path);
  if (found === undefined) return undefined;
  try {
    const text = gunzipSync(Buffer.from(String(found.state), "base64")).toString();
    const versions = (found.versions ?? {}) as Published["versions"];
    return { state: JSON.parse(text) as State, deploy: String(found.deploy), versions };
  } catch {
    throw new Failure(`the copy of the state in Vault's ${mount}/${path} cannot be read; the next deploy replaces it`);
  }
}
