import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { imageByDigest } from "../../../lib/image-reference";
import { Registry } from "../../../ci/lib/registry";
import { signatureTag, signImage, transitSigner, type Signer } from "../../../ci/lib/signature";
import { clusterStack } from "../../../sandbox/src/stack-file";
import { rootToken } from "./bootstrap";
import { idToken, type Pipeline as Claims } from "./id-token";
import { platform, platformSubnet, root, run, type Sandbox } from "./sandbox";

const call = promisify(execFile);
const state = (file: string): string => readFileSync(join(root, ".sandbox", file), "utf8");
export const onHere = { ...process.env, DOCKER_HOST: undefined };

/** A pipeline as GitLab would describe it to its jobs. */
export interface Kind {
  source: "merge_request_event" | "push" | "schedule" | "pipeline";
  tag?: string;
  protected: boolean;
  variables?: Record<string, string>;
  /** Claims that its ID token overrides. */
  claims?: Claims;
}

export const mergeRequest: Kind = { source: "merge_request_event", protected: false };
export const defaultBranch: Kind = { source: "push", protected: true };
export const tagged = (tag: string, variables: Record<string, string> = {}): Kind => ({
  source: "push",
  tag,
  protected: true,
  variables,
});
export const schedule = (name: "drift" | "rebuild" | "witness"): Kind => ({
  source: "schedule",
  protected: true,
  variables: { SCHEDULE: name },
});

export interface Result {
  code: number;
  /** Output of all jobs. */
  log: string;
  /** The last line of each failed job, which gives the reason; it begins with `error:`. */
  errors: string[];
  seconds: number;
}

/**
 * The real .gitlab-ci.yml, run by gitlab-ci-local with its shell executor against the sandbox: a repository made of the working
 * tree, with the stack's settings committed as Pulumi.sandbox.yaml, or Pulumi.cluster.yaml. Vault's logins are the ones that the
 * pipeline has in a real installation; the sandbox plays Harbor, VM2 or the cluster, PostgreSQL and the rest.
 */
export class Pipelines {
  readonly logs: string[] = [];
  readonly harbor: string;
  /** Directory for Buildah's layers, outside the jobs' directories and separate from the machine's own. */
  readonly #layers: string;

  private constructor(
    private readonly sandbox: Sandbox,
    readonly dir: string,
    private readonly node: string,
    private readonly path: string,
    private readonly signer: Signer | undefined,
  ) {
    this.harbor = `${addressOf("registry")}:5000`;
    this.#layers = `${dir}-layers`;
  }

  /** @param signed whether images are signed when published, and deployed only if signed */
  static async open(sandbox: Sandbox, { signed = false } = {}): Promise<Pipelines> {
    mkdirSync(join(root, "build"), { recursive: true });
    const dir = mkdtempSync(join(root, "build/pipeline-"));
    for (const file of await trackedFiles()) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      cpSync(join(root, file), join(dir, file));
    }
    const harbor = `${addressOf("registry")}:5000`;
    const file = settingsFile(sandbox);
    // By address, because this machine pushes the service's image and cannot resolve the sandbox's names. The cluster's
    // nodes know the registry by its name alone.
    const settings = onCluster(sandbox) ? state(file) : state(file).replace(/(?<=audit:image: )[^/]+/, harbor);
    const signer = signed ? await signerOf(sandbox) : undefined;
    const key = signer?.keys.map((one) => one.export({ type: "spki", format: "pem" })).join("");
    if (key !== undefined) writeFileSync(join(dir, "image-key.pem"), key);
    writeFileSync(
      join(dir, file),
      key === undefined ? settings : settings.replace(/^ {2}audit:image: /m, "  audit:imageKey: image-key.pem\n$&"),
    );
    // A job in the shell executor cannot reach its services; the scenario provides a database instead.
    const check = join(dir, "ci/check.yml");
    writeFileSync(check, readFileSync(check, "utf8").replace(/^ {2}services:\n(?: {4}.*\n)+/m, ""));
    // As after `npm ci`, so that ci/prepare.sh skips it. Hard links suffice, because the jobs write nothing there.
    for (const workspace of [".", "audit-svc", "offline", "sandbox"]) {
      const modules = join(workspace, "node_modules");
      if (existsSync(join(root, modules))) await call("cp", ["-al", join(root, modules), join(dir, modules)]);
    }
    const lock = createHash("sha256")
      .update(readFileSync(join(dir, "package-lock.json")))
      .digest("hex");
    writeFileSync(join(dir, "node_modules/.ci-lock"), `${lock}  package-lock.json\n`);
    const git = (...args: string[]) =>
      call("git", ["-C", dir, "-c", "user.name=alice", "-c", "user.email=alice@example.com", ...args]);
    await git("init", "-q", "-b", "main");
    await git("config", "user.name", "alice");
    await git("config", "user.email", "alice@example.com");
    await git("add", "-A");
    await git("commit", "-q", "-m", "Pipeline");
    await git("remote", "add", "origin", "git@gitlab.sandbox.test:team/audit.git");
    await git("update-ref", "refs/remotes/origin/main", "HEAD");
    await git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");

