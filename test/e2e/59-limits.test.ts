import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Deploys } from "./support/deploys";
import { attached, platform, root, run, until } from "./support/sandbox";

const RATE = 5;

describe("scenario: limits of one client, behind a balancer that is trusted", function () {
  const sandbox = attached();
  let deploys: Deploys;
  let balancer: string;

  before(async () => {
    deploys = new Deploys(sandbox());
    // This machine plays the balancer, with the address that nginx sees.
    balancer = await logged("198.51.100.1");
    await deploys.mustUp({ edgeClientRate: RATE, edgeTrustedProxies: [balancer], edgeDirectClients: "true" });
  });
  after(async () => {
    await deploys.up();
    deploys.close();
  });

  /** A request on behalf of a client, as a balancer passes it on. */
  const ask = (client: string, path = "/healthz") =>
    fetch(sandbox().get("AUDIT_URL") + path, { headers: { "x-forwarded-for": client, connection: "close" } });
  /** The client that the log has for a request in the name of another. Each of nginx's workers writes its part every second. */
  const logged = async (client: string) => {
    const path = `/${randomUUID()}`;
    await ask(client, path);
    return until("a line in the log", 10, async () => {
      const { output } = await run(["docker", "logs", "--tail", "200", "audit-edge-nginx"], sandbox().env);
      const line = output.split("\n").find((one) => one.includes(path));
      return line === undefined ? undefined : (JSON.parse(line) as { client: string }).client;
    });
  };

  it("refuses what is beyond a client's rate with 429, and no other client suffers", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask("203.0.113.1")));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < 40, `${refused.length} of 40 were refused`);
    assert.ok(answers.every(({ status }) => status === 429 || status === 200));
    assert.equal((await ask("203.0.113.2")).status, 200);
    assert.equal(await logged("203.0.113.2"), "203.0.113.2", "the log has the client, not the balancer");
    const answer = (await refused[0]?.json()) as { error: string; requestId: string };
    assert.equal(answer.error, "too_many_requests");
    assert.match(answer.requestId, /^[0-9a-f]{32}$/);
  });

  /**
   * Forty requests that bypass the balancer, from Prometheus's container, each claiming another client.
   *
   * @returns their status lines
   */
  const around = async () => {
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    const script =
      "for i in $(seq 40); do exec 3<>/dev/tcp/vm2.sandbox.test/80; printf 'GET /healthz HTTP/1.0\\r\\nHost: x\\r\\nX-Forwarded-For: 203.0.113.%s\\r\\n\\r\\n' $((100 + i)) >&3; head -1 <&3; exec 3>&-; done";
    const { code, output } = await run(["docker", "exec", platform("prometheus"), "bash", "-c", script], {
      ...process.env,
      DOCKER_HOST: engineHost,
    });
    assert.equal(code, 0, output);
    return output;
  };

  it("counts a client that is not a balancer by its own address, whatever headers it sends", async () => {
    assert.match(await around(), /^HTTP\/1\.1 429/m);
  });

  it("refuses requests that bypass the balancer, unless configured otherwise", async () => {
    await deploys.mustUp({ edgeTrustedProxies: [balancer], edgeLoggedSuccesses: 10 });
    assert.equal((await ask("203.0.113.3")).status, 200);
    const lines = (await around()).trim().split(/\r?\n/);
    assert.ok(lines.length === 40 && lines.every((line) => line.startsWith("HTTP/1.1 403")), lines.join("\n"));
  });

  it("leaves a line for every error, and for a share of the other requests if configured so", async () => {
    const mark = randomUUID();
    const send = (kind: string, path: string) =>
      Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          fetch(sandbox().get("AUDIT_URL") + path, { headers: { "x-request-id": `${mark}-${kind}-${i}` } }),
        ),
      );
    await send("found", "/healthz");
    await send("missing", "/nothing-here");
    const lines = (kind: string) =>
      run(["docker", "logs", "--since", "2m", "audit-edge-nginx"], sandbox().env).then(
        ({ output }) => output.split("\n").filter((line) => line.includes(`${mark}-${kind}-`)).length,
      );
    await until("all errors in the log", 10, async () => (await lines("missing")) === 200 || undefined);
    const found = await lines("found");
    assert.ok(found > 0 && found < 100, `${found} of 200 successes are in the log`);
  });
});
