import { randomBytes } from "node:crypto";
import { rootToken } from "../e2e/support/bootstrap";
import { connectTo } from "../e2e/support/database";
import type { Sandbox } from "../e2e/support/sandbox";
import { removePeers, setting } from "./contenders";
import { type ControlNode, onVm2, seconds } from "./control-node";
import { median } from "../../audit-svc/bench/row";

const PLAYBOOK = "ansible-playbook /peers/ansible/whole.yml";
const IMAGES = "-e image=$IMAGE -e nginx=$NGINX -e exporter=$EXPORTER -e vault=$VAULT";

/**
 * Ansible with everything that `pulumi up` looks after (peers/ansible/whole.yml), under names of its own: applied once, and then
 * run again with nothing to do. What it created is removed afterwards.
 *
 * @returns seconds of a run that changes nothing, the median of three
 */
export async function ansibleOfTheWhole(sandbox: Sandbox, control: ControlNode, image: string): Promise<number> {
  const [user = "", ...password] = sandbox.get("GRAFANA_AUTH").split(":");
  const env = {
    ...{ IMAGE: image, NGINX: setting("edgeImage"), EXPORTER: setting("exporterImage"), VAULT: setting("vaultImage") },
    ...{ PGHOST: setting("databaseHost"), PGUSER: sandbox.get("PGUSER"), PGPASSWORD: sandbox.get("PGPASSWORD") },
    ...{ VAULT_ADDR: setting("vaultAgentAddress"), VAULT_TOKEN: rootToken() },
    ...{ GRAFANA_URL: "http://grafana.sandbox.test:3000", GRAFANA_USER: user, GRAFANA_PASSWORD: password.join(":") },
    ...{ PROMETHEUS: setting("grafanaPrometheusUrl"), PEER_PASSWORD: randomBytes(18).toString("hex") },
    ...{ ANSIBLE_CONFIG: "/peers/ansible/ansible.cfg" },
  };
  await control.run("mkdir -p /peers/dashboards");
  for (const [name, uid] of [
    ["service", "audit-svc-sandbox"],
    ["nginx", "audit-nginx-sandbox"],
  ] as const) {
    const found = await sandbox.grafana<{ dashboard: object }>("GET", `dashboards/uid/${uid}`);
    const own = { ...found?.dashboard, id: null, uid: `peer-${name}`, title: `Peer ${name}` };
    await control.run(`cat > /peers/dashboards/${name}.json`, {}, JSON.stringify({ dashboard: own }));
  }
  try {
    await control.run(`${PLAYBOOK} ${IMAGES}`, env);
    // Fails if the run still changes something, because the bench measures a run without changes.
    await control.run(`${PLAYBOOK} ${IMAGES} | tee /tmp/output; ! grep -Eq 'changed=[1-9]' /tmp/output`, env);
    const taken: number[] = [];
    for (let i = 0; i < 3; i += 1) taken.push(await seconds(() => control.run(`${PLAYBOOK} ${IMAGES}`, env)));
    return median(taken);
  } finally {
    await remove(sandbox);
  }
}

async function remove(sandbox: Sandbox): Promise<void> {
  const gone = ["DROP DATABASE IF EXISTS peer_audit"];
  for (const role of ["app", "app_alt", "runtime", "owner"]) gone.push(`DROP ROLE IF EXISTS peer_${role}`);
  const login = { user: sandbox.get("PGUSER"), password: sandbox.get("PGPASSWORD"), database: "postgres" };
  const client = await connectTo(sandbox, login);
  try {
    for (const statement of gone) await client.query(statement);
  } finally {
    await client.end();
  }
  for (const path of [
    "sys/policies/acl/audit-svc-peer",
    "auth/approle/role/audit-svc-peer",
    "secret/metadata/audit-svc/peer",
  ])
    await sandbox.vault("DELETE", path, undefined, rootToken());
  const folders = (await sandbox.grafana<{ uid: string; title: string }[]>("GET", "folders")) ?? [];
  for (const { uid } of folders.filter(({ title }) => title === "Peer"))
    await sandbox.grafana("DELETE", `folders/${uid}`);
  await sandbox.grafana("DELETE", "datasources/uid/peer");
  await removePeers();
  await onVm2("docker volume ls --quiet --filter name=^peer- | xargs -r docker volume rm > /dev/null");
}
