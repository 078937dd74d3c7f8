import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseImage, docker } from "../test/support/containers.js";

let wrk: string | undefined;

/** An image with wrk, which uses far less of the measured machine than a load generator in JavaScript. */
function wrkImage(): string {
  const dockerfile = `FROM ${baseImage()}
RUN apt-get update && apt-get install -y --no-install-recommends wrk && rm -rf /var/lib/apt/lists/*
`;
  wrk ??= docker(["build", "-q", "-t", "audit-bench/wrk", "-"], dockerfile);
  return wrk;
}

/** Result of a load. */
export interface LoadResult {
  /** Requests per second, each answered 201. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p99: number;
}

export interface Load {
  readonly url: string;
  readonly token: string;
  /** Sent in turn. */
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  /** For files. */
  readonly directory: string;
  /** Docker network from which it comes; default this host's. */
  readonly network?: string;
}

/** POSTs bodies over keep-alive connections for some time, with wrk. @throws Error if there was any answer but 201 */
export async function runLoad({
  url,
  token,
  bodies,
  connections,
  seconds,
  directory,
  network = "host",
}: Load): Promise<LoadResult> {
  writeFileSync(
    join(directory, "post.lua"),
    `local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer ${token}" }
local requests, turn, other = {}, 0, 0
init = function()
  for line in io.lines("/bench/bodies") do requests[#requests + 1] = wrk.format("POST", "/v1/events", headers, line) end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
done = function(summary, latency)
  local errors = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.connect + summary.errors.timeout
  io.write(string.format("RESULT %d %f %f %d\\n", summary.requests, summary.duration / 1e6, latency:percentile(99) / 1000, errors))
end
`,
  );
  writeFileSync(join(directory, "bodies"), `${bodies.join("\n")}\n`);
  const mounted = ["run", "--rm", "--network", network, "-v", `${directory}:/bench:ro`, wrkImage()];
  const wrk = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "20s", "-s", "/bench/post.lua", url];
  const output = await new Promise<string>((resolve, reject) => {
    execFile("docker", [...mounted, ...wrk], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`wrk failed: ${error.message} ${stderr}`));
    });
  });
  const [, requests, duration, p99, errors] = /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(output)?.map(Number) ?? [];
  if (requests === undefined || duration === undefined || p99 === undefined)
    throw new Error(`wrk said nothing: ${output}`);
  if (errors !== 0) throw new Error(`${errors} of ${requests} requests to ${url} failed:\n${output}`);
  return { rate: requests / duration, p99 };
}
