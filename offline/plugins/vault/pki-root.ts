import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { apiName, doing, trimSlashes, textOf } from "./fields.js";
import { findMount } from "./mount-paths.js";

type Root = typeof vault.pkisecret.SecretBackendRootCert;
type Inputs = InputsOf<Root>;

/** Sent as they are, when they are set. */
const PLAIN = [
  "commonName",
  "ttl",
  "format",
  "privateKeyFormat",
  "maxPathLength",
  "ou",
  "organization",
  "country",
  "locality",
  "province",
  "streetAddress",
  "postalCode",
  "signatureBits",
  "notAfter",
  "notBeforeDuration",
  "issuerName",
] as const satisfies readonly (keyof Inputs)[];

/** Sent as one text with commas. */
const LISTS = [
  "altNames",
  "ipSans",
  "uriSans",
  "otherSans",
  "permittedDnsDomains",
  "excludedDnsDomains",
  "permittedIpRanges",
  "excludedIpRanges",
  "permittedEmailAddresses",
  "excludedEmailAddresses",
  "permittedUriDomains",
  "excludedUriDomains",
] as const satisfies readonly (keyof Inputs)[];

const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value) ? undefined : `expected one of ${values.join(", ")}, got ${value}`;

function body(inputs: Inputs): Record<string, unknown> {
  const result: Record<string, unknown> = {
    exclude_cn_from_sans: inputs.excludeCnFromSans ?? false,
    use_pss: inputs.usePss ?? false,
  };
  const existing = inputs.type === "existing";
  for (const name of [...PLAIN, ...(existing ? (["keyRef"] as const) : (["keyType", "keyBits", "keyName"] as const))]) {
    if (inputs[name] !== undefined) result[apiName(name)] = inputs[name];
  }
  for (const name of LISTS) {
    const list = inputs[name] ?? [];
    if (list.length > 0) result[apiName(name)] = list.join(",");
  }
  if ((inputs.keyUsages ?? []).length > 0) result.key_usage = inputs.keyUsages;
  return result;
}

/**
 * A self-signed root certificate of a PKI engine. Deleting it deletes the issuer, not its key.
 *
 * Narrower than the genuine plugin: that one asks Vault at every Diff whether the issuer is still there, and replaces it when not.
 */
export const pkiRootCert = defineResource<Root, VaultClient>({
  token: "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
  inputs: {
    backend: { required: true, forceNew: true },
    type: { required: true, forceNew: true, validate: oneOf("existing", "exported", "internal", "kms") },
    commonName: { required: true, forceNew: true },
    altNames: { forceNew: true },
    ipSans: { forceNew: true },
    uriSans: { forceNew: true },
    otherSans: { forceNew: true },
    // A changed ttl, notAfter or signatureBits only changes the state: a certificate stays as it is.
    ttl: {},
    notAfter: {},
    signatureBits: { computed: true },
    format: { forceNew: true, default: "pem", validate: oneOf("pem", "der", "pem_bundle") },
    privateKeyFormat: { forceNew: true, default: "der", validate: oneOf("der", "pkcs8") },
    keyType: { forceNew: true, default: "rsa", validate: oneOf("rsa", "ec", "ed25519") },
    keyBits: { forceNew: true, default: 2048 },
    maxPathLength: { forceNew: true, default: -1 },
    excludeCnFromSans: { forceNew: true },
    permittedDnsDomains: { forceNew: true },
    excludedDnsDomains: { forceNew: true },
    permittedIpRanges: { forceNew: true },
    excludedIpRanges: { forceNew: true },
    permittedEmailAddresses: { forceNew: true },
    excludedEmailAddresses: { forceNew: true },
    permittedUriDomains: { forceNew: true },
    excludedUriDomains: { forceNew: true },
    ou: { forceNew: true },
    organization: { forceNew: true },
    country: { forceNew: true },
    locality: { forceNew: true },
    province: { forceNew: true },
    streetAddress: { forceNew: true },
    postalCode: { forceNew: true },
    issuerName: { forceNew: true, computed: true },
    keyName: { forceNew: true, computed: true },
    keyRef: { forceNew: true, computed: true },
    notBeforeDuration: { forceNew: true },
    usePss: { forceNew: true },
    keyUsages: { forceNew: true },
  },
  outputs: { certificate: {}, issuingCa: {}, serialNumber: {}, issuerId: {}, keyId: {} },
  async create(client, inputs) {
    const path = `${trimSlashes(inputs.backend)}/issuers/generate/root/${trimSlashes(inputs.type)}`;
    const answer = await doing(
      `error creating root cert for PKI secret backend ${JSON.stringify(inputs.backend)}`,
      () => client.write(path, body(inputs)),
    );
    const text = (name: string) => textOf(answer?.data?.[name]);
    return {
      id: `${inputs.backend}/issuer/${text("issuer_id")}`,
      state: {
        certificate: text("certificate"),
        issuingCa: text("issuing_ca"),
        serialNumber: text("serial_number"),
        issuerId: text("issuer_id"),
        keyId: text("key_id"),
      },
    };
  },
  async read(client, id, state) {
    // Only the mount is looked for: an issuer deleted by hand goes unnoticed here.
    const backend = state.backend ?? id.split("/issuer/")[0] ?? "";
    return (await findMount(client, "mounts", backend)) === undefined ? undefined : { id, state: {} };
  },
  update: () => Promise.resolve({ state: {} }),
  async delete(client, id) {
    await doing(`error deleting root cert from PKI secret backend ${JSON.stringify(id)}`, () => client.delete(id));
  },
});
