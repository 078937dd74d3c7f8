import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { proxyVariables } from "../lib/docker.js";
import { keyOf, keyOfDir } from "../lib/keys.js";
import { which } from "../lib/packages.js";
import { cacheDir, offlineDir } from "../lib/paths.js";
import { attempt, runLogged, type Progress } from "../lib/run.js";
import { versions } from "../lib/versions.js";

export type GoToolName =
  | "pulumi"
  | "vault"
  | "vault-postgres-plugin"
  | "nginx-exporter"
  | "kubernetes"
  | "coredns"
  | "pause"
  | "kind"
  | "pulumi-kubernetes"
  | "vault-kubernetes-plugin";

interface GoTool {
  /** Directory of its go.mod and go.sum, which pin every module by checksum, under offline/go. */
  readonly module: string;
  /** One program, or several that are built at once and lie in one directory. */
  readonly package: string | readonly string[];
  /** The program's file, or the directory of several. */
  readonly binary: string;
  /** Whether `go generate` makes some of the files; it is told the version as VERSION. */
  readonly generated?: boolean;
  /** Whether packages under left-out take the place of the modules' own (go/leave-out.go). */
  readonly leavesOut?: boolean;
  readonly tags?: string;
  /** The program's version variable, for `-X`. */
  readonly versionVariable?: (version: string) => string;
  /** How long the build takes, for the operator: on two cores, with nothing cached. */
  readonly takes: string;
}

export const goTools: Readonly<Record<GoToolName, GoTool>> = {
  pulumi: {
    module: "pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    binary: "pulumi",
    leavesOut: true,
    versionVariable: (version) => `github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`,
    takes: "about 3 minutes",
  },
  vault: {
    module: "vault",
    package: "github.com/hashicorp/vault",
    binary: "vault",
    // Without the cloud vendors' engines and storage backends; what else speaks to clouds is under left-out.
    tags: "minimal",
    leavesOut: true,
    takes: "about 2 minutes",
  },
  "vault-postgres-plugin": {
    module: "vault",
    package: "github.com/hashicorp/vault/plugins/database/postgresql/postgresql-database-plugin",
    binary: "postgresql-database-plugin",
    takes: "half a minute",
  },
  "nginx-exporter": {
    module: "nginx-exporter",
    package: "github.com/nginx/nginx-prometheus-exporter",
    binary: "nginx-prometheus-exporter",
    versionVariable: (version) => `github.com/prometheus/common/version.Version=${version}`,
    takes: "half a minute",
  },
  kubernetes: {
    module: "kubernetes",
    package: [
      ...["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"].map(
        (program) => `k8s.io/kubernetes/cmd/${program}`,
      ),
      // It enforces NetworkPolicies, and its libraries are Kubernetes' own.
      "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    ],
    binary: "bin",
    versionVariable: (version) => `k8s.io/component-base/version.gitVersion=v${version}`,
    takes: "about 7 minutes",
  },
  coredns: { module: "coredns", package: ".", binary: "coredns", takes: "about a minute" },
  pause: { module: "pause", package: ".", binary: "pause", takes: "a few seconds" },
  kind: { module: "kind", package: "sigs.k8s.io/kind", binary: "kind", takes: "half a minute" },
  "pulumi-kubernetes": {
    module: "pulumi-kubernetes",
    package: ".",
    binary: "pulumi-resource-kubernetes",
    generated: true,
    versionVariable: (version) => `github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=${version}`,
    takes: "about 8 minutes",
  },
  "vault-kubernetes-plugin": {
    module: "vault-kubernetes-plugin",
    package: "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes",
    binary: "vault-plugin-auth-kubernetes",
    takes: "about a minute",
  },
};

const leaveOut = join(offlineDir, "go/leave-out.go");

const packagesOf = ({ package: given }: GoTool): readonly string[] => (typeof given === "string" ? [given] : given);

const ldflags = (name: GoToolName): string => {
  const variable = goTools[name].versionVariable?.(versions().tools[name]);
  return variable === undefined ? "-s -w" : `-s -w -X ${variable}`;
};

/** A build's path in the cache; the key covers everything that determines its bytes, except the compiler. */
export function goToolPath(name: GoToolName): string {
  const tool = goTools[name];
  const key = keyOf(
    keyOfDir(join(offlineDir, "go", tool.module)),
    ...(tool.leavesOut === true ? [readFileSync(leaveOut, "utf8")] : []),
    ...packagesOf(tool),
    tool.tags ?? "",
    ldflags(name),
    process.arch,
  );
  return join(cacheDir(), "tools", `${name}-${versions().tools[name]}-${key}`, tool.binary);
}

/** The oldest Go that can fetch the toolchain a go.mod asks for. */
const hasGo = async (): Promise<boolean> => {
  if ((await which("go")) === undefined) return false;
  const version = /go1\.(\d+)/.exec(
    (await attempt("go", ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } })).stdout,
  );
  return Number(version?.[1] ?? 0) >= 21;
};

