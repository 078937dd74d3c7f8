import { askHost } from "../../components/vm/ask-host";
import { scriptLine } from "../../components/host/script-file";
import type { Values } from "../../config";
import { messageOf, CommandError } from "../errors";
import { withContext } from "../../lib/kubectl";
import { commandLine } from "../../lib/shell";
import type { Part } from "../vm/containers";

/** The command before a shell line: kubectl runs on this machine, with KUBECONFIG of the environment. */
export const HERE = "sh -c";

/** The workload and the container of a part. A migration's pod is gone when it is done. */
export const WORKLOADS: Readonly<
  Record<Exclude<Part, "migrate">, { readonly name: string; readonly container: string }>
> = {
  service: { name: "audit-svc", container: "service" },
  edge: { name: "audit-edge", container: "nginx" },
  agent: { name: "audit-svc", container: "agent" },
};

export const kubectl = (values: Values): string[] => [
  ...withContext(values.kubeContext ?? ""),
  "--namespace",
  values.kubeNamespace,
];

export interface Pod {
  readonly name: string;
  readonly workload: string;
  /** Whether a command could run in it. */
  readonly running: boolean;
  /** Of a replica. */
  readonly release?: string;
  /** `Running`, `Pending` and so on; `Terminating` once it ends. */
  readonly phase: string;
  /** Whether it gets requests. */
  readonly ready: boolean;
  /** When its node took it, and that node; not before there is one. */
  readonly since?: string;
  readonly node?: string;
  /** Of all its containers. */
  readonly restarts: number;
}

/** What is read of `kubectl get pods`. */
interface Item {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly startTime?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
    readonly initContainerStatuses?: readonly { readonly restartCount: number }[];
  };
}

/** @throws CommandError with what kubectl says */
export async function podsOf(values: Values): Promise<readonly Pod[]> {
  const words = [
    ...kubectl(values),
    "get",
    "pods",
    "--selector",
    "app.kubernetes.io/part-of=audit",
    "--output",
    "json",
  ];
  const printed = await askHost(HERE, commandLine(words)).catch((error: unknown) => {
    throw new CommandError(
      `the cluster (audit:kubeContext ${values.kubeContext ?? ""}): ${messageOf(error).split("\n")[0] ?? ""}; the context is looked for in KUBECONFIG, or ~/.kube/config`,
    );
  });
  const { items } = JSON.parse(printed) as { items: readonly Item[] };
  return items.map(podOf);
}

function podOf({ metadata: { name, labels = {}, deletionTimestamp }, spec = {}, status = {} }: Item): Pod {
  const phase = deletionTimestamp === undefined ? (status.phase ?? "Unknown") : "Terminating";
  const { startTime: since, conditions = [], containerStatuses = [], initContainerStatuses = [] } = status;
  const { nodeName: node } = spec;
  return {
    ...{ name, workload: labels["app.kubernetes.io/name"] ?? "", phase, running: phase === "Running" },
    ...(labels["audit/release"] === undefined ? {} : { release: labels["audit/release"] }),
    ready: conditions.some((each) => each.type === "Ready" && each.status === "True"),
    ...(since === undefined ? {} : { since }),
    ...(node === undefined ? {} : { node }),
    restarts: [...containerStatuses, ...initContainerStatuses].reduce((sum, { restartCount }) => sum + restartCount, 0),
  };
}

/** The shell line that prints logs as logs.sh of the VM does. */
export function logsLine(
  values: Values,
  parts: readonly Exclude<Part, "migrate">[],
  past: { follow: boolean; since: string | undefined; lines: number | "all" },
): string {
  const sources = parts.map((part) => `${WORKLOADS[part].name}/${WORKLOADS[part].container}`).join(" ");
  const args = [past.follow ? "yes" : "no", sinceOf(past.since), past.lines === "all" ? -1 : past.lines];
  return scriptLine("../../cli/cluster/logs.sh", [...args, sources, ...kubectl(values)]);
}

/** A length, or a time, which kubectl takes only whole. */
function sinceOf(since: string | undefined): string {
  if (since === undefined) return "-";
  return /^\d{4}-/.test(since) ? `--since-time=${new Date(since).toISOString()}` : `--since=${since}`;
}

/** What `kubectl exec` runs in, by what the user has named. @throws CommandError with the names that there are */
export function chosenPod(all: readonly Pod[], named = "service"): { pod: string; container: string } {
  const pods = all.filter(({ running }) => running);
  const part = Object.entries(WORKLOADS).find(([name]) => name === named)?.[1];
  const found = pods.find(({ name, workload }) => (part === undefined ? name === named : workload === part.name));
  const container = part?.container ?? Object.values(WORKLOADS).find(({ name }) => name === found?.workload)?.container;
  if (found !== undefined && container !== undefined) return { pod: found.name, container };
  const there = pods.map(({ name }) => name).join(", ") || "nothing";
  throw new CommandError(`no pod ${named} runs in the cluster; name service, edge, agent, or a pod: there is ${there}`);
}
