import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decideWays, ensureTool } from "../../src/parts/index.js";

/** A Vault of its own for a test file: in memory, on loopback, without TLS. */
export interface VaultServer {
  address: string;
  /** A root token. */
  token: string;
  /** Asks Vault directly; undefined for an answer without a body. */
  api(method: string, path: string, body?: unknown, token?: string): Promise<Record<string, unknown> | undefined>;
  stop(): Promise<void>;
}

const progress = (): void => undefined;

async function tool(name: "vault" | "vault-postgres-plugin", given: string | undefined): Promise<string> {
  if (given !== undefined && given !== "") return given;
  return (await ensureTool(name, await decideWays(progress), progress)).path;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Starts `VAULT_BIN`, else the sandbox's own Vault, with the PostgreSQL plugin where that is a file of its own. */
export async function startVault(): Promise<VaultServer> {
  const binary = await tool("vault", process.env.VAULT_BIN);
  const plugin = await tool("vault-postgres-plugin", process.env.VAULT_POSTGRES_PLUGIN);
  const home = mkdtempSync(path.join(tmpdir(), "vault-test-"));
  const plugins = path.join(home, "plugins");
  mkdirSync(plugins);
  if (plugin !== "") copyFileSync(plugin, path.join(plugins, "postgresql-database-plugin"));
  const port = await freePort();
  const token = "test-root";
  const child = spawn(
    binary,
    ["server", "-dev", "-dev-no-store-token", `-dev-listen-address=127.0.0.1:${port}`, `-dev-plugin-dir=${plugins}`],
    { stdio: "ignore", env: { PATH: process.env.PATH, HOME: home, VAULT_DEV_ROOT_TOKEN_ID: token } },
  );
  const address = `http://127.0.0.1:${port}`;
  const server: VaultServer = {
    address,
    token,
    async api(method, at, body, as = token) {
      const response = await fetch(`${address}/v1/${at}`, {
        method,
        headers: { "X-Vault-Token": as },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>);
    },
    async stop() {
      if (child.exitCode === null) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
  for (const deadline = Date.now() + 30_000; ;) {
    const health = await fetch(`${address}/v1/sys/health`).catch(() => undefined);
    if (health?.status === 200) return server;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${binary} did not come up on ${address}`);
    await sleep(100);
  }
}
