import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fastify4 from "fastify-4";
import { detours } from "../../ci/lib/hidden-paths";
import { NginxAlone } from "./support/nginx-alone";
import { refusesAll } from "./support/nothing-reloads";
import { exchange, statuses } from "./support/raw";
import { reloadCorpus } from "./support/reload-corpus";

/** Stand-ins for other implementations with one port. Each counts requests for paths that nginx hides. */
interface OnePort {
  what: string;
  /** A detour that reaches this one's /reload without nginx in front. */
  trap: string;
  start(asked: (path: string) => void): Promise<{ port: number; stop: () => Promise<unknown> }>;
}

const makes: OnePort[] = [
  {
    what: "Fastify 4, to which a path ends at a semicolon",
    trap: "/reload;/../v1/events",
    async start(asked) {
      const app = fastify4();
      for (const path of ["/reload", "/metrics"])
        app.all(path, (_request, reply) => {
          asked(path);
          return reply.send("done");
        });
      app.get("/healthz", (_request, reply) => reply.send("ok"));
      app.get("/openapi.json", (_request, reply) => reply.send({}));
      app.all("/v1/events", (_request, reply) => reply.code(401).send({}));
      await app.listen({ host: "127.0.0.1", port: 0 });
      return { port: (app.server.address() as AddressInfo).port, stop: () => app.close() };
    },
  },
  {
    what: "a framework that takes matrix parameters out of each segment before it resolves dots",
    trap: "/v1/..;x=y/reload",
    async start(asked) {
      const server = createServer((request, response) => {
        const [path = "/"] = (request.url ?? "/").split("?");
        const plain = path.split("/").map((segment) => segment.split(";")[0]);
        const { pathname } = new URL(`http://x${plain.join("/")}`);
        if (pathname === "/reload" || pathname === "/metrics") asked(pathname);
        const known: Record<string, number> = {
          "/reload": 200,
          "/metrics": 200,
          "/healthz": 200,
          "/openapi.json": 200,
        };
        response.writeHead(pathname === "/v1/events" ? 401 : (known[pathname] ?? 404)).end("{}");
      });
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", () => listening()));
      return {
        port: (server.address() as AddressInfo).port,
        stop: () => {
          server.closeAllConnections();
          return new Promise((closed) => server.close(closed));
        },
      };
    },
  },
];

for (const make of makes) {
  describe(`scenario: hidden paths before ${make.what}`, () => {
    let asked: string[] = [];
    let service: Awaited<ReturnType<OnePort["start"]>>;
    let nginx: NginxAlone;

    before(async () => {
      service = await make.start((path) => asked.push(path));
      nginx = await NginxAlone.start(service.port);
    });
    after(async () => {
      await nginx?.stop();
      await service?.stop();
    });
    beforeEach(() => {
      asked = [];
    });

    const post = (path: string) =>
      Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);

    it("serves /reload through a detour without an edge in front", async () => {
      const answer = await exchange(`http://127.0.0.1:${service.port}`, post(make.trap));
      assert.deepEqual([statuses(answer), asked], [[200], ["/reload"]]);
    });

    it("gets none of hundreds of raw requests that mean /reload or /metrics", async () => {
      await refusesAll(nginx.url, reloadCorpus(new URL(nginx.url).host));
      assert.deepEqual(asked, []);
    });

    it("gets requests for metrics only by exact paths on the metrics listener", async () => {
      const corpus = ["/metrics/blue-1", "/metrics/nginx", "/targets"].flatMap((to) =>
        detours(to).map((path) => ({ name: path, bytes: post(path) })),
      );
      await refusesAll(nginx.metricsUrl, corpus);
      assert.deepEqual(asked, []);
      assert.deepEqual(statuses(await exchange(nginx.metricsUrl, post("/metrics/blue-1"))), [200]);
      assert.deepEqual(asked, ["/metrics"]);
    });

    it("is still reached by a route's exact path, with a query or as an absolute target", async () => {
      for (const path of ["/v1/events", "/v1/events?a=%2e%2e/;b", `${nginx.url}/v1/events`])
        assert.deepEqual(statuses(await exchange(nginx.url, post(path))), [401], path);
    });
  });
}
