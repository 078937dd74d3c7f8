import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { UserError } from "../../../offline/lib/user-error.js";
import { kubeconfigFile } from "../../src/cluster/layout.js";
import { rollback } from "../../src/rollback.js";
import { saveRunInfo } from "../../src/run-info.js";
import { readSettings } from "../../src/settings.js";
import { clusterStack, sandboxStack } from "../../src/stack-file.js";
import { State } from "../../src/state.js";

const release = (letter: string, replicas: number, memory: number) => ({
  ...{ release: letter.repeat(12), image: `registry.test/audit@sha256:${letter.repeat(64)}`, replicas, memory },
});

describe("`make rollback`, with a stand-in for the Pulumi CLI", () => {
  let root: string;
  let state: State;
  const settings = () => ({ ...readSettings({}), root, stateDir: join(root, ".sandbox") });

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "rollback-"));
    state = new State(settings());
    const bin = join(root, "bin");
    mkdirSync(bin);
    const cli = [
      "#!/bin/sh",
      `if [ "$2" = output ]; then cat ${root}/outputs; exit; fi`,
      `echo "$*" >> ${root}/calls`,
      `echo "kubeconfig $KUBECONFIG, docker $DOCKER_HOST" > ${root}/host`,
      `cp "$PULUMI_OPTION_CONFIG_FILE" ${root}/used`,
    ].join("\n");
    writeFileSync(join(bin, "pulumi"), `${cli}\n`, { mode: 0o755 });
    saveRunInfo(state, { engineHost: "", pulumiHome: "", path: [bin], artifacts: {} });
    state.write("vault-deployer-token", "a-token");
    state.write(kubeconfigFile, "");
    for (const { file } of [sandboxStack, clusterStack]) state.write(file, "config:\n  audit:memory: 256\n");
    deployed({ active: "blue", slots: { blue: release("a", 2, 256), green: release("b", 3, 512) } });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const deployed = (releases: object) =>
    writeFileSync(join(root, "outputs"), JSON.stringify({ release: "a".repeat(12), releases }));
  const read = (name: string) => readFileSync(join(root, name), "utf8");

  const FORMER = {
    ...{ "audit:image": release("b", 3, 512).image, "audit:replicas": "3" },
    ...{ "audit:memory": "512", "audit:reloadOn": "admin" },
  };
  for (const [stack, again, up, host] of [
    [sandboxStack, "make rollback", "make up", /, docker ssh:\/\//],
    [clusterStack, "make rollback STACK=cluster", "make cluster", /\.sandbox\/cluster\/kubeconfig, docker/],
  ] as const) {
    it(`deploys the former release of the stack ${stack.name} by its settings, and changes none`, async () => {
      const said = await rollback(settings(), state, stack);
      assert.equal(
        read("calls"),
        `up --stack ${stack.name} --yes --skip-preview --non-interactive --color never --message rollback by ${userInfo().username}: release aaaaaaaaaaaa -> bbbbbbbbbbbb (sha256:bbbbbbbbbbbb); ${again}\n`,
      );
      assert.deepEqual(parse(read("used")), { config: FORMER });
      assert.equal(state.readText(stack.file), "config:\n  audit:memory: 256\n");
      assert.match(read("host").trimEnd(), host);
      assert.equal(
        said.replace(/in \d+\.\d s/, "in … s"),
        `\nrelease aaaaaaaaaaaa -> bbbbbbbbbbbb in … s, without a build. \`${again}\` again goes forward. The settings still describe release aaaaaaaaaaaa: the next \`${up}\` or \`pulumi up\` deploys it again.\n`,
      );
    });
  }

  const fails = async (message: string) => {
    await assert.rejects(
      rollback(settings(), state, clusterStack),
      (error) => UserError.is(error) && error.message === message,
    );
    assert.ok(!existsSync(join(root, "calls")));
  };

  it("changes nothing after the first deploy", async () => {
    deployed({ active: "blue", slots: { blue: release("a", 2, 256) } });
    await fails("Nothing was changed: there is no former release to go back to.");
  });

  it("says when there is no cluster", async () => {
    rmSync(state.path(kubeconfigFile));
    await fails("The sandbox has no cluster. Run `make cluster` first.");
  });
});
