import { Sandbox } from "../e2e/support/sandbox";
import { quantile, startLoad } from "../e2e/support/load";
import { pushVariant } from "../e2e/support/variant";
import { type Contender, type Deployed, ours, peersOf } from "./contenders";
import { ControlNode, seconds } from "./control-node";
import { ansibleOfTheWhole } from "./whole";
import { type Area, atMostRow, boundRow, median, type Row, shownRow } from "../../audit-svc/bench/row";

/** The constant load: 50 clients, each on a keep-alive connection, 500 requests per second in all. */
const LOAD = { clients: 50, rate: 500 };

/**
 * The switch's window, milliseconds before and after its report: the promotion comes before the report, the cold
 * replicas after.
 */
const BEFORE = 1_500;
const AFTER = 2_500;

/** Deploys on VM2, against tools that do the same work: same image, machine, database and load (peers/README.md). */
export const releases: Area = {
  name: "releases",
  benches: ["redeploy", "unchanged", "replicas"],
  async *run(benches, quick) {
    const sandbox = await Sandbox.attach();
    const before = (await sandbox.mustPulumi("stack", "output", "image")).trim();
    try {
      if (benches.includes("redeploy") || benches.includes("unchanged")) {
        const wanted = { redeploy: benches.includes("redeploy"), unchanged: benches.includes("unchanged") };
        yield* await against(sandbox, wanted, quick ? 3 : 10);
      }
      if (benches.includes("replicas")) yield* await replicas(sandbox);
    } finally {
      await sandbox.mustPulumi("up", "--yes", "--skip-preview", "--config", `audit:image=${before}`);
    }
  },
};

interface Outcome {
  readonly name: string;
  readonly requests: number;
  readonly lost: number;
  /** p99 in milliseconds: without deploys, and from the first deploy's start to the last one's end. */
  readonly steady: number;
  readonly redeploying: number;
  /** p99 in the switch's window, if the tool has one. */
  readonly switching: number | undefined;
  /** Of a deploy to another release, medians. */
  readonly deploy: Deployed;
  /** Seconds of a run that finds nothing to do, median. */
  readonly unchanged: number;
}

async function against(
  sandbox: Sandbox,
  wanted: { redeploy: boolean; unchanged: boolean },
  repeats: number,
): Promise<Row[]> {
  // Each deploy brings a release that was never there.
  const images = [];
  for (let i = 0; i <= repeats; i += 1)
    images.push(await pushVariant(sandbox, "audit-svc", [`LABEL bench=${Date.now()}-${i}`]));
  const control = await ControlNode.start();
  try {
    const mine = await measure(sandbox, ours(sandbox), images, repeats);
    const peers: Outcome[] = [];
    for (const peer of await peersOf(sandbox, control)) {
      try {
        peers.push(await measure(sandbox, peer, images, repeats));
      } catch (error) {
        // If one cannot run here, measure the others anyway.
        console.error(`  ${peer.name} could not be measured: ${(error as Error).message}`);
      } finally {
        await peer.remove();
      }
    }
    const whole = wanted.unchanged ? await ansibleOfTheWhole(sandbox, control, images[0] ?? "") : NaN;
    const row = (name: string, unit: string, value: number) => ({ area: "releases", name, unit, ours: value });
    const rows: Row[] = [];
    if (wanted.redeploy) {
      rows.push(atMostRow(row("p99 around the switch", "ms", mine.switching ?? NaN), "ours, steady", mine.steady, 2));
      const all = row("p99 while redeploying", "ms", mine.redeploying);
      rows.push(shownRow(all, "ours, steady", mine.steady));
      for (const peer of peers) {
        const lost = row(`failed requests in ${repeats} redeploys`, "requests", mine.lost);
        rows.push(boundRow(lost, 0, { name: peer.name, value: peer.lost }));
        rows.push(shownRow(all, peer.name, peer.redeploying));
        const time = row("start to all traffic on the new release", "s", mine.deploy.traffic);
        const first = peer.name.startsWith("Ansible");
        rows.push(
          first ? atMostRow(time, peer.name, peer.deploy.traffic, 1) : shownRow(time, peer.name, peer.deploy.traffic),
        );
        rows.push(shownRow(row("whole run of a redeploy", "s", mine.deploy.whole), peer.name, peer.deploy.whole));
      }
    }
    if (wanted.unchanged) {
      const time = row("run that changes nothing", "s", mine.unchanged);
      rows.push(atMostRow(time, "Ansible, with all that ours looks after", whole, 1 / 3));
      for (const peer of peers) rows.push(shownRow(time, `${peer.name}: containers alone`, peer.unchanged));
    }
    return rows;
  } finally {
    await control.stop();
  }
}

