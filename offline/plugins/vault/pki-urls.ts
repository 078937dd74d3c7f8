import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { doing, keeping, readFields, trimSlashes, type Zeros } from "./fields.js";

type Urls = typeof vault.pkisecret.SecretBackendConfigUrls;
type Inputs = InputsOf<Urls>;
type State = StateOf<Urls>;

const fields: Zeros<Inputs> = {
  issuingCertificates: [],
  crlDistributionPoints: [],
  ocspServers: [],
  enableTemplating: false,
};

async function read(client: VaultClient, id: string): Promise<State | undefined> {
  const answer = await doing(`error reading URL config on PKI secret backend ${JSON.stringify(id)}`, () =>
    client.read(id),
  );
  return answer === undefined ? undefined : (readFields<Inputs>(answer.data ?? {}, fields) as State);
}

async function write(client: VaultClient, id: string, inputs: Inputs): Promise<{ id: string; state: State }> {
  await doing(`error writing PKI URL config to ${JSON.stringify(inputs.backend)}`, () =>
    client.write(`${trimSlashes(inputs.backend)}/config/urls`, {
      issuing_certificates: inputs.issuingCertificates ?? [],
      crl_distribution_points: inputs.crlDistributionPoints ?? [],
      ocsp_servers: inputs.ocspServers ?? [],
      enable_templating: inputs.enableTemplating ?? false,
    }),
  );
  return keeping(id, async () => ({ id, state: (await read(client, id)) ?? {} }));
}

/** The addresses that a PKI engine writes into its certificates. Deleting this leaves them in Vault. */
export const pkiUrls = defineResource<Urls, VaultClient>({
  token: "vault:pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls",
  inputs: {
    backend: { required: true },
    issuingCertificates: {},
    crlDistributionPoints: {},
    ocspServers: {},
    enableTemplating: {},
  },
  create: (client, inputs) => write(client, `${inputs.backend}/config/urls`, inputs),
  async read(client, id) {
    const state = await read(client, id);
    return state === undefined ? undefined : { id, state };
  },
  update: (client, id, _old, inputs) => keeping(id, () => write(client, id, inputs)),
  delete: () => Promise.resolve(),
});
