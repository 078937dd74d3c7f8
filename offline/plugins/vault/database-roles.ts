import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import {
  changedFields,
  doing,
  givenFields,
  keeping,
  readFields,
  trimSlashes,
  type Zeros,
  withComputed,
} from "./fields.js";

type Role = typeof vault.database.SecretBackendRole;
type RoleInputs = InputsOf<Role>;
type StaticRole = typeof vault.database.SecretBackendStaticRole;
type StaticInputs = InputsOf<StaticRole>;

const roleZeros: Zeros<RoleInputs> = {
  defaultTtl: 0,
  maxTtl: 0,
  creationStatements: [],
  revocationStatements: [],
  rollbackStatements: [],
  renewStatements: [],
  credentialConfig: {},
  credentialType: "",
};

const staticZeros: Zeros<StaticInputs> = {
  rotationPeriod: 0,
  rotationSchedule: "",
  rotationWindow: 0,
  rotationStatements: [],
  credentialType: "",
  credentialConfig: {},
};

function parts(id: string, kind: "roles" | "static-roles"): { backend: string; name: string } {
  const match = new RegExp(`^(.+)/${kind}/(.+)$`).exec(id);
  if (match === null) throw new Error(`invalid role ID ${JSON.stringify(id)}: no name found`);
  return { backend: match[1] ?? "", name: match[2] ?? "" };
}

async function readRole<State>(
  client: VaultClient,
  id: string,
  kind: "roles" | "static-roles",
  zeros: Zeros<object>,
): Promise<State | undefined> {
  const data = (await doing(`error reading role ${JSON.stringify(id)}`, () => client.read(id)))?.data;
  if (data === undefined || data === null) return undefined;
  const state: Record<string, unknown> = { ...parts(id, kind), dbName: data.db_name, ...readFields(data, zeros) };
  if (kind === "static-roles") state.username = data.username;
  return state as State;
}

async function writeRole<State>(
  client: VaultClient,
  id: string,
  kind: "roles" | "static-roles",
  zeros: Zeros<object>,
  body: object,
): Promise<{ id: string; state: State }> {
  const { backend, name } = parts(id, kind);
  await doing(`error creating role ${JSON.stringify(name)} for backend ${JSON.stringify(backend)}`, () =>
    client.write(id, body),
  );
  return keeping(id, async () => {
    const state = await readRole<State>(client, id, kind, zeros);
    if (state === undefined) throw new Error(`database role ${id} was gone when it was read back`);
    return { id, state };
  });
}

/** A role of a database engine: Vault makes a user of its own for everyone who asks. */
export const databaseRole = defineResource<Role, VaultClient>({
  token: "vault:database/secretBackendRole:SecretBackendRole",
  inputs: {
    name: { required: true, forceNew: true, autoname: true },
    backend: { required: true, forceNew: true },
    dbName: { required: true, forceNew: true },
    creationStatements: { required: true },
    defaultTtl: {},
    maxTtl: {},
    revocationStatements: {},
    rollbackStatements: {},
    renewStatements: {},
    credentialType: { computed: true },
    credentialConfig: {},
  },
  create(client, inputs) {
    const id = `${trimSlashes(inputs.backend)}/roles/${trimSlashes(inputs.name ?? "")}`;
    return writeRole<StateOf<Role>>(client, id, "roles", roleZeros, {
      db_name: inputs.dbName,
      ...givenFields(inputs, roleZeros),
    });
  },
  async read(client, id) {
    const state = await readRole<StateOf<Role>>(client, id, "roles", roleZeros);
    return state === undefined ? undefined : { id, state };
  },
  update: (client, id, _old, inputs, diff) =>
    keeping(id, () =>
      writeRole<StateOf<Role>>(client, id, "roles", roleZeros, {
        db_name: inputs.dbName,
        creation_statements: inputs.creationStatements,
        ...changedFields(inputs, roleZeros, diff.changed),
      }),
    ),
  async delete(client, id) {
    await doing(`error deleting role ${JSON.stringify(id)}`, () => client.delete(id));
  },
});

/** A user of the database whose password Vault keeps and rotates: for the first time when this is made. */
export const databaseStaticRole = defineResource<StaticRole, VaultClient>({
  token: "vault:database/secretBackendStaticRole:SecretBackendStaticRole",
  inputs: {
    name: { required: true, forceNew: true, autoname: true },
    backend: { required: true, forceNew: true },
    dbName: { required: true, forceNew: true },
    username: { required: true, forceNew: true },
    rotationPeriod: {
      validate: (value) => (value < 5 ? "The minimum value of rotation_period is 5 seconds." : undefined),
    },
    rotationSchedule: {},
    rotationWindow: {},
    rotationStatements: {},
    credentialType: { computed: true },
    credentialConfig: {},
  },
  create(client, inputs) {
    const id = `${trimSlashes(inputs.backend)}/static-roles/${trimSlashes(inputs.name ?? "")}`;
    return writeRole<StateOf<StaticRole>>(client, id, "static-roles", staticZeros, staticBody(inputs));
  },
  async read(client, id) {
    const state = await readRole<StateOf<StaticRole>>(client, id, "static-roles", staticZeros);
    return state === undefined ? undefined : { id, state };
  },
  update: (client, id, old, inputs) =>
    keeping(id, () =>
      writeRole<StateOf<StaticRole>>(
        client,
        id,
        "static-roles",
        staticZeros,
        staticBody(withComputed(inputs, old, ["credentialType"])),
      ),
    ),
  async delete(client, id) {
    await doing(`error deleting static role ${JSON.stringify(id)}`, () => client.delete(id));
  },
});

/** The whole role each time; what is no longer set is not sent and stays in Vault, but for the statements. */
function staticBody(inputs: StaticInputs): Record<string, unknown> {
  return {
    username: inputs.username,
    db_name: inputs.dbName,
    rotation_statements: [],
    ...givenFields(inputs, staticZeros),
  };
}
