import { formerRelease, otherSlot, type ReleaseState } from "../../lib/release-state";
import { WORKLOADS, type Pod } from "../cluster/pods";
import type { Container, Containers } from "../vm/containers";
import { ago, duration, secondsBetween, stamp } from "../time";
import { bad, definePart, ok, warning, type Line } from "./part";

/** Parts that say what runs: release, containers, and whether both agree. */

export const release = definePart({
  title: "release",
  look: async (asked) => {
    const [{ release: id, image, releases, serviceUrl }, updates] = await Promise.all([
      asked.outputs(),
      asked.updates(),
    ]);
    const deployed = updates.find(({ kind, result }) => kind === "update" && result === "succeeded");
    const [last] = updates;
    const slots = releases && { active: releases.active, former: formerRelease(releases)?.release };
    const replicas = releases?.slots[releases.active]?.replicas;
    const { platform } = asked.world.values;
    return { release: id, image, platform, ...slots, replicas, serviceUrl, deployed, last };
  },
  lines: ({ release: id, image = "", platform, active, former, replicas = "?", deployed, last }, now) => {
    if (id === undefined) return [bad("nothing has been deployed yet: `pulumi up`, or a tag")];
    const digest = image.slice(image.indexOf("@") + 1).slice(0, 19);
    const onCluster = platform === "kubernetes";
    const of = active === undefined ? "" : `${onCluster ? "" : ` in slot ${active}`}, ${replicas} replicas`;
    const kept = onCluster || active === undefined ? "was before it" : `is kept in slot ${otherSlot(active)}`;
    return [
      ok(`${id} (${digest})${of}${former === undefined ? "" : `; ${former} ${kept}`}`),
      ...(deployed === undefined ? [] : [ok(deployedBy(deployed, now))]),
      ...(last === undefined || last === deployed || last.result === "succeeded"
        ? []
        : [
            warning(
              `${last.kind} ${last.result === "in-progress" ? "runs" : last.result} since ${ago(now, last.start)}: ${last.what}`,
            ),
          ]),
    ];
  },
});

function deployedBy({ what, by, start, commit, dirty }: Parameters<typeof describeUpdate>[0], now: Date): string {
  return `${ago(now, start)}, ${stamp(start)} UTC: ${describeUpdate({ what, by, start, commit, dirty })}`;
}

const describeUpdate = ({ what, by, commit, dirty }: { what: string; by?: string; start: string; commit?: string; dirty: boolean }): string =>
  `${what}${by === undefined ? ", by hand" : ` by ${by}`}${commit === undefined ? "" : ` (commit ${commit.slice(0, 7)}${dirty ? " and more" : ""})`}`; // prettier-ignore

export const containers = definePart({
  title: "containers",
  look: async (asked) => {
    const { platform, edgeService } = asked.world.values;
    if (platform === "kubernetes") return { pods: await asked.pods(), edgeService };
    const [{ containers: found }, { releases }] = await Promise.all([
      asked.containers(),
      asked.outputs().catch(() => ({ releases: undefined })),
    ]);
    return { containers: found, idle: releases && otherSlot(releases.active) };
  },
  lines: ({ pods, edgeService, containers: found = [], idle }, now) => {
    if (pods !== undefined) return podLines(pods, edgeService, now);
    const width = Math.max(...found.map(({ name }) => name.length));
    return found.map((each) => stateOf(each, each.slot !== undefined && each.slot === idle, width, now));
  },
});

function stateOf(each: Container, idle: boolean, width: number, now: Date): Line {
  const { name, state, health, since, until, exitCode, outOfMemory, restarts, release: id } = each;
  const runs = state === "running";
  const words = [
    `${state}${runs ? ` ${duration(secondsBetween(now, since))}` : ` ${ago(now, until)}, exit code ${exitCode}`}`,
    ...(id ? [`release ${id}`] : []),
    ...(health === null ? [] : [health]),
    ...(restarts > 0 ? [`restarted ${restarts} times`] : []),
    ...(outOfMemory ? ["out of memory"] : []),
    ...(idle && !runs ? ["idle"] : []),
  ];
  const text = `${name.padEnd(width)}  ${words.join(", ")}`;
  if (runs && (health === null || health === "healthy")) return restarts > 0 ? warning(text) : ok(text);
  // The drain stops it with whatever code its image has.
  if (idle && state === "exited") return ok(text);
  return health === "starting" ? warning(text) : bad(text);
}

/** The same of a cluster. */
export function podLines(pods: readonly Pod[], edgeService: string, now: Date): Line[] {
  const width = Math.max(...pods.map(({ name }) => name.length));
  const lines = pods.map((each) => stateOfPod(each, width, now));
  const doubled = edgeService === "nodePort" ? onOneNode(pods) : undefined;
  if (doubled === undefined) return lines;
  const text = `two pods of Nginx are on ${doubled.node ?? "?"}; if another node has none, its ports are dead: kubectl delete pod ${doubled.name}`;
  return [...lines, warning(text)];
}

