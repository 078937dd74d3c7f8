import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform, root, Sandbox } from "../e2e/support/sandbox";
import { onEngine, onVm2, sandboxImage } from "./control-node";
import { type Area, boundRow, median, ratioRow, type Row } from "../../audit-svc/bench/row";

/**
 * The cost of Nginx: the same requests to one replica, directly and through the edge. Both addresses are on a network
 * that the two share, and the load comes from VM2's own network namespace, so that neither path goes through port
 * forwarding.
 */
export const edge: Area = {
  name: "edge",
  benches: ["saturation", "added-latency"],
  async *run(benches, quick) {
    const sandbox = await Sandbox.attach();
    const before = JSON.parse(await sandbox.mustPulumi("stack", "output", "releases", "--json")) as Releases;
    const replicas = before.slots[before.active]?.replicas ?? 2;
    const to = (replicas: number, edgeLoggedSuccesses = 100) => {
      const config = Object.entries({ replicas, edgeLoggedSuccesses }).flatMap(([key, value]) => [
        "--config",
        `audit:${key}=${value}`,
      ]);
      return sandbox.mustPulumi("up", "--yes", "--skip-preview", ...config);
    };
    await to(1);
    try {
      const ways = await addresses(sandbox);
      if (benches.includes("saturation")) {
        yield* await saturation(sandbox, ways, quick, "storing requests at saturation");
        await to(1, 10);
        yield* await saturation(sandbox, ways, quick, "the same, one success in ten logged");
        await to(1);
      }
      if (benches.includes("added-latency")) yield await addedLatency(sandbox, ways, quick);
    } finally {
      await to(replicas);
    }
  },
};

interface Releases {
  active: string;
  slots: Record<string, { replicas: number } | undefined>;
}
interface Ways {
  direct: string;
  nginx: string;
}

async function addresses(sandbox: Sandbox): Promise<Ways> {
  const { active } = JSON.parse(await sandbox.mustPulumi("stack", "output", "releases", "--json")) as Releases;
  const list = (await sandbox.docker("ps", "--format", "{{.Names}}")).split("\n");
  const replica = list.find((name) => name.includes(`-${active}-`));
  if (replica === undefined) throw new Error(`no replica of slot ${active} runs on VM2, only ${list.join(", ")}`);
  const address = (name: string) =>
    sandbox.docker("inspect", "--format", '{{(index .NetworkSettings.Networks "audit-front").IPAddress}}', name);
  return {
    direct: `http://${await address(replica)}:8080`,
    nginx: `http://${await address("audit-edge-nginx")}:8080`,
  };
}

/** Requests that store one event each, as many as two cores can handle with everything running on them. */
async function saturation(sandbox: Sandbox, ways: Ways, quick: boolean, name: string): Promise<Row[]> {
  const { runLoad } = await import("../../audit-svc/bench/load.js");
  const directory = mkdtempSync(join(tmpdir(), "bench-edge-"));
  const bodies = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({
      ...{ application: "demo", actor: `actor-${i}`, action: "bench.edge", resource: `resource-${i % 97}` },
      ...{ outcome: "success", occurredAt: new Date().toISOString() },
    }),
  );
  const rate = async (url: string, seconds: number): Promise<number> => {
    const token = sandbox.get("AUDIT_TOKEN");
    const network = `container:${platform("vm2")}`;
    return (await runLoad({ url, token, bodies, connections: 64, seconds, directory, network })).rate;
  };
  const direct: number[] = [];
  const nginx: number[] = [];
  let memory = 0;
  try {
    await rate(ways.nginx, 3);
    for (let i = 0; i < (quick ? 1 : 5); i += 1) {
      direct.push(await rate(ways.direct, quick ? 4 : 8));
      const running = rate(ways.nginx, quick ? 4 : 8);
      await new Promise((wake) => setTimeout(wake, 2_000));
      memory = Math.max(memory, await megabytes("audit-edge-nginx"));
      nginx.push(await running);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  console.error(`  requests/s direct ${direct.map(Math.round).join(", ")}; nginx ${nginx.map(Math.round).join(", ")}`);
  return [
    ratioRow(
      { area: "edge", name, unit: "requests/s", ours: median(nginx) },
      "straight to the replica",
      median(direct),
      0.75,
    ),
    boundRow({ area: "edge", name: `memory of nginx, ${name}`, unit: "MB", ours: memory }, 50),
  ];
}

/** Memory of a container on VM2 without the page cache, as `docker stats` counts it. */
async function megabytes(container: string): Promise<number> {
  const usage = await onVm2(`docker stats --no-stream --format '{{.MemUsage}}' ${container}`);
  const [, value, unit = ""] = /^([\d.]+)(KiB|MiB|GiB)/.exec(usage) ?? [];
  const size = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[unit];
  if (size === undefined) throw new Error(`docker stats printed ${usage}`);
  return (Number(value) * size) / 1e6;
}

async function addedLatency(sandbox: Sandbox, ways: Ways, quick: boolean): Promise<Row> {
  const image = await sandboxImage("node-plain");
  const command = ["--entrypoint", "node", image, "--import", "tsx", "test/bench/steady.ts"];
  const p50 = async (url: string): Promise<number> => {
    const options = { url, token: sandbox.get("AUDIT_TOKEN"), application: "demo", clients: 50, rate: 1000 };
    const where = ["--network", `container:${platform("vm2")}`, "--volume", `${root}:/work:ro`, "--workdir", "/work"];
    const output = await onEngine(
      ["run", "--rm", "--interactive", ...where, ...command],
      JSON.stringify({ ...options, seconds: quick ? 4 : 10 }),
    );
    const result = JSON.parse(output) as { stored: number; lost: Record<string, number>; p50: number };
    if (Object.keys(result.lost).length > 0) throw new Error(`requests to ${url} failed: ${output}`);
    return result.p50;
  };
  const direct: number[] = [];
  const nginx: number[] = [];
  for (let i = 0; i < (quick ? 1 : 5); i += 1) {
    direct.push(await p50(ways.direct));
    nginx.push(await p50(ways.nginx));
  }
  const rounded = (values: number[]): string => values.map((value) => value.toFixed(2)).join(", ");
  console.error(`  p50 at 1,000/s in ms: direct ${rounded(direct)}; nginx ${rounded(nginx)}`);
  const added = median(nginx) - median(direct);
  return boundRow({ area: "edge", name: "p50 that nginx adds at 1,000 requests/s", unit: "ms", ours: added }, 0.3, {
    name: "p50 straight to the replica",
    value: median(direct),
  });
}
