import { host, set, differs, behind, late, type Broken } from "./broken";
import { reply, vaultReply } from "../world";

export const pipeline: Record<string, readonly Broken[]> = {
  "gitlab-tags": [
    {
      what: "developers may make them",
      change: differs("developers may create the protected tags v*"),
      found: /developers may create/,
      cure: /GitLab, has the table/,
    },
  ],
  "gitlab-branches": [
    {
      what: "developers may push",
      change: differs("developers may push to the protected branch main"),
      found: /may push/,
      cure: /GitLab, has the table/,
    },
  ],
  "gitlab-rest": [
    {
      what: "anybody sets variables",
      change: differs("developers may set pipeline variables"),
      found: /pipeline variables/,
      cure: /GitLab, has the table/,
    },
  ],
  "gitlab-variables": [
    {
      what: "one is missing",
      change: set("gitlab", { "projects/42/variables?per_page=100": reply([]) }),
      level: "warning",
      found: /VAULT_ADDR/,
      cure: /step 1/,
    },
  ],
  "gitlab-order": [
    {
      what: "it is unordered",
      change: set("gitlab", { "projects/42/resource_groups/vm2": reply({ process_mode: "unordered" }) }),
      level: "warning",
      found: /no certain order/,
      cure: /process_mode=oldest_first/,
    },
  ],
  "gitlab-runner": [{ what: "it forbids them", change: (all) => { all.env = { ...all.env, CI: "true" }; all.userNamespaces = false; }, found: /nobody have a user namespace/, cure: /seccomp=unconfined/ }], // prettier-ignore
  "clock-vm": behind("the VM", host({ clock: late / 1000 })),
  "clock-database": behind("PostgreSQL", set("sql", { clock_timestamp: [{ now: late }] })),
  "clock-vault": behind(
    "Vault",
    set("vaultOpen", { "sys/health?standbyok=true&perfstandbyok=true": vaultReply({ server_time_utc: late / 1000 }) }),
  ),
  "clock-prometheus": behind(
    "Prometheus",
    set("prometheus", { "/api/v1/status/runtimeinfo": { ...reply({}), date: late } }),
  ),
  "clock-grafana": behind("Grafana", set("grafana", { "/api/health?clock": { ...reply({}), date: late } })),
};
