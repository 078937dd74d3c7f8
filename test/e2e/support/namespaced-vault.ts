import { createServer, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { platformSubnet } from "./sandbox";

export interface Asked {
  method: string;
  /** Path within Vault's API, without the query. */
  path: string;
  namespace: string | undefined;
}

/**
 * Requests without a namespace by design: the server's health, which exists only in the root namespace, and the
 * plugin's requests about its own token before it chooses a namespace. An agent's look-up of its token is not among
 * them.
 */
const ofTheRoot = (path: string, agent = ""): boolean =>
  path === "sys/health" || (path === "auth/token/lookup-self" && !agent.startsWith("Vault Agent"));

/**
 * The sandbox's Vault behind a proxy that imitates namespaces, which the open-source Vault lacks: a request without the
 * namespace header gets 404; one with it is forwarded without the header. It listens where this machine and VM2 reach
 * it.
 */
export class NamespacedVault {
  readonly asked: Asked[] = [];
  /** Requests without the namespace, or with another, that should have had it. */
  readonly astray: Asked[] = [];
  readonly #server: Server;

  private constructor(
    private readonly vault: string,
    private readonly namespace: string,
  ) {
    this.#server = createServer((request, response) => {
      const { "x-vault-namespace": given, ...headers } = request.headers;
      const namespace = Array.isArray(given) ? given.join() : given;
      const path = (request.url ?? "").replace(/^\/v1\/|\?.*$/g, "");
      const asked = { method: request.method ?? "", path, namespace };
      this.asked.push(asked);
      const right = namespace?.replace(/\/$/, "") === this.namespace;
      if (!right && !ofTheRoot(path, headers["user-agent"])) {
        this.astray.push(asked);
        request.resume();
        response.writeHead(404, { "content-type": "application/json" });
        response.end(JSON.stringify({ errors: [`no handler for route ${JSON.stringify(path)}`] }));
        return;
      }
      const onward = send(
        this.vault + (request.url ?? ""),
        { method: request.method, headers: { ...headers, host: new URL(this.vault).host } },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    });
  }

  static async start(vault: string, namespace: string): Promise<NamespacedVault> {
    const proxy = new NamespacedVault(vault, namespace);
    await new Promise<void>((listening, failed) => {
      proxy.#server.on("error", failed);
      proxy.#server.listen(0, `${platformSubnet}.1`, listening);
    });
    return proxy;
  }

  get url(): string {
    return `http://${platformSubnet}.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
