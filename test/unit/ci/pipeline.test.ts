import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { after, before, describe, it } from "mocha";
import { parse } from "yaml";
import { scratch } from "./support/job";

const root = resolve(__dirname, "../../..");
const call = promisify(execFile);

/**
 * gitlab-ci-local reads the file as GitLab does, checks it against GitLab's published schema, which it includes, and
 * applies the rules. It needs a newer Node than the project; npm fetches the one pinned in versions.json once.
 */
describe("ci: .gitlab-ci.yml", function () {
  this.timeout(240_000);
  let dir: ReturnType<typeof scratch>;
  let node: string;

  before(async () => {
    dir = scratch();
    cpSync(join(root, ".gitlab-ci.yml"), join(dir.path, ".gitlab-ci.yml"));
    for (const directory of ["ci", "templates"]) {
      mkdirSync(join(dir.path, directory));
      for (const file of readdirSync(join(root, directory)).filter((name) => name.endsWith(".yml")))
        cpSync(join(root, directory, file), join(dir.path, directory, file));
    }
    for (const file of ["package-lock.json", "versions.json"]) cpSync(join(root, file), join(dir.path, file));
    const git = (...args: string[]) =>
      call("git", ["-C", dir.path, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args]);
    await git("init", "-q", "-b", "main");
    await git("add", "-A");
    await git("commit", "-q", "-m", "Pipeline");
    await git("remote", "add", "origin", "git@gitlab.example.com:team/audit.git");
    await git("update-ref", "refs/remotes/origin/main", "HEAD");
    await git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
    const newEnough = Number(process.versions.node.split(".")[0]) >= 22;
    const { npmPackage } = await import("../../../offline/testing.js");
    node = newEnough ? process.execPath : join(await npmPackage("node"), "bin/node");
  });
  after(() => dir.remove());

  const local = async (variables: Record<string, string>, ...options: string[]): Promise<string> => {
    const names = Object.keys(variables).join(",");
    const given = Object.entries(variables).flatMap(([name, value]) => ["--variable", `${name}=${value}`]);
    const noBranch = variables.CI_COMMIT_TAG === undefined ? [] : ["--unset-variable", "CI_COMMIT_BRANCH"];
    const program = join(root, "node_modules/gitlab-ci-local/dist/index.js");
    const args = [program, "--cwd", relative(root, dir.path), "--ignore-predefined-vars", names, ...given, ...noBranch];
    const { stdout } = await call(node, [...args, ...options], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: dir.path },
    });
    return stdout;
  };
  /** Names of the jobs of a pipeline, those by hand in brackets. */
  const jobs = async (variables: Record<string, string>): Promise<string[]> => {
    const text = await local(variables, "--list-csv");
    // A warning about jobs that only GitLab can run may come before the table.
    const [, ...lines] = text.slice(text.indexOf("name;stage;")).trim().split("\n");
    return lines.map((line) => line.split(";")).map(([name = "", , when]) => (when === "manual" ? `(${name})` : name)).sort(); // prettier-ignore
  };

  /** Asks with another .gitlab-ci.yml. */
  const withFile = async <T>(text: string, work: () => Promise<T>): Promise<T> => {
    const file = join(dir.path, ".gitlab-ci.yml");
    const right = readFileSync(file, "utf8");
    writeFileSync(file, text);
    try {
      return await work();
    } finally {
      writeFileSync(file, right);
    }
  };

  const CHECKS = ["lint", "migrations", "service", "typecheck", "unit"];
  const cases: [string, Record<string, string>, string[]][] = [
    ["a merge request", { CI_PIPELINE_SOURCE: "merge_request_event" }, ["image-check", ...CHECKS, "preview"]],
    ["the default branch", { CI_PIPELINE_SOURCE: "push" }, ["(tools)", ...CHECKS, "publish"]],
    [
      "a protected tag",
      { CI_PIPELINE_SOURCE: "push", CI_COMMIT_TAG: "v1", CI_COMMIT_REF_PROTECTED: "true" },
      ["(rollback)", "(status)", "deploy", "promote", "smoke"],
    ],
    [
      "a tag that is not protected",
      { CI_PIPELINE_SOURCE: "push", CI_COMMIT_TAG: "v1", CI_COMMIT_REF_PROTECTED: "false" },
      ["tag-is-not-protected"],
    ],
    ["the schedule drift", { CI_PIPELINE_SOURCE: "schedule", SCHEDULE: "drift" }, ["drift"]],
    ["the schedule witness", { CI_PIPELINE_SOURCE: "schedule", SCHEDULE: "witness" }, ["witness"]],
    ["the schedule rebuild", { CI_PIPELINE_SOURCE: "schedule", SCHEDULE: "rebuild" }, ["rebuild", "tools"]],
    ["a deployment repository", { CI_PIPELINE_SOURCE: "pipeline", IMAGE: "h/p/n@sha256:0" }, ["deploy", "smoke"]],
  ];
  for (const [what, variables, wanted] of cases) {
    it(`${what}: ${wanted.join(", ")}`, async () => assert.deepEqual(await jobs(variables), [...wanted].sort()));
  }

  it("accepts the lines from docs/reference.md for the service's own project", async () => {
    const guide = readFileSync(join(root, "docs/reference.md"), "utf8");
    const lines = /^## Variant: a repository for deployments$[^]*?^```yaml\n([^]*?)^```$/m.exec(guide)?.[1] ?? "";
    assert.match(lines, /trigger:/);
    const tag = { CI_PIPELINE_SOURCE: "push", CI_COMMIT_TAG: "v1" };
    await withFile(`stages: [image, deploy]\npromote: { stage: image, script: [make image] }\n${lines}`, async () => {
      assert.deepEqual(await jobs({ ...tag, CI_COMMIT_REF_PROTECTED: "true" }), ["deploy", "promote"]);
      assert.deepEqual(await jobs({ ...tag, CI_COMMIT_REF_PROTECTED: "false" }), ["promote"]);
    });
  });

  it("is refused by GitLab's schema when it is wrong", async () => {
    const wrong = `${readFileSync(join(root, ".gitlab-ci.yml"), "utf8")}\ndefault: { interruptible: perhaps }\n`;
    await withFile(wrong, () => refused(/'interruptible' property type must be boolean/));
  });

  const refused = (what: RegExp): Promise<void> =>
    assert.rejects(jobs({ CI_PIPELINE_SOURCE: "push" }), (error: Error & { stdout?: string; stderr?: string }) => {
      assert.match(`${error.message}${error.stdout ?? ""}${error.stderr ?? ""}`, what);
      return true;
    });

  describe("as components", () => {
    const digest = `harbor.example.com/audit/audit-ci@sha256:${"a".repeat(64)}`;
    const including = (component: string, inputs: object): string =>
      `include:\n  - local: templates/${component}.yml\n    inputs: ${JSON.stringify(inputs)}\n`;

    it("have a description, a type and, where not every text will do, a pattern for each input", () => {
      for (const name of readdirSync(join(root, "templates"))) {
        const [head = ""] = readFileSync(join(root, "templates", name), "utf8").split(/^---$/m);
        const { spec } = parse(head) as { spec: { inputs: Record<string, Record<string, string>> } };
        for (const [input, { type, description, default: preset, regex }] of Object.entries(spec.inputs)) {
          assert.equal(type, "string", input);
          assert.match(description ?? "", /^[A-Z].{10,}\.$/, input);
          if (regex !== undefined && preset !== undefined) assert.match(preset, new RegExp(regex));
        }
      }
    });

    it("have the same jobs as the file, in the image and for the stack of their inputs", async () => {
      const asked = { CI_PIPELINE_SOURCE: "push", CI_COMMIT_TAG: "v1", CI_COMMIT_REF_PROTECTED: "true" };
      const preview = async () => parse(await local(asked, "--preview")) as Record<string, unknown>;
      const plain = await preview();
      const component = await withFile(including("pipeline", { job_image: digest, stack: "vm3" }), preview);
      assert.deepEqual(component.variables, {
        ...(plain.variables as object),
        ...{ CI_IMAGE: digest, AUDIT_STACK: "vm3" },
      });
      assert.deepEqual({ ...component, variables: {} }, { ...plain, variables: {} });
    });

    it("are refused with an image that is not by digest, or without one", async () => {
      await withFile(including("pipeline", { job_image: "node:24" }), () => refused(/job_image/));
      await withFile(including("pipeline", {}), () => refused(/job_image/));
    });

    it("hand an image to a repository for deployments, as the guide's lines do", async () => {
      const own = "stages: [image, deploy]\npromote: { stage: image, script: [make image] }\n";
      const guide = /^## Variant: a repository for deployments$[^]*?^```yaml\n([^]*?)^```$/m.exec(readFileSync(join(root, "docs/reference.md"), "utf8"))?.[1] ?? ""; // prettier-ignore
      const asked = { CI_PIPELINE_SOURCE: "push", CI_COMMIT_TAG: "v1", CI_COMMIT_REF_PROTECTED: "true" };
      // It cannot run a trigger, and says so first.
      const preview = async () => parse((await local(asked, "--preview")).replace(/^.*WARN.*\n/gm, "")) as object;
      const component = await withFile(own + including("deploy", { project: "team/audit-deploy" }), preview);
      assert.deepEqual(component, await withFile(own + guide, preview));
      await withFile(own + including("deploy", { project: "audit-deploy" }), () => refused(/project/));
    });
  });

  it("names scripts that exist and are executable", () => {
    const files = readdirSync(join(root, "ci")).filter((name) => name.endsWith(".yml"));
    const texts = files
      .map((name) => readFileSync(join(root, "ci", name), "utf8"))
      .concat(readFileSync(join(root, ".gitlab-ci.yml"), "utf8"));
    const named = new Set(
      texts.flatMap((text) => [...text.matchAll(/(?<=^\s+- .*)\bci\/[\w.-]+\.(?:ts|sh)\b/gm)].map(([path]) => path)),
    );
    assert.ok(named.size >= 7, [...named].join(" "));
    for (const path of named) {
      const { mode } = statSync(join(root, path));
      if (path.endsWith(".sh")) assert.notEqual(mode & 0o111, 0, `${path} is not executable`);
    }
  });

  it("runs the suites of make test by their names, the service's before its image is published", async () => {
    type Jobs = Record<string, { stage?: string; script?: string[]; needs?: unknown }>;
    const { stages, ...all } = parse(await local({ CI_PIPELINE_SOURCE: "push" }, "--preview")) as Jobs & {
      stages: string[];
    };
    const checks = Object.entries(all).filter(([name, job]) => job.stage === "check" && CHECKS.includes(name));
    const named = checks.flatMap(([name, { script = [] }]) => {
      if (name === "migrations") return [];
      const [, suites] = /^make test ONLY="?([\w -]+?)"?$/.exec(script.join("\n")) ?? assert.fail(`${name}: ${script.join("; ")}`); // prettier-ignore
      return (suites ?? "").split(" ");
    });
    const { stderr } = spawnSync(process.execPath, ["--import", "tsx", "test/support/run.ts", "none"], {
      cwd: root,
      encoding: "utf8",
    });
    const known = (/^Error: there is no suite none\. The suites are: quick, (.*)\.$/m.exec(stderr)?.[1] ?? "").split(
      ", ",
    );
    assert.deepEqual(named.filter((suite) => !known.includes(suite)), []); // prettier-ignore
    assert.deepEqual(named.sort(), [
      "formatting",
      "lint",
      "package",
      "service-alone",
      "settings",
      "shell",
      "types",
      "unit",
    ]);
    // Without needs a job waits for all of the stages before.
    assert.ok(stages.indexOf("check") < stages.indexOf("image"));
    assert.deepEqual([all.publish?.stage, all.publish?.needs], ["image", undefined]);
  });

  it("has everything in ci/Dockerfile that a job installs", () => {
    const programs = (text: string): string[] =>
      [...text.matchAll(/(?<=- |RUN \/tmp\/job\/)ci\/prepare\.sh((?: [\w-]+)+)/g)].flatMap(([, words = ""]) =>
        words.trim().split(" "),
      );
    const text = readdirSync(join(root, "ci")).filter((name) => name.endsWith(".yml")).map((name) => readFileSync(join(root, "ci", name), "utf8")).join("\n"); // prettier-ignore
    // npm's packages and Pulumi's plugins follow package-lock.json; the CLI is of Pulumi's image.
    const installed = new Set(programs(text).filter((word) => !["--npm", "plugins", "pulumi"].includes(word)));
    assert.deepEqual([...installed].sort(), programs(readFileSync(join(root, "ci/Dockerfile"), "utf8")).sort());
  });

  it("gives no cache to a job with a login, because other jobs have written it", async () => {
    const text = await local({ CI_PIPELINE_SOURCE: "push" }, "--preview");
    const all = parse(text) as Record<string, { id_tokens?: object; cache?: unknown[] } | undefined>;
    const withLogin = Object.entries(all).filter(([name, job]) => job?.id_tokens && name !== "preview" && !name.startsWith(".")); // prettier-ignore
    assert.deepEqual(withLogin.map(([name]) => name).sort(), ["deploy", "drift", "promote", "publish", "rebuild", "rollback", "smoke", "status", "tools", "witness"]); // prettier-ignore
    for (const [name, job] of withLogin) assert.deepEqual(job?.cache, [], name);
    assert.equal(all.preview?.cache?.length, 1);
  });

  it("names the environment in each job that logs in as a deploy, because Vault may require it", () => {
    type Jobs = Record<string, { extends?: string; environment?: { name: string; action?: string } } | undefined>;
    const jobs = parse(readFileSync(join(root, "ci/deploy.yml"), "utf8")) as Jobs;
    const environment = (name: string): unknown =>
      jobs[name]?.environment ?? (jobs[name]?.extends === undefined ? undefined : environment(jobs[name].extends));
    for (const name of ["deploy", "rollback", "smoke", "status"])
      assert.equal((environment(name) as { name?: string } | undefined)?.name, "$AUDIT_STACK", name);
    assert.equal(jobs.smoke?.environment?.action, "verify", "it is no deployment");
    assert.equal(jobs.status?.environment?.action, "access", "nor is this");
  });

  it("never cancels a deploy, and never runs two at once", () => {
    const deploy = (
      parse(readFileSync(join(root, "ci/deploy.yml"), "utf8")) as Record<string, Record<string, unknown>>
    )[".deploy"];
    assert.equal(deploy?.interruptible, false);
    assert.equal(deploy.resource_group, "$AUDIT_STACK");
    assert.deepEqual(deploy.environment, { name: "$AUDIT_STACK", url: "$SERVICE_URL", deployment_tier: "production" });
  });
});
