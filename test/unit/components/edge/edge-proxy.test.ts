import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { EdgeProxy } from "../../../../components/edge/edge-proxy";
import { find, ofType, run, valueOf, scriptOf } from "../../support/program";
import { edgeArgs, world } from "../../support/world";
import { fakeProgram } from "../../support/fake-programs";

const build = () => new EdgeProxy("audit-edge", edgeArgs(world()));

describe("EdgeProxy", () => {
  it("is not on the network of the admin port", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "Container", "audit-edge-nginx");
    assert.deepEqual(inputs.networksAdvanced, [
      { name: "audit-edge" },
      { name: "audit-front", ipv4Address: "172.29.96.2" },
    ]);
    assert.deepEqual(find(resources, "Container", "audit-edge-exporter").inputs.networksAdvanced, [
      { name: "audit-front", ipv4Address: "172.29.96.3" },
    ]);
  });

  it("publishes the two ports of nginx and no other", async () => {
    const { resources } = await run(build);
    assert.deepEqual(find(resources, "Container", "audit-edge-nginx").inputs.ports, [
      { internal: 8080, external: 80 },
      { internal: 9145, external: 9145 },
    ]);
    assert.equal(find(resources, "Container", "audit-edge-exporter").inputs.ports, undefined);
  });

  it("confines both containers and lets nginx finish its requests when it stops", async () => {
    const { resources } = await run(build);
    for (const { inputs, name } of ofType(resources, "Container")) {
      assert.equal(inputs.readOnly, true, name);
      assert.deepEqual(inputs.capabilities, { drops: ["ALL"] }, name);
      assert.match(inputs.user as string, /^[1-9]\d*:/, name);
    }
    assert.equal(find(resources, "Container", "audit-edge-nginx").inputs.stopSignal, "SIGQUIT");
  });

  it("tests a configuration with nginx before it replaces the old one, and starts nginx after it", async () => {
    const { resources } = await run(build);
    const files = find(resources, "Command", "audit-edge-config-files");
    const create = scriptOf(files.inputs);
    assert.match(
      create,
      / write-files\.sh \/files 0444 nginx\.conf -- sh -c [^]*nginx -t [^]* check-nginx\.sh 172\.29\.96\.2$/m,
    );
    assert.match(
      create,
      / reload-nginx\.sh audit-edge-nginx sh -c [^]* close-and-reload\.sh \/etc\/audit-edge\/nginx\.conf \/tmp\/closing 5$/,
    );
    assert.match(files.inputs.stdin as string, /^-----next-file-----nginx\.conf\n# Written by/);
    assert.ok(files.dependsOn.includes(find(resources, "Network", "audit-front").urn), "it may not listen there yet");
    assert.ok(find(resources, "Container", "audit-edge-nginx").dependsOn.includes(files.urn));
  });

  it("checks that its ports are free before nginx is replaced", async () => {
    const { resources } = await run(build);
    const ports = find(resources, "Command", "audit-edge-ports");
    const script = scriptOf(ports.inputs);
    assert.deepEqual(
      [...script.matchAll(/--publish (\d+):1/g)].map(([, port]) => Number(port)),
      (find(resources, "Container", "audit-edge-nginx").inputs.ports as { external: number }[]).map((p) => p.external),
    );
    assert.match(script, /--network audit-edge /);
    assert.ok(find(resources, "Container", "audit-edge-nginx").dependsOn.includes(ports.urn));
  });

  it("takes its fixed addresses when the one-shot that recovers the active slot has given back its own", async () => {
    const { resources } = await run(build);
    const recovery = find(resources, "Command", "audit-svc-guard").urn;
    for (const name of ["audit-edge-nginx", "audit-edge-exporter"])
      assert.ok(find(resources, "Container", name).dependsOn.includes(recovery), name);
  });

  describe("when its configuration changes", () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "edge-"));
    });
    afterEach(() => {
      rmSync(directory, { recursive: true });
    });

    /** Runs the reload script with this `docker`. @returns its exit status */
    async function takeIn(docker: string): Promise<number | null> {
      const { resources } = await run(build);
      const script = scriptOf(find(resources, "Command", "audit-edge-config-files").inputs);
      fakeProgram(directory, "docker", docker);
      const inside = script.replaceAll("/tmp/closing", `${directory}/closing`);
      const env = { HOME: directory, PATH: `${directory}${delimiter}${process.env.PATH}` };
      return spawnSync("sh", ["-c", inside], { env, input: "", encoding: "utf8" }).status;
    }

    const moments = [
      { when: "is not there", inspect: "echo Error: No such container: x >&2; exit 1", exec: "exit 99", code: 0 },
      { when: "is stopped", inspect: "echo exited", exec: "exit 99", code: 0 },
      { when: "is paused", inspect: "echo paused", exec: "exit 99", code: 0 },
      { when: "takes it in", inspect: "echo running", exec: "exit 0", code: 0 },
      {
        when: "goes in between",
        inspect: "[ ! -e $HOME/gone ] && echo running || { echo Error: No such container: x >&2; exit 1; }",
        exec: "touch $HOME/gone; exit 1",
        code: 0,
      },
      { when: "refuses", inspect: "echo running", exec: "exit 1", code: 1 },
      { when: "cannot be asked for", inspect: "echo Cannot connect >&2; exit 1", exec: "exit 99", code: 1 },
    ];
    for (const { when, inspect, exec, code } of moments) {
      it(`reloads nginx, and ${code === 0 ? "is content" : "fails"} when it ${when}`, async () => {
        assert.equal(await takeIn(`case "$1" in container) ${inspect} ;; exec) ${exec} ;; esac`), code);
      });
    }

    for (const code of [0, 1]) {
      it(`lets nginx close connections before the reload but not after it, and returns the reload's result: ${code}`, async () => {
        for (const name of ["sleep", "nginx"])
          fakeProgram(
            directory,
            name,
            `echo "${name} $* $(ls ${directory} | grep closing)" >> ${directory}/did; [ ${name} = sleep ] || exit ${code}`,
          );
        assert.equal(await takeIn('case "$1" in container) echo running ;; exec) shift 2; exec "$@" ;; esac'), code);
        assert.equal(
          readFileSync(join(directory, "did"), "utf8"),
          "sleep 5 closing\nnginx -c /etc/audit-edge/nginx.conf -s reload closing\nsleep 1 closing\n",
        );
        assert.equal(existsSync(join(directory, "closing")), false);
      });
    }
  });

  it("does not replace nginx when its configuration changes: that is a reload", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "Container", "audit-edge-nginx");
    assert.equal(inputs.labels, undefined);
    assert.equal(inputs.uploads, undefined);
  });

  it("returns its URL once it is up", async () => {
    const { result } = await run(build);
    assert.equal(await valueOf(result.url), "https://audit.example.test");
    assert.deepEqual(result.otherMetrics, [], "without a certificate there is none to be watched");
  });
});