// One compilation at a time: two would only compete for the same cores and memory.
let queue: Promise<unknown> = Promise.resolve();
/** Running and waiting compilations, in order. */
const queued: GoToolName[] = [];

/**
 * Builds a program from Go modules, with the machine's own Go or, if there is none, with Debian's in a container.
 * @param builderImage returns the image to build in if the machine has no Go
 */
export function buildGoTool(
  name: GoToolName,
  builderImage: () => Promise<string>,
  progress: Progress,
): Promise<{ path: string; cached: boolean }> {
  const path = goToolPath(name);
  if (existsSync(path)) return Promise.resolve({ path, cached: true });
  const before = queued.at(-1);
  if (before !== undefined && before !== name) progress(`waiting for the build of ${before}, to have the cores alone`);
  queued.push(name);
  const turn = queue
    .then(() => compile(name, path, builderImage, progress))
    .finally(() => void queued.splice(queued.indexOf(name), 1));
  queue = turn.catch(() => undefined);
  return turn;
}

async function compile(
  name: GoToolName,
  path: string,
  builderImage: () => Promise<string>,
  progress: Progress,
): Promise<{ path: string; cached: boolean }> {
  if (existsSync(path)) return { path, cached: true };
  const tool = goTools[name];
  const version = versions().tools[name];
  const dir = join(path, "..");
  const out = join(dir, `${tool.binary}.${process.pid}.tmp`);
  const work = join(cacheDir(), "go", `${tool.module}-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  mkdirSync(work, { recursive: true });
  cpSync(join(offlineDir, "go", tool.module), work, { recursive: true });
  if (tool.leavesOut === true) cpSync(leaveOut, join(work, "leave-out.go"));
  // Several programs go into a directory, which go takes for one only if it is there.
  if (typeof tool.package !== "string") mkdirSync(out, { recursive: true });
  const build = ["build", ...(tool.tags === undefined ? [] : ["-tags", tool.tags]), "-ldflags", ldflags(name)];
  const commands = (file: string): string[][] => [
    ...(tool.generated === true ? [["generate"]] : []),
    ...(tool.leavesOut === true ? [["run", "leave-out.go"]] : []),
    [...build, "-o", file, ...packagesOf(tool)],
  ];
  // Static, so that a program built here runs in every image.
  const env = {
    CGO_ENABLED: "0",
    GOFLAGS: "-trimpath -mod=readonly -buildvcs=false",
    GOTOOLCHAIN: "auto",
    GOWORK: "off",
    ...(tool.generated === true ? { VERSION: version } : {}),
  };
  const what = `build ${name} ${version}`;
  try {
    if (await hasGo()) {
      progress(`building ${name} ${version} from Go modules (${tool.takes} the first time)`);
      for (const [index, args] of commands(out).entries())
        await runLogged(what, `tool-${name}`, "go", args, { cwd: work, env, append: index > 0 });
    } else {
      const image = await builderImage();
      progress(`building ${name} ${version} from Go modules in a container (${tool.takes} the first time, and more)`);
      // Go makes the modules read-only, and `rm -r` of the cache would fail for them.
      const inContainer = { ...env, GOFLAGS: `${env.GOFLAGS} -modcacherw` };
      const settings = Object.entries(inContainer).flatMap(([key, value]) => ["--env", `${key}=${value}`]);
      const inherited = [
        ...["GOPROXY", "GOSUMDB", "GONOSUMDB"].filter((key) => process.env[key] !== undefined),
        ...proxyVariables(process.env),
      ].flatMap((key) => ["--env", key]);
      const cache = join(cacheDir(), "go", "shared");
      mkdirSync(cache, { recursive: true });
      const container = [
        ...["run", "--rm", "--user", `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`],
        ...["--env", "HOME=/go", "--env", "GOPATH=/go", "--env", "GOCACHE=/go/cache", ...settings, ...inherited],
        ...["--volume", `${cache}:/go`, "--volume", `${work}:/src`, "--volume", `${dir}:/out`, "--workdir", "/src"],
      ];
      for (const [index, args] of commands(`/out/${tool.binary}.${process.pid}.tmp`).entries())
        await runLogged(what, `tool-${name}`, "docker", [...container, image, "go", ...args], { append: index > 0 });
    }
    renameSync(out, path);
  } finally {
    rmSync(out, { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  }
  return { path, cached: false };
}
