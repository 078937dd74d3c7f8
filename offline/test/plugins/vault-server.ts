import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { goToolPath } from "../../builders/go-tools.js";
import { goTool } from "../../builders/images.js";
import { stateDir } from "../../lib/paths.js";
import { platformImage } from "../support/scratch-container.js";

/** A Vault of its own for a test file: in memory, on loopback, without TLS. */
export interface VaultServer {
  address: string;
  /** A root token. */
  token: string;
  /** Asks Vault directly; undefined for an answer without a body. */
  api(method: string, path: string, body?: unknown, token?: string): Promise<Record<string, unknown> | undefined>;
  stop(): Promise<void>;
}

/** What the variable names; undefined where it is not set. */
const given = (variable: string): string | undefined =>
  process.env[variable] === "" ? undefined : process.env[variable];

function vaultBinary(): string {
  const binary = given("VAULT_BIN") ?? path.join(stateDir, "bin", "vault");
  if (existsSync(binary)) return realpathSync(binary);
  throw new Error(`there is no ${binary}: run "make up" first, or name a vault in VAULT_BIN`);
}

/** A Vault of our own making has the PostgreSQL plugin in a file of its own, any other has it built in. */
async function pluginBeside(binary: string): Promise<string | undefined> {
  const named = given("VAULT_POSTGRES_PLUGIN");
  const ours = goToolPath("vault");
  if (named !== undefined || !existsSync(ours) || binary !== realpathSync(ours)) return named;
  const make = { image: platformImage, progress: () => undefined, env: process.env };
  return (await goTool("vault-postgres-plugin", make)).path;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Starts `VAULT_BIN`, else the Vault that `make up` has put into .sandbox/bin. */
export async function startVault(): Promise<VaultServer> {
  const binary = vaultBinary();
  const plugin = await pluginBeside(binary);
  const home = mkdtempSync(path.join(tmpdir(), "vault-test-"));
  const plugins = path.join(home, "plugins");
  mkdirSync(plugins);
  if (plugin !== undefined) copyFileSync(plugin, path.join(plugins, "postgresql-database-plugin"));
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
