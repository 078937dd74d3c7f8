import type * as vault from "@pulumi/vault";
import { defineResource } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { doing, keeping, textOf } from "./fields.js";

async function read(client: VaultClient, name: string): Promise<{ name: string; policy: string }> {
  const answer = await doing("error reading from Vault", () => client.read(`sys/policies/acl/${name}`));
  // A missing policy reads as an empty one: the next run puts it there again.
  return { name, policy: textOf(answer?.data?.policy) };
}

/** An ACL policy. Writing one whose name is taken overwrites it. */
export const policy = defineResource<typeof vault.Policy, VaultClient>({
  token: "vault:index/policy:Policy",
  inputs: {
    name: { required: true, forceNew: true, autoname: true },
    policy: { required: true },
  },
  async create(client, inputs) {
    const name = inputs.name ?? "";
    await doing("error writing to Vault", () => client.write(`sys/policies/acl/${name}`, { policy: inputs.policy }));
    return keeping(name, async () => ({ id: name, state: await read(client, name) }));
  },
  async read(client, id) {
    return { id, state: await read(client, id) };
  },
  update: (client, id, _old, inputs) =>
    keeping(id, async () => {
      await doing("error writing to Vault", () => client.write(`sys/policies/acl/${id}`, { policy: inputs.policy }));
      return { state: await read(client, id) };
    }),
  async delete(client, id) {
    await doing("error deleting from Vault", () => client.delete(`sys/policies/acl/${id}`));
  },
});
