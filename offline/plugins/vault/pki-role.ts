import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { apiName, doing, keeping, trimSlashes, withComputed, textOf } from "./fields.js";
import { shortDuration } from "./tune.js";

type Role = typeof vault.pkisecret.SecretBackendRole;
type Inputs = InputsOf<Role>;
type State = StateOf<Role>;

/** Inputs whose names in Vault are no plain plural. */
const NAMES: Partial<Record<keyof Inputs, string>> = {
  countries: "country",
  localities: "locality",
  organizations: "organization",
  organizationUnit: "ou",
  postalCodes: "postal_code",
  provinces: "province",
  streetAddresses: "street_address",
  keyUsages: "key_usage",
  extKeyUsages: "ext_key_usage",
};
const vaultName = (name: keyof Inputs): string => NAMES[name] ?? apiName(name);

/** Always sent; what the program leaves out is sent as its default. */
const FLAGS = {
  allowAnyName: false,
  allowBareDomains: false,
  allowGlobDomains: false,
  allowIpSans: true,
  allowLocalhost: true,
  allowSubdomains: false,
  allowWildcardCertificates: true,
  allowedUriSansTemplate: false,
  basicConstraintsValidForNonCa: false,
  clientFlag: true,
  codeSigningFlag: false,
  emailProtectionFlag: false,
  enforceHostnames: true,
  generateLease: false,
  noStore: false,
  requireCn: true,
  serverFlag: true,
  useCsrCommonName: true,
  useCsrSans: true,
} as const satisfies Partial<Record<keyof Inputs, boolean>>;

/** Sent when they are more than nothing: what is emptied or no longer set stays in Vault as it was. */
const OPTIONAL = [
  "allowedDomains",
  "allowedDomainsTemplate",
  "allowedOtherSans",
  "allowedSerialNumbers",
  "allowedUriSans",
  "allowedUserIds",
  "cnValidations",
  "countries",
  "extKeyUsageOids",
  "extKeyUsages",
  "issuerRef",
  "keyBits",
  "keyType",
  "localities",
  "maxTtl",
  "noStoreMetadata",
  "notAfter",
  "notBeforeDuration",
  "organizationUnit",
  "organizations",
  "postalCodes",
  "provinces",
  "serialNumberSource",
  "signatureBits",
  "streetAddresses",
  "ttl",
  "usePss",
] as const satisfies readonly (keyof Inputs)[];

/** Lists that keep their old value in the state when Vault has none. */
const KEPT_LISTS: readonly string[] = [
  "allowedDomains",
  "allowedSerialNumbers",
  "extKeyUsages",
  "extKeyUsageOids",
  "cnValidations",
  "keyUsages",
];

function isNothing(value: unknown): boolean {
  return (
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  );
}

function body(inputs: Inputs): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, otherwise] of Object.entries(FLAGS)) {
    result[vaultName(name as keyof Inputs)] = inputs[name as keyof typeof FLAGS] ?? otherwise;
  }
  for (const name of OPTIONAL) if (!isNothing(inputs[name])) result[vaultName(name)] = inputs[name];
  // An empty list means "no constraints" here, and is sent.
  if (inputs.keyUsages !== undefined) result.key_usage = inputs.keyUsages;
  return result;
}

function parts(id: string): { backend: string; name: string } {
  const match = /^(.+)\/roles\/(.+)$/.exec(id);
  if (match === null) throw new Error(`invalid role ID ${JSON.stringify(id)}: no role found`);
  return { backend: match[1] ?? "", name: match[2] ?? "" };
}

