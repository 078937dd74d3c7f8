import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { times } from "../support/depth";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { Deploys } from "./support/deploys";
import { startLoad, withoutLoss } from "./support/load";
import { Log } from "./support/log";
import { attached, platform, root, run, sandbox as cli, until } from "./support/sandbox";

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
  const here = { ...process.env, DOCKER_HOST: undefined };
  let deploys: Deploys;
  let log: Log;

  before(() => {
    deploys = new Deploys(sandbox());
    log = new Log(sandbox());
  });
  after(async () => {
    await mustBootstrap(sandbox());
    if (!deploys.restored) await deploys.up();
    deploys.close();
    log.close();
  });

  const asSuperuser = async (text: string): Promise<string> => {
    const psql = ["docker", "exec", platform("postgres"), "psql", "-U", "postgres", "-d", "audit", "-XAtc", text];
    const { code, output, stdout } = await run(psql, here);
    assert.equal(code, 0, output);
    return stdout.trim();
  };

  it("is verified through the edge with the stack's public key, and one event is proved with nothing but that key", async () => {
    const id = await log.store();
    const text = await log.provenWithin(id, 15);
    const { parseProof } = await import("../../audit-svc/src/log/proof.js");
    const { readEvent } = await import("../../audit-svc/src/log/entry.js");
    const { leafHash, verifyInclusion } = await import("../../audit-svc/src/log/tree.js");
    const { open } = await import("../../audit-svc/src/log/verify.js");
    const { parseVkey } = await import("../../audit-svc/src/log/note.js");
    const proof = parseProof(text);
    assert.ok(proof, text);
    const verifiers = (await log.keys()).flatMap((key) => parseVkey(key) ?? []);
    const { size, root: signed } = open(proof.checkpoint, { verifiers }, "the proof's checkpoint");
    const [line = ""] =
      /\{[^{}]*\{[^{}]*\}[^{}]*\}/.exec(await log.read(`/v1/events?actor=log&salt=true&limit=1`)) ?? [];
    const { commitment, id: shown } = readEvent(line);
    assert.equal(shown, id);
    const months = Buffer.alloc(2);
    const now = new Date();
    months.writeUInt16BE((now.getUTCFullYear() - 1970) * 12 + now.getUTCMonth());
    const entry = Buffer.concat([Buffer.of(1), months, commitment]);
    assert.ok(verifyInclusion(leafHash(entry), proof.index, size, [...proof.hashes], signed));
    await log.mustBeWhole();
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
    await log.provenWithin(await log.store(), 30);
  });

  it("takes events in while Vault is away, and checkpoints resume", async () => {
    const docker = async (...args: string[]) => assert.equal((await run(["docker", ...args], here)).code, 0);
    const before = await log.size();
    await docker("stop", platform("vault"));
    let id: string;
    try {
      id = await log.store();
      await new Promise((done) => setTimeout(done, times(10, 60) * 1000));
      assert.equal(await log.size(), before, "nobody signs");
      id = await log.store();
    } finally {
      const { code, output } = await cli(["up", "--platform"]);
      assert.equal(code, 0, output);
    }
    await log.provenWithin(id, 60);
    await log.mustBeWhole();
  });

  it("goes on through a rotation of its key and a deploy under load; what was signed before stays valid", async () => {
    writeFileSync(log.file("before"), await log.read("/log/checkpoint"));
    const load = startLoad({
      ...{ url: sandbox().get("AUDIT_URL"), token: sandbox().get("AUDIT_TOKEN"), application: "demo", limit: 240 },
    });
    const known = await log.keys();
    await sandbox().vault("POST", "transit/keys/audit-svc-log/rotate", {}, rootToken());
    await deploys.mustUp({ memory: deploys.original.memory + 16 });
    await deploys.mustUp();
    const { stored } = withoutLoss(await load.stop());
    const now = await log.keys();
    assert.deepEqual(now.slice(1), known);
    const id = await log.store();
    const proof = await log.provenWithin(id, 15);
    const { parseVkey } = await import("../../audit-svc/src/log/note.js");
    const { open } = await import("../../audit-svc/src/log/verify.js");
    const verifiers = [now[0] ?? ""].flatMap((key) => parseVkey(key) ?? []);
    assert.ok(open(proof.slice(proof.indexOf("\n\n") + 2), { verifiers }, "the newest").size > stored);
    await log.mustBeWhole(["--since", log.file("before")]);
    const lines = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(lines.code, 0, lines.output);
  });

  it("is witnessed, and says when that was", async () => {
    const first = await log.verifier(["witness", "--since", log.file("witnessed")]);
    assert.deepEqual([first.code, first.output.includes("this is the first checkpoint")], [0, true], first.output);
    await log.provenWithin(await log.store(), 15);
    const second = await log.verifier(["witness", "--since", log.file("witnessed")]);
    assert.deepEqual([second.code, second.output.includes("and extends the ")], [0, true], second.output);
    const size = Number(readFileSync(log.file("witnessed"), "utf8").split("\n")[1]);
    await until("Prometheus knows what was witnessed", 60, async () => {
      const query = encodeURIComponent('max(audit_log_witnessed_size{environment="sandbox"})');
      const answer = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/query?query=${query}`);
      const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
      return Number(data.result[0]?.value[1]) === size ? true : undefined;
    });
  });

  it("names the event that somebody changed in the database, and is whole again when that is undone", async () => {
    const id = await log.store();
    await log.provenWithin(id, 15);
    await asSuperuser(`UPDATE audit.events SET outcome = 'failure' WHERE id = '${id}'`);
    try {
      const { code, output } = await log.verifier(["verify"]);
      assert.equal(code, 1, output);
      assert.ok(output.includes(id), output);
    } finally {
      await asSuperuser(`UPDATE audit.events SET outcome = 'success' WHERE id = '${id}'`);
    }
    await log.mustBeWhole();
  });

  it("can be signed by a key that the program makes, which is in no output and in no plain text of the state", async () => {
    const byVault = await log.keys();
    await mustBootstrap(sandbox(), { stack: { log: "key" } });
    await deploys.mustUp({ log: "key" });
    const [own = ""] = await log.keys();
    assert.ok(!byVault.includes(own));
    const id = await log.store();
    const proof = await until("the new key has signed", 30, async () => {
      const text = await log.provenWithin(id, 15);
      return text.includes(
        Buffer.from(own.split("+")[1] ?? "", "hex")
          .toString("base64")
          .slice(0, 5),
      )
        ? text
        : undefined;
    });
    assert.ok(proof);
    await log.mustBeWhole();
    const { stdout } = await run(["pulumi", "stack", "export", "--non-interactive"], sandbox().env, undefined, root);
    assert.doesNotMatch(stdout, /PRIVATE KEY/);
    await mustBootstrap(sandbox());
    await deploys.mustUp();
    // The program's key has signed as well: whoever kept a checkpoint of then needs it.
    const now = await log.keys();
    assert.equal(now[0], byVault[0]);
    assert.deepEqual([...now].sort(), [...byVault, own].sort());
    await log.provenWithin(await log.store(), 15);
  });
});
