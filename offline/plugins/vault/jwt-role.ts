import type * as vault from "@pulumi/vault";
import { asPlanned } from "../docker/planned.js";
import { defineResource, type Call, type InputsOf, type StateOf } from "../framework/index.js";
import { deleteRole, rolePath, rolePathParts } from "./approle-role.js";
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
import { checkCidrs, readTokenFields, tokenSpecs, tokenZeros } from "./token-fields.js";

type Role = typeof vault.jwt.AuthBackendRole;
type Inputs = InputsOf<Role>;
type State = StateOf<Role>;

/** Read as Vault has them. */
const plain: Zeros<Inputs> = {
  boundAudiences: [],
  userClaim: "",
  roleType: "",
  boundSubject: "",
  oidcScopes: [],
  allowedRedirectUris: [],
  boundClaimsType: "",
  claimMappings: {},
  groupsClaim: "",
  clockSkewLeeway: 0,
  expirationLeeway: 0,
  notBeforeLeeway: 0,
  verboseOidcLogging: false,
  userClaimJsonPointer: false,
  maxAge: 0,
};

/** A claim's values are one string with commas in the program, a list in Vault. */
function boundClaims(inputs: Inputs): Record<string, string[]> {
  const split = (value: string) =>
    (inputs.disableBoundClaimsParsing === true ? [value] : value.split(",")).map((part) => part.trim());
  return Object.fromEntries(Object.entries(inputs.boundClaims ?? {}).map(([claim, value]) => [claim, split(value)]));
}

/** The whole role is sent each time, but for lists and names that are not set: those stay in Vault as they were. */
function roleBody(inputs: Inputs, tokens: Record<string, unknown>): Record<string, unknown> {
  const body: Record<string, unknown> = {
    ...tokens,
    bound_audiences: inputs.boundAudiences ?? [],
    user_claim: inputs.userClaim,
    user_claim_json_pointer: inputs.userClaimJsonPointer ?? false,
    bound_claims: boundClaims(inputs),
    clock_skew_leeway: inputs.clockSkewLeeway ?? 0,
    expiration_leeway: inputs.expirationLeeway ?? 0,
    not_before_leeway: inputs.notBeforeLeeway ?? 0,
    verbose_oidc_logging: inputs.verboseOidcLogging ?? false,
  };
  const { maxAge, allowedRedirectUris, roleType, oidcScopes, claimMappings } = inputs;
  Object.assign(
    body,
    givenFields<Inputs>({ maxAge, allowedRedirectUris, roleType, oidcScopes, claimMappings } as Inputs, {
      maxAge: 0,
      allowedRedirectUris: [],
      roleType: "",
      oidcScopes: [],
      claimMappings: {},
    }),
  );
  if (inputs.boundSubject !== undefined) body.bound_subject = inputs.boundSubject;
  if (inputs.boundClaimsType !== undefined) body.bound_claims_type = inputs.boundClaimsType;
  if (inputs.groupsClaim !== undefined) body.groups_claim = inputs.groupsClaim;
  return body;
}

async function read(client: VaultClient, id: string, known: State, call: Call): Promise<State | undefined> {
  const parts = rolePathParts(id);
  const data = (await doing(`error reading JWT auth backend role ${JSON.stringify(id)}`, () => client.read(id)))?.data;
  if (data === undefined || data === null) return undefined;
  const state: State = { ...parts, ...readTokenFields(data, known), ...(readFields<Inputs>(data, plain) as State) };
  const claims = data.bound_claims as Record<string, string | string[]> | null | undefined;
  if (claims)
    state.boundClaims = Object.fromEntries(
      Object.entries(claims).map(([claim, value]) => [claim, Array.isArray(value) ? value.join(",") : value]),
    );
  checkCidrs(call, state.tokenBoundCidrs);
  return state;
}

/** Terraform's sets among the inputs. */
const SETS = ["tokenBoundCidrs", "tokenPolicies", "boundAudiences", "oidcScopes", "allowedRedirectUris"] as const;

async function present(client: VaultClient, id: string, inputs: Inputs, call: Call): Promise<State> {
  const state = await read(client, id, inputs, call);
  if (state === undefined) throw new Error(`JWT auth backend role ${id} was gone when it was read back`);
  return asPlanned(state, inputs, SETS);
}

/** A role of a JWT auth method. */
export const jwtRole = defineResource<Role, VaultClient>({
  token: "vault:jwt/authBackendRole:AuthBackendRole",
  inputs: {
    ...tokenSpecs,
    roleName: { required: true, forceNew: true },
    backend: { forceNew: true, default: "jwt", stateOf: trimSlashes },
    roleType: { forceNew: true, computed: true },
    boundAudiences: { unordered: true },
    userClaim: { required: true },
    userClaimJsonPointer: {},
    boundSubject: {},
    boundClaims: {},
    boundClaimsType: { computed: true },
    disableBoundClaimsParsing: {},
    claimMappings: {},
    groupsClaim: {},
    oidcScopes: { unordered: true },
    allowedRedirectUris: { unordered: true },
    clockSkewLeeway: {},
    expirationLeeway: {},
    notBeforeLeeway: {},
    verboseOidcLogging: {},
    maxAge: {},
  },
  async create(client, inputs, call) {
    const id = rolePath(inputs.backend ?? "jwt", inputs.roleName);
    await doing(`error writing JWT auth backend role ${JSON.stringify(id)}`, () =>
      client.write(id, roleBody(inputs, givenFields(inputs, tokenZeros))),
    );
    return keeping(id, async () => ({ id, state: await present(client, id, inputs, call) }));
  },
  async read(client, id, state, _inputs, call) {
    const found = await read(client, id, state, call);
    return found === undefined ? undefined : { id, state: found };
  },
  update: (client, id, old, inputs, diff, call) =>
    keeping(id, async () => {
      await doing(`error updating JWT auth backend role ${JSON.stringify(id)}`, () =>
        client.write(
          id,
          roleBody(
            withComputed(inputs, old, ["roleType", "boundClaimsType"]),
            changedFields(inputs, tokenZeros, diff.changed),
          ),
        ),
      );
      return { state: await present(client, id, inputs, call) };
    }),
  async delete(client, id) {
    await deleteRole(client, id, "JWT");
  },
});
