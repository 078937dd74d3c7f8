import { setTimeout as sleep } from "node:timers/promises";

import { PartialFailure, type Call } from "../framework/index.js";
import type { DockerContext } from "./context.js";
import { EngineError } from "./engine.js";
import { findImage } from "./images.js";
import type { Inputs, Inspected, State } from "./container-model.js";
import { connectBody, createBody } from "./container-request.js";
import { asPlanned } from "./planned.js";
import { stateFrom } from "./container-state.js";
import { archiveOf } from "./container-uploads.js";

/** Seconds that a Create may take in all, unless the program sets customTimeouts. */
const CREATE_TIMEOUT = 20 * 60;

/** Inputs whose order does not matter (Terraform's sets), as far as they are read back. */
const SETS = ["capabilities", "securityOpts", "dns", "groupAdds", "hosts", "mounts", "ulimits"] as const;

export async function inspect(ctx: DockerContext, id: string): Promise<Inspected | undefined> {
  try {
    return (await ctx.engine.request("GET", `/containers/${id}/json`)) as Inspected;
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return undefined;
    throw error;
  }
}

async function step<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

async function joinNetworks(ctx: DockerContext, id: string, inputs: Inputs): Promise<void> {
  const networks = inputs.networksAdvanced ?? [];
  if (networks.length === 0) return;
  await step("Unable to disconnect the default network", async () => {
    try {
      await ctx.engine.request("POST", "/networks/bridge/disconnect", { body: { Container: id, Force: false } });
    } catch (error) {
      if (!/is not connected to the network bridge/i.test((error as Error).message)) throw error;
    }
  });
  for (const network of networks) {
    await step(`Unable to connect to network '${network.name}'`, () =>
      ctx.engine.request("POST", `/networks/${encodeURIComponent(network.name)}/connect`, {
        body: connectBody(id, network),
      }),
    );
  }
}

/** Polls every second until the container is healthy. Does not give up early on one that is unhealthy or has exited. */
async function becomeHealthy(ctx: DockerContext, id: string, inputs: Inputs, signal: AbortSignal): Promise<void> {
  const timeout = inputs.waitTimeout ?? 60;
  const deadline = Date.now() + timeout * 1000;
  for (;;) {
    const found = await step("error inspecting container state", () => inspect(ctx, id));
    const health = found?.State.Health;
    if (found === undefined || health === undefined || health === null) {
      throw new Error(
        "you have supplied a 'wait' argument, but the container does not have a healthcheck defined. " +
          "Please remove the 'wait' argument or add a 'healthcheck' attribute",
      );
    }
    if (health.Status === "healthy") return;
    const left = deadline - Date.now();
    if (left <= 0) {
      // The first words are the genuine plugin's; the rest says where to look, without the check's output, which may hold secrets.
      throw new Error(
        `container failed to be in healthy state: ${inputs.name ?? id} was ${found.State.Status} and ${health.Status} after ${timeout} s; ` +
          `see \`docker logs ${inputs.name ?? id}\` and \`docker inspect ${inputs.name ?? id}\`, or raise waitTimeout`,
      );
    }
    await sleep(Math.min(1000, left), undefined, { signal });
  }
}

/** The two output streams of a container, from the engine's frames of eight bytes of head each; with a terminal there are none. */
export function plainLogs(raw: Buffer, tty: boolean): string {
  if (tty) return raw.toString();
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length;) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString();
}

/** Waits for the container to end. A non-zero exit code is not an error here. */
async function waitForEnd(
  ctx: DockerContext,
  id: string,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<string | undefined> {
  await step("Unable to wait container end of execution", () =>
    ctx.engine.request("POST", `/containers/${id}/wait`, { query: { condition: "not-running" }, signal }),
  );
  if (inputs.rm === true) {
    // The engine may remove it at any moment; without this wait, Create would fail at random.
    await ctx.engine
      .request("POST", `/containers/${id}/wait`, { query: { condition: "removed" }, signal })
      .catch((error: unknown) => {
        if (!(error instanceof EngineError)) throw error;
      });
  }
  if (inputs.logs !== true) return undefined;
  const raw = await step("unable to read container logs", () =>
    ctx.engine.stream("GET", `/containers/${id}/logs`, { query: { stdout: true, stderr: true } }),
  );
  return plainLogs(raw, inputs.tty === true);
}

async function bringUp(
  ctx: DockerContext,
  id: string,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<{ logs: string | undefined }> {
  await joinNetworks(ctx, id, inputs);
  for (const upload of inputs.uploads ?? []) {
    const archive = await archiveOf(upload);
    await step("Unable to upload volume content", () =>
      ctx.engine.request("PUT", `/containers/${id}/archive`, {
        query: { path: "/", noOverwriteDirNonDir: true },
        body: archive,
      }),
    );
  }
  if (inputs.start ?? true) {
    await step("Unable to start container", () => ctx.engine.request("POST", `/containers/${id}/start`));
    if (inputs.wait === true) await becomeHealthy(ctx, id, inputs, signal);
  }
  return { logs: inputs.attach === true ? await waitForEnd(ctx, id, inputs, signal) : undefined };
}

/**
 * Makes the container, joins its networks, uploads, starts, waits, reads back. Whatever fails after the engine has given an id leaves the
 * container where it is, as a partial failure.
 *
 * @throws PartialFailure after there is a container; Error before
 */
export async function createContainer(
  ctx: DockerContext,
  inputs: Inputs,
  call: Call,
): Promise<{ id: string; state: State }> {
  await step(`Unable to create container with image ${inputs.image}`, () => findImage(ctx, inputs.image, ""));
  if (
    inputs.mounts?.some((mount) => mount.type === "volume" && mount.volumeOptions !== undefined) &&
    !(await ctx.engine.supports("1.45"))
  ) {
    // Whatever the options are, subpath or not, as in the genuine plugin.
    throw new Error("Setting VolumeOptions.Subpath requires docker version 1.45 or higher");
  }
  const body = createBody(inputs);
  const created = await step("Unable to create container", () =>
    ctx.engine.request("POST", "/containers/create", { query: { name: inputs.name, platform: inputs.platform }, body }),
  );
  const { Id: id } = created as { Id: string };

  const signal = AbortSignal.any([call.signal, AbortSignal.timeout((call.timeoutSeconds ?? CREATE_TIMEOUT) * 1000)]);
  // A computed set that nothing computes: it is empty in the state if the program does not set it.
  const withoutEnvs: Partial<State> = inputs.envs === undefined ? { envs: [] } : {};
  let logs: string | undefined;
  let found: Inspected | undefined;
  try {
    ({ logs } = await bringUp(ctx, id, inputs, signal));
    found = await inspect(ctx, id);
  } catch (error) {
    throw new PartialFailure<State>(id, { ...withoutEnvs }, [(error as Error).message]);
  }
  if (found === undefined) {
    throw new Error(
      `container ${inputs.name ?? id} was gone when it was read back: with rm and attach there is nothing left to keep in the state`,
    );
  }
  const state = asPlanned(stateFrom(found, inputs as State), inputs, SETS);
  Object.assign(state, withoutEnvs);
  if (logs !== undefined) state.containerLogs = logs;
  return { id, state };
}
