import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { spawn } from "node:child_process";
import { secretIdIssue } from "../../../../components/secrets/secret-id-issue";
import { SECRET_ID_TTL } from "../../../../lib/vault/rights";

describe("when a secret_id is issued", () => {
  const before = "2026-01-01T00:00:00.000Z";
  const day = (n: number) => new Date(Date.parse(before) + n * 24 * 3600 * 1000);

  it("stays as it is while there is nothing to do", () => {
    assert.equal(secretIdIssue(before, false, SECRET_ID_TTL, day(14)), before);
  });

  const now = day(1);
  const cases: [string, string | undefined, boolean, Date][] = [
    ["at the first run", undefined, false, now],
    ["with another release", before, true, now],
    ["after half of its life", before, false, day(15)],
    ["when the output makes no sense", "yesterday", false, now],
  ];
  for (const [when, previous, deploys, at] of cases) {
    it(`is now ${when}`, () => {
      assert.equal(secretIdIssue(previous, deploys, SECRET_ID_TTL, at), at.toISOString());
    });
  }
});

/** A Vault with these secret_ids of one role, by accessor; undefined is one that is listed but cannot be looked up. */
class FakeVault {
  known: Record<string, object | undefined> = {};
  destroyed: string[] = [];
  issued: string[] = [];
  /** Number of next issues that are lost at once. */
  loses = 0;
  private readonly server: Server;
  private readonly directory = mkdtempSync(join(tmpdir(), "delivered-"));
  /** File with what the one-shot on the VM received. */
  readonly file = join(this.directory, "delivered");

  constructor() {
    this.server = createServer((request, response) => {
      void this.answer(request).then((body) => {
        response.statusCode = body === undefined ? 404 : 200;
        response.end(JSON.stringify(body ?? { errors: [] }));
      });
    });
  }

  private async answer(request: IncomingMessage): Promise<object | undefined> {
    const body = JSON.parse((await text(request)) || "{}") as { secret_id_accessor?: string; metadata?: string };
    const accessor = body.secret_id_accessor ?? "";
    if (request.url?.endsWith("/role-id")) return { data: { role_id: "the role_id" } };
    if (request.url?.endsWith("/secret-id?list=true")) return { data: { keys: Object.keys(this.known) } };
    if (request.url?.endsWith("/secret-id")) {
      assert.equal(request.headers["x-vault-wrap-ttl"], "120s");
      const metadata = JSON.parse(body.metadata ?? "") as { issue: string };
      this.issued.push(metadata.issue);
      const lost = this.issued.length <= this.loses;
      this.known[metadata.issue] = lost ? undefined : { metadata, creation_time: new Date().toISOString() };
      return { wrap_info: { token: `wrapping token ${this.issued.length}` } };
    }
    if (request.url?.endsWith("/destroy")) {
      this.destroyed.push(accessor);
      return {};
    }
    const data = this.known[accessor];
    return data && { data };
  }

  listen = () => new Promise<void>((listening) => this.server.listen(0, "127.0.0.1", listening));
  close = () => {
    this.server.close();
    rmSync(this.directory, { recursive: true });
  };

