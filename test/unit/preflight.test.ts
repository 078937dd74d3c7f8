import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePortsScript, freeSubnetsScript, trustedRegistryScript } from "../../components/preflight";
import { fakeProgram } from "./support/fake-programs";

describe("what is asked for before anything gives way", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "ports-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  /** Runs it with a `docker` that does this for its first two words. @returns how it ended, and all that `docker` was asked */
  function runWith(script: string, docker: string): { status: number | null; stderr: string; asked: string[] } {
    fakeProgram(directory, "docker", `echo "$*" >> ${directory}/asked; case "$1 $2" in ${docker} esac`);
    const env = { PATH: `${directory}${delimiter}${process.env.PATH}` };
    const { status, stderr } = spawnSync("sh", ["-ec", script], { env, encoding: "utf8" });
    return { status, stderr, asked: readFileSync(join(directory, "asked"), "utf8").trim().split("\n") };
  }

  describe("a registry's certificate", () => {
    const image = "harbor.example.test:8443/hub/nginx@sha256:0";
    const check = (inspect: string, pull: string) =>
      runWith(trustedRegistryScript(image), `"image inspect") ${inspect} ;; "pull --quiet") ${pull} ;;`);

    it("is not asked for while the image is there", () => {
      assert.deepEqual(check(":", "exit 9"), { status: 0, stderr: "", asked: [`image inspect ${image}`] });
    });

    it("is refused with the place for the authority", () => {
      const said = "Error response from daemon: Get \"https://harbor.example.test:8443/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority"; // prettier-ignore
      const { status, stderr } = check("exit 1", `echo '${said}' >&2; exit 1`);
      assert.equal(status, 1);
      assert.match(stderr, /does not trust the certificate of harbor\.example\.test:8443: .*x509: certificate signed/);
      assert.match(
        stderr,
        /into \/etc\/docker\/certs\.d\/harbor\.example\.test:8443\/ca\.crt there, and deploy again\.\n$/,
      );
    });

    it("leaves every other refusal to the plugin, which has the login", () => {
      assert.equal(check("exit 1", "echo 'unauthorized: authentication required' >&2; exit 1").status, 0);
    });
  });

  describe("ports", () => {
    /**
     * @param own what `docker container inspect` does
     * @param run what `docker run` does
     */
    function check(own: string, run: string): { status: number | null; stderr: string; tried: string[] } {
      const script = freePortsScript({
        container: "audit-edge-nginx",
        image: "registry.example.test/tools",
        network: "audit-edge",
        ports: [
          { port: 80, setting: "audit:edgePort" },
          { port: 9145, setting: "audit:edgeMetricsPort" },
        ],
      });
      const { status, stderr, asked } = runWith(script, `"container inspect") ${own} ;; run*) ${run} ;;`);
      return {
        status,
        stderr,
        tried: [...asked.join(" ").matchAll(/--publish (\S+)/g)].map(([, ports]) => ports ?? ""),
      };
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

  describe("subnets", () => {
    const script = freeSubnetsScript({
      networks: [
        { name: "audit-front", subnet: "172.29.96.0/24" },
        { name: "audit-admin", subnet: "172.29.97.0/24" },
      ],
      setting: "audit:networkPrefix",
    });
    const made = (asked: readonly string[]) => asked.filter((words) => words.startsWith("network create"));

    it("tries each subnet when there is no network yet, and leaves no trial behind", () => {
      const { status, stderr, asked } = runWith(script, '"network inspect") exit 1 ;;');
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      assert.deepEqual(made(asked), [
        "network create --internal --subnet 172.29.96.0/24 audit-front-trial",
        "network create --internal --subnet 172.29.97.0/24 audit-admin-trial",
      ]);
      assert.equal(asked.at(-1), "network rm audit-admin-trial");
    });

    it("leaves alone a network that has its subnet", () => {
      const own = 'case "$*" in *audit-front) echo " 172.29.96.0/24" ;; *) echo " 172.28.97.0/24" ;; esac';
      const { status, asked } = runWith(script, `"network inspect") ${own} ;;`);
      assert.equal(status, 0);
      assert.deepEqual(made(asked), ["network create --internal --subnet 172.29.97.0/24 audit-admin-trial"]);
    });

    it("says which subnet is taken, what is there, and by which setting to choose another", () => {
      const { status, stderr } = runWith(
        script,
        '"network inspect") case "$*" in *Name*) printf "bridge 172.17.0.0/16\\nhost\\nother 172.29.0.0/16\\n" ;; *) exit 1 ;; esac ;;' +
          '"network ls") echo 1 ;;' +
          '"network create") echo "Error response from daemon: Pool overlaps with other one on this address space" >&2; exit 1 ;;',
      );
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "network audit-front cannot have 172.29.96.0/24 on this host: Pool overlaps with other one on this address space. " +
          "Networks there: bridge 172.17.0.0/16,other 172.29.0.0/16. Choose another range by audit:networkPrefix. Nothing was changed.\n",
      );
    });
  });
});
