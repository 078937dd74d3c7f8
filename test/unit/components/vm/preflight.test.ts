import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import {
  freeNetworksScript,
  freePortsScript,
  trustedRegistryScript,
  type Peer,
  type WantedNetwork,
} from "../../../../components/vm/preflight";
import { fakeProgram } from "../../support/fake-programs";

describe("what is checked before anything is replaced", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "ports-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  /**
   * Runs the script with a fake `docker` that runs this text by its first two words.
   *
   * @returns the result and all `docker` commands
   */
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

    it("is not checked if the image is present", () => {
      assert.deepEqual(check(":", "exit 9"), { status: 0, stderr: "", asked: [`image inspect ${image}`] });
    });

    it("is refused with another place for Docker Hub's", () => {
      const script = trustedRegistryScript("docker.io/library/nginx@sha256:0");
      const { status, stderr } = runWith(
        script,
        '"image inspect") exit 1 ;; "pull --quiet") echo x509: unknown; exit 1 ;;',
      );
      assert.equal(status, 1);
      assert.match(stderr, /certificate of docker\.io: x509: unknown Add .*update-ca-certificates.*restart Docker/);
    });

    it("is refused with the place for the authority", () => {
      const printed = "Error response from daemon: Get \"https://harbor.example.test:8443/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority"; // prettier-ignore
      const { status, stderr } = check("exit 1", `echo '${printed}' >&2; exit 1`);
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
    const taken = (reason: string) => `echo "docker: Error response from daemon: ${reason}" >&2; exit 125`;

    it("tries each port when there is no container yet", () => {
      assert.deepEqual(check("exit 1", ":"), { status: 0, stderr: "", tried: ["80:1", "9145:1"] });
    });

    it("skips ports that the container itself publishes", () => {
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
      const reason = "failed to set up container networking: Bind for 0.0.0.0:80 failed: port is already allocated";
      const { stderr } = check("exit 1", taken(`${reason}\n\nRun 'docker run --help' for more information`));
      assert.match(stderr, /on port 80 of this host: port is already allocated\. Free it, .*audit:edgePort\./);
    });
  });

  describe("networks", () => {
    const front = { name: "audit-front", subnet: "172.29.96.0/24", internal: true };
    const egress = { name: "audit-egress", internal: false };
    const script = (networks: readonly WantedNetwork[], peers: readonly Peer[] = []) =>
      freeNetworksScript({ networks, peers, settings: { range: "audit:networkPrefix", mtu: "audit:networkMtu" } });
    const made = (asked: readonly string[]) => asked.filter((words) => words.startsWith("network create"));

    /** A host with these networks (`name subnet mtu`), and what `docker network create` says when it fails. */
    function host({ networks = [] as string[], chosen = "172.18.0.0/16", refuses = "" }): string {
      const inspect = networks.map((line) => {
        const [name = "", subnet = "", mtu = ""] = line.split(" ");
        return `*"end}}mtu "*" ${name}") echo "${subnet} mtu ${mtu}" ;;`;
      });
      return (
        `"network inspect") case "$*" in ${inspect.join(" ")} *"end}}mtu "*) exit 1 ;; *-trial) echo ${chosen} ;; ` +
        `*) printf 'bridge 172.17.0.0/16\\nhost\\nother 172.29.0.0/16\\n' ;; esac ;; "network ls") echo 1 ;; ` +
        `"network create") ${refuses === "" ? ":" : `echo "Error response from daemon: ${refuses}" >&2; exit 1`} ;;`
      );
    }

    /** Runs it on a host with these routes, as the kernel writes them, and an uplink eth0 of this MTU. */
    function check(script: string, docker: string, { routes = "", mtu = 1500 } = {}) {
      writeFileSync(
        join(directory, "routes"),
        `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n${DEFAULT_ROUTE}${routes}`,
      );
      mkdirSync(join(directory, "eth0"), { recursive: true });
      writeFileSync(join(directory, "eth0/mtu"), `${mtu}\n`);
      fakeProgram(
        directory,
        "getent",
        `case "$2" in db.example.test) echo "172.18.3.4 STREAM db" ;; *) exit 2 ;; esac`,
      );
      return runWith(`env ROUTES=${directory}/routes INTERFACES=${directory} ${script}`, docker);
    }
    const DEFAULT_ROUTE = "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n";
    const route = (device: string, destination: string, mask: string) =>
      `${device}\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\n`;

    it("tries each missing one, with its subnet or with Docker's choice, and leaves no trial network behind", () => {
      const { status, stderr, asked } = check(script([front, egress]), host({}));
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      assert.deepEqual(made(asked), [
        "network create --internal --subnet 172.29.96.0/24 audit-front-trial",
        "network create --internal audit-egress-trial",
      ]);
      assert.deepEqual(asked.slice(-2), ["network rm audit-front-trial", "network rm audit-egress-trial"]);
    });

    it("skips one that exists as wanted", () => {
      const there = host({ networks: ["audit-front 172.29.96.0/24", "audit-egress 172.18.0.0/16"] });
      const routes = route("eth1", "00601DAC", "00FFFFFF");
      const { status, stderr, asked } = check(script([front, egress]), there, { routes });
      assert.deepEqual({ status, stderr, made: made(asked) }, { status: 0, stderr: "", made: [] });
    });

    it("tries one whose subnet is to change", () => {
      const there = host({ networks: ["audit-front 172.28.96.0/24"] });
      assert.deepEqual(made(check(script([front]), there).asked), [
        "network create --internal --subnet 172.29.96.0/24 audit-front-trial",
      ]);
    });

    it("says which subnet is taken, which networks exist, and by which setting to choose another", () => {
      const refuses = "Pool overlaps with other one on this address space";
      const { status, stderr, asked } = check(script([front]), host({ refuses }));
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "network audit-front cannot have 172.29.96.0/24 on this host: Pool overlaps with other one on this address space. " +
          "Networks there: bridge 172.17.0.0/16,other 172.29.0.0/16. Choose another range by audit:networkPrefix. Nothing was changed.\n",
      );
      assert.equal(made(asked).length, 1);
    });

    for (const [what, line, reached] of [
      ["a wider route", route("tun0", "000010AC", "0000F0FF"), "172.16.0.0/12 by tun0"],
      ["the same", route("eth1", "00601DAC", "00FFFFFF"), "172.29.96.0/24 by eth1"],
      ["one address in it", route("eth1", "05601DAC", "FFFFFFFF"), "172.29.96.5/32 by eth1"],
      ["a route to nowhere", route("*", "00601DAC", "00FFFFFF"), "172.29.96.0/24"],
    ] as const) {
      it(`refuses a subnet into which the host has a route: ${what}`, () => {
        const { status, stderr } = check(script([front]), host({}), {
          routes: route("eth1", "00611DAC", "00FFFFFF") + line,
        });
        assert.equal(status, 1);
        assert.equal(
          stderr,
          `network audit-front cannot have 172.29.96.0/24 on this host: it has a route to ${reached}. ` +
            "Choose another range by audit:networkPrefix. Nothing was changed.\n",
        );
      });
    }

    it("refuses a subnet that contains the database's address, even if Docker chose it", () => {
      const peers = [
        { host: "nobody.example.test", setting: "audit:vaultAddress" },
        { host: "db.example.test", setting: "audit:databaseHost" },
      ];
      const { status, stderr, asked } = check(script([egress], peers), host({}));
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "network audit-egress would have 172.18.0.0/16 on this host, where db.example.test (172.18.3.4, audit:databaseHost) is. " +
          "Choose another range by audit:networkPrefix. Nothing was changed.\n",
      );
      assert.equal(asked.at(-1), "network rm audit-egress-trial");
      assert.equal(check(script([egress], peers), host({ chosen: "172.19.0.0/16" })).status, 0);
    });

    describe("MTU", () => {
      const complaint = (mtu: number) =>
        `network audit-egress has an MTU of ${mtu}, larger than the 1450 of eth0, by which this host reaches others: ` +
        "large packets may be lost. Set audit:networkMtu to 1450 or less.";

      it("refuses a new network with a larger MTU than the host's own", () => {
        for (const mtu of [undefined, 1500, 9000]) {
          const { status, stderr } = check(script([{ ...egress, mtu }]), host({}), { mtu: 1450 });
          assert.deepEqual(
            { status, stderr },
            { status: 1, stderr: `${complaint(mtu ?? 1500)} Nothing was changed.\n` },
          );
        }
      });

      it("refuses one whose MTU grows beyond that, and only warns about one that stays unchanged", () => {
        const there = host({ networks: ["audit-egress 172.18.0.0/16"] });
        const stays = check(script([egress]), there, { mtu: 1450 });
        assert.deepEqual([stays.status, stays.stderr], [0, `warning: ${complaint(1500)}\n`]);
        assert.equal(check(script([{ ...egress, mtu: 1480 }]), there, { mtu: 1450 }).status, 1);
      });

      it("accepts one that fits, one that a network has already, and any on internal networks", () => {
        const fitting = [{ ...egress, mtu: 1450 }, front];
        assert.equal(check(script(fitting), host({}), { mtu: 1450 }).stderr, "");
        const has = host({ networks: ["audit-egress 172.18.0.0/16 1400"] });
        assert.equal(check(script([egress]), has, { mtu: 1450 }).stderr, "");
      });
    });
  });
});
