import { setTimeout as sleep } from "node:timers/promises";
import { platform, Sandbox } from "../e2e/support/sandbox";
import { startLoad } from "../e2e/support/load";
import { Cluster } from "../cluster/support/cluster";
import { type Area, median, shownRow } from "../../audit-svc/bench/row";
import { onEngine } from "./control-node";

const RATE = 200;
/** Of a second; the kernel counts in these. */
const TICK = 100;

/**
 * What an event costs on the cluster against VM2, in processor time of everything that runs there but the databases:
 * under a load that is the same, less what it takes without any. Both serve with as many replicas, and take turns.
 */
export const cluster: Area = {
  name: "cluster",
  benches: ["cost"],
  named: true,
  async *run(_, quick) {
    const seconds = quick ? 10 : 20;
    const places = {
      vm2: { parts: ["vm2"], sandbox: await Sandbox.attach() },
      cluster: { parts: ["node1", "node2", "node3"], sandbox: await Cluster.attach() },
    };
    const cost = async ({ parts, sandbox }: (typeof places)[keyof typeof places]): Promise<number> => {
      const during = async (act: () => Promise<void>): Promise<number> => {
        const before = await used(parts);
        await act();
        return (await used(parts)) - before;
      };
      const idle = await during(() => sleep(seconds * 1000).then(() => undefined));
      let stored = 0;
      const busy = await during(async () => {
        const url = sandbox.get("AUDIT_URL");
        const load = startLoad({ url, token: sandbox.get("AUDIT_TOKEN"), application: "demo", rate: RATE });
        await sleep(seconds * 1000);
        ({ stored } = await load.stop());
      });
      return ((busy - idle) / stored) * 1e6;
    };
    const costs: Record<keyof typeof places, number[]> = { vm2: [], cluster: [] };
    for (let i = 0; i < (quick ? 1 : 3); i += 1)
      for (const place of ["vm2", "cluster"] as const) costs[place].push(await cost(places[place]));
    console.error(`  µs an event: VM2 ${costs.vm2.map(Math.round).join(", ")}; cluster ${costs.cluster.map(Math.round).join(", ")}`); // prettier-ignore
    const measured = {
      area: "cluster",
      name: `an event, at ${RATE} a second`,
      unit: "µs",
      ours: median(costs.cluster),
    };
    yield shownRow(measured, "the same on VM2", median(costs.vm2));
  },
};

/** Processor seconds that all processes in these containers of the platform have used, with those that have ended. */
async function used(parts: readonly string[]): Promise<number> {
  const ofOne = async (part: string): Promise<number> => {
    const words = ["exec", platform(part), "sh", "-c", "cat /proc/[0-9]*/stat 2> /dev/null || :"];
    return (await onEngine(words)).split("\n").reduce((sum, line) => {
      // The name before the parenthesis may have blanks. Then come user and system time, of itself and of its children.
      const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
      return sum + fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / TICK;
    }, 0);
  };
  return (await Promise.all(parts.map(ofOne))).reduce((sum, one) => sum + one, 0);
}
