import type * as vault from "@pulumi/vault";
import { defineResource, isUnknown, type Call, type InputsOf, type StateOf } from "../framework/index.js";
import { remountDiff } from "./auth-backend.js";
import type { VaultClient } from "./client.js";
import { apiName, doing, keeping, readFields, type Zeros } from "./fields.js";
import { findMount, remount } from "./mount-paths.js";
import { readTune, tuneBody, tuneFields } from "./tune.js";

type Backend = typeof vault.jwt.AuthBackend;
type Inputs = InputsOf<Backend>;
type State = StateOf<Backend>;

/** The settings of the method, beside those of its mount. */
const config: Zeros<Inputs> = {
  oidcDiscoveryUrl: "",
  oidcDiscoveryCaPem: "",
  oidcClientId: "",
  oidcClientSecret: "",
  oidcResponseMode: "",
  oidcResponseTypes: [],
  jwksUrl: "",
  jwksCaPem: "",
  jwtValidationPubkeys: [],
  boundIssuer: "",
  jwtSupportedAlgs: [],
  defaultRole: "",
  namespaceInState: false,
};

const KEY_SOURCES = ["oidcDiscoveryUrl", "jwksUrl", "jwtValidationPubkeys"] as const;

const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value) ? undefined : `expected one of ${values.join(", ")}, got ${value}`;

async function read(client: VaultClient, path: string, known: State): Promise<State | undefined> {
  const mount = await findMount(client, "auth", path);
  if (mount === undefined) return undefined;
  const answer = await doing("error reading from Vault", () => client.read(`auth/${path}/config`));
  if (answer === undefined) return undefined;
  // Vault never tells the client's secret, so the state keeps the one that was written.
  const readable: Zeros<Inputs> = { ...config };
  Reflect.deleteProperty(readable, "oidcClientSecret");
  return {
    path,
    type: mount.type,
    local: mount.local,
    accessor: mount.accessor,
    ...(readFields<Inputs>(answer.data ?? {}, readable) as State),
    tune: await doing("error reading tune information from Vault", () => readTune(client, path, known.tune)),
  };
}

async function configure(
  client: VaultClient,
  path: string,
  inputs: Inputs,
  changed: ReadonlySet<string>,
): Promise<State> {
  const body: Record<string, unknown> = {};
  for (const [name, zero] of Object.entries(config)) {
    const value = inputs[name as keyof Inputs];
    if (value !== undefined || changed.has(name)) body[apiName(name)] = value ?? zero;
  }
  await doing(`error updating configuration to Vault for path ${path}`, () =>
    client.write(`auth/${path}/config`, body),
  );
  if (changed.has("tune") && inputs.tune !== undefined)
    await client.write(`sys/mounts/auth/${path}/tune`, tuneBody(inputs.tune));
  const state = await read(client, path, inputs);
  if (state === undefined) throw new Error(`auth method ${path} was gone when it was read back`);
  return state;
}

/** A JWT or OIDC auth method. */
export const jwtBackend = defineResource<Backend, VaultClient>({
  token: "vault:jwt/authBackend:AuthBackend",
  inputs: {
    path: {
      default: "jwt",
      validate: (value) => (value.endsWith("/") ? `cannot write to a path ending in '/'` : undefined),
    },
    type: { forceNew: true, default: "jwt", validate: oneOf("jwt", "oidc") },
    description: {},
    local: { forceNew: true },
    disableRemount: { default: false },
    oidcDiscoveryUrl: { conflictsWith: ["jwksUrl", "jwtValidationPubkeys"] },
    oidcDiscoveryCaPem: {},
    oidcClientId: {},
    oidcClientSecret: { secret: true },
    oidcResponseMode: {},
    oidcResponseTypes: {},
    jwksUrl: { conflictsWith: ["oidcDiscoveryUrl", "jwtValidationPubkeys"] },
    jwksCaPem: {},
    jwtValidationPubkeys: { conflictsWith: ["jwksUrl", "oidcDiscoveryUrl"] },
    boundIssuer: {},
    jwtSupportedAlgs: {},
    defaultRole: {},
    namespaceInState: { default: true },
    tune: { computed: true, fields: tuneFields },
  },
  outputs: { accessor: {} },
  *check(inputs) {
    const given = (value: unknown) =>
      Array.isArray(value) ? value.length > 0 : isUnknown(value) || (value !== undefined && value !== "");
    if (KEY_SOURCES.some((name) => given(inputs[name]))) return;
    yield {
      property: "jwksUrl",
      reason: "exactly one of oidcDiscoveryUrl, jwksUrl or jwtValidationPubkeys should be provided",
    };
  },
  customizeDiff: (state, inputs, diff) => remountDiff(state, inputs, diff.changed),
  async create(client, inputs) {
    const path = inputs.path ?? "jwt";
    await doing("error writing to Vault", () =>
      client.write(`sys/auth/${path}`, {
        type: inputs.type ?? "jwt",
        description: inputs.description ?? "",
        local: inputs.local ?? false,
      }),
    );
    return keeping(path, async () => ({ id: path, state: await configure(client, path, inputs, new Set(["tune"])) }));
  },
  async read(client, id, state) {
    const found = await read(client, id, state);
    return found === undefined ? undefined : { id, state: found };
  },
  // A changed description is not sent: the genuine plugin forgets it, too.
  update: (client, id, _old, inputs, diff, call: Call) =>
    keeping(id, async () => {
      const path = inputs.path ?? "jwt";
      if (diff.changed.has("path"))
        await doing(`error remounting to "auth/${path}"`, () =>
          remount(client, `auth/${id}`, `auth/${path}`, call.signal),
        );
      return { id: path, state: await configure(client, path, inputs, diff.changed) };
    }),
  async delete(client, id) {
    await doing("error disabling auth from Vault", () => client.delete(`sys/auth/${id}`));
  },
});
