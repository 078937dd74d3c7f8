import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../offline/lib/user-error.js";
import { checkMachine, overlap, type Circumstances, type Machine } from "../../src/checks.js";
import type { Engine } from "../../src/docker.js";
import { diagnostics } from "../../src/pulumi.js";
import { readSettings } from "../../src/settings.js";

describe("the machine's checks", () => {
  const settings = readSettings({ SANDBOX_PORT_BASE: "61000" });
  const found = { host: "unix:///var/run/docker.sock", up: true, refused: false, directory: "/var/lib/docker" };
  const fine: Machine = {
    room: () => Promise.resolve({ device: 1, free: 100 * 1024 ** 3 }),
    memory: () => 16 * 1024 ** 3,
    root: () => Promise.resolve(true),
    addresses: () => [{ name: "eth0", address: "192.0.2.7" }],
  };
  /** Problems found on a machine with only this fault. */
  async function problems(but: Partial<Machine & Circumstances> = {}): Promise<string> {
    const circumstances = { settings, cold: true, found, engine: undefined, ...but };
    try {
      await checkMachine(circumstances, { ...fine, ...but });
      return "";
    } catch (error) {
      assert.ok(UserError.is(error), String(error));
      return error.message;
    }
  }
  /** An engine with these networks and containers of the sandbox. */
  const engineWith = (
    networks: { name: string; subnets: string[] }[],
    containers: { State: string; Ports: { PublicPort: number }[] }[] = [],
  ) =>
    ({
      networks: () => Promise.resolve(networks),
      containers: () => Promise.resolve(new Map(containers.map((info, i) => [`c${i}`, info]))),
    }) as unknown as Engine;

  it("find nothing on a machine that is fine", async () => {
    assert.equal(await problems(), "");
  });

  it("refuse a disk that is full, saying how much is free and how much is needed", async () => {
    const room = () => Promise.resolve({ device: 1, free: 1024 ** 3 / 2 });
    const message = await problems({ room });
    assert.match(message, /^Only 0\.5 GB are free on the disk of .*; the sandbox needs 8 GB\. Free some space/);
    assert.match(await problems({ room, cold: false }), /needs 1 GB/);
  });

  it("check each disk for what is written there", async () => {
    const room = (path: string) =>
      Promise.resolve(
        path.startsWith("/var") ? { device: 2, free: 4 * 1024 ** 3 } : { device: 1, free: 3.6 * 1024 ** 3 },
      );
    const message = await problems({ room });
    assert.match(message, /^Only 4\.0 GB are free on the disk of \/var.*; the sandbox needs 4\.5 GB\./);
    const elsewhere = { ...found, host: "tcp://build.example.test:2375" };
    assert.equal(await problems({ room, found: elsewhere }), "", "the engine's disk is another machine's");
  });

  it("refuse too little memory, but for a sandbox that runs already", async () => {
    const memory = () => 1024 ** 3;
    assert.match(await problems({ memory }), /^Only 1\.0 GB of memory are free; the sandbox needs 3 GB\. End other/);
    assert.equal(await problems({ memory, cold: false }), "");
    assert.equal(await problems({ memory, engine: engineWith([], [{ State: "running", Ports: [] }]) }), "");
  });

  it("name the package when ssh is missing", async () => {
    const empty = mkdtempSync(join(tmpdir(), "path-"));
    const path = process.env.PATH;
    try {
      process.env.PATH = empty;
      if (existsSync("/usr/sbin/ssh") || existsSync("/sbin/ssh")) throw new Error("ssh is where it is not expected");
      assert.match(await problems(), /`ssh` is not installed.*openssh-client[^]*`ssh-keygen` is not installed/);
    } finally {
      process.env.PATH = path;
      rmSync(empty, { recursive: true });
    }
  });

  it("refuse a user who may neither use nor start the engine", async () => {
    assert.match(
      await problems({ found: { ...found, up: false, refused: true } }),
      /^This user may not talk to the Docker/,
    );
    const root = () => Promise.resolve(false);
    const down = { ...found, up: false };
    assert.match(
      await problems({ found: down, root }),
      /^No Docker Engine answers, and this user may not start or install/,
    );
    assert.equal(await problems({ found: down }), "");
  });

  it("refuse a port in use, even by a program that accepts no connection", async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(settings.ports.edge, "0.0.0.0", 1, listening));
    try {
      assert.match(
        await problems(),
        /^Port 61080 of 127\.0\.0\.1 is in use by another program\. Stop that program, or let/,
      );
      const ours = engineWith([], [{ State: "running", Ports: [{ PublicPort: settings.ports.edge }] }]);
      assert.equal(await problems({ engine: ours }), "", "the sandbox's own container has it");
    } finally {
      server.close();
    }
  });

  it("refuse an address range that is taken", async () => {
    const range = "10.213.18.0/24";
    const own = (subnet: string) => engineWith([{ name: "audit-sandbox", subnets: [subnet] }]);
    assert.equal(await problems({ engine: own(range) }), "");
    assert.match(
      await problems({ engine: own("10.9.9.0/24") }),
      /^The network audit-sandbox exists with the range 10\.9/,
    );
    const another = engineWith([{ name: "another", subnets: ["fd00::/64", "10.213.0.0/16"] }]);
    assert.match(
      await problems({ engine: another }),
      /^The address range 10\.213\.18\.0\/24 is taken by .* another\. Choose/,
    );
    const addresses = () => [{ name: "tun0", address: "10.213.18.9" }];
    assert.match(await problems({ addresses }), /^The address range .* interface tun0 has 10\.213\.18\.9\. Choose/);
    assert.equal(await problems({ addresses, engine: own(range) }), "", "the interface is that network's");
  });

  it("report all problems at once", async () => {
    const message = await problems({
      memory: () => 0,
      room: () => Promise.resolve({ device: 1, free: 0 }),
      addresses: () => [{ name: "tun0", address: "10.213.18.9" }],
    });
    assert.match(
      message,
      /^3 problems were found; nothing was changed\.\n {2}- Only 0\.0 GB are[^]*\n {2}- Only 0\.0 GB of mem/,
    );
    assert.equal(message.split("\n  - ").length, 4);
  });
});

