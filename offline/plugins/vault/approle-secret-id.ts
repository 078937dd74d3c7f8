import type * as vault from "@pulumi/vault";
import { asPlanned } from "../docker/planned.js";
import { defineResource, type StateOf } from "../framework/index.js";
import { rolePath } from "./approle-role.js";
import type { VaultClient } from "./client.js";
import { doing, jsonObject, keeping, normalizeJson, trimSlashes, textOf } from "./fields.js";
import { VaultError } from "./http.js";

type SecretId = typeof vault.approle.AuthBackendRoleSecretId;
type State = StateOf<SecretId>;

interface Parts {
  backend: string;
  role: string;
  accessor: string;
  /** The id holds the accessor of the wrapping token, not that of the secret_id. */
  wrapped: boolean;
}

function parseId(id: string): Parts {
  const match = /^backend=(.+)::role=(.+)::accessor=(.+)$/.exec(id);
  if (match === null)
    throw new Error(
      `invalid ID ${JSON.stringify(id)} for AppRole auth backend role SecretID: ID did not match pattern`,
    );
  const [, backend = "", role = "", accessor = ""] = match;
  const wrapped = accessor.startsWith("wrapped-");
  return { backend, role, accessor: wrapped ? accessor.slice("wrapped-".length) : accessor, wrapped };
}

function gone(error: unknown, role: string): boolean {
  if (!(error instanceof VaultError)) return false;
  if (error.status === 404 || /invalid accessor|failed to find accessor entry/.test(error.message)) return true;
  return error.status === 500 && error.message.includes(`role "${role}" does not exist`);
}

async function read(client: VaultClient, id: string, withWrappedAccessor: boolean): Promise<State | undefined> {
  const { backend, role, accessor, wrapped } = parseId(id);
  try {
    if (wrapped && !withWrappedAccessor) {
      // Nothing can be known but whether the wrapper still is; spent or expired, the resource is gone, and the next run makes a new secret_id.
      await client.write("auth/token/lookup-accessor", { accessor });
      return {};
    }
    const data = (
      await client.write(`${rolePath(backend, role)}/secret-id-accessor/lookup`, { secret_id_accessor: accessor })
    )?.data;
    if (data === undefined || data === null) return undefined;
    return {
      backend,
      roleName: role,
      cidrLists: (data.cidr_list as string[] | null) ?? [],
      tokenBoundCidrs: (data.token_bound_cidrs as string[] | null) ?? [],
      metadata: normalizeJson(JSON.stringify(data.metadata ?? null)),
      accessor,
      // Also what the role gave it: not set on the resource, these replace it at every run.
      ttl: Number(data.secret_id_ttl ?? 0),
      numUses: Number(data.secret_id_num_uses ?? 0),
    };
  } catch (error) {
    if (gone(error, role)) return undefined;
    throw new Error(
      `error reading AppRole auth backend role SecretID ${JSON.stringify(id)}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

const sameMetadata = (state: string, input: string) =>
  state === input || (state === "{}" && input === "") || (state === "" && input === "{}");

/** A secret_id of an AppRole role. It stands in the state, secret but readable to whoever can decrypt that. */
export const appRoleSecretId = defineResource<SecretId, VaultClient>({
  token: "vault:appRole/authBackendRoleSecretId:AuthBackendRoleSecretId",
  inputs: {
    roleName: { required: true, forceNew: true },
    backend: { forceNew: true, default: "approle", stateOf: trimSlashes },
    secretId: { forceNew: true, computed: true, secret: true },
    cidrLists: { forceNew: true, unordered: true },
    tokenBoundCidrs: { forceNew: true, unordered: true },
    metadata: { forceNew: true, stateOf: normalizeJson, validate: jsonObject, equal: sameMetadata },
    ttl: { forceNew: true },
    numUses: { forceNew: true },
    withWrappedAccessor: { forceNew: true },
    wrappingTtl: { forceNew: true },
  },
  outputs: { accessor: {}, wrappingToken: { secret: true }, wrappingAccessor: {} },
  // An empty metadata in the state is no difference to none in the program.
  customizeDiff: (state, inputs) =>
    state.metadata === "{}" && inputs.metadata === undefined ? { unchanged: ["metadata"] } : {},
  async create(client, inputs) {
    const backend = inputs.backend ?? "approle";
    const own = inputs.secretId !== undefined && inputs.secretId !== "";
    const path = `${rolePath(backend, inputs.roleName)}/${own ? "custom-secret-id" : "secret-id"}`;
    const body: Record<string, unknown> = {
      metadata: inputs.metadata === undefined ? "" : normalizeJson(inputs.metadata),
    };
    if (own) body.secret_id = inputs.secretId;
    if ((inputs.cidrLists ?? []).length > 0) body.cidr_list = inputs.cidrLists?.join(",");
    if ((inputs.tokenBoundCidrs ?? []).length > 0) body.token_bound_cidrs = inputs.tokenBoundCidrs?.join(",");
    if (inputs.ttl) body.ttl = inputs.ttl;
    if (inputs.numUses) body.num_uses = inputs.numUses;
    const wrapping = inputs.wrappingTtl ?? "";
    const answer = await doing(`error writing AppRole auth backend role SecretID ${JSON.stringify(path)}`, () =>
      client.write(path, body, wrapping === "" ? {} : { "X-Vault-Wrap-TTL": wrapping }),
    );
    const state: State = {};
    let accessor: string;
    const info = answer?.wrap_info;
    if (wrapping !== "" && info) {
      accessor = inputs.withWrappedAccessor === true ? (info.wrapped_accessor ?? "") : info.accessor;
      Object.assign(state, { wrappingToken: info.token, wrappingAccessor: accessor });
    } else {
      accessor = textOf(answer?.data?.secret_id_accessor);
      Object.assign(state, { secretId: textOf(answer?.data?.secret_id), accessor });
    }
    const mark = wrapping !== "" && inputs.withWrappedAccessor !== true ? "wrapped-" : "";
    const id = `backend=${trimSlashes(backend)}::role=${trimSlashes(inputs.roleName)}::accessor=${mark}${accessor}`;
    return keeping(id, async () => ({
      id,
      state: asPlanned({ ...state, ...(await read(client, id, inputs.withWrappedAccessor === true)) }, inputs, [
        "cidrLists",
        "tokenBoundCidrs",
      ]),
    }));
  },
  async read(client, id, state) {
    const found = await read(client, id, state.withWrappedAccessor === true);
    return found === undefined ? undefined : { id, state: found };
  },
  async delete(client, id) {
    const { backend, role, accessor, wrapped } = parseId(id);
    // The wrapper's token is revoked: that fails once somebody has unwrapped it, and the resource stays.
    const path = wrapped ? "auth/token/revoke-accessor" : `${rolePath(backend, role)}/secret-id-accessor/destroy`;
    await doing(`error deleting AppRole auth backend role SecretID ${JSON.stringify(id)}`, () =>
      client.write(path, { [wrapped ? "accessor" : "secret_id_accessor"]: accessor }),
    );
  },
});
