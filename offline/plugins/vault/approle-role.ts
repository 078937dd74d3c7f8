import type * as vault from "@pulumi/vault";
import { asPlanned } from "../docker/planned.js";
import { defineResource, type Call, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { changedFields, doing, givenFields, keeping, readFields, trimSlashes, type Zeros, textOf } from "./fields.js";
import { VaultError } from "./http.js";
import { checkCidrs, readTokenFields, tokenSpecs, tokenZeros } from "./token-fields.js";

type Role = typeof vault.approle.AuthBackendRole;
type Inputs = InputsOf<Role>;
type State = StateOf<Role>;

const zeros: Zeros<Inputs> = {
  ...tokenZeros,
  bindSecretId: false,
  secretIdBoundCidrs: [],
  secretIdNumUses: 0,
  secretIdTtl: 0,
  localSecretIds: false,
};

/** Sent when the role is made even where they are false. */
function booleans(inputs: Inputs): Record<string, unknown> {
  return { bind_secret_id: inputs.bindSecretId ?? true, local_secret_ids: inputs.localSecretIds ?? false };
}

export function rolePath(backend: string, role: string): string {
  return `auth/${trimSlashes(backend)}/role/${trimSlashes(role)}`;
}

export function rolePathParts(id: string): { backend: string; roleName: string } {
  const match = /^auth\/(.+)\/role\/(.+)$/.exec(id);
  if (match === null)
    throw new Error(`invalid path ${JSON.stringify(id)} for a role of an auth backend: no role found`);
  return { backend: match[1] ?? "", roleName: match[2] ?? "" };
}

async function read(client: VaultClient, id: string, known: State, call: Call): Promise<State | undefined> {
  const parts = rolePathParts(id);
  const data = (await client.read(id))?.data;
  if (data === undefined || data === null) return undefined;
  const state: State = {
    ...parts,
    ...readTokenFields(data, known),
    ...(readFields<Inputs>(data, withoutTokens) as State),
  };
  const roleId = await doing(`error reading AppRole auth backend role ${JSON.stringify(id)} RoleID`, () =>
    client.read(`${id}/role-id`),
  );
  if (roleId !== undefined) state.roleId = textOf(roleId.data?.role_id);
  checkCidrs(call, state.tokenBoundCidrs);
  return state;
}

const withoutTokens: Zeros<Inputs> = {
  bindSecretId: false,
  secretIdBoundCidrs: [],
  secretIdNumUses: 0,
  secretIdTtl: 0,
  localSecretIds: false,
};

async function present(client: VaultClient, id: string, inputs: Inputs, call: Call): Promise<State> {
  const state = await read(client, id, inputs, call);
  if (state === undefined) throw new Error(`AppRole auth backend role ${id} was gone when it was read back`);
  return asPlanned(state, inputs, ["tokenBoundCidrs", "tokenPolicies", "secretIdBoundCidrs"]);
}

async function writeRoleId(client: VaultClient, id: string, roleId: string): Promise<void> {
  await doing(`error writing AppRole auth backend role ${JSON.stringify(id)}'s RoleID`, () =>
    client.write(`${id}/role-id`, { role_id: roleId }),
  );
}

/** A role of an AppRole auth method. */
export const appRole = defineResource<Role, VaultClient>({
  token: "vault:appRole/authBackendRole:AuthBackendRole",
  inputs: {
    ...tokenSpecs,
    roleName: { required: true, forceNew: true },
    backend: { forceNew: true, default: "approle", stateOf: trimSlashes },
    roleId: { computed: true },
    bindSecretId: { default: true },
    secretIdBoundCidrs: { unordered: true },
    secretIdNumUses: {},
    secretIdTtl: {},
    localSecretIds: { default: false },
  },
  async create(client, inputs, call) {
    const id = rolePath(inputs.backend ?? "approle", inputs.roleName);
    await doing(`error writing AppRole auth backend role ${JSON.stringify(id)}`, () =>
      client.write(id, {
        ...givenFields(inputs, zeros),
        token_no_default_policy: inputs.tokenNoDefaultPolicy ?? false,
        ...booleans(inputs),
      }),
    );
    return keeping(id, async () => {
      if (inputs.roleId !== undefined && inputs.roleId !== "") await writeRoleId(client, id, inputs.roleId);
      return { id, state: await present(client, id, inputs, call) };
    });
  },
  async read(client, id, state, _inputs, call) {
    const found = await read(client, id, state, call);
    return found === undefined ? undefined : { id, state: found };
  },
  update: (client, id, _old, inputs, diff, call) =>
    keeping(id, async () => {
      await doing(`error updating AppRole auth backend role ${JSON.stringify(id)}`, () =>
        client.write(id, changedFields(inputs, zeros, diff.changed)),
      );
      if (diff.changed.has("roleId") && inputs.roleId !== undefined) await writeRoleId(client, id, inputs.roleId);
      return { state: await present(client, id, inputs, call) };
    }),
  async delete(client, id) {
    await deleteRole(client, id, "AppRole");
  },
});

/** A role that is gone already, or whose auth method is, counts as deleted. */
export async function deleteRole(client: VaultClient, id: string, kind: string): Promise<void> {
  try {
    await client.delete(id);
  } catch (error) {
    if (error instanceof VaultError && error.status === 404) return;
    throw new Error(`error deleting ${kind} auth backend role ${JSON.stringify(id)}, err=${(error as Error).message}`, {
      cause: error,
    });
  }
}
