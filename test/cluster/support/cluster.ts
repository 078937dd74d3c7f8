import { attached as attachedTo, environmentOf, platform, run, Sandbox } from "../../e2e/support/sandbox";
import { clusterStack } from "../../../sandbox/src/stack-file";

/** Of the pods that the scenarios look at. */
export interface Pod {
  metadata: { name: string; labels: Record<string, string>; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    initContainerStatuses?: { name: string; state: { terminated?: { startedAt: string; finishedAt: string } } }[];
  };
}

/** The sandbox's cluster as a developer uses it: through the environment that `make env STACK=cluster` exports. */
export class Cluster extends Sandbox {
  static override async attach(): Promise<Cluster> {
    return new Cluster(await environmentOf(clusterStack));
  }

  /** @returns its standard output @throws Error with its output if it fails */
  async kubectl(...args: string[]): Promise<string> {
    const { code, output, stdout } = await run(["kubectl", ...args], this.env);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}:\n${output}`);
    return stdout;
  }

  /** Creates or changes what a manifest describes. */
  async apply(manifest: object): Promise<void> {
    const { code, output } = await run(["kubectl", "apply", "--filename", "-"], this.env, JSON.stringify(manifest));
    if (code !== 0) throw new Error(`kubectl apply ended with ${code}:\n${output}`);
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl(...args, "--output", "json")) as T;
  }

  /** The pods of a namespace with this `app.kubernetes.io/name`, without those that are being deleted. */
  async pods(name: string, namespace = "audit"): Promise<Pod[]> {
    const selector = `app.kubernetes.io/name=${name}`;
    const { items } = await this.json<{ items: Pod[] }>(
      "get",
      "pods",
      "--namespace",
      namespace,
      "--selector",
      selector,
    );
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  /** Stops a node at once, as a power failure would. */
  async kill(node: string): Promise<void> {
    await onEngine("kill", platform(node));
  }

  /** Starts a stopped node and waits until it is ready. */
  async start(node: string): Promise<void> {
    await onEngine("start", platform(node));
    await this.kubectl("wait", "--for=condition=Ready", `node/${node}`, "--timeout=120s");
  }

  /** The pods, the latest events and the last log lines of pods that are not ready, for a failed test's report. */
  override async report(): Promise<string> {
    const ask = async (...args: string[]): Promise<string> => (await run(["kubectl", ...args], this.env)).output;
    const { items } = await this.json<{ items: Pod[] }>("get", "pods", "--namespace", "audit");
    const unready = items.filter(
      ({ status }) => !status.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
    );
    const logs = await Promise.all(
      unready.map(async ({ metadata: { name } }) => {
        const lines = await ask("logs", "--namespace", "audit", "--all-containers", "--prefix", "--tail=30", name);
        return `--- last lines of ${name}\n${lines}`;
      }),
    );
    const events = await ask("get", "events", "--namespace", "audit", "--sort-by=.lastTimestamp");
    return [
      `--- pods\n${await ask("get", "pods", "--all-namespaces", "--output=wide")}`,
      `--- latest events\n${events.trim().split("\n").slice(-20).join("\n")}`,
      ...logs,
    ].join("\n");
  }
}

/** How many events of an actor are stored, asked of PostgreSQL itself. */
export async function storedOf(actor: string, database: string): Promise<number> {
  const text = `SELECT count(*) FROM audit.events WHERE actor = '${actor}'`;
  const psql = ["docker", "exec", platform("postgres"), "psql", "-U", "postgres", "-d", database, "-XAtc", text];
  const { code, output, stdout } = await run(psql, ownEngine());
  if (code !== 0) throw new Error(`psql ended with ${code}: ${output}`);
  return Number(stdout);
}

/** Nodes and PostgreSQL are containers on this machine's engine, not on VM2's, which `make env` names. */
const ownEngine = (): NodeJS.ProcessEnv => ({ ...process.env, DOCKER_HOST: undefined });

async function onEngine(...args: string[]): Promise<void> {
  const { code, output } = await run(["docker", ...args], ownEngine());
  if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${output}`);
}

/** Attaches a suite to the cluster, and prints the state of its pods when one of its tests fails. */
export const attached = (): (() => Cluster) => attachedTo(() => Cluster.attach());
