import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { decide } from "../../support/changed";
import { suites } from "../../support/suites";

const root = resolve(__dirname, "../../..");
const DEPENDS_ON = ["cluster.ts", "components/"];

describe("whether a costly suite runs that nobody has named", () => {
  let directory = "";
  let base = "";
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: directory, encoding: "utf8" }).trim(); // prettier-ignore
  const commit = (): string => {
    git("add", "--all");
    git("commit", "--quiet", "--message", "A change");
    return git("rev-parse", "HEAD");
  };
  const write = (file: string): void => {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), `${file}\n`);
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "changed-"));
    git("init", "--quiet");
    write("components/edge.ts");
    base = commit();
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const runs = (env: NodeJS.ProcessEnv): boolean => decide(DEPENDS_ON, env, directory).runs;

  it("does not without a revision that was tested before, of which GitLab says zeros", () => {
    write("components/edge.ts");
    write("cluster.ts");
    for (const env of [{}, { SINCE: "" }, { CI: "true" }, { CI_COMMIT_BEFORE_SHA: "0".repeat(40) }])
      assert.deepEqual(decide(DEPENDS_ON, env, directory), {
        runs: false,
        why: "for no revision is named that was tested before: SINCE, CI_MERGE_REQUEST_DIFF_BASE_SHA, CI_COMMIT_BEFORE_SHA",
      });
  });

  it("does not when only other files have changed since", () => {
    write("docs/cluster.md");
    write("cluster.ts.md");
    commit();
    write("components.md");
    const why = `for nothing that it depends on has changed since SINCE=${base}`;
    assert.deepEqual(decide(DEPENDS_ON, { SINCE: base }, directory), { runs: false, why });
  });

  it("does when a file that it depends on was changed, made, moved away or removed, committed or not", () => {
    const SINCE = base;
    write("cluster.ts");
    assert.deepEqual(decide(DEPENDS_ON, { SINCE }, directory), {
      runs: true,
      why: `for cluster.ts has changed since SINCE=${base}`,
    });
    const next = commit();
    assert.ok(runs({ SINCE }));
    assert.ok(!runs({ SINCE: next }));
    renameSync(join(directory, "components/edge.ts"), join(directory, "edge.ts"));
    const moved = commit();
    assert.ok(runs({ SINCE: next }));
    assert.ok(!runs({ SINCE: moved }));
    rmSync(join(directory, "cluster.ts"));
    assert.ok(runs({ SINCE: moved }));
  });

  it("takes GitLab's names for it, and SINCE before them", () => {
    write("cluster.ts");
    const next = commit();
    assert.ok(runs({ CI_MERGE_REQUEST_DIFF_BASE_SHA: base }));
    assert.ok(runs({ CI_COMMIT_BEFORE_SHA: base }));
    assert.ok(!runs({ SINCE: next, CI_COMMIT_BEFORE_SHA: base }));
    assert.ok(!runs({ CI_MERGE_REQUEST_DIFF_BASE_SHA: next, CI_COMMIT_BEFORE_SHA: base }));
  });

  it("does when the clone does not have that revision, since any change could be hidden behind it", () => {
    for (const revision of ["1".repeat(40), "no-such-branch", "--all"])
      assert.deepEqual(decide(DEPENDS_ON, { SINCE: revision }, directory), {
        runs: true,
        why: `for this clone does not have SINCE=${revision}`,
      });
  });

  it("knows each file that the cluster's program and scenarios are made of", () => {
    const { dependsOn = [] } = suites.cluster ?? {};
    for (const path of dependsOn) assert.ok(existsSync(join(root, path)), path);
    const scenarios = readdirSync(join(root, "test/cluster")).filter((file) => file.endsWith(".test.ts"));
    const used = imported(["index.ts", ...scenarios.map((file) => `test/cluster/${file}`), "sandbox/src/cli.ts"]);
    assert.ok(used.has("components/kubernetes/edge-proxy.ts") && used.has("sandbox/src/cluster/nodes.ts"));
    const unknown = [...used].filter(
      (file) => !dependsOn.some((one) => file === one || (one.endsWith("/") && file.startsWith(one))),
    );
    assert.deepEqual(unknown, []);
  });
});

/** Files of this repository that these files import, and they themselves. */
function imported(files: readonly string[]): Set<string> {
  const found = new Set<string>();
  const waiting = [...files];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    const text = readFileSync(join(root, file), "utf8");
    for (const [, path = ""] of text.matchAll(/(?:from|import|import\(|require\()\s*"(\.[^"]*)"/g)) {
      const at = resolve(root, dirname(file), path.replace(/\.js$/, ""));
      const source = [`${at}.ts`, join(at, "index.ts"), at].find((name) => /\.(ts|mjs|cjs)$/.test(name) && existsSync(name)); // prettier-ignore
      if (source !== undefined) waiting.push(relative(root, source));
    }
  }
  return found;
}
