import { setTimeout as sleep } from "node:timers/promises";

import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import { parseDuration } from "../docker/durations.js";
import type { VaultClient } from "./client.js";
import { doing, jsonObject, keeping, normalizeJson, textOf } from "./fields.js";
import { VaultError } from "./http.js";

type Secret = typeof vault.kv.SecretV2;
type Inputs = InputsOf<Secret>;
type State = StateOf<Secret>;

/** A KV engine that has just been mounted answers 400 for a moment. */
const WRITE_TRIES = 61;
const WRITE_DELAY = 500;

function parts(id: string): { mount: string; name: string } {
  const match = /^(.+?)\/data\/(.+)$/.exec(id);
  if (match === null) throw new Error(`unable to read mount from ID ${id}, err=no mount found`);
  return { mount: match[1] ?? "", name: match[2] ?? "" };
}

/** What Vault tells of a version, with every value as a string. */
function asStrings(metadata: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

async function readCustom(client: VaultClient, mount: string, name: string): Promise<State["customMetadata"]> {
  const data = (await client.read(`${mount}/metadata/${name}`))?.data;
  if (data === undefined || data === null) return undefined;
  return {
    maxVersions: Number(data.max_versions ?? 0),
    casRequired: data.cas_required === true,
    deleteVersionAfter: Math.trunc((parseDuration(textOf(data.delete_version_after ?? "0s")) ?? 0) / 1e9),
    data: (data.custom_metadata as Record<string, string> | null) ?? {},
  };
}

/** The data itself is never read back: drift in it goes unnoticed, and so does a version that was deleted. */
async function read(client: VaultClient, id: string, disableRead: boolean): Promise<State | undefined> {
  const { mount, name } = parts(id);
  const state: State = { path: id, mount, name };
  if (disableRead) return state;
  const answer = await doing("error reading from Vault", () => client.read(id));
  if (answer === undefined) return undefined;
  state.data = {};
  const metadata = answer.data?.metadata as Record<string, unknown> | undefined;
  if (metadata !== undefined) {
    state.metadata = asStrings(metadata);
    if ("custom_metadata" in metadata) {
      const custom = await readCustom(client, mount, name);
      if (custom !== undefined) state.customMetadata = custom;
    }
  }
  return state;
}

async function writeWithRetries(client: VaultClient, path: string, body: unknown, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.write(path, body);
      return;
    } catch (error) {
      const passing = error instanceof VaultError && error.status === 400 && attempt < WRITE_TRIES;
      if (!passing)
        throw new Error(`error writing to path ${JSON.stringify(path)}, err=${(error as Error).message}`, {
          cause: error,
        });
      await sleep(WRITE_DELAY, undefined, { signal });
    }
  }
}

async function write(
  client: VaultClient,
  id: string,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<{ id: string; state: State }> {
  const data: unknown = JSON.parse(inputs.dataJson ?? "null");
  // `cas` has no effect here, as in the genuine plugin: Vault looks for it inside `options`.
  await writeWithRetries(client, id, { data, cas: inputs.cas ?? 0, options: inputs.options ?? {} }, signal);
  return keeping(id, async () => {
    const custom = inputs.customMetadata;
    if (custom !== undefined) {
      const { mount, name } = parts(id);
      const body: Record<string, unknown> = {};
      if (custom.maxVersions) body.max_versions = custom.maxVersions;
      if (custom.casRequired) body.cas_required = custom.casRequired;
      if (custom.deleteVersionAfter) body.delete_version_after = custom.deleteVersionAfter;
      if (custom.data !== undefined && Object.keys(custom.data).length > 0) body.custom_metadata = custom.data;
      await doing(`error writing custom metadata to ${mount}/metadata/${name}`, () =>
        client.write(`${mount}/metadata/${name}`, body),
      );
    }
    const state = await read(client, id, inputs.disableRead === true);
    if (state === undefined) throw new Error(`secret ${id} was gone when it was read back`);
    return { id, state };
  });
}

/** A secret in a KV engine of version 2. Every update writes a new version; deleting only marks the latest one, unless told otherwise. */
export const secretV2 = defineResource<Secret, VaultClient>({
  token: "vault:kv/secretV2:SecretV2",
  inputs: {
    mount: { required: true, forceNew: true },
    name: { required: true, forceNew: true, autoname: true },
    dataJson: { required: true, secret: true, stateOf: normalizeJson, validate: jsonObject },
    cas: {},
    options: {},
    disableRead: { default: false },
    deleteAllVersions: { default: false },
    customMetadata: { computed: true, fields: { maxVersions: {}, casRequired: {}, deleteVersionAfter: {}, data: {} } },
  },
  outputs: { path: {}, data: { secret: true }, metadata: {} },
  create: (client, inputs, call) => write(client, `${inputs.mount}/data/${inputs.name ?? ""}`, inputs, call.signal),
  async read(client, id, state) {
    const found = await read(client, id, state.disableRead === true);
    return found === undefined ? undefined : { id, state: found };
  },
  update: (client, id, _old, inputs, _diff, call) => keeping(id, () => write(client, id, inputs, call.signal)),
  async delete(client, id, state) {
    const { mount, name } = parts(id);
    const path = state.deleteAllVersions === true ? `${mount}/metadata/${name}` : id;
    await doing(`error deleting ${JSON.stringify(path)} from Vault`, () => client.delete(path));
  },
});
