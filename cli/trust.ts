import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import tls from "node:tls";
import { PROXY_VARIABLES, wrongProxy } from "../lib/proxy";
import { readAnswersFile } from "./init/answers-file";
import { findProject, settingsInFile, type Env } from "./project";

/**
 * What Node reads from its environment only when it starts, and a command needs to reach a company's own servers: the
 * authorities of audit:caFile, and that it heeds HTTPS_PROXY.
 *
 * @returns undefined if the environment has it, or the stack's file says nothing of it
 */
export function missingTrust(argv: readonly string[], env: Env, cwd: string): Record<string, string> | undefined {
  // With a proxy's address that Node cannot read it would not start again; runCli() says so.
  if (wrongProxy(env) !== undefined) return undefined;
  const wanted = { ...authority(argv, env, cwd), ...(proxied(env) ? { NODE_USE_ENV_PROXY: "1" } : {}) };
  return Object.keys(wanted).some((name) => !env[name]) ? wanted : undefined;
}

const proxied = (env: Env): boolean => PROXY_VARIABLES.some((name) => env[name]);

function authority(argv: readonly string[], env: Env, cwd: string): Record<string, string> {
  if (env.NODE_EXTRA_CA_CERTS) return {};
  const named = valueOf(argv, "--stack");
  try {
    const answered = authorityAnswered(valueOf(argv, "--answers"));
    if (answered !== undefined) return { NODE_EXTRA_CA_CERTS: resolve(cwd, answered) };
    const project = findProject(cwd, env, named);
    const file = settingsInFile(project).texts["audit:caFile"];
    if (!file) return {};
    return { NODE_EXTRA_CA_CERTS: isAbsolute(file) ? file : join(project.directory, file) };
  } catch {
    // The command itself says what is wrong.
    return {};
  }
}

/** The authority that the answers of `init` name. @throws CommandError if the file is none of answers */
function authorityAnswered(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const { caFile } = (readAnswersFile(file) ?? {}) as { caFile?: unknown };
  return typeof caFile === "string" && existsSync(caFile) ? caFile : undefined;
}

/** The value of an option, given as `--name value` or `--name=value`. */
const valueOf = (argv: readonly string[], name: string): string | undefined =>
  argv.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ??
  (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);

/** Has this process trust more authorities, where Node can (22.19, 24.5): for a file that was named just now. */
export function trustFromNow(pem: string): void {
  const { setDefaultCACertificates: set, getCACertificates: known } = tls as typeof tls & {
    setDefaultCACertificates?: (certificates: readonly string[]) => void;
    getCACertificates?: () => readonly string[];
  };
  if (set !== undefined && known !== undefined) set([...known(), pem]);
}

/** Runs this program again with more in its environment. @returns its exit code */
export async function runAgain(more: Record<string, string>): Promise<number> {
  const [, program = "", ...argv] = process.argv;
  // The terminal sends Ctrl-C, and that it is gone, to both, and the child answers it.
  for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => undefined);
  const child = spawn(process.execPath, [...process.execArgv, program, ...argv], {
    stdio: "inherit",
    env: { ...process.env, ...more },
  });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}
