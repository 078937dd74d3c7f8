import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { spawn } from "node:child_process";
import { secretIdIssue, SECRET_ID_TTL } from "../../components/secret-id-issue";

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

describe("the end of the former secret_ids", () => {
  const issue = "11111111-2222-3333-4444-555555555555";
  const known: Record<string, object | undefined> = {
    new: { metadata: { issue } },
    former: { metadata: { issue: "0" } },
    byHand: { metadata: null },
    ended: undefined,
  };
  let vault: Server;
  let asked: string[];

  before(async () => {
    const answer = async (request: IncomingMessage): Promise<object | undefined> => {
      const { secret_id_accessor } = JSON.parse((await text(request)) || "{}") as { secret_id_accessor?: string };
      if (request.url?.endsWith("/secret-id?list=true")) return { data: { keys: Object.keys(known) } };
      if (request.url?.endsWith("/destroy")) {
        asked.push(secret_id_accessor ?? "");
        return {};
      }
      const data = known[secret_id_accessor ?? ""];
      return data && { data };
    };
    vault = createServer((request, response) => {
      void answer(request).then((body) => {
        response.statusCode = body === undefined ? 404 : 200;
        response.end(JSON.stringify(body ?? { errors: [] }));
      });
    });
    await new Promise<void>((listening) => vault.listen(0, "127.0.0.1", listening));
  });
  beforeEach(() => (asked = []));
  after(() => vault.close());

  const revoke = (onHost: string) =>
    new Promise<{ code: number | null; output: string }>((done) => {
      const child = spawn("node", ["--import", "tsx", "vault-agent/revoke-former.ts"], {
        env: {
          ...process.env,
          VAULT_ADDR: `http://127.0.0.1:${(vault.address() as AddressInfo).port}`,
          VAULT_TOKEN: "t",
          AUDIT_APPROLE: "auth/approle/role/audit-svc",
          AUDIT_ON_HOST: onHost,
        },
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (output += String(chunk)));
      child.on("close", (code) => done({ code, output }));
    });

  it("spares the one by which the agent is logged in, and destroys every other", async () => {
    assert.deepEqual(await revoke(`echo ${issue}`), { code: 0, output: "" });
    assert.deepEqual(asked, ["former", "byHand"]);
  });

  it("destroys none while the agent is not logged in", async () => {
    const { code, output } = await revoke("echo it does not log in >&2; exit 1");
    assert.equal(code, 1);
    assert.equal(
      output,
      "it does not log in\nthe former secret_id was not revoked: the script on the VM ended with 1\n",
    );
    assert.deepEqual(asked, []);
  });

  it("destroys none when the agent does not say who it is", async () => {
    assert.equal((await revoke("true")).code, 1);
    assert.deepEqual(asked, []);
  });
});
