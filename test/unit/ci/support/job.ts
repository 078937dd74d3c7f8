import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Exec, ExecOptions } from "../../../../ci/lib/exec";
import { Failure, type Job } from "../../../../ci/lib/failure";
import { double, type Answer, type Asked, type Double } from "./servers";

/** A job with its log in an array. */
export function jobWith(env: Record<string, string | undefined>, ...argv: string[]): { job: Job; log: string[] } {
  const log: string[] = [];
  return { job: { env, argv, say: (line) => log.push(line) }, log };
}

export interface Call {
  readonly line: string;
  readonly options: ExecOptions;
}

/**
 * Default answers to commands that a job runs besides those under test: the path of ssh, the end of its shared
 * connection, a VM that answers, a stack without history.
 */
const ALWAYS = {
  "command -v ssh": () => ({ stdout: "/usr/bin/ssh\n" }),
  "-O exit": () => ({}),
  "docker version": () => ({}),
  "stack history": () => ({ stdout: "[]" }),
};

/** Commands as a table: the first entry whose text the command line contains answers. An unknown command fails the test. */
export function commands(
  table: Record<string, (call: Call) => Partial<{ code: number; stdout: string; all: string }>>,
): {
  exec: Exec;
  calls: Call[];
} {
  const calls: Call[] = [];
  return {
    calls,
    exec: (file, args, options = {}) => {
      const call = { line: [file, ...args].join(" "), options };
      calls.push(call);
      const entry = [
        ...Object.entries(table),
        ...Object.entries<(call: Call) => Partial<{ code: number; stdout: string; all: string }>>(ALWAYS),
      ].find(([part]) => call.line.includes(part));
      assert.ok(entry, `no answer for: ${call.line}`);
      const { code = 0, stdout = "", all = stdout } = entry[1](call);
      return Promise.resolve({ code, stdout, all });
    },
  };
}

/** Asserts that work fails with exactly this one-line message. */
export async function failsWith(work: Promise<unknown>, message: string | RegExp): Promise<void> {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.message.includes("\n"), false, error.message);
  if (typeof message === "string") assert.equal(error.message, message);
  else assert.match(error.message, message);
}

/** ID token with these claims; the signature is Vault's business. */
export const tokenFor = (claims: object): string =>
  ["{}", JSON.stringify(claims), "sig"].map((part) => Buffer.from(part).toString("base64url")).join(".");

/** A Vault that accepts the login and has these secrets, by `mount/path`. */
export async function vaultWith(
  secrets: Record<string, Record<string, unknown>>,
  more: (asked: Asked) => Answer | undefined = () => undefined,
): Promise<Double> {
  return double((asked) => {
    const other = more(asked);
    if (other !== undefined) return other;
    if (asked.path === "/v1/auth/jwt/login") return { body: { auth: { client_token: "hvs.the-token-of-the-job" } } };
    if (asked.path === "/v1/auth/token/revoke-self") return { status: 204, body: "" };
    const [, path] = /^\/v1\/(.*)$/.exec(asked.path) ?? [];
    const found = Object.entries(secrets).find(([name]) => path === name.replace("/", "/data/"));
    return found === undefined ? { status: 404, body: { errors: [] } } : { body: { data: { data: found[1] } } };
  });
}

/** A directory for what a script writes, removed after the test by the given hook. */
export function scratch(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "ci-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
