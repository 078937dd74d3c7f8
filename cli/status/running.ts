import { formerRelease, otherSlot, type ReleaseState } from "../../lib/release-state";
import { podsOf, WORKLOADS, type Pod } from "../cluster/pods";
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
    return { release: id, image, ...slots, replicas, serviceUrl, deployed, last };
  },
  lines: ({ release: id, image = "", active, former, replicas, deployed, last }, now) => {
    if (id === undefined) return [bad("nothing has been deployed yet: `pulumi up`, or a tag")];
    const digest = image.slice(image.indexOf("@") + 1).slice(0, 19);
    const kept = former === undefined || active === undefined ? "" : `; ${former} is kept in slot ${otherSlot(active)}`;
    const of = active === undefined ? "" : ` in slot ${active}, ${replicas ?? "?"} replicas`;
    return [
      ok(`${id} (${digest})${of}${kept}`),
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
    if (asked.world.values.platform === "kubernetes")
      return { pods: `kubectl --namespace ${asked.world.values.kubeNamespace} get pods` };
    const [{ containers: found }, { releases }] = await Promise.all([
      asked.containers(),
      asked.outputs().catch(() => ({ releases: undefined })),
    ]);
    return { containers: found, idle: releases && otherSlot(releases.active) };
  },
  lines: ({ pods, containers: found = [], idle }, now) => {
    if (pods !== undefined) return [ok(`on a cluster: ${pods}`)];
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

export const drift = definePart({
  title: "drift",
  look: async (asked) => {
    if (asked.world.values.platform === "kubernetes") {
      const [pods, { releases }] = await Promise.all([podsOf(asked.world.values), asked.outputs()]);
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
