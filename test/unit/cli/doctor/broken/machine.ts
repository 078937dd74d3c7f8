import { host, set, ssh, type Broken } from "./broken";
import { NOT_GIVEN } from "../../../../../cli/world";
import { reply } from "../world";

export const machine: Record<string, readonly Broken[]> = {
  "stack-logins": [
    {
      what: "one is missing",
      change: set("env", { PGPASSWORD: undefined }),
      found: /^PGPASSWORD not set/,
      cure: /make -s env/,
    },
    {
      what: "the registry's password is missing",
      change: (all) => (all.values = { ...all.values, registryUsername: "robot", registryPassword: NOT_GIVEN }),
      found: /^AUDIT_REGISTRY_PASSWORD not set/,
      cure: /make -s env/,
    },
    {
      what: "one has a line break",
      change: set("env", { VAULT_TOKEN: "hvs.x\n" }),
      found: /VAULT_TOKEN \(environment\) begins or ends/,
      cure: /./,
    },
  ],
  "stack-state": [
    {
      what: "there is no stack",
      change: set("pulumi", { "stack output": { code: 255, stdout: "", all: "error: no stack named 'vm2' found" } }),
      found: /no stack vm2 yet/,
      cure: /pulumi stack init vm2 --secrets-provider hashivault/,
    },
    {
      what: "the login is refused",
      change: set("pulumi", {
        "stack output": { code: 255, stdout: "", all: "error: password authentication failed" },
      }),
      found: /password authentication failed$/,
      cure: /PULUMI_BACKEND_URL/,
    },
    {
      what: "Vault is sealed",
      change: set("pulumi", {
        "stack output": {
          ...{ code: 255, stdout: "" },
          all: 'error: constructing secrets manager of type "cloud": secrets (code=Unknown): Error making API request.\n\nCode: 503. Errors:\n\n* Vault is sealed',
        },
      }),
      found: /Vault is sealed/,
      cure: /vault operator unseal/,
    },
  ],
  "stack-encryption": [
    {
      what: "there is no key",
      change: (all) => (all.stackFile = {}),
      found: /names no key/,
      cure: /pulumi stack init/,
    },
    {
      what: "it is a passphrase",
      change: (all) => (all.stackFile = { encryptionsalt: "v1", secretsprovider: "passphrase" }),
      level: "warning",
      found: /not encrypted by Vault/,
      cure: /change-secrets-provider/,
    },
  ],
  "stack-lock": [
    {
      what: "somebody holds the state's lock",
      change: (all) => {
        all.locks = ["root@runner-7 (pid 4711)"];
      },
      level: "warning",
      found: /root@runner-7 \(pid 4711\) holds the state's lock/,
      cure: /pulumi cancel/,
    },
    {
      what: "a deploy runs",
      change: set("pulumi", { "stack history": { code: 0, stdout: '[{"result":"in-progress"}]', all: "" } }),
      level: "warning",
      found: /under way/,
      cure: /pulumi cancel/,
    },
    {
      what: "the last one failed",
      change: set("pulumi", {
        "stack history": { code: 0, stdout: '[{"result":"failed","endTime":"today"}]', all: "" },
      }),
      level: "warning",
      found: /failed on today/,
      cure: /continues/,
    },
  ],
  "vm-ssh": [
    {
      what: "the host key is unknown",
      change: ssh("Host key verification failed."),
      found: /verification failed/,
      cure: /known_hosts/,
    },
    {
      what: "the login is refused",
      change: ssh("deploy@vm2: Permission denied (publickey)."),
      found: /Permission denied/,
      cure: /principal or the key/,
    },
    {
      what: "the name is unknown",
      change: ssh("ssh: Could not resolve hostname vm2"),
      found: /resolve/,
      cure: /audit:hostAddress or DNS/,
    },
    {
      what: "nothing answers",
      change: ssh("connect to host vm2 port 22: Connection refused"),
      found: /refused/,
      cure: /no sshd answers/,
    },
  ],
  "vm-docker": [
    {
      what: "the user is not in the group",
      change: set("engine", { "/version": reply({ message: "permission denied while trying to connect" }, 500) }),
      found: /may not use/,
      cure: /usermod --append --groups docker deploy/,
    },
    {
      what: "it does not run",
      change: set("engine", { "/version": reply("Cannot connect to the Docker daemon", 500) }),
      found: /Cannot connect/,
      cure: /systemctl enable --now docker/,
    },
  ],
  "vm-docker-version": [
    {
      what: "it is too old",
      change: set("engine", { "/version": reply({ Version: "19.03.15" }) }),
      found: /19\.03\.15 is older than 20\.10/,
      cure: /28/,
    },
    {
      what: "it does not shield an image with one port",
      settings: { "audit:reloadOn": "main" },
      change: set("engine", { "/version": reply({ Version: "26.1.5+dfsg1" }) }),
      level: "warning",
      found: /26\.1\.5.*neighbour/,
      cure: /AUDIT_LISTEN/,
    },
  ],
  "vm-disk": [
    {
      what: "it is full",
      change: host({ disk: { path: "/var/lib/docker", freeKiB: 500_000, totalKiB: 10_000_000 } }),
      found: /^0\.5 GiB free/,
      cure: /prune/,
    },
    {
      what: "it is nearly full",
      change: host({ disk: { path: "/", freeKiB: 3_000_000, totalKiB: 10_000_000 } }),
      level: "warning",
      found: /only 2\.9 GiB/,
      cure: /prune/,
    },
  ],
  "vm-memory": [
    {
      what: "there is too little",
      change: host({ memoryKiB: 600_000 }),
      level: "warning",
      found: /586 MiB available, 1024 MiB needed/,
      cure: /audit:replicas/,
    },
  ],
  "vm-ports": [
    {
      what: "another program has one",
      change: set("engine", { "/containers/json": reply([]) }),
      found: /80 \(audit:edgePort\) and 9145 \(audit:edgeMetricsPort\)/,
      cure: /ss -ltnp/,
    },
  ],
  "vm-reaches-postgresql": [
    {
      what: "a firewall is between",
      change: host({ reaches: { "db.example.test 5432": "no" } }),
      found: /does not reach db\.example\.test:5432 \(audit:databaseHost\)/,
      cure: /firewall/,
    },
  ],
  "vm-reaches-vault": [
    {
      what: "a firewall is between",
      change: host({ reaches: { "vault.example.test 8200": "no" } }),
      found: /audit:vaultAddress/,
      cure: /firewall/,
    },
  ],
  "vm-reaches-registry": [
    {
      what: "a firewall is between",
      change: host({ reaches: { "harbor.example.test 443": "no" } }),
      found: /harbor\.example\.test:443/,
      cure: /firewall/,
    },
  ],
};
