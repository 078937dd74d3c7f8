import * as c from "@audit-vm2/components";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as vault from "@pulumi/vault";

/** A secret from Vault in a file in memory, for a container of somebody else's, which reads it again when it likes. */
export = async () => {
  const config = new pulumi.Config();
  const images = config.requireObject<Record<"reader" | "vault", string>>("images");
  const server = config.requireObject<{ address: string; agentAddress: string }>("vault");

  const vm = new c.Vm("binding", {
    ...config.requireObject<c.DockerHostArgs>("host"),
    tools: images.vault,
    networks: { name: "binding", range: config.require("range") },
    recreated: (await c.lastOutputs()("recreated")) as c.Recreated | undefined,
  });
  const provider = new vault.Provider("vault", { address: server.address, skipChildToken: true });
  const secrets = new c.SecretsBinding("binding", {
    vm,
    // Another text here gives the agent a new secret_id, and the former is revoked.
    vault: { ...server, provider, agentImage: images.vault, secretIdIssue: config.get("secretIdIssue") ?? "first" },
    secret: { mount: "secret", path: "binding" },
    data: { password: new random.RandomPassword("password", { length: 32 }).result },
  });
  const reader = new docker.Container(
    "reader",
    {
      name: "binding-reader",
      image: vm.image("reader-image", images.reader, { parent: vm }).imageId,
      user: "10001:10001",
      entrypoints: ["sleep", "infinity"],
      mounts: [{ type: "volume", source: secrets.configVolume, target: "/run/secrets", readOnly: true }],
    },
    { ...vm.named("binding-reader"), dependsOn: [secrets.rendered] },
  );
  return {
    file: pulumi.interpolate`${reader.name}:/run/secrets/${secrets.configFile}`,
    // A run that fails must leave none: the next one would miss what was never there.
    recreated: c.heldUntil([reader, secrets.agent], vm.recreated),
  };
};
