import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { UserError } from "../lib/user-error";

/** Where the exporter's dashboard is published, and the only content that is accepted. */
export interface PublishedFile {
  /** The project's own address of the file at the tag. */
  readonly url: string;
  /** Go module that contains the same file, for machines that reach a module proxy but not `url`. */
  readonly module: { readonly path: string; readonly version: string; readonly file: string };
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
}

/** The dashboard of nginx-prometheus-exporter 1.5.1. After changing the version, run `node --import tsx dashboards/fetch.ts` and review. */
export const PUBLISHED_DASHBOARD: PublishedFile = {
  url: "https://raw.githubusercontent.com/nginx/nginx-prometheus-exporter/v1.5.1/grafana/dashboard.json",
  module: { path: "github.com/nginx/nginx-prometheus-exporter", version: "v1.5.1", file: "grafana/dashboard.json" },
  sha256: "320b818e67fdefb30ff5a3e278bba51ccd55c29d3a62858962d55f7ec7d25828",
};

/** The published dashboard could not be fetched. */
export class PublishedDashboardError extends UserError {}

/** One way to get the file's bytes. */
export interface Source {
  /** Named in the error message. */
  readonly name: string;
  read(): Promise<Buffer>;
}

export interface FetchOptions {
  /** Directory for the verified copy. Default `$SANDBOX_CACHE`, else `~/.cache/audit-sandbox`. */
  readonly cacheDirectory?: string;
  /** What to get. Default PUBLISHED_DASHBOARD. */
  readonly file?: PublishedFile;
  /** Sources in order. Default: the project's address, then the Go module. */
  readonly sources?: readonly Source[];
}

/** The address either answers at once or does not answer at all; the module may have to be downloaded with its archive. */
const HTTP_TIMEOUT_MS = 5_000;
const MODULE_TIMEOUT_MS = 60_000;

/**
 * Text of the published dashboard: from the cache if a valid copy is there, otherwise fetched, verified and cached.
 *
 * @throws PublishedDashboardError if no source gives a file with the pinned checksum; each source's reason is named
 */
export async function publishedDashboard(options: FetchOptions = {}): Promise<string> {
  const { file = PUBLISHED_DASHBOARD } = options;
  const path = cachePath(options);
  const cached = await readFile(path).catch(() => undefined);
  if (cached !== undefined && sha256(cached) === file.sha256) return cached.toString("utf8");

  const reasons: string[] = [];
  for (const source of options.sources ?? [download(file), goModule(file)]) {
    try {
      const content = await source.read();
      const digest = sha256(content);
      if (digest === file.sha256) {
        await keep(path, content);
        return content.toString("utf8");
      }
      reasons.push(`${source.name}: the file's SHA-256 is ${digest}, not the pinned ${file.sha256}`);
    } catch (error) {
      reasons.push(`${source.name}: ${reason(error)}`);
    }
  }
  throw new PublishedDashboardError(
    [
      "The published dashboard of the nginx exporter could not be fetched.",
      ...reasons.map((text) => `  - ${text}`),
      `Put the file there by hand to go on without these sources: ${path}`,
    ].join("\n"),
  );
}

/** Where the verified copy is kept. The checksum is part of the name, so that a new pin never finds an old copy. */
export function cachePath(options: Pick<FetchOptions, "cacheDirectory" | "file"> = {}): string {
  const { file = PUBLISHED_DASHBOARD } = options;
  return join(options.cacheDirectory ?? standardCache(), `nginx-dashboard-${file.sha256.slice(0, 16)}.json`);
}

function standardCache(): string {
  const { SANDBOX_CACHE = "" } = process.env;
  return SANDBOX_CACHE === "" ? join(homedir(), ".cache", "audit-sandbox") : SANDBOX_CACHE;
}

function download(file: PublishedFile): Source {
  return {
    name: file.url,
    async read() {
      const response = await fetch(file.url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) });
      if (!response.ok) throw new Error(`answered ${response.status}`);
      return Buffer.from(await response.arrayBuffer());
    },
  };
}

function goModule({ module }: PublishedFile): Source {
  return {
    name: `Go module ${module.path}@${module.version}`,
    async read() {
      // Outside any Go module of the caller, whose go.mod would change the result.
      const directory = await mkdtemp(join(tmpdir(), "nginx-dashboard-"));
      try {
        const { stdout } = await promisify(execFile)(
          "go",
          ["mod", "download", "-json", `${module.path}@${module.version}`],
          {
            cwd: directory,
            timeout: MODULE_TIMEOUT_MS,
          },
        );
        const { Dir } = JSON.parse(stdout) as { Dir: string };
        return await readFile(join(Dir, module.file));
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** Written to a temporary file and renamed, so that a killed run leaves no partial file. */
async function keep(path: string, content: Buffer): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, content);
  await rename(partial, path);
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The innermost message: fetch() says only "fetch failed" and puts the reason into the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "ENOENT" && "syscall" in error && error.syscall === "spawn go") {
    return "the command go is not installed";
  }
  if (error.name === "TimeoutError") return `no answer within ${HTTP_TIMEOUT_MS / 1000} s`;
  return error.cause instanceof Error ? error.cause.message : (error.message.split("\n")[0] ?? error.message);
}