async function measure(
  sandbox: Sandbox,
  contender: Contender,
  images: readonly string[],
  repeats: number,
): Promise<Outcome> {
  const load = () =>
    startLoad({ ...LOAD, url: contender.url, token: sandbox.get("AUDIT_TOKEN"), application: "demo", limit: 600 });
  const image = (i: number): string => images[i] ?? "";
  await contender.deploy(image(0));
  const warm = load();
  await new Promise((wake) => setTimeout(wake, 10_000));
  const steady = await warm.stop();

  const deploys: Deployed[] = [];
  const running = load();
  // From the first deploy's start until shortly after the last one's end, so that a late loss shows.
  for (let i = 1; i <= repeats; i += 1) deploys.push(await contender.deploy(image(i)));
  await new Promise((wake) => setTimeout(wake, 2_000));
  const { stored, lost, answers } = await running.stop();

  const unchanged: number[] = [];
  for (let i = 0; i < 3; i += 1) unchanged.push((await contender.deploy(image(repeats))).whole);
  const failed = Object.values(lost).reduce((sum, count) => sum + count, 0);
  const around = deploys.flatMap(({ switched }) =>
    switched === undefined ? [] : answers.filter(({ at }) => at > switched - BEFORE && at < switched + AFTER),
  );
  const outcome: Outcome = {
    name: contender.name,
    requests: stored + failed,
    lost: failed,
    steady: quantile(steady.answers, 0.99),
    redeploying: quantile(answers, 0.99),
    switching: around.length > 0 ? quantile(around, 0.99) : undefined,
    deploy: {
      traffic: median(deploys.map(({ traffic }) => traffic)),
      whole: median(deploys.map(({ whole }) => whole)),
    },
    unchanged: median(unchanged),
  };
  console.error(
    `  ${outcome.name}: lost ${failed} of ${outcome.requests} in ${repeats} redeploys ${failed === 0 ? "" : JSON.stringify(lost)}; ` +
      `p99 ${outcome.steady.toFixed(1)} ms steady, ${outcome.switching?.toFixed(1) ?? "-"} ms around the switch, ${outcome.redeploying.toFixed(1)} ms redeploying; ` +
      `${outcome.deploy.traffic.toFixed(1)} s to all traffic, ${outcome.deploy.whole.toFixed(1)} s the whole run, ${outcome.unchanged.toFixed(1)} s without a change`,
  );
  return outcome;
}

/** The cost of more replicas: the time of a whole deploy from one replica to that number. */
async function replicas(sandbox: Sandbox): Promise<Row[]> {
  const to = (count: number) =>
    seconds(() => sandbox.mustPulumi("up", "--yes", "--skip-preview", "--config", `audit:replicas=${count}`));
  const before = Object.values(
    (
      JSON.parse(await sandbox.mustPulumi("stack", "output", "releases", "--json")) as {
        slots: Record<string, { replicas: number }>;
      }
    ).slots,
  )[0]?.replicas;
  const rows: Row[] = [];
  let one = NaN;
  try {
    await to(4);
    for (const count of [1, 4, 16]) {
      const taken = await to(count);
      if (count === 1) one = taken;
      console.error(`  up with ${count} replicas: ${taken.toFixed(1)} s`);
      rows.push(
        shownRow({ area: "releases", name: `up with ${count} replicas`, unit: "s", ours: taken }, "1 replica", one),
      );
    }
  } finally {
    await to(before ?? 2);
  }
  return rows;
}
