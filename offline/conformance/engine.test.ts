import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Stack } from "./harness/engine.js";
import { Bench } from "./harness/installed.js";
import { IMAGE, docker, unique } from "./harness/world.js";

const CONTAINER = "docker:index/container:Container";

describe("the whole engine", function () {
  this.timeout(180_000);
  const bench = new Bench();
  let stack: Stack;
  beforeEach(async () => {
    stack = new Stack();
    await stack.init();
  });
  afterEach(() => stack.close());
  after(() => bench.close());

  /** A container whose health check passes when its release is good. */
  const container = (name: string, release: string, more = ""): string => `
    new docker.Container("${name}", {
      image: "${IMAGE}", entrypoints: ["/bin/sh", "-c"], command: ["exec sleep 600"],
      envs: ["RELEASE=${release}"], wait: true, waitTimeout: 3,
      healthcheck: { tests: ["CMD", "test", "${release}", "!=", "bad"], interval: "500ms", timeout: "2s", retries: 1 },
      ${more}
    });`;

  const createFirst = `}, { deleteBeforeReplace: false`;

  it("after a failed replacement create-first, a second `up` succeeds and deletes the healthy old one: the trap", async () => {
    const name = unique("web");
    await stack.up(container(name, "good", createFirst));
    const [good] = await stack.saved(CONTAINER);
    const failed = await stack.upFails(container(name, "bad", createFirst));
    assert.match(failed, /healthy/);
    const after = await stack.saved(CONTAINER);
    assert.equal(after.length, 2);
    const [bad] = after.filter((r) => !r.delete);
    assert.equal(after.find((r) => r.delete)?.id, good?.id, "the old one is to be deleted");
    assert.equal(bad?.initErrors?.length, 1);
    assert.equal((await docker.getContainer(good?.id ?? "").inspect()).State.Health?.Status, "healthy");

    await stack.up(container(name, "bad", createFirst));
    const [left, ...others] = await stack.saved(CONTAINER);
    assert.deepEqual([left?.id, left?.initErrors ?? [], others], [bad.id, [], []]);
    assert.equal((await docker.getContainer(bad.id ?? "").inspect()).State.Health?.Status, "unhealthy");
    await assert.rejects(docker.getContainer(good?.id ?? "").inspect(), /no such container/i);
  });

  it("replaces delete-first unless it is told otherwise", async () => {
    const name = unique("web");
    await stack.up(container(name, "one"));
    const [one] = await stack.saved(CONTAINER);
    const output = await stack.up(container(name, "two"));
    assert.match(output, /deleted original/);
    assert.ok(output.indexOf("deleted original") < output.indexOf("created replacement"), output);
    const [two] = await stack.saved(CONTAINER);
    assert.notEqual(two?.id, one?.id);
    const same = await stack.up(container(name, "two"));
    assert.match(same, /2 unchanged/);
  });

  it("shows drift made by hand in `preview --refresh`, and `up --refresh` mends it", async () => {
    const name = unique("web");
    const program = container(name, "one");
    await stack.up(program);
    const [{ id } = {}] = await stack.saved(CONTAINER);
    await docker.getContainer(id ?? "").stop({ t: 0 });
    assert.match(await stack.succeed("preview"), /2 unchanged/);
    const drift = await stack.succeed("preview", "--refresh", "--diff");
    assert.match(drift, /mustRun/);
    await stack.succeed("up", "--yes", "--skip-preview", "--refresh");
    assert.equal((await docker.getContainer(id ?? "").inspect()).State.Running, true);

    await docker.getContainer(id ?? "").remove({ force: true });
    await stack.succeed("refresh", "--yes", "--skip-preview");
    assert.deepEqual(await stack.saved(CONTAINER), []);
    await stack.up(program);
    const [again] = await stack.saved(CONTAINER);
    assert.notEqual(again?.id, id);
  });

  it("keeps secrets encrypted in the state, from inputs and from the schema", async () => {
    const name = unique("cmd");
    const output = await stack.up(`
      const pw = new random.RandomPassword("${name}", { length: 20, special: false });
      new command.local.Command("${name}", {
        create: "echo done", logging: "none", environment: { TOKEN: pulumi.interpolate\`x-\${pw.result}\` },
      });
      const web = new docker.Container("${name}", {
        image: "${IMAGE}", command: ["sleep", "600"], envs: [pulumi.interpolate\`TOKEN=\${pw.result}\`],
      });
      exports.password = pw.result;
    `);
    const password = (await stack.succeed("stack", "output", "password", "--show-secrets")).trim();
    assert.match(password, /^[A-Za-z0-9]{20}$/);
    const state = await stack.exported();
    assert.equal(state.includes(password), false, "the password is in the exported state");
    assert.equal(output.includes(password), false, "the password was printed");
    assert.equal((await stack.exported("--show-secrets")).includes(password), true);
    const [web] = await stack.saved(CONTAINER);
    assert.ok(
      JSON.stringify(web?.inputs?.envs).includes("ciphertext") &&
        JSON.stringify(web?.outputs?.envs).includes("ciphertext"),
    );
  });

  it("replaces a Command when its triggers change, and runs it again in place when anything else does", async () => {
    const name = unique("cmd");
    const file = path.join(bench.dir, "ran");
    const program = (trigger: string, extra = ""): string => `
      new command.local.Command("${name}", {
        create: "echo create >> ${file}", update: "echo update >> ${file}", delete: "echo delete >> ${file}",
        triggers: ["${trigger}"], ${extra}
      });`;
    const ran = (): string[] => readFileSync(file, "utf8").trim().split("\n");
    await stack.up(program("one"));
    await stack.up(program("one"));
    assert.deepEqual(ran(), ["create"]);
    await stack.up(program("one", 'environment: { A: "b" },'));
    assert.deepEqual(ran(), ["create", "update"]);
    await stack.up(program("two", 'environment: { A: "b" },'));
    assert.deepEqual(ran(), ["create", "update", "create", "delete"]);
    await stack.up("");
    assert.deepEqual(ran().at(-1), "delete");
  });

  it("runs nothing in a preview and knows what an update will leave unknown", async () => {
    const name = unique("cmd");
    const file = path.join(bench.dir, "previewed");
    stack.write(`
      const c = new command.local.Command("${name}", { create: "touch ${file}; echo out" });
      const web = new docker.Container("${name}", { image: "${IMAGE}", command: ["sleep", "600"], envs: [c.stdout] });
      exports.id = web.id;
    `);
    const output = await stack.succeed("preview", "--diff");
    assert.match(output, /3 to create/);
    assert.throws(() => readFileSync(file));
  });
});
