import type * as vault from "@pulumi/vault";
import { defineResource, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { doing, keeping } from "./fields.js";
import { findMount, remount } from "./mount-paths.js";
import { readTune, tuneBody, tuneFields, type Tune } from "./tune.js";

type State = StateOf<typeof vault.AuthBackend>;

async function read(client: VaultClient, path: string, tune: Tune | null | undefined): Promise<State | undefined> {
  const found = await findMount(client, "auth", path);
  if (found === undefined) return undefined;
  return {
    type: found.type,
    path,
    description: found.description,
    local: found.local,
    accessor: found.accessor,
    tune: await doing("error reading tune information from Vault", () => readTune(client, path, tune)),
  };
}

async function present(client: VaultClient, path: string, tune: Tune | undefined): Promise<State> {
  const state = await read(client, path, tune);
  if (state === undefined) throw new Error(`auth method ${path} was gone when it was read back`);
  return state;
}

/** Paths mean the same with and without a slash at their end. */
export const samePath = (state: string, input: string) => state.replace(/\/$/, "") === input.replace(/\/$/, "");

/** No remount wanted: a new path makes a new mount. */
export function remountDiff(
  state: { path?: string | null },
  inputs: { disableRemount?: boolean | undefined },
  changed: ReadonlySet<string>,
) {
  const replaces = changed.has("path") && (state.path ?? "") !== "" && inputs.disableRemount === true;
  return replaces ? { replaces: ["path"] } : {};
}

export const noOuterSlashes = (value: string) =>
  /^\/|\/$/.test(value) ? `invalid value ${JSON.stringify(value)}: it must not begin or end with a slash` : undefined;

/** An auth method at a path. Deleting it disables the method, and all its tokens and roles are gone. */
export const authBackend = defineResource<typeof vault.AuthBackend, VaultClient>({
  token: "vault:index/authBackend:AuthBackend",
  inputs: {
    type: { required: true, forceNew: true },
    path: { computed: true, equal: samePath, validate: noOuterSlashes },
    description: {},
    local: { forceNew: true },
    disableRemount: { default: false },
    tune: { computed: true, fields: tuneFields },
  },
  outputs: { accessor: {} },
  customizeDiff: (state, inputs, diff) => remountDiff(state, inputs, diff.changed),
  async create(client, inputs) {
    const path = (inputs.path ?? "") === "" ? inputs.type : (inputs.path ?? "");
    await doing("error writing to Vault", () =>
      client.write(`sys/auth/${path}`, {
        type: inputs.type,
        description: inputs.description ?? "",
        local: inputs.local ?? false,
        config: {},
      }),
    );
    return keeping(path, async () => {
      if (inputs.tune !== undefined) await client.write(`sys/mounts/auth/${path}/tune`, tuneBody(inputs.tune));
      return { id: path, state: await present(client, path, inputs.tune) };
    });
  },
  async read(client, id, state) {
    const found = await read(client, id, state.tune);
    return found === undefined ? undefined : { id, state: found };
  },
  update: (client, id, old, inputs, diff, call) =>
    keeping(id, async () => {
      let path = id;
      if (diff.changed.has("path") && inputs.path !== undefined) {
        const to = inputs.path;
        await doing(`error remounting to "auth/${to}"`, () => remount(client, `auth/${id}`, `auth/${to}`, call.signal));
        path = to;
      }
      const body: Record<string, unknown> = {};
      if (diff.changed.has("tune") && inputs.tune !== undefined) Object.assign(body, tuneBody(inputs.tune));
      if (diff.changed.has("description")) body.description = inputs.description ?? "";
      if (Object.keys(body).length > 0) await client.write(`sys/mounts/auth/${path}/tune`, body);
      return { id: path, state: await present(client, path, inputs.tune ?? old.tune ?? undefined) };
    }),
  async delete(client, id) {
    await doing("error disabling auth from Vault", () => client.delete(`sys/auth/${id}`));
  },
});
