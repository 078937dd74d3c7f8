import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import autocannon from "autocannon";

/** What a load did. */
export interface LoadResult {
  /** Requests per second that were answered 201. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p99: number;
}

export interface Load {
  readonly url: string;
  readonly token: string;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** For files. */
  readonly directory: string;
}

const hasWrk = spawnSync("wrk", ["--version"]).error === undefined;

/** Name of the load generator: wrk where it is installed (it takes far less of the machine that is measured), else autocannon. */
export const generator = hasWrk ? "wrk" : "autocannon";

/** POSTs one body over keep-alive connections for a time. Throws when anything but 201 came back. */
export async function runLoad(load: Load): Promise<LoadResult> {
  return hasWrk ? withWrk(load) : withAutocannon(load);
}

async function withWrk({ url, token, body, connections, seconds, directory }: Load): Promise<LoadResult> {
  const script = join(directory, "post.lua");
  writeFileSync(
    script,
    `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer ${token}"
wrk.body = [==[${body}]==]
done = function(summary, latency)
  local errors = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.connect
  io.write(string.format("RESULT %d %f %f %d\\n", summary.requests, summary.duration / 1e6, latency:percentile(99) / 1000, errors))
end
`,
  );
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      "wrk",
      ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "20s", "-s", script, `${url}/v1/events`],
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`wrk failed: ${error.message}`));
      },
    );
  });
  const [, requests, duration, p99, errors] = /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(output)?.map(Number) ?? [];
  if (requests === undefined || duration === undefined || p99 === undefined)
    throw new Error(`wrk said nothing: ${output}`);
  if (errors !== 0) throw new Error(`${errors} of ${requests} requests to ${url} failed:\n${output}`);
  return { rate: requests / duration, p99 };
}

async function withAutocannon({ url, token, body, connections, seconds }: Load): Promise<LoadResult> {
  const result = await autocannon({
    url: `${url}/v1/events`,
    method: "POST",
    connections,
    duration: seconds,
    body,
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  });
  if (result.errors > 0 || result.non2xx > 0)
    throw new Error(`${result.errors + result.non2xx} requests to ${url} failed`);
  return { rate: result["2xx"] / result.duration, p99: result.latency.p99 };
}
