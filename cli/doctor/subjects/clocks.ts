import { failure, ok, skipped, warning, type Check, type Finding, type Subject } from "../check";
import type { Access } from "../access";

/** Seconds. Certificates, ID tokens and leases stand this, and more is a clock that nobody sets. */
const WARN = 5;
const FAIL = 60;

const compare = (machine: string, theirs: number | undefined, before: number, after: number): Finding => {
  if (theirs === undefined || Number.isNaN(theirs)) return skipped(`${machine} does not tell its time`);
  // The answer was made between asking and hearing; times of HTTP are whole seconds.
  const off = theirs < before - 1000 ? theirs - before : theirs > after + 1000 ? theirs - after : 0;
  const seconds = Math.round(Math.abs(off) / 1000);
  const text = `${machine} is ${seconds} s ${off < 0 ? "behind" : "ahead of"} this machine`;
  if (seconds >= FAIL)
    return failure(
      text,
      "run a time service on both (chrony, systemd-timesyncd): certificates, tokens and leases depend on it",
    );
  if (seconds >= WARN) return warning(text, "run a time service on both (chrony, systemd-timesyncd)");
  return ok(`${machine} and this machine agree`);
};

/** @param needs the check that the machine answers */
const clock = (
  id: string,
  machine: string,
  needs: string,
  ask: (access: Access) => Promise<number | undefined>,
): Check => ({
  id: `clock-${id}`,
  title: machine,
  needs,
  run: async (access) => {
    const before = access.now();
    const theirs = await ask(access);
    return compare(machine, theirs, before, access.now());
  },
});

const ofServers: readonly Check[] = [
  clock("database", "PostgreSQL", "database-login", async ({ sql }) => {
    const [row] = await sql("SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now");
    return Number(row?.now);
  }),
  clock("vault", "Vault", "vault-seal", async ({ vaultOpen }) => {
    const { answer } = await vaultOpen("sys/health?standbyok=true&perfstandbyok=true");
    return typeof answer.server_time_utc === "number" ? answer.server_time_utc * 1000 : undefined;
  }),
  clock(
    "prometheus",
    "Prometheus",
    "prometheus-answers",
    async ({ prometheus }) => (await prometheus("/api/v1/status/runtimeinfo")).date,
  ),
  clock("grafana", "Grafana", "grafana-answers", async ({ grafana }) => (await grafana("/api/health?clock")).date),
];

export const clocks: Subject = {
  name: "Clocks",
  checks: [clock("vm", "the VM", "vm-ssh", async ({ host }) => (await host()).clock * 1000), ...ofServers],
};

/** Of a stack without a VM. */
export const clocksOfServers: Subject = { name: "Clocks", checks: ofServers };
