import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endOf } from "../../../components/vm/ask-host";
import { VaultClient } from "../../../lib/vault/client";
import { readSettings, rememberedPlace } from "../../../sandbox/src/settings";
import { sandboxStack, type Stack } from "../../../sandbox/src/stack-file";
import { State } from "../../../sandbox/src/state";

export const root = resolve(__dirname, "../../..");
/** The platform's network on this machine's engine. */
export const platformNetwork = process.env.SANDBOX_NAME ?? "audit-sandbox";
/** First three octets of its range. */
export const platformSubnet = process.env.SANDBOX_SUBNET ?? "10.213.18";
/** A container of the platform on this machine's engine. */
export const platform = (part: string): string => `${platformNetwork}-${part}`;
const cli = ["--import", "tsx", "sandbox/src/cli.ts"];

export interface Ran {
  code: number;
  /** Standard output and standard error, interleaved. */
  output: string;
  stdout: string;
}

/** Runs a program; never throws for its exit code. */
export async function run(
  command: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  input?: string,
  cwd = root,
): Promise<Ran> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(input);
  const code = await endOf(child, 500);
  return { code, output, stdout };
}

/** The sandbox's own command line, as `make up`, `make env` and `make down` call it. */
export const sandbox = (args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ran> =>
  run([process.execPath, ...cli, ...args], env);

/** This process's environment with what `make env` exports over it. */
export async function environmentOf(stack: Stack): Promise<NodeJS.ProcessEnv> {
  const { environmentOf: exported } = await import("../../../sandbox/src/environment.js");
  const settings = readSettings(process.env, rememberedPlace());
  return { ...process.env, ...(await exported(settings, new State(settings), stack)) };
}

/** The sandbox as a developer uses it: through the environment that `make env` exports. */
export class Sandbox {
  protected constructor(readonly env: NodeJS.ProcessEnv) {}

  /** @throws Error if there is no sandbox: a skipped scenario would pass without testing anything */
  static async attach(): Promise<Sandbox> {
    return new Sandbox(await environmentOf(sandboxStack));
  }

  get(name: string): string {
    const value = this.env[name];
    if (!value) throw new Error(`\`make env\` printed no ${name}`);
    return value;
  }

  pulumi(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return run(["pulumi", ...args, "--non-interactive", "--color", "never"], { ...this.env, ...env });
  }

  /** Like {@link pulumi}, but it must succeed. @returns its output */
  async mustPulumi(...args: string[]): Promise<string> {
    const { code, output } = await this.pulumi(args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  }

  /** The docker CLI on VM2. */
  async docker(...args: string[]): Promise<string> {
    const { code, output, stdout } = await run(["docker", ...args], this.env);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return stdout.trim();
  }

  /** A request to the edge. */
  async edge(path: string, init: RequestInit & { token?: string } = {}): Promise<{ status: number; body: string }> {
    const { token, ...rest } = init;
    const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), "content-type": "application/json" };
    const response = await fetch(this.get("AUDIT_URL") + path, {
      headers,
      signal: AbortSignal.timeout(10_000),
      ...rest,
    });
    return { status: response.status, body: await response.text() };
  }

  /** Vault's API with the program's token, unless another is given. */
  async vault<T>(
    method: string,
    path: string,
    body?: object,
    token = this.get("VAULT_TOKEN"),
    headers?: Record<string, string>,
  ): Promise<T | undefined> {
    const client = new VaultClient({ address: this.get("VAULT_ADDR"), token });
    return (await client.request(method, path, body, headers)) as T | undefined;
  }

  /** Grafana's API with the program's login. @returns undefined for 404 */
  async grafana<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    const response = await fetch(`${this.get("GRAFANA_URL")}/api/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(this.get("GRAFANA_AUTH")).toString("base64")}`,
        "content-type": "application/json",
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`Grafana: ${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** Unhealthy containers on VM2 with their last log lines, for a failed test's report. */
  async report(): Promise<string> {
    const list = await this.docker("ps", "--all", "--format", "{{.Names}}\t{{.Status}}").catch((error: unknown) =>
      String(error),
    );
    const names = list.split("\n").flatMap((line) => /^(\S+)\t/.exec(line)?.[1] ?? []);
    const logs = await Promise.all(
      names.map(async (name) => {
        const { output } = await run(["docker", "logs", "--tail", "50", name], this.env);
        return `--- last lines of ${name}\n${output}`;
      }),
    );
    return `--- containers on VM2\n${list}\n${logs.join("\n")}`;
  }
}

/**
 * Retries until it returns something or the time is over.
 * @throws Error with the last reason
 */
export async function until<T>(what: string, seconds: number, attempt: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let reason = "it did not happen";
  for (;;) {
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s: ${reason}`);
    await sleep(500);
  }
}

/** Attaches a suite to the sandbox, and prints the state of VM2 (or of the cluster) when one of its tests fails. */
export function attached<S extends Sandbox = Sandbox>(
  attach: () => Promise<S> = () => Sandbox.attach() as Promise<S>,
): () => S {
  let sandboxOf: S | undefined;
  before(async () => {
    sandboxOf = await attach();
  });
  afterEach(async function () {
    if (this.currentTest?.state === "failed" && sandboxOf) console.error(await sandboxOf.report());
  });
  return () => {
    if (!sandboxOf) throw new Error("the sandbox is known only within tests");
    return sandboxOf;
  };
}
