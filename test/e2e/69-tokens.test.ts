import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { times } from "../support/depth";
import { rootToken } from "./support/bootstrap";
import { filledIn } from "./support/guide";
import { startLoad, withoutLoss, type Load } from "./support/load";
import { attached, root } from "./support/sandbox";

const BELOW = "secret/data/audit-svc/sandbox-tokens";
const WRITER = "writer-demo";

describe("scenario: an application's token is rotated, while it keeps sending", function () {
  this.timeout(900_000);
  const sandbox = attached();

  const tokenOf = async (holder: string, as?: string) => {
    const found = await sandbox().vault<{ data: { data: { token: string } } }>(
      "GET",
      `${BELOW}/${holder}`,
      undefined,
      as,
    );
    assert.ok(found, `Vault has no token for ${holder}`);
    return found.data.data.token;
  };
  const handedOut = async () => {
    const output = await sandbox().mustPulumi("stack", "output", "releases", "--json");
    return (JSON.parse(output) as { tokenVersions: Record<string, number> }).tokenVersions[WRITER] ?? 0;
  };
  /** The sandbox keeps the settings in its stack's file, so later scenarios continue with the last version. */
  const list = (versions: readonly number[]) => {
    const file = sandbox().get("PULUMI_OPTION_CONFIG_FILE");
    const stack = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    stack.config["audit:tokenVersions"] = { [WRITER]: versions };
    writeFileSync(file, stringify(stack));
  };
  const up = () => sandbox().pulumi(["up", "--yes", "--skip-preview"]);
  const mustUp = async () => {
    const { code, output } = await up();
    assert.equal(code, 0, output);
  };
  const send = async (token: string, application = "demo") => {
    const id = randomUUID();
    const event = { id, application, actor: `tokens-${id}`, action: "try", resource: "token", outcome: "success" };
    const body = JSON.stringify({ ...event, occurredAt: new Date().toISOString() });
    return { id, ...(await sandbox().edge("/v1/events", { method: "POST", token, body })) };
  };
  /** More requests than there are replicas, so that each is asked. @returns the codes of the answers, each once */
  const answersTo = async (token: string) => {
    const codes = new Set<number>();
    for (let i = 0; i < 20; i++) codes.add((await send(token)).status);
    return [...codes];
  };
  const sending = (token: string): Load =>
    startLoad({ url: sandbox().get("AUDIT_URL"), token, application: "demo", rate: times(200, 500), limit: 600 });
  const nothingLost = async (load: Load) => {
    const { stored } = withoutLoss(await load.stop());
    assert.ok(stored > 100, `only ${stored} requests were sent`);
  };

  let former = "";
  let next = "";

  it("accepts both versions: a client with the former loses nothing, and the new one works before Vault has it", async () => {
    former = await tokenOf(WRITER);
    const version = await handedOut();
    list([version, version + 1]);
    const load = sending(former);
    let over = false;
    /** A holder that constantly reads its token from Vault and uses it at once. */
    const holder = (async () => {
      const refused: number[] = [];
      while (!over) {
        const token = await tokenOf(WRITER);
        const { status } = await send(token);
        if (status !== 201) refused.push(status);
        if (token !== former) next = token;
        await sleep(50);
      }
      return refused;
    })();
    try {
      await mustUp();
      // The holder may have read Vault just before.
      await sleep(500);
    } finally {
      over = true;
      const refused = await holder;
      await nothingLost(load);
      assert.deepEqual(refused, []);
    }
    assert.equal(next, await tokenOf(WRITER));
    assert.notEqual(next, former);
    assert.equal(await handedOut(), version + 1);
    assert.deepEqual([await answersTo(former), await answersTo(next)], [[201], [201]]);
  });

  it("refuses the former once it is no longer listed; a client with the new one loses nothing", async () => {
    const load = sending(next);
    list([await handedOut()]);
    try {
      await mustUp();
    } finally {
      await nothingLost(load);
    }
    assert.deepEqual([await answersTo(former), await answersTo(next)], [[401], [201]]);
    assert.equal(await tokenOf(WRITER), next);
  });

  it("changes nothing at the second up", async () => {
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("refuses to go back, and changes nothing", async () => {
    const version = await handedOut();
    list([version - 1]);
    const { code, output } = await up();
    list([version]);
    assert.notEqual(code, 0, output);
    assert.match(
      output,
      new RegExp(`gives ${WRITER} version ${version - 1}, and the last deploy handed out ${version}`),
    );
    assert.doesNotMatch(output, /\.ts:\d+/, "a stack trace");
    assert.equal(await tokenOf(WRITER), next);
    assert.deepEqual(await answersTo(next), [201]);
  });

  it("shows another application's reader none of its events, neither in a list nor in an export", async () => {
    const [own, foreign] = [await send(await tokenOf("writer-smoke"), "smoke"), await send(next)];
    assert.deepEqual([own.status, foreign.status], [201, 201]);
    assert.equal((await send(await tokenOf("writer-smoke"))).status, 403);
    for (const [holder, mine, other] of [
      ["reader-smoke", own, foreign],
      ["reader-demo", foreign, own],
    ] as const) {
      const token = await tokenOf(holder);
      for (const path of [
        "/v1/events?limit=1000",
        `/v1/events/export?from=${new Date(Date.now() - 60_000).toISOString()}`,
      ]) {
        const { status, body } = await sandbox().edge(path, { token });
        assert.equal(status, 200, body);
        assert.ok(body.includes(mine.id), `${holder} does not see its own event at ${path}`);
        assert.ok(!body.includes(other.id), `${holder} sees a foreign event at ${path}`);
      }
      const application = holder === "reader-demo" ? "smoke" : "demo";
      const { body } = await sandbox().edge(`/v1/events?application=${application}`, { token });
      assert.deepEqual((JSON.parse(body) as { events: object[] }).events, []);
    }
  });

  it("lets the guide's policy read one token and no other", async () => {
    const guide = readFileSync(join(root, "docs/reference.md"), "utf8");
    const policy = filledIn(/^```hcl\n([^]*?)^```$/m.exec(guide)?.[1] ?? "", { "vm2-tokens/writer-billing": `sandbox-tokens/${WRITER}` }); // prettier-ignore
    const name = "e2e-token-holder";
    const admin = <T>(path: string, body: object) => sandbox().vault<T>("POST", path, body, rootToken());
    await admin(`sys/policies/acl/${name}`, { policy });
    try {
      const made = await admin<{ auth: { client_token: string } }>("auth/token/create", {
        policies: [name],
        ttl: "60s",
      });
      const holder = made?.auth.client_token ?? "";
      assert.equal(await tokenOf(WRITER, holder), next);
      for (const other of ["reader", "reader-demo", "writer-smoke"])
        await assert.rejects(tokenOf(other, holder), /403/);
    } finally {
      await sandbox().vault("DELETE", `sys/policies/acl/${name}`, undefined, rootToken());
    }
  });
});
