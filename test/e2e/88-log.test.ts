import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { Deploys } from "./support/deploys";
import { startLoad } from "./support/load";
import { attached, platform, root, run, sandbox as cli, until, type Ran } from "./support/sandbox";

/** Runs in the service's image, with the rendered volume as the service has it, and prints what the agent answers. */
const ASK = `
const ask = (path, method = "GET", headers = {}, body = "") => new Promise((done) => {
  const request = require("node:http").request({ socketPath: "/run/audit/vault.sock", path: "/v1/" + path, method, headers }, (answer) => {
    let text = "";
    answer.on("data", (chunk) => (text += chunk));
    answer.on("end", () => done([answer.statusCode, text]));
  });
  request.on("error", (error) => done([error.code, ""]));
  request.end(body);
});
const own = { "x-vault-request": "true" };
(async () => console.log(JSON.stringify({
  bare: await ask("transit/keys/audit-svc-log"),
  sign: await ask("transit/sign/audit-svc-log", "POST", own, JSON.stringify({ input: "YQ==" })),
  state: await ask("transit/decrypt/pulumi", "POST", own, JSON.stringify({ ciphertext: "vault:v1:AA" })),
  rotate: await ask("transit/keys/audit-svc-log/rotate", "POST", own),
  token: await ask("auth/token/lookup-self", "GET", own),
  renewed: await ask("auth/token/renew-self", "POST", own),
})))();`;

