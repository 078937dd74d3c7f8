import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { loginProblems } from "../../../config/logins";
import { PrometheusApi, prometheusLogin } from "../../../lib/prometheus-api";

/** A Prometheus at the root, behind a proxy that serves it below /monitor/prometheus with a login. */
describe("Prometheus below a path, behind a login", () => {
  const servers: Server[] = [];
  const seen: IncomingMessage[] = [];
  let url: string;

  async function listen(answer: RequestListener): Promise<number> {
    const server = createServer(answer).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  before(async () => {
    const inner = await listen((asked, answer) => {
      seen.push(asked);
      if (asked.url === "/-/reload" && asked.method === "POST") return void answer.end();
      if (asked.url?.startsWith("/api/v1/targets")) return void answer.end('{"data":{"activeTargets":[]}}');
      answer.writeHead(404).end();
    });
    const port = await listen((asked, answer) => {
      const login = asked.headers.authorization;
      const basic = `Basic ${Buffer.from("robot:wörd:1").toString("base64")}`;
      if (login !== basic && login !== "Bearer glb-token") return void answer.writeHead(401).end();
      const path = /^\/monitor\/prometheus(\/.*)$/.exec(asked.url ?? "")?.[1];
      if (path === undefined) return void answer.writeHead(404).end("not below the path");
      const onward = request({ port: inner, host: "127.0.0.1", path, method: asked.method }, (answered) => {
        answer.writeHead(answered.statusCode ?? 502);
        answered.pipe(answer);
      });
      asked.pipe(onward);
    });
    url = `http://127.0.0.1:${port}/monitor/prometheus`;
  });
  after(() => servers.forEach((server) => server.close()));

  const basic = { AUDIT_PROMETHEUS_USERNAME: "robot", AUDIT_PROMETHEUS_PASSWORD: "wörd:1" };
  for (const [what, env] of Object.entries({ password: basic, token: { AUDIT_PROMETHEUS_TOKEN: "glb-token" } })) {
    it(`is queried and reloaded with a ${what} from the environment`, async () => {
      const api = new PrometheusApi(url, env);
      assert.deepEqual((await api.activeTargets()).targets, []);
      assert.equal(await api.reload(), true);
      assert.deepEqual(
        seen.splice(0).map((asked) => asked.url),
        ["/api/v1/targets?state=active", "/-/reload"],
      );
    });
  }

  it("says that a login is missing or wrong, by the names of the variables and without their values", async () => {
    for (const env of [{}, { ...basic, AUDIT_PROMETHEUS_PASSWORD: "other-word" }]) {
      const api = new PrometheusApi(url, env);
      for (const asked of [api.activeTargets(), api.reload()]) {
        await assert.rejects(asked, (error: Error) => {
          assert.match(error.message, /\(401\): AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD/);
          assert.doesNotMatch(error.message, /other-word|robot/);
          return true;
        });
      }
    }
  });

  it("is not called with a token that is invalid in a header; the error does not repeat it", () => {
    for (const token of ["x\nSECRET", "SECRET\u2026"]) {
      assert.throws(() => new PrometheusApi(url, { AUDIT_PROMETHEUS_TOKEN: token }), {
        message:
          "AUDIT_PROMETHEUS_TOKEN (environment) has a line break or another character within it that a header cannot have; set it again without",
      });
    }
  });

  it("has one complete login or none; anything else is refused before anything is created", () => {
    assert.deepEqual(prometheusLogin({}), {});
    const wrong = [
      [{ AUDIT_PROMETHEUS_USERNAME: "u" }, /^AUDIT_PROMETHEUS_PASSWORD \(environment\) is missing/],
      [{ AUDIT_PROMETHEUS_PASSWORD: "hidden" }, /^AUDIT_PROMETHEUS_USERNAME \(environment\) is missing/],
      [{ ...basic, AUDIT_PROMETHEUS_TOKEN: "hidden" }, /one login for Prometheus, not both$/],
    ] as const;
    for (const [env, message] of wrong) {
      const [first = "", ...more] = loginProblems(env);
      assert.match(first, message);
      assert.deepEqual(more, []);
      assert.doesNotMatch(first, /hidden/);
      assert.throws(() => new PrometheusApi(url, env), { message: first });
    }
  });
});