  /** Runs one of the programs of steps/ against it. */
  run(program: string, onHost: Record<string, string>): Promise<{ code: number | null; output: string }> {
    return new Promise((done) => {
      const child = spawn("node", ["--import", "tsx", `steps/${program}.ts`], {
        env: {
          ...process.env,
          VAULT_ADDR: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`,
          VAULT_TOKEN: "t",
          AUDIT_APPROLE: "auth/approle/role/audit-svc",
          ...onHost,
        },
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (output += String(chunk)));
      child.on("close", (code) => done({ code, output }));
    });
  }
}

describe("the delivery of a secret_id", () => {
  let vault: FakeVault;
  beforeEach(() => {
    vault = new FakeVault();
    return vault.listen();
  });
  afterEach(() => vault.close());
  const deliver = () => vault.run("deliver-secret-id", { AUDIT_DELIVER: `cat >> ${vault.file}` });
  const delivered = () => readFileSync(vault.file, "utf8");

  it("passes the role_id, the issue and the wrapping token by standard input", async () => {
    assert.deepEqual(await deliver(), { code: 0, output: "" });
    assert.equal(delivered(), `the role_id\n${vault.issued[0]}\nwrapping token 1\n`);
  });

  it("issues another when Vault has lost it by tidying up at that moment", async () => {
    vault.loses = 2;
    assert.deepEqual(await deliver(), { code: 0, output: "" });
    assert.equal(vault.issued.length, 3);
    assert.ok(delivered().endsWith(`the role_id\n${vault.issued[2]}\nwrapping token 3\n`));
  });

  it("gives up after three", async () => {
    vault.loses = 3;
    const { code, output } = await deliver();
    assert.equal(code, 1);
    assert.equal(
      output,
      "Vault has lost each of 3 secret_ids that it issued for auth/approle/role/audit-svc; look at its log\n",
    );
    assert.equal(vault.issued.length, 3);
  });

  it("fails with the VM's error, and issues no other", async () => {
    const { code, output } = await vault.run("deliver-secret-id", { AUDIT_DELIVER: "echo no room >&2; exit 1" });
    assert.equal(code, 1);
    assert.equal(output, "no room\nthe secret_id was not delivered: the script on the VM ended with 1\n");
    assert.equal(vault.issued.length, 1);
  });
});

describe("the end of the former secret_ids", () => {
  const issue = "11111111-2222-3333-4444-555555555555";
  let vault: FakeVault;
  beforeEach(() => {
    vault = new FakeVault();
    vault.known = {
      ofARunThatCameLater: { metadata: { issue: "1" }, creation_time: "2026-01-02T00:00:00.223456789Z" },
      new: { metadata: { issue }, creation_time: "2026-01-02T00:00:00.123456789Z" },
      former: { metadata: { issue: "0" }, creation_time: "2026-01-01T00:00:00.9Z" },
      byHand: { metadata: null, creation_time: "2026-01-01T00:00:00Z" },
      ended: undefined,
    };
    return vault.listen();
  });
  afterEach(() => vault.close());
  const revoke = (loggedIn: string, delivered = `echo ${issue}`) =>
    vault.run("revoke-former", {
      AUDIT_DELIVERED: delivered,
      AUDIT_DELIVER: `sed -n 2p > ${vault.file}`,
      AUDIT_LOGGED_IN: loggedIn,
    });

  it("keeps the one with which the agent is logged in and later ones, and destroys every former one", async () => {
    assert.deepEqual(await revoke(`echo ${issue}`), { code: 0, output: "" });
    assert.deepEqual(vault.destroyed, ["former", "byHand"]);
  });

  for (const [when, delivered] of [
    ["Vault does not know the one on the VM any more", "echo 22222222-2222-3333-4444-555555555555"],
    ["none lies there", "true"],
  ] as const) {
    it(`delivers another first when ${when}`, async () => {
      assert.deepEqual(await revoke(`cat ${vault.file}`, delivered), { code: 0, output: "" });
      assert.equal(vault.issued.length, 1);
      assert.deepEqual(vault.destroyed, ["ofARunThatCameLater", "new", "former", "byHand"]);
    });
  }

  it("destroys none while the agent is not logged in", async () => {
    const { code, output } = await revoke("echo it does not log in >&2; exit 1");
    assert.equal(code, 1);
    assert.equal(
      output,
      "it does not log in\nthe former secret_id was not revoked: the script on the VM ended with 1\n",
    );
    assert.deepEqual(vault.destroyed, []);
  });

  it("destroys none, and fails, when the one with which the agent is logged in is gone", async () => {
    const { code, output } = await revoke(`echo ${issue.replaceAll("1", "9")}`);
    assert.equal(code, 1);
    assert.match(output, /was destroyed by somebody else; deploy again/);
    assert.deepEqual(vault.destroyed, []);
  });

  it("destroys none when the agent does not report its issue", async () => {
    assert.equal((await revoke("true")).code, 1);
    assert.deepEqual(vault.destroyed, []);
  });
});