describe("scenario: the log proves that it is whole", function () {
  this.timeout(300_000);
  const sandbox = attached();
  const directory = mkdtempSync(join(tmpdir(), "log-"));
  const file = (name: string) => join(directory, name);
  const here = { ...process.env, DOCKER_HOST: undefined };
  let deploys: Deploys;

  before(() => {
    deploys = new Deploys(sandbox());
    writeFileSync(file("token"), sandbox().get("AUDIT_READ_TOKEN"), { mode: 0o600 });
  });
  after(async () => {
    await mustBootstrap(sandbox());
    if (!deploys.restored) await deploys.up();
    deploys.close();
    rmSync(directory, { recursive: true });
  });

  const keys = async (): Promise<string[]> =>
    JSON.parse(await sandbox().mustPulumi("stack", "output", "logKeys", "--json")) as string[];
  /** What auditors run: the file that needs nothing but Node, with the keys that the stack gives out. */
  const verifier = async (...args: string[]): Promise<Ran> => {
    const given = (await keys()).flatMap((key) => ["--key", key]);
    const from = ["--url", sandbox().get("AUDIT_URL"), "--token-file", file("token")];
    return run([process.execPath, "--import", "tsx", "audit-svc/src/verify-main.ts", ...args, ...from, ...given]);
  };
  const mustBeWhole = async (...args: string[]): Promise<void> => {
    const { code, output } = await verifier("verify", ...args);
    assert.equal(code, 0, output);
  };
  const read = async (path: string): Promise<string> => {
    const { status, body } = await sandbox().edge(path, { token: sandbox().get("AUDIT_READ_TOKEN") });
    assert.equal(status, 200, `${path}: ${body}`);
    return body;
  };
  const sizeNow = async (): Promise<number> => Number((await read("/log/checkpoint")).split("\n")[1]);
  /** Stores an event. @returns its id */
  const store = async (): Promise<string> => {
    const id = randomUUID();
    const event = { id, application: "demo", actor: "log", action: "see", resource: id, outcome: "success" };
    const { status, body } = await sandbox().edge("/v1/events", {
      ...{ method: "POST", token: sandbox().get("AUDIT_TOKEN") },
      body: JSON.stringify({ ...event, occurredAt: new Date().toISOString(), data: { n: 1 } }),
    });
    assert.equal(status, 201, body);
    return id;
  };
  const provenWithin = (id: string, seconds: number): Promise<string> =>
    until(`a checkpoint covers ${id}`, seconds, async () => {
      const { status, body } = await sandbox().edge(`/v1/events/${id}/proof`, {
        token: sandbox().get("AUDIT_READ_TOKEN"),
      });
      return status === 200 ? body : undefined;
    });
  const asSuperuser = async (text: string): Promise<string> => {
    const psql = ["docker", "exec", platform("postgres"), "psql", "-U", "postgres", "-d", "audit", "-XAtc", text];
    const { code, output, stdout } = await run(psql, here);
    assert.equal(code, 0, output);
    return stdout.trim();
  };

  it("is verified through the edge with the stack's public key, and one event is proved with nothing but that key", async () => {
    const id = await store();
    const text = await provenWithin(id, 15);
    const { parseProof } = await import("../../audit-svc/src/log/proof.js");
    const { readEvent } = await import("../../audit-svc/src/log/entry.js");
    const { leafHash, verifyInclusion } = await import("../../audit-svc/src/log/tree.js");
    const { open } = await import("../../audit-svc/src/log/verify.js");
    const { parseVkey } = await import("../../audit-svc/src/log/note.js");
    const proof = parseProof(text);
    assert.ok(proof, text);
    const verifiers = (await keys()).flatMap((key) => parseVkey(key) ?? []);
    const { size, root: signed } = open(proof.checkpoint, { verifiers }, "the proof's checkpoint");
    const [line = ""] = /\{[^{}]*\{[^{}]*\}[^{}]*\}/.exec(await read(`/v1/events?actor=log&salt=true&limit=1`)) ?? [];
    const { commitment, id: shown } = readEvent(line);
    assert.equal(shown, id);
    const months = Buffer.alloc(2);
    const now = new Date();
    months.writeUInt16BE((now.getUTCFullYear() - 1970) * 12 + now.getUTCMonth());
    const entry = Buffer.concat([Buffer.of(1), months, commitment]);
    assert.ok(verifyInclusion(leafHash(entry), proof.index, size, [...proof.hashes], signed));
    await mustBeWhole();
  });

  it("is read by readers alone, and only at its own paths", async () => {
    for (const path of ["/log/checkpoint", "/log/tile/entries/000.p/1"])
      assert.equal((await sandbox().edge(path)).status, 401, path);
    for (const path of ["/log/", "/log/tile/entries/0", "/log/tile/0/000;x", "/log/checkpoint/", "/v1/events/x/proof"])
      assert.equal((await sandbox().edge(path, { token: sandbox().get("AUDIT_READ_TOKEN") })).status, 404, path);
  });

  it("lets the service's group sign through the agent, tells nobody the agent's token, and allows nothing else", async () => {
    const service = await sandbox().docker(
      "ps",
      "--format",
      "{{.Image}}",
      "--filter",
      "name=^audit-svc-(blue|green)-1$",
    );
    const [first = ""] = service.split("\n");
    const askAs = async (user: string) => {
      const args = ["run", "--rm", "--network", "none", "--read-only", "--user", user, "--entrypoint", "node"];
      const mount = ["--volume", "audit-svc-rendered:/run/audit:ro"];
      return JSON.parse(await sandbox().docker(...args, ...mount, first, "-e", ASK)) as Record<
        string,
        [unknown, string]
      >;
    };
    const shown = (answers: Record<string, [unknown, string]>) =>
      Object.fromEntries(Object.entries(answers).map(([name, [status]]) => [name, status]));
    const answers = await askAs("10001:10001");
    assert.deepEqual(shown(answers), { bare: 412, sign: 200, state: 403, rotate: 403, token: 200, renewed: 200 });
    const { data } = JSON.parse(answers.token?.[1] ?? "") as { data: Record<string, unknown> };
    assert.deepEqual([data.id, data.accessor], [undefined, undefined]);
    const { auth } = JSON.parse(answers.renewed?.[1] ?? "") as { auth: { client_token: string; accessor: string } };
    assert.deepEqual([auth.client_token, auth.accessor], ["", ""]);
    for (const status of Object.values(shown(await askAs("10002:10002")))) assert.equal(status, "EACCES");
    // An agent that was killed leaves its socket; the next one replaces it.
    await sandbox().docker("kill", "audit-svc-agent");
    await sandbox().docker("start", "audit-svc-agent");
    await provenWithin(await store(), 30);
  });

  it("takes events in while Vault is away, and checkpoints resume", async () => {
    const docker = async (...args: string[]) => assert.equal((await run(["docker", ...args], here)).code, 0);
    const before = await sizeNow();
    await docker("stop", platform("vault"));
    let id: string;
    try {
      id = await store();
      await new Promise((done) => setTimeout(done, 10_000));
      assert.equal(await sizeNow(), before, "nobody signs");
      id = await store();
    } finally {
      const { code, output } = await cli(["up", "--platform"]);
      assert.equal(code, 0, output);
    }
    await provenWithin(id, 60);
    await mustBeWhole();
  });

  it("goes on through a rotation of its key and a deploy under load; what was signed before stays valid", async () => {
    writeFileSync(file("before"), await read("/log/checkpoint"));
    const load = startLoad({
      ...{ url: sandbox().get("AUDIT_URL"), token: sandbox().get("AUDIT_TOKEN"), application: "demo", limit: 240 },
    });
    const known = await keys();
    await sandbox().vault("POST", "transit/keys/audit-svc-log/rotate", {}, rootToken());
    await deploys.mustUp({ memory: deploys.original.memory + 16 });
    await deploys.mustUp();
    const { lost, stored } = await load.stop();
    assert.deepEqual(lost, {}, `of ${stored} requests`);
    const now = await keys();
    assert.deepEqual(now.slice(1), known);
    const id = await store();
    const proof = await provenWithin(id, 15);
    const { parseVkey } = await import("../../audit-svc/src/log/note.js");
    const { open } = await import("../../audit-svc/src/log/verify.js");
    const verifiers = [now[0] ?? ""].flatMap((key) => parseVkey(key) ?? []);
    assert.ok(open(proof.slice(proof.indexOf("\n\n") + 2), { verifiers }, "the newest").size > stored);
    await mustBeWhole("--since", file("before"));
    const lines = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(lines.code, 0, lines.output);
  });

  it("is witnessed, and says when that was", async () => {
    const first = await verifier("witness", "--since", file("witnessed"));
    assert.deepEqual([first.code, first.output.includes("this is the first checkpoint")], [0, true], first.output);
    await provenWithin(await store(), 15);
    const second = await verifier("witness", "--since", file("witnessed"));
    assert.deepEqual([second.code, second.output.includes("and extends the ")], [0, true], second.output);
    const size = Number(readFileSync(file("witnessed"), "utf8").split("\n")[1]);
    await until("Prometheus knows what was witnessed", 60, async () => {
      const query = encodeURIComponent('max(audit_log_witnessed_size{environment="sandbox"})');
      const answer = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/query?query=${query}`);
      const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
      return Number(data.result[0]?.value[1]) === size ? true : undefined;
    });
  });

  it("names the event that somebody changed in the database, and is whole again when that is undone", async () => {
    const id = await store();
    await provenWithin(id, 15);
    await asSuperuser(`UPDATE audit.events SET outcome = 'failure' WHERE id = '${id}'`);
    try {
      const { code, output } = await verifier("verify");
      assert.equal(code, 1, output);
      assert.ok(output.includes(id), output);
    } finally {
      await asSuperuser(`UPDATE audit.events SET outcome = 'success' WHERE id = '${id}'`);
    }
    await mustBeWhole();
  });

  it("can be signed by a key that the program makes, which is in no output and in no plain text of the state", async () => {
    const byVault = await keys();
    await mustBootstrap(sandbox(), { stack: { log: "key" } });
    await deploys.mustUp({ log: "key" });
    const [own = ""] = await keys();
    assert.ok(!byVault.includes(own));
    const id = await store();
    const proof = await until("the new key has signed", 30, async () => {
      const text = await provenWithin(id, 15);
      return text.includes(
        Buffer.from(own.split("+")[1] ?? "", "hex")
          .toString("base64")
          .slice(0, 5),
      )
        ? text
        : undefined;
    });
    assert.ok(proof);
    await mustBeWhole();
    const { stdout } = await run(["pulumi", "stack", "export", "--non-interactive"], sandbox().env, undefined, root);
    assert.doesNotMatch(stdout, /PRIVATE KEY/);
    await mustBootstrap(sandbox());
    await deploys.mustUp();
    assert.deepEqual(await keys(), byVault);
    await provenWithin(await store(), 15);
  });
});
