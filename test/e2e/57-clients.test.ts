import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { NginxAlone } from "./support/nginx-alone";
import { until } from "./support/sandbox";

const SELF = "127.0.0.1";
const ELSEWHERE = "10.9.9.9";

describe("scenario: how nginx identifies a client", () => {
  const service = createServer((_asked, response) => response.end("ok"));
  let nginx: NginxAlone | undefined;

  before(() => new Promise<void>((listening) => service.listen(0, SELF, () => listening())));
  afterEach(() => nginx?.stop());
  after(() => {
    service.closeAllConnections();
    service.close();
  });

  const start = async (change: Parameters<typeof NginxAlone.start>[1]): Promise<NginxAlone> =>
    (nginx = await NginxAlone.start((service.address() as AddressInfo).port, change));
  /** Sends a request on behalf of a client, as a balancer does. */
  const ask = async (url: string, client: string): Promise<number> =>
    (await fetch(url, { headers: { connection: "close", "x-forwarded-for": client } })).status;

  it("identifies a collector of metrics by the connection's address, whatever headers say", async () => {
    const { metricsUrl } = await start({ trustedProxies: [SELF], metricsAllow: [ELSEWHERE] });
    assert.equal(await ask(`${metricsUrl}/metrics/blue-1`, ELSEWHERE), 403);
    await nginx?.stop();
    const allowed = await start({ trustedProxies: [SELF], metricsAllow: [SELF] });
    assert.equal(await ask(`${allowed.metricsUrl}/metrics/blue-1`, ELSEWHERE), 200);
  });

  it("limits an IPv6 client behind a balancer by its /64, and logs its full address", async () => {
    const limits = { bodySize: "2m", clientRate: 1, clientConnections: 0 };
    const { url } = await start({ trustedProxies: [SELF, "2001:db8:ffff::/48"], limits });
    const same = ["2001:db8::1", "2001:db8::2:3:4:5", "2001:db8:0:0:ffff::", "2001:db8::6"];
    const answers: number[] = [];
    // The last one by way of a second balancer, which has an address of IPv6.
    for (const client of [...same, "2001:db8::7, 2001:db8:ffff::1"]) answers.push(await ask(`${url}/healthz`, client));
    assert.deepEqual(answers, [200, 200, 429, 429, 429]);
    for (const client of ["2001:db8:0:1::1", "203.0.113.1", "203.0.113.2"])
      assert.equal(await ask(`${url}/healthz`, client), 200, client);
    await until("lines in the log", 10, async () => {
      const log = (await nginx?.log()) ?? "";
      return ["2001:db8::2:3:4:5", "2001:db8::7", "203.0.113.2"].every((client) => log.includes(`"client":"${client}"`))
        ? true
        : undefined;
    });
  });

  it("limits an IPv4 client by its own address, also where a balancer names it as IPv6", async () => {
    const limits = { bodySize: "2m", clientRate: 1, clientConnections: 0 };
    const { url } = await start({ trustedProxies: [SELF], limits });
    const answers: number[] = [];
    for (const client of ["203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.3", "203.0.113.3"])
      answers.push(await ask(`${url}/healthz?actor=alice`, `::ffff:${client}`));
    assert.deepEqual(answers, [200, 200, 200, 200, 429]);
    await until("the refusal in the log", 10, async () =>
      ((await nginx?.log()) ?? "").includes('"status":429') ? true : undefined,
    );
    assert.doesNotMatch((await nginx?.log()) ?? "", /alice/, "the query may name an actor");
  });

  it("refuses requests that bypass the balancers, if configured", async () => {
    const refusing = await start({ trustedProxies: [ELSEWHERE], balancersOnly: true });
    assert.equal(await ask(`${refusing.url}/healthz`, ELSEWHERE), 403);
    await nginx?.stop();
    const serving = await start({ trustedProxies: [SELF], balancersOnly: true });
    assert.equal(await ask(`${serving.url}/healthz`, ELSEWHERE), 200);
  });
});
