import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePortsScript } from "../../components/free-ports";
import { fakeProgram } from "./support/fake-programs";

describe("the check of the edge's ports", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "ports-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  /**
   * @param own what `docker container inspect` does
   * @param run what `docker run` does
   * @returns how it ended, and the ports that were tried
   */
  function check(own: string, run: string): { status: number | null; stderr: string; tried: string[] } {
    fakeProgram(
      directory,
      "docker",
      `case "$1" in container) ${own} ;; run) echo "$*" >> ${directory}/tried; ${run} ;; esac`,
    );
    const script = freePortsScript({
      container: "audit-edge-nginx",
      image: "registry.example.test/tools",
      network: "audit-edge",
      ports: [
        { port: 80, setting: "audit:edgePort" },
        { port: 9145, setting: "audit:edgeMetricsPort" },
      ],
    });
    const env = { PATH: `${directory}${delimiter}${process.env.PATH}` };
    const { status, stderr } = spawnSync("sh", ["-ec", script], { env, encoding: "utf8" });
    const file = join(directory, "tried");
    const tried = existsSync(file) ? readFileSync(file, "utf8").matchAll(/--publish (\S+)/g) : [];
    return { status, stderr, tried: [...tried].map(([, ports]) => ports ?? "") };
  }
  const taken = (said: string) => `echo "docker: Error response from daemon: ${said}" >&2; exit 125`;

  it("tries each port when there is no container yet", () => {
    assert.deepEqual(check("exit 1", ":"), { status: 0, stderr: "", tried: ["80:1", "9145:1"] });
  });

  it("leaves alone what the container itself publishes", () => {
    assert.deepEqual(check("echo '80 '", ":"), { status: 0, stderr: "", tried: ["9145:1"] });
    assert.deepEqual(check("echo '9145 80 '", "exit 1").status, 0);
    assert.deepEqual(check("echo '8080 '", ":").tried.slice(-2), ["80:1", "9145:1"], "8080 is not 80");
  });

  it("says which port is taken, and by which setting to choose another", () => {
    const { status, stderr } = check(
      "echo '80 '",
      taken(
        "driver failed (0e5c): Error starting userland proxy: listen tcp4 0.0.0.0:9145: bind: address already in use.",
      ),
    );
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "audit-edge-nginx cannot listen on port 9145 of this host: address already in use. Free it, or choose another by audit:edgeMetricsPort. audit-edge-nginx is as it was.\n",
    );
  });

  it("takes the reason from what newer versions of Docker say on two lines", () => {
    const said = "failed to set up container networking: Bind for 0.0.0.0:80 failed: port is already allocated";
    const { stderr } = check("exit 1", taken(`${said}\n\nRun 'docker run --help' for more information`));
    assert.match(stderr, /on port 80 of this host: port is already allocated\. Free it, .*audit:edgePort\./);
  });
});
