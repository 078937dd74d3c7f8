import type * as docker from "@pulumi/docker";
import { defineResource, PartialFailure, type Diff, type InputsOf } from "../framework/index.js";
import type { DockerContext } from "./context.js";
import { createContainer, inspect } from "./container-create.js";
import type { Inputs, State } from "./container-model.js";
import { updateBody } from "./container-request.js";
import { stateFrom } from "./container-state.js";
import { parseDuration } from "./durations.js";

type Port = NonNullable<Inputs["ports"]>[number];
type Mount = NonNullable<Inputs["mounts"]>[number];
type Healthcheck = NonNullable<Inputs["healthcheck"]>;

/** The container was deleted, or was never there. */
const GONE = /no such container|is already in progress/i;

/** Changes that are carried out by the engine's update request; the other ones that do not replace only change the state. */
const UPDATABLE = ["restart", "maxRetryCount", "cpuShares", "memory", "memoryReservation", "memorySwap"];

const atLeast = (least: number) => (value: number) =>
  value < least ? `'${value}' cannot be lower than ${least}` : undefined;
const matching = (pattern: RegExp) => (value: string) =>
  pattern.test(value) ? undefined : `'${value}' does not match the pattern ${pattern.source}`;
function duration(value: string): string | undefined {
  const parsed = parseDuration(value);
  if (parsed === undefined) return `'${value}' is not a valid duration`;
  return parsed < 0 ? `'${value}' duration must not be negative` : undefined;
}

/**
 * Ports are equal in any order if each is published in the same way. A port whose external port the engine chooses
 * never equals the result, so the order matters then, as in the genuine plugin.
 */
function samePorts(state: readonly Port[], input: readonly Port[]): boolean {
  const same = (a: Port, b: Port) =>
    a.internal === b.internal &&
    (a.protocol ?? "tcp") === (b.protocol ?? "tcp") &&
    (a.ip ?? "0.0.0.0") === (b.ip ?? "0.0.0.0") &&
    a.external === b.external;
  return state.length === input.length && input.every((wanted) => state.some((found) => same(found, wanted)));
}

/** Normalizes what the engine does not distinguish: an unset field and an empty one. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(canonical);
  if (typeof value !== "object" || value === null)
    return value === "" || value === 0 || value === false || value === null ? undefined : value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, canonical(inner)] as const)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

function sameMounts(state: readonly Mount[], input: readonly Mount[]): boolean {
  const set = (mounts: readonly Mount[]) =>
    mounts
      .map((mount) => JSON.stringify(canonical(mount)))
      .sort()
      .join("\n");
  return set(state) === set(input);
}

/** Compared as text: what the program calls `90s` is `1m30s` in the state, which is a difference. */
function sameHealthcheck(state: Healthcheck, input: Healthcheck): boolean {
  const plain = (check: Healthcheck) => [
    check.interval ?? "0s",
    check.timeout ?? "0s",
    check.startPeriod ?? "0s",
    check.startInterval ?? "0s",
    check.retries ?? 0,
    ...(check.tests ?? []),
  ];
  return JSON.stringify(plain(state)) === JSON.stringify(plain(input));
}

/** If unset or empty, the image's value applies and is not a difference. */
const sameOrEmpty = (state: string, input: string) => input === "" || state === input;

