import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { digestsOf, replicas } from "./support/replicas";
import { attached, run, until } from "./support/sandbox";

const path = "secret/data/audit-svc/sandbox";

interface Secret {
  tokens: { name: string; sha256: string; role: string; application?: string }[];
}

describe("scenario: a changed secret reaches every replica", () => {
  const sandbox = attached();
  let original: Secret | undefined;

  after(async () => {
    if (original) await sandbox().vault("POST", path, { data: original });
  });

  it("accepts a token seconds after it is written to Vault, and refuses it once it is removed", async () => {
    const found = await sandbox().vault<{ data: { data: Secret } }>("GET", path);
    assert.ok(found, "the program wrote no secret");
    original = found.data.data;
    const before = await digestsOf(sandbox());
    const token = randomBytes(24).toString("hex");
    const read = async (): Promise<number> => (await sandbox().edge("/v1/events?limit=1", { token })).status;
    assert.equal(await read(), 401, "the token works before it was made");

    const sha256 = createHash("sha256").update(token).digest("hex");
    const changed = { ...original, tokens: [...original.tokens, { name: "e2e", sha256, role: "reader" }] };
    await sandbox().vault("POST", path, { data: changed });
    const after = await until("every replica has the new secret", 60, async () => {
      const digests = await digestsOf(sandbox());
      return digests.every((digest) => !before.includes(digest)) ? digests : undefined;
    });
    assert.equal(new Set(after).size, 1, "the replicas work with different secrets");
    // More requests than there are replicas, so that each is asked.
    for (let i = 0; i < 20; i++) assert.equal(await read(), 200);

    await sandbox().vault("POST", path, { data: original });
    await until("every replica has the old secret again", 60, async () =>
      (await digestsOf(sandbox())).every((digest) => before.includes(digest)) ? true : undefined,
    );
    for (let i = 0; i < 20; i++) assert.equal(await read(), 401);
    original = undefined;
  });

  it("shows in the agent's health and metrics that a replica does not confirm, and that it does again", async () => {
    const [silent = ""] = (await replicas(sandbox())).slice(-1);
    const confirmed = async () => {
      const text = await sandbox().docker("exec", "audit-edge-nginx", "cat", "/run/audit-svc/agent.prom");
      return /^audit_agent_reload_confirmed (\d)$/m.exec(text)?.[1];
    };
    const found = await sandbox().vault<{ data: { data: Secret } }>("GET", path);
    assert.ok(found);
    original = found.data.data;
    await sandbox().docker("pause", silent);
    try {
      const another = { name: "e2e", sha256: "0".repeat(64), role: "reader" };
      await sandbox().vault("POST", path, { data: { ...original, tokens: [...original.tokens, another] } });
      await until("the metric tells it", 120, async () => ((await confirmed()) === "0" ? true : undefined));
      const line = await until("the log names the replica", 30, async () => {
        const { output } = await run(["docker", "logs", "--tail", "50", "audit-svc-agent"], sandbox().env);
        return /not confirmed by: \S+/.exec(output)?.[0];
      });
      assert.equal(line, `not confirmed by: ${silent}`);
    } finally {
      await sandbox().docker("unpause", silent);
    }
    await until("it confirms", 60, async () => ((await confirmed()) === "1" ? true : undefined));
    await sandbox().vault("POST", path, { data: original });
    original = undefined;
  });

  it("leaves the agent with a token that reads one secret, signs with one key, and nothing else", async () => {
    const policy = await sandbox().vault<{ data: { policy: string } }>("GET", "sys/policies/acl/audit-svc");
    const paths = [...(policy?.data.policy ?? "").matchAll(/path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]/g)];
    assert.deepEqual(
      paths.map(([, where, what]) => [where, what]),
      [
        [path, `"read"`],
        ["transit/sign/audit-svc-log", `"update"`],
        ["transit/keys/audit-svc-log", `"read"`],
        ["auth/token/renew-self", `"update"`],
        ["auth/token/lookup-self", `"read"`],
      ],
    );
  });
});
