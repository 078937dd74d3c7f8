import { join, resolve } from "node:path";

const root = resolve(__dirname, "../..");

/** One line of the totals. */
export interface Suite {
  command: readonly string[];
  /** Directory in which it runs. Default: the project's root. */
  cwd?: string;
  /** A check by a tool that reports no counts: it counts as one test. */
  single?: boolean;
  /** Needs the sandbox's images, plugins or a running sandbox. */
  sandbox?: boolean;
  /** Needs the sandbox's cluster as well. */
  cluster?: boolean;
  /** Runs when no other suite does, but for checks by tools: it measures what clients see. */
  alone?: boolean;
  env?: NodeJS.ProcessEnv;
  /** The same tests as another suite, or a part of them: it runs only if it is named. */
  part?: boolean;
  /**
   * Costly: without being named it runs if all runs are thorough, or if one of these files, or one in these
   * directories, has changed (changed.ts).
   */
  dependsOn?: readonly string[];
}

const bin = (name: string): string => join(root, "node_modules/.bin", name);
const mocha = (...args: string[]): string[] => [bin("mocha"), "--reporter", join(__dirname, "reporter.ts"), ...args];
const byRoot = ["--config", join(root, ".mocharc.json")];

/** Tests of the service that wait for kills, outages, containers and the log's signer. */
const SLOW_SERVICE_TESTS = [
  ...["carry-over", "clock", "contract", "crash", "durability", "ingest", "migrate", "operation", "reading", "reload"],
  "stopping",
  ...["command", "crash", "hostile", "independent", "sequencing"].map((name) => `log/${name}`),
];

/** What is deployed to the cluster, what makes the cluster, and what its scenarios use. */
const ON_CLUSTER = [
  ...["Pulumi.yaml", "cluster.ts", "index.ts", "outputs.ts", "package-lock.json", "providers.ts", "versions.json"],
  ...["audit-svc/migrations/", "audit-svc/src/", "bootstrap/", "ci/", "cli/", "components/", "config/", "dashboards/"],
  ...["docs/cluster.md", "lib/", "nginx/", "offline/", "sandbox/", "steps/", "test/cluster/", "test/e2e/support/"],
  ...["test/support/", "test/unit/ci/support/", "test/unit/support/", "vault-agent/"],
];

const service = { command: mocha("test/**/*.test.ts"), cwd: join(root, "audit-svc") };

export const suites: Record<string, Suite> = {
  // Style, and the allowed imports between directories.
  lint: { command: ["sh", "-c", `${bin("eslint")} . && ${bin("depcruise")} -T err-long .`], single: true },
  shell: { command: [process.execPath, "--import", "tsx", join(__dirname, "shellcheck.ts")], single: true },
  // What is generated from config/*.ts is up to date.
  settings: { command: [process.execPath, "--import", "tsx", "tools/write-settings.ts", "--check"], single: true },
  formatting: { command: [bin("prettier"), "--check", "--log-level", "warn", "."], single: true },
  // Only package.json lists the projects.
  types: { command: ["npm", "run", "--silent", "types"], single: true },
  unit: { command: mocha(...byRoot, "test/unit/**/*.test.ts") },
  // The components as others use them: packed, and in the examples. It compiles, so it is too slow for `quick`.
  package: { command: mocha(...byRoot, "--timeout", "180000", "test/package/**/*.test.ts") },
  service: { ...service, sandbox: true },
  // All of the service's tests without the sandbox, as a pipeline job runs them: without Docker, on Debian's PostgreSQL
  // and pgbouncer.
  "service-alone": { ...service, part: true },
  "service-quick": {
    ...service,
    command: [...service.command, ...SLOW_SERVICE_TESTS.flatMap((name) => ["--ignore", `test/${name}.test.ts`])],
    part: true,
  },
  rules: { command: mocha(...byRoot, "--timeout", "60000", "test/rules/**/*.test.ts"), sandbox: true },
  offline: { command: mocha(...byRoot, "--timeout", "60000", "offline/test/**/*.test.ts"), sandbox: true },
  sandbox: { command: mocha(...byRoot, "--timeout", "60000", "sandbox/test/**/*.test.ts"), sandbox: true },
  conformance: {
    command: mocha(
      ...byRoot,
      ...["--timeout", "120000", "--require", "offline/conformance/setup.ts"],
      "offline/conformance/*.test.ts",
    ),
    sandbox: true,
    env: {
      CONFORMANCE_PLUGINS: process.env.PLUGINS === "" ? undefined : process.env.PLUGINS,
      PULUMI_BIN: process.env.PULUMI_BIN ?? join(root, ".sandbox/bin/pulumi"),
    },
  },
  // One scenario after another: they share the sandbox, and each restores its state.
  e2e: { command: mocha(...byRoot, "--timeout", "300000", "--sort", "test/e2e/*.test.ts"), sandbox: true, alone: true },
  // The same service on Kubernetes. Its first run compiles for a quarter of an hour.
  cluster: {
    command: mocha(...byRoot, "--timeout", "600000", "--sort", "test/cluster/*.test.ts"),
    cluster: true,
    alone: true,
    dependsOn: ON_CLUSTER,
  },
};

export const QUICK = ["lint", "shell", "settings", "formatting", "types", "unit", "service-quick"];