describe("two ranges of addresses", () => {
  for (const [one, other, expected] of [
    ["10.0.0.0/8", "10.213.18.0/24", true],
    ["10.213.18.0/24", "10.213.18.77/32", true],
    ["10.213.19.0/24", "10.213.18.0/24", false],
    ["0.0.0.0/0", "10.213.18.0/24", true],
    ["fd00::/64", "10.213.18.0/24", false],
  ] as const) {
    it(`${expected ? "share" : "do not share"} addresses: ${one}, ${other}`, () => {
      assert.equal(overlap(one, other), expected);
      assert.equal(overlap(other, one), expected);
    });
  }
});

describe("settings", () => {
  it("put every port above the base", () => {
    assert.deepEqual(readSettings({ SANDBOX_PORT_BASE: "20000" }).ports, {
      edge: 20080,
      edgeTls: 20043,
      ssh: 20022,
      postgres: 20032,
      vault: 20020,
      registry: 20050,
      prometheus: 20090,
      grafana: 20030,
    });
  });

  for (const base of ["", "80", "65500", "1e4", "eighty"]) {
    it(`refuse SANDBOX_PORT_BASE=${base}`, () => {
      assert.throws(() => readSettings({ SANDBOX_PORT_BASE: base }), /is not a usable port base\. Give a whole number/);
    });
  }
  for (const subnet of ["", "10.0", "10.0.0.0", "10.0.256", "a.b.c"]) {
    it(`refuse SANDBOX_SUBNET=${subnet}`, () => {
      assert.throws(() => readSettings({ SANDBOX_SUBNET: subnet }), /is not the first three octets/);
    });
  }
});

describe("Pulumi's output, shortened to its diagnostics", () => {
  it("leaves out the list of resources and the summary", () => {
    const output = [
      "Updating (sandbox):",
      " +  docker:index:Container web **creating failed** 1 error",
      "Diagnostics:",
      "  docker:index:Container (web):",
      "    error: no such image",
      "",
      "Resources:",
      "    1 errored",
      "Duration: 2s",
    ].join("\n");
    assert.equal(diagnostics(output), "  docker:index:Container (web):\n    error: no such image");
  });

  it("shows the last lines when there are none", () => {
    assert.equal(diagnostics("error: Vault is sealed\n"), "error: Vault is sealed");
  });
});