/** A container. Only what the engine can change in a running one is changed in place; everything else makes a new one. */
export const container = defineResource<typeof docker.Container, DockerContext>({
  token: "docker:index/container:Container",
  deleteBeforeReplace: true,
  inputs: {
    name: { required: true, forceNew: true, autoname: true },
    image: { required: true, forceNew: true },
    command: { forceNew: true, computed: true },
    entrypoints: { forceNew: true, computed: true },
    envs: { forceNew: true, computed: true, unordered: true },
    user: { forceNew: true, equal: sameOrEmpty },
    groupAdds: { forceNew: true, unordered: true },
    workingDir: { forceNew: true, equal: sameOrEmpty },
    hostname: { forceNew: true, computed: true },
    labels: {
      forceNew: true,
      computed: true,
      unordered: true,
      fields: { label: { required: true }, value: { required: true } },
    },
    readOnly: { forceNew: true, default: false },
    tty: { forceNew: true, default: false },
    stdinOpen: { forceNew: true, default: false },
    restart: { default: "no", validate: matching(/^(no|on-failure|always|unless-stopped)$/) },
    maxRetryCount: {},
    start: { default: true },
    mustRun: { default: true },
    wait: { default: false },
    waitTimeout: { default: 60 },
    attach: { default: false },
    logs: { default: false },
    rm: { default: false },
    removeVolumes: { default: true },
    destroyGraceSeconds: {},
    stopSignal: { forceNew: true, computed: true },
    stopTimeout: { forceNew: true, computed: true },
    init: { computed: true },
    networkMode: { forceNew: true, default: "bridge" },
    networksAdvanced: {
      forceNew: true,
      unordered: true,
      fields: { name: { required: true }, aliases: { unordered: true }, ipv4Address: {} },
    },
    ports: {
      forceNew: true,
      equal: samePorts,
      fields: {
        internal: { required: true },
        external: { computed: true },
        ip: { default: "0.0.0.0" },
        protocol: { default: "tcp" },
      },
    },
    hosts: { forceNew: true, unordered: true, fields: { host: { required: true }, ip: { required: true } } },
    dns: { forceNew: true, unordered: true },
    mounts: {
      forceNew: true,
      unordered: true,
      equal: sameMounts,
      fields: {
        type: { required: true, validate: matching(/^(bind|volume|tmpfs)$/) },
        target: { required: true },
        source: {},
        readOnly: {},
        bindOptions: {
          fields: { propagation: { validate: matching(/^(private|rprivate|shared|rshared|slave|rslave)$/) } },
        },
        volumeOptions: {
          fields: { noCopy: {}, labels: { unordered: true }, driverName: {}, driverOptions: {}, subpath: {} },
        },
        tmpfsOptions: { fields: { sizeBytes: {}, mode: {} } },
      },
    },
    volumes: {
      forceNew: true,
      unordered: true,
      fields: {
        containerPath: {},
        fromContainer: {},
        hostPath: { validate: matching(/^\//) },
        readOnly: {},
        volumeName: {},
      },
    },
    tmpfs: {},
    uploads: {
      forceNew: true,
      unordered: true,
      fields: {
        file: { required: true },
        content: {},
        contentBase64: {},
        source: {},
        sourceHash: {},
        executable: {},
        permissions: { validate: matching(/^0[0-7]{3}$/) },
        owner: {},
        group: {},
      },
    },
    capabilities: { forceNew: true, fields: { adds: { unordered: true }, drops: { unordered: true } } },
    securityOpts: { forceNew: true, computed: true, unordered: true },
    sysctls: { forceNew: true },
    ulimits: {
      forceNew: true,
      unordered: true,
      fields: { name: { required: true }, soft: { required: true }, hard: { required: true } },
    },
    memory: { validate: atLeast(0) },
    memoryReservation: { validate: atLeast(0) },
    memorySwap: { validate: atLeast(-1) },
    shmSize: { forceNew: true, computed: true, validate: atLeast(0) },
    cpuShares: { validate: atLeast(0) },
    cpus: { forceNew: true },
    ipcMode: { forceNew: true, computed: true },
    platform: { forceNew: true, computed: true },
    runtime: { forceNew: true, computed: true },
    logDriver: { forceNew: true, computed: true },
    logOpts: { forceNew: true },
    healthcheck: {
      forceNew: true,
      computed: true,
      equal: sameHealthcheck,
      fields: {
        tests: {},
        interval: { default: "0s", validate: duration },
        timeout: { default: "0s", validate: duration },
        startPeriod: { default: "0s", validate: duration },
        startInterval: { default: "0s", validate: duration },
        retries: { validate: atLeast(0) },
      },
    },
    // How long the genuine Read may wait; it no longer waits, but the default stands in every state.
    containerReadRefreshTimeoutMilliseconds: { default: 15000 },
  },
  outputs: { bridge: {}, containerLogs: {}, exitCode: {}, networkDatas: {} },
  customizeDiff: (state, inputs) => ({
    unchanged: (["user", "workingDir"] as const).filter((name) => (inputs[name] ?? "") === ""),
    // After a Create that failed half-way these were never read. Terraform treats a missing computed list as one that
    // will change.
    changed: (["command", "entrypoints", "envs", "networkDatas"] as const).filter(
      (name) =>
        (state[name] ?? undefined) === undefined && (name === "networkDatas" || (inputs[name] ?? []).length === 0),
    ),
  }),
  create: (ctx, inputs, call) => createContainer(ctx, inputs, call),
  async read(ctx, id, state) {
    const found = await inspect(ctx, id);
    return found === undefined ? undefined : { id: found.Id, state: stateFrom(found, state) };
  },
  update,
  delete: remove,
});

/** A failed update keeps what was wanted in the state, with init errors; the empty update of the next run then clears them. */
async function update(
  ctx: DockerContext,
  id: string,
  old: State,
  inputs: InputsOf<typeof docker.Container>,
  diff: Diff,
): Promise<{ state: State }> {
  const request = async (what: string, path: string, body?: object) => {
    try {
      await ctx.engine.request("POST", `/containers/${id}/${path}`, { body });
    } catch (error) {
      throw new PartialFailure<State>(id, {}, [`${what}: ${(error as Error).message}`]);
    }
  };
  if (diff.changed.has("mustRun") && old.mustRun === false && inputs.mustRun !== false && inputs.start !== false) {
    // Started without waiting: `wait` applies only to Create.
    await request("Unable to start container", "start");
  }
  if (UPDATABLE.some((name) => diff.changed.has(name)))
    await request("Unable to update a container", "update", updateBody(inputs));
  // Nothing is read back: the state takes the wanted values, even for tmpfs, init and rm, which cannot change in a
  // running container.
  return { state: {} };
}

async function remove(ctx: DockerContext, id: string, state: State): Promise<void> {
  const ignoring = async (pattern: RegExp, what: string, action: () => Promise<unknown>) => {
    try {
      await action();
    } catch (error) {
      if (!pattern.test((error as Error).message))
        throw new Error(`${what} ${id}: ${(error as Error).message}`, { cause: error });
    }
  };
  if (state.attach !== true) {
    // From the state as it was before this `up`. Unset is 0 and thus an immediate SIGKILL; the container's own stopTimeout does not count.
    const seconds = Math.max(state.destroyGraceSeconds ?? 0, 0);
    await ignoring(/no such container/i, "Error stopping container", () =>
      ctx.engine.request("POST", `/containers/${id}/stop`, { query: { t: seconds } }),
    );
  }
  await ignoring(GONE, "Error deleting container", () =>
    ctx.engine.request("DELETE", `/containers/${id}`, { query: { v: state.removeVolumes ?? true, force: true } }),
  );
  const condition = state.rm === true ? "removed" : "not-running";
  await ignoring(GONE, "Error waiting for container removal", () =>
    ctx.engine.request("POST", `/containers/${id}/wait`, { query: { condition } }),
  );
}
