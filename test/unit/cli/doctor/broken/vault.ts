import { set, certificate, type Broken } from "./broken";
import { vaultReply } from "../world";

export const vault: Record<string, readonly Broken[]> = {
  "vault-seal": [
    {
      what: "it is sealed",
      change: set("vaultOpen", { "sys/seal-status": vaultReply({ sealed: true, initialized: true }) }),
      found: /sealed/,
      cure: /operator unseal/,
    },
    {
      what: "it is new",
      change: set("vaultOpen", { "sys/seal-status": vaultReply({ sealed: true, initialized: false }) }),
      found: /not initialized/,
      cure: /operator init/,
    },
    {
      what: "it is something else",
      change: set("vaultOpen", { "sys/seal-status": vaultReply({}, 404) }),
      found: /answers 404/,
      cure: /audit:vaultAddress/,
    },
  ],
  "vault-token": [
    {
      what: "it is refused",
      change: set("vault", { "GET auth/token/lookup-self": vaultReply({}, 403) }),
      found: /refuses VAULT_TOKEN/,
      cure: /log in/,
    },
    {
      what: "it may everything",
      change: set("vault", { "GET auth/token/lookup-self": vaultReply({ data: { ttl: 0, policies: ["root"] } }) }),
      level: "warning",
      found: /root/,
      cure: /audit-deployer/,
    },
    {
      what: "it ends soon",
      change: set("vault", { "GET auth/token/lookup-self": vaultReply({ data: { ttl: 300 } }) }),
      level: "warning",
      found: /in 5 minutes/,
      cure: /log in again/,
    },
  ],
  "vault-mount": [
    {
      what: "there is none",
      change: set("vault", { "GET sys/mounts": vaultReply({ data: {} }) }),
      found: /no KV version 2 at secret/,
      cure: /bootstrap/,
    },
    {
      what: "it is version 1",
      change: set("vault", { "GET sys/mounts": vaultReply({ data: { "secret/": { type: "kv", options: null } } }) }),
      found: /kv version 1/,
      cure: /audit:vaultMount/,
    },
  ],
  "vault-rights": [
    {
      what: "the token lacks some",
      change: set("vault", { "POST sys/capabilities-self": vaultReply({ "transit/encrypt/pulumi": ["deny"] }) }),
      found: /may not create secret\/data\/audit-svc\/vm2.*update transit\/encrypt\/pulumi/,
      cure: /audit-deployer/,
    },
    {
      what: "the state's key is in another engine",
      change: (all) => {
        set("vault", { "POST sys/capabilities-self": vaultReply({}) })(all);
        all.stackFile = { ...all.stackFile, secretsprovider: "hashivault://key?engine=crypt" };
      },
      found: /update crypt\/encrypt\/key, update crypt\/decrypt\/key/,
      cure: /audit-deployer/,
    },
  ],
  "vault-agents": [
    {
      what: "a policy differs",
      change: set("vault", { "GET sys/policies/acl/audit-svc": vaultReply({ data: { policy: "" } }) }),
      found: /policy audit-svc: written/,
      cure: /"stack": \{"vaultPath"/,
    },
    {
      what: "the token may not look",
      change: set("vault", { "GET sys/policies/acl/audit-svc": vaultReply({}, 403) }),
      found: /may not read/,
      cure: /audit-deployer/,
    },
  ],
  "vault-jwt": [
    {
      what: "there is no auth method",
      change: set("vault", { "GET sys/auth": vaultReply({ data: {} }) }),
      level: "warning",
      found: /no auth method jwt/,
      cure: /bootstrap/,
    },
    {
      what: "there is no role",
      change: set("vault", { "GET auth/jwt/role/audit-ci-deploy": vaultReply({}, 404) }),
      found: /no JWT role audit-ci-deploy/,
      cure: /bootstrap/,
    },
  ],
  "vault-bootstrap": [
    {
      what: "it differs",
      change: (all) => { if (all.bootstrap) all.bootstrap = { ...all.bootstrap, vault: () => Promise.resolve(["transit/keys/pulumi: made"]) }; }, // prettier-ignore
      found: /would change: transit\/keys\/pulumi: made/,
      cure: /bootstrap\/vault\.ts/,
    },
  ],
  "certificate-vaultAddress": certificate("audit:vaultAddress"),
  "certificate-databaseHost": [...certificate("audit:databaseHost"), ...certificate("audit:databaseAdminHost")],
  "certificate-prometheusUrl": certificate("audit:prometheusUrl"),
  "certificate-grafanaUrl": certificate("audit:grafanaUrl"),
};