async function read(client: VaultClient, id: string): Promise<State | undefined> {
  const data = (await doing(`error reading role ${JSON.stringify(id)}`, () => client.read(id)))?.data;
  if (data === undefined || data === null) return undefined;
  const state: Record<string, unknown> = parts(id);
  for (const name of [...(Object.keys(FLAGS) as (keyof Inputs)[]), ...OPTIONAL, "keyUsages" as const]) {
    const value = data[vaultName(name)];
    if (value === undefined || (KEPT_LISTS.includes(name) && isNothing(value ?? undefined))) continue;
    state[name] = value;
  }
  // In seconds, as Vault tells them: a program that writes "24h" sees a difference at every run.
  state.ttl = textOf(data.ttl ?? "0");
  state.maxTtl = textOf(data.max_ttl ?? "0");
  state.notBeforeDuration = shortDuration(Number(data.not_before_duration ?? 0));
  return state;
}

async function write(
  client: VaultClient,
  id: string,
  inputs: Inputs,
  doingWhat: string,
): Promise<{ id: string; state: State }> {
  await doing(doingWhat, () => client.write(id, body(inputs)));
  return keeping(id, async () => {
    const state = await read(client, id);
    if (state === undefined) throw new Error(`PKI role ${id} was gone when it was read back`);
    return { id, state };
  });
}

const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value) ? undefined : `expected one of ${values.join(", ")}, got ${value}`;

const COMPUTED = [
  "issuerRef",
  "ttl",
  "maxTtl",
  "allowedUriSansTemplate",
  "signatureBits",
  "keyUsages",
  "notBeforeDuration",
  "cnValidations",
  "serialNumberSource",
] as const;

/** What certificates a PKI engine issues under this name. */
export const pkiRole = defineResource<Role, VaultClient>({
  token: "vault:pkiSecret/secretBackendRole:SecretBackendRole",
  inputs: {
    backend: { required: true, forceNew: true },
    name: { required: true, forceNew: true, autoname: true },
    issuerRef: { computed: true },
    ttl: { computed: true },
    maxTtl: { computed: true },
    allowLocalhost: { default: true },
    allowedDomains: {},
    allowedDomainsTemplate: {},
    allowBareDomains: {},
    allowSubdomains: {},
    allowGlobDomains: {},
    allowAnyName: {},
    enforceHostnames: { default: true },
    allowIpSans: { default: true },
    allowedUriSans: {},
    allowedOtherSans: {},
    allowedUriSansTemplate: { computed: true },
    allowWildcardCertificates: { default: true },
    serverFlag: { default: true },
    clientFlag: { default: true },
    codeSigningFlag: {},
    emailProtectionFlag: {},
    keyType: { default: "rsa", validate: oneOf("rsa", "ec", "ed25519", "any") },
    keyBits: { default: 2048 },
    signatureBits: { computed: true },
    keyUsages: { computed: true },
    extKeyUsages: {},
    extKeyUsageOids: {},
    useCsrCommonName: { default: true },
    useCsrSans: { default: true },
    organizationUnit: {},
    organizations: {},
    countries: {},
    localities: {},
    provinces: {},
    streetAddresses: {},
    postalCodes: {},
    generateLease: {},
    noStore: {},
    requireCn: { default: true },
    basicConstraintsValidForNonCa: {},
    notBeforeDuration: { computed: true },
    allowedSerialNumbers: {},
    cnValidations: { computed: true },
    allowedUserIds: {},
    notAfter: {},
    usePss: {},
    noStoreMetadata: {},
    serialNumberSource: { computed: true },
  },
  create(client, inputs) {
    const name = inputs.name ?? "";
    const id = `${trimSlashes(inputs.backend)}/roles/${trimSlashes(name)}`;
    return write(client, id, inputs, `error creating role ${name} for backend ${JSON.stringify(inputs.backend)}`);
  },
  async read(client, id) {
    const state = await read(client, id);
    return state === undefined ? undefined : { id, state };
  },
  update: (client, id, old, inputs) =>
    keeping(id, () =>
      write(
        client,
        id,
        withComputed(inputs, old, COMPUTED),
        `error updating PKI secret backend role ${JSON.stringify(id)}`,
      ),
    ),
  async delete(client, id) {
    await doing(`error deleting role ${JSON.stringify(id)}`, () => client.delete(id));
  },
});
