import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, renameSync, rmSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { failure, lastLine } from "../../../offline/lib/failures.js";
import { which } from "../../../offline/lib/packages.js";
import { attempt } from "../../../offline/lib/run.js";

/**
 * Fetches a file completely or not at all. Uses curl if present, because it knows the machine's proxies and
 * authorities.
 */
export async function download(url: string, to: string): Promise<void> {
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    if ((await which("curl")) !== undefined) {
      const result = await attempt("curl", ["-fsSL", "--connect-timeout", "5", "--retry", "2", "-o", temporary, url], {
        timeout: 20 * 60_000,
      });
      if (!result.ok) throw failure(`download ${url}`, lastLine(result.all));
    } else {
      const response = await fetch(url, { signal: AbortSignal.timeout(20 * 60_000) });
      if (!response.ok || response.body === null) throw failure(`download ${url}`, `it answered ${response.status}`);
      await pipeline(Readable.fromWeb(response.body), createWriteStream(temporary));
    }
    renameSync(temporary, to);
  } finally {
    rmSync(temporary, { force: true });
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
