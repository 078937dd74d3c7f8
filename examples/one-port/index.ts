import * as c from "@audit-vm2/components";
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";

/**
 * Another implementation of the service, with one port, behind the edge: with a database, tokens, and a configuration
 * file that Vault Agent renders.
 */
export = async () => {
  const config = new pulumi.Config();
  const images = config.requireObject<Record<"service" | "nginx" | "exporter" | "vault", string>>("images");
  const server = config.requireObject<{ address: string; agentAddress: string }>("vault");
  const last = await c.lastRun();

  const vm = new c.Vm("one-port", {
    ...config.requireObject<c.DockerHostArgs>("host"),
    tools: images.vault,
    networks: { name: "one-port", range: config.require("range") },
    recreated: last.recreated,
  });
  const spec = { image: images.service, replicas: 1, reloadOn: "main" } as const;
  const slots = new c.Slots("one-port", { vm, spec, previous: last.releases });

  const provider = new vault.Provider("vault", { address: server.address, skipChildToken: true });
  const secretIdIssue = c.secretIdIssue(last.secretIdsIssued, slots.deploys);
  const inVault = { ...server, provider, agentImage: images.vault, secretIdIssue };
  const database = new c.Database("one-port", {
    ...{ server: config.requireObject<c.DatabaseServer>("database"), database: "one_port" },
    provider: new postgresql.Provider("postgres", config.requireObject<postgresql.ProviderArgs>("admin")),
    ...{ previousVersion: last.databasePasswordVersion, protect: config.getBoolean("protect") },
  });
  const tokens = new c.AccessTokens("one-port", {
    ...{ applications: ["demo"], provider, mount: "secret", path: "one-port-tokens", previous: last.tokenVersions },
  });
  const secrets = new c.SecretsBinding("one-port", {
    ...{ vm, vault: inVault, slots, secret: { mount: "secret", path: "one-port" } },
    data: { database: database.connection, tokens: tokens.hashes },
  });
  const edge = new c.EdgeProxy("one-port-edge", {
    ...{ vm, slots, images, routes: [{ path: "/v1/events", methods: ["GET", "POST"] }] },
    ...config.requireObject<Pick<c.EdgeProxyArgs, "listen" | "metricsAllow" | "publicUrl">>("edge"),
  });
  const service = new c.AuditService("one-port", { vm, slots, database, tokens, secrets, behind: edge });

  const releases = c.forNextRun({
    releases: service.state,
    databasePasswordVersion: service.databasePasswordVersion,
    tokenVersions: service.tokenVersions,
    secretIdsIssued: c.heldUntil([secrets.agent], secretIdIssue),
    recreated: vm.recreated,
  });
  return { url: edge.url, releases };
};