    const { installPackages, npmPackage, which } = await import("../../../offline/testing.js");
    // gitlab-ci-local uses it to copy the working tree.
    if ((await which("rsync")) === undefined) await installPackages(["rsync"], "rsync", console.error);
    const newEnough = Number(process.versions.node.split(".")[0]) >= 22;
    const bin = newEnough ? dirname(process.execPath) : join(await npmPackage("node"), "bin");
    // Only those of the sandbox's programs that a job's image has: the sandbox's ssh knows VM2's key, which a job must
    // not have.
    const tools = join(dir, ".gitlab-ci-local/tools");
    mkdirSync(tools, { recursive: true });
    const { path } = JSON.parse(state("run.json")) as { path: string[] };
    const own = join(root, ".sandbox/bin");
    for (const tool of ["pulumi", "docker", "kubectl"])
      if (existsSync(join(own, tool))) symlinkSync(join(own, tool), join(tools, tool));
    const rest = path.filter((entry) => entry !== own);
    return new Pipelines(
      sandbox,
      dir,
      join(bin, "node"),
      [bin, tools, ...rest, ...(process.env.PATH ?? "").split(":").filter((entry) => entry !== own)].join(":"),
      signer,
    );
  }

  async close(): Promise<void> {
    // As root, Buildah leaves the directory of its layers mounted.
    const mounts = readFileSync("/proc/mounts", "utf8").match(new RegExp(`(?<= )${this.#layers}/\\S*`, "g")) ?? [];
    for (const mount of mounts.reverse()) await call("umount", [mount]);
    rmSync(this.#layers, { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs all of the pipeline's jobs, or the named ones, in order. */
  async run(kind: Kind, ...jobs: string[]): Promise<Result> {
    // Each of GitLab's jobs has a fresh checkout; `--config` writes into the stack's file.
    await call("git", ["-C", this.dir, "checkout", "-q", "--", settingsFile(this.sandbox)]);
    const ref = kind.tag ?? (kind.source === "merge_request_event" ? "feature" : "main");
    const claims: Claims = {
      ref,
      ref_type: kind.tag === undefined ? "branch" : "tag",
      ref_protected: kind.protected ? "true" : "false",
      pipeline_source: kind.source,
      ...kind.claims,
    };
    const variables: Record<string, string> = {
      CI_PIPELINE_SOURCE: kind.source,
      CI_COMMIT_REF_PROTECTED: String(kind.protected),
      CI_COMMIT_REF_NAME: ref,
      ...(kind.tag === undefined ? {} : { CI_COMMIT_TAG: kind.tag }),
      GITLAB_USER_LOGIN: "alice",
      AUDIT_STACK: this.sandbox.get("PULUMI_STACK"),
      VAULT_ADDR: this.sandbox.get("VAULT_ADDR"),
      VAULT_ID_TOKEN: idToken(this.sandbox, { life: 1200, ...claims }),
      VAULT_SSH_ROLE: "vm2",
      PULUMI_HOME: this.sandbox.get("PULUMI_HOME"),
      NODE_IMAGE: `${this.harbor}/hub/node:24`,
      RUNTIME_IMAGE: `${this.harbor}/hub/base-plain:trixie`,
      PULUMI_IMAGE: `${this.harbor}/hub/pulumi:sandbox`,
      ...(this.signer === undefined ? {} : { VAULT_IMAGE_KEY: IMAGE_KEY }),
      ...kind.variables,
    };
    // In a file, because everybody can read arguments. Written out, because gitlab-ci-local treats a value that begins
    // with a slash as a file to copy.
    const written = Object.entries(variables).map(([name, value]) => [
      name,
      { type: "variable", values: { "*": value } },
    ]);
    const file = join(this.dir, ".gitlab-ci-local-variables.yml");
    writeFileSync(file, stringify(Object.fromEntries(written), { lineWidth: 0 }), { mode: 0o600 });
    const unset = kind.tag === undefined && kind.source !== "merge_request_event" ? [] : ["CI_COMMIT_BRANCH"];
    const args = [
      join(root, "node_modules/gitlab-ci-local/dist/index.js"),
      ...["--force-shell-executor", "--concurrency", "1", "--no-artifacts-to-source"],
      ...["--ignore-predefined-vars", Object.keys(variables).join(",")],
      ...unset.flatMap((name) => ["--unset-variable", name]),
      ...jobs,
    ];
    const started = Date.now();
    const { code, output } = await run([this.node, ...args], this.#environment(), undefined, this.dir);
    // eslint-disable-next-line no-control-regex
    const log = output.replaceAll(/\u001b\[[0-9;]*m/g, "");
    this.logs.push(log);
    const last = new Map([...log.matchAll(/^(\S+)\s+> (error: .*)$/gm)].map(([, job = "", line = ""]) => [job, line]));
    return { code, log, errors: [...last.values()], seconds: (Date.now() - started) / 1000 };
  }

  /** Signs an image that the pipeline has not built, as Vault's administrator would. */
  async sign(name: string): Promise<void> {
    const image = imageByDigest(name);
    if (this.signer === undefined || typeof image === "string") throw new Error(`${name} cannot be signed`);
    const login = { username: "pusher", password: secretsOf()["registry-pusher"] };
    await signImage(new Registry({ host: this.harbor, url: `http://${this.harbor}`, ...login }), image, this.signer);
  }

  /** Removes an image's signatures. */
  async unsign(name: string): Promise<void> {
    const image = imageByDigest(name);
    if (typeof image === "string") throw new Error(`${name} ${image}`);
    const login = { username: "pusher", password: secretsOf()["registry-pusher"] ?? "" };
    const url = `http://${this.harbor}`;
    const found = await new Registry({ host: this.harbor, url, ...login }).manifest(image.repository, signatureTag(image.digest)); // prettier-ignore
    if (found === undefined) return;
    const { status } = await fetch(`${url}/v2/${image.repository}/manifests/${found.digest}`, {
      method: "DELETE",
      headers: { authorization: `Basic ${Buffer.from(`pusher:${login.password}`).toString("base64")}` },
    });
    if (status !== 202) throw new Error(`${name} keeps its signatures: ${status}`);
  }

  /** Tags of a repository in the sandbox's Harbor; none if nothing was pushed to it. */
  async tagsOf(repository: string): Promise<string[]> {
    const answer = await this.#registry(`${repository}/tags/list`);
    return ((JSON.parse(answer) as { tags?: string[] }).tags ?? []).sort();
  }

  /** Bytes of a complete pull of an image. */
  async sizeOf(repository: string, digest: string): Promise<number> {
    const { config, layers } = JSON.parse(await this.#registry(`${repository}/manifests/${digest}`)) as {
      config: { size: number };
      layers: { size: number }[];
    };
    return layers.reduce((sum, { size }) => sum + size, config.size);
  }

  async #registry(path: string): Promise<string> {
    const response = await fetch(`http://${this.harbor}/v2/audit/${path}`, {
      headers: {
        authorization: `Basic ${Buffer.from(`pusher:${secretsOf()["registry-pusher"] ?? ""}`).toString("base64")}`,
        accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
      },
    });
    return response.text();
  }

  #environment(): NodeJS.ProcessEnv {
    const work = join(this.dir, ".gitlab-ci-local");
    const storage = join(work, "storage.conf");
    writeFileSync(storage, `[storage]\ngraphroot = "${this.#layers}/graph"\nrunroot = "${this.#layers}/run"\n`);
    // A runner's one-time configuration: that the mirror of Docker Hub uses plain HTTP, and the login for pulling its
    // images.
    const registries = join(work, "registries.conf");
    writeFileSync(registries, `[[registry]]\nlocation = "${this.harbor}"\ninsecure = true\n`);
    const login = join(work, "auth.json");
    const auth = Buffer.from(`vm2-puller:${this.sandbox.get("AUDIT_REGISTRY_PASSWORD")}`).toString("base64");
    writeFileSync(login, JSON.stringify({ auths: { [this.harbor]: { auth } } }), { mode: 0o600 });
    return {
      ...{ PATH: this.path, HOME: join(work, "home"), LANG: "C.UTF-8" },
      ...{ CONTAINERS_STORAGE_CONF: storage, CONTAINERS_REGISTRIES_CONF: registries, REGISTRY_AUTH_FILE: login },
    };
  }
}

/** Key that bootstrap creates in the sandbox's Vault. */
const IMAGE_KEY = "audit-image";

async function signerOf(sandbox: Sandbox): Promise<Signer> {
  const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> =>
    (await sandbox.vault<{ data: Record<string, unknown> }>(method, path, body, rootToken()))?.data ?? {};
  const vault = { read: (path: string) => ask("GET", path), write: (path: string, body: object) => ask("POST", path, body) }; // prettier-ignore
  return transitSigner(vault, "transit", IMAGE_KEY);
}

export const addressOf = (part: "registry" | "vm2"): string => `${platformSubnet}.${{ registry: 12, vm2: 20 }[part]}`;

async function trackedFiles(): Promise<string[]> {
  const { stdout } = await call("git", ["-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  return stdout.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
}

export const secretsOf = (): Record<string, string> => JSON.parse(state("secrets.json")) as Record<string, string>;

const onCluster = (sandbox: Sandbox): boolean => sandbox.get("PULUMI_STACK") === clusterStack.name;
const settingsFile = (sandbox: Sandbox): string => `Pulumi.${sandbox.get("PULUMI_STACK")}.yaml`;

/**
 * Writes to Vault what an administrator would for the pipeline, and makes VM2's sshd trust Vault's certificates. For
 * the cluster a kubeconfig takes the place of SSH.
 *
 * @param accounts for the cluster, the kubeconfigs of the two jobs' accounts
 */
export async function setUpLogins(
  sandbox: Sandbox,
  harbor: string,
  accounts?: { readonly deploy: string; readonly drift: string },
): Promise<void> {
  const secrets = secretsOf();
  const way = (job: "deploy" | "drift") =>
    accounts === undefined ? { SSH_KNOWN_HOSTS: state("ssh/known_hosts") } : { KUBECONFIG: accounts[job] };
  const deploy = {
    PULUMI_BACKEND_URL: sandbox.get("PULUMI_BACKEND_URL"),
    AUDIT_REGISTRY_PASSWORD: sandbox.get("AUDIT_REGISTRY_PASSWORD"),
    PGPASSWORD: sandbox.get("PGPASSWORD"),
    GRAFANA_AUTH: sandbox.get("GRAFANA_AUTH"),
    ...way("deploy"),
    // That it speaks plain HTTP.
    HARBOR_URL: `http://${harbor}`,
  };
  const drift = {
    PGPASSWORD: secrets.drift,
    GRAFANA_AUTH: deploy.GRAFANA_AUTH,
    ...way("drift"),
  };
  const publish = {
    // Without its port, as GitLab's integration gives it.
    HARBOR_HOST: harbor.replace(/:\d+$/, ""),
    HARBOR_URL: `http://${harbor}`,
    HARBOR_PROJECT: "audit",
    HARBOR_USERNAME: "pusher",
    HARBOR_PASSWORD: secrets["registry-pusher"],
  };
  const preview = { GITLAB_TOKEN: "glpat-of-the-sandbox" };
  const { rootToken } = JSON.parse(state("vault.json")) as { rootToken: string };
  for (const [purpose, data] of Object.entries({ deploy, drift, publish, preview }))
    await sandbox.vault("POST", `secret/data/ci/audit/${purpose}`, { data }, rootToken);
  if (onCluster(sandbox)) return;
  const ca = await sandbox.vault<{ data: { public_key: string } }>("GET", "ssh/config/ca", undefined, rootToken);
  await onVm2(
    `echo '${ca?.data.public_key.trim() ?? ""}' > /etc/ssh/vault-ca.pub; ` +
      "grep -q vault-ca /etc/ssh/sshd_config || echo 'TrustedUserCAKeys /etc/ssh/vault-ca.pub' >> /etc/ssh/sshd_config; " +
      "kill -HUP $(pgrep -o -x sshd)",
  );
}

/** Undoes {@link setUpLogins}. */
export async function removeLogins(sandbox: Sandbox): Promise<void> {
  const { rootToken } = JSON.parse(state("vault.json")) as { rootToken: string };
  for (const purpose of ["deploy", "drift", "publish", "preview", `state-copy/${sandbox.get("PULUMI_STACK")}`])
    await sandbox.vault("DELETE", `secret/metadata/ci/audit/${purpose}`, undefined, rootToken);
  if (onCluster(sandbox)) return;
  await onVm2("sed -i '/vault-ca/d' /etc/ssh/sshd_config; rm -f /etc/ssh/vault-ca.pub; kill -HUP $(pgrep -o -x sshd)");
}

/** Runs a shell line on VM2 as its administrator, without sshd. */
export async function onVm2(script: string): Promise<string> {
  const { code, output, stdout } = await run(["docker", "exec", platform("vm2"), "sh", "-c", script], onHere);
  if (code !== 0) throw new Error(`on VM2: ${script} ended with ${code}:\n${output}`);
  return stdout;
}