function stateOfPod({ name, phase, ready, since, node, restarts, release: id }: Pod, width: number, now: Date): Line {
  const words = [
    `${phase.toLowerCase()}${since === undefined ? "" : ` ${duration(secondsBetween(now, since))}`}`,
    ...(node === undefined ? [] : [`on ${node}`]),
    ...(id === undefined ? [] : [`release ${id}`]),
    ...(phase !== "Running" ? [] : ready ? ["ready"] : ["not ready"]),
    ...(restarts > 0 ? [`restarted ${restarts} times`] : []),
  ];
  const text = `${name.padEnd(width)}  ${words.join(", ")}`;
  const fine = phase === "Terminating" || phase === "Succeeded" || (phase === "Running" && ready && restarts === 0);
  return fine ? ok(text) : warning(text);
}

/** A pod of Nginx that runs beside another one. */
const onOneNode = (pods: readonly Pod[]): Pod | undefined => {
  const edge = pods.filter(({ workload, running }) => workload === WORKLOADS.edge.name && running);
  return edge.find((one, at) => edge.slice(0, at).some(({ node }) => node === one.node));
};

export const drift = definePart({
  title: "drift",
  look: async (asked) => {
    if (asked.world.values.platform === "kubernetes") {
      const [pods, { releases }] = await Promise.all([asked.pods(), asked.outputs()]);
      return { differences: podDifferences(pods, releases), checked: "pods and their release" };
    }
    const [found, { releases, image }] = await Promise.all([asked.containers(), asked.outputs()]);
    return { differences: differencesOf(found, releases, image), checked: "containers, images and the active slot" };
  },
  lines: ({ differences, checked }) =>
    differences.length === 0
      ? [ok(`none in ${checked}; the job drift compares everything`)]
      : differences.map((difference) => bad(difference)),
});

/** What the VM shows that the last deploy did not leave. A running deploy shows here, too. */
export function differencesOf(
  { containers: found, marker }: Containers,
  releases: ReleaseState | undefined,
  image: string | undefined,
): string[] {
  if (releases === undefined) return [];
  const { active, slots } = releases;
  const wanted = slots[active];
  const serving = found.filter(({ slot }) => slot === active);
  const others = ["audit-svc-agent", "audit-edge-nginx", "audit-edge-exporter"];
  return [
    ...(marker === undefined || marker === active ? [] : [`Nginx sends requests to slot ${marker}, the last deploy says ${active}`]),
    ...(wanted === undefined || serving.length === wanted.replicas
      ? []
      : [`slot ${active} has ${serving.length} replicas, the last deploy left ${wanted.replicas}`]),
    ...serving.flatMap(({ name, release: id, state, digests }) => [
      ...(state === "running" ? [] : [`${name} is ${state}`]),
      ...(wanted === undefined || !id || id === wanted.release ? [] : [`${name} runs release ${id}, not ${wanted.release}`]),
      ...(image === undefined || digests.length === 0 || digests.some((each) => digestOf(each) === digestOf(image))
        ? []
        : [`${name} runs another image than ${digestOf(image).slice(0, 19)}`]),
    ]),
    ...found
      .filter(({ slot, state }) => slot === otherSlot(active) && state === "running")
      .map(({ name }) => `${name} runs, and slot ${otherSlot(active)} is idle`),
    ...others.flatMap((name) => {
      const state = found.find((each) => each.name === name)?.state;
      return state === "running" ? [] : [`${name} is ${state ?? "gone"}`];
    }),
  ]; // prettier-ignore
}

/** The same of a cluster. There may be more pods than the last deploy left: an autoscaler makes them. */
export function podDifferences(pods: readonly Pod[], releases: ReleaseState | undefined): string[] {
  const wanted = releases?.slots[releases.active];
  if (wanted === undefined) return [];
  const run = (name: string): Pod[] => pods.filter(({ workload, running }) => workload === name && running);
  const replicas = run(WORKLOADS.service.name);
  return [
    ...(replicas.length < wanted.replicas
      ? [`${replicas.length} replicas run, the last deploy left ${wanted.replicas}`]
      : []),
    ...replicas
      .filter(({ release: id }) => id !== wanted.release)
      .map(({ name, release: id }) => `${name} runs release ${id ?? "?"}, not ${wanted.release}`),
    ...(run(WORKLOADS.edge.name).length === 0 ? [`no pod of ${WORKLOADS.edge.name} runs`] : []),
  ];
}

const digestOf = (image: string): string => image.slice(image.indexOf("@") + 1);
