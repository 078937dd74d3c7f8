import { deployRights, type Right } from "../../../bootstrap/kubernetes";
import { OWNER, POD_SECURITY } from "../../../components/kubernetes/pods";
import {
  isTooOld,
  numbersOf,
  OLDEST_VERSION,
  POD_MONITOR,
  type Version,
} from "../../../components/kubernetes/required";
import { NAMESPACE } from "../../../config/errors";
import type { Access } from "../access";
import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";

const APPLY = "an administrator of the cluster applies bootstrap/kubernetes.yaml (docs/cluster.md, step 1)";

/** What kubectl says, and what it means. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [
    /Unauthorized|logged in|provide credentials/i,
    "make the kubeconfig anew: sh bootstrap/kubeconfig.sh deploy NAMESPACE (docs/cluster.md, step 1)",
  ],
  [/x509|certificate/i, "the kubeconfig must have the authority that signed the certificate of the cluster's API"],
  [
    /refused|no such host|timeout|timed out|no route|unreachable|deadline/i,
    "is the server in the kubeconfig right, and the way through the firewall open? Behind a proxy, put it into NO_PROXY",
  ],
];

async function context({ kubectl, values: { kubeContext = "" } }: Access): Promise<Finding> {
  const said = await kubectl(["config", "get-contexts", "--output", "name"]).catch((error: unknown) => error as Error);
  if (said instanceof Error)
    return failure(
      said.message,
      "if kubectl is here, let this user read the file that KUBECONFIG names, or make it anew: sh bootstrap/kubeconfig.sh deploy",
    );
  const names = said.split("\n").filter(Boolean);
  if (names.includes(kubeContext)) return ok(`the kubeconfig has the context ${kubeContext}`);
  return failure(
    `the kubeconfig has no context ${kubeContext}, which ${NAMESPACE}:kubeContext names; it has ${names.join(", ") || "none"}`,
    `export KUBECONFIG with the file that bootstrap/kubeconfig.sh has printed, or correct ${NAMESPACE}:kubeContext`,
  );
}

interface Versions {
  readonly clientVersion: Version;
  readonly serverVersion: Version;
}

const versions = async ({ kubectl }: Access): Promise<Versions> =>
  JSON.parse(await kubectl(["version", "--output", "json"])) as Versions;

async function api(access: Access): Promise<Finding> {
  try {
    const { serverVersion } = await versions(access);
    return ok(`the cluster's API answers: Kubernetes ${serverVersion.gitVersion}`);
  } catch (error) {
    const said = (error as Error).message;
    const [, cure = "try `kubectl version` with this context by hand"] =
      REFUSED.find(([pattern]) => pattern.test(said)) ?? [];
    return failure(`the cluster's API does not answer: ${said}`, cure);
  }
}

async function version(access: Access): Promise<Finding> {
  const { serverVersion } = await versions(access);
  if (isTooOld(serverVersion))
    return failure(
      `Kubernetes ${serverVersion.gitVersion} lacks native sidecars and the pause before a container's end`,
      `upgrade the cluster to ${OLDEST_VERSION} or newer`,
    );
  return ok(`Kubernetes ${serverVersion.gitVersion}, ${OLDEST_VERSION} or newer is needed`);
}

/** https://kubernetes.io/releases/version-skew-policy/#kubectl */
async function skew(access: Access): Promise<Finding> {
  const { clientVersion, serverVersion } = await versions(access);
  const text = `kubectl ${clientVersion.gitVersion}, the cluster ${serverVersion.gitVersion}`;
  const distance = Math.abs(numbersOf(clientVersion).minor - numbersOf(serverVersion).minor);
  if (distance <= 1) return ok(text);
  const { major, minor } = numbersOf(serverVersion);
  return warning(
    `${text}: more than one minor version apart`,
    `install kubectl ${major}.${minor} here, and have it in the pipeline's CI_IMAGE`,
  );
}

interface NamespaceMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

async function namespace({ kubectl, project, values }: Access): Promise<Finding> {
  const { kubeNamespace: name, kubeContext = "" } = values;
  const found = await kubectl(["get", "namespace", name, "--ignore-not-found", "--output", "json"]).catch((error: unknown) => error as Error); // prettier-ignore
  if (found instanceof Error) return failure(`the login may not read the namespace ${name}: ${found.message}`, APPLY);
  if (found.trim() === "")
    return warning(`there is no namespace ${name} yet; only an administrator's deploy makes it`, APPLY);
  const { labels = {}, deletionTimestamp } = (JSON.parse(found) as { metadata: NamespaceMetadata }).metadata;
  if (deletionTimestamp !== undefined)
    return failure(
      `the namespace ${name} is being deleted`,
      `wait until it is gone; kubectl --context ${kubeContext} get namespace ${name} --output yaml says what keeps it. Then ${APPLY}`,
    );
  const { [OWNER]: owner } = labels;
  if (owner === project.stack && labels[POD_SECURITY.label] !== POD_SECURITY.level)
    return failure(
      `the namespace ${name} does not have the label ${POD_SECURITY.label}=${POD_SECURITY.level}, so a pod there could take over its node`,
      `find out who has removed it; then ${APPLY}`,
    );
  if (owner === project.stack) return ok(`the namespace ${name} is this stack's`);
  return failure(
    `the namespace ${name} is ${owner === undefined ? "there, and no stack's" : `the stack ${owner}'s`}`,
    `choose another ${NAMESPACE}:kubeNamespace; or, if it is meant for this stack, an administrator runs kubectl --context ${kubeContext} label namespace ${name} ${OWNER}=${project.stack} --overwrite`,
  );
}

/** What the cluster answers for this login, right by right: nothing is written to find out. */
async function rights({ kubectl, values }: Access): Promise<Finding> {
  const wanted = deployRights().filter(
    ({ resource }) => resource !== "podmonitors" || values.prometheusDiscovery === "podMonitor",
  );
  const items = wanted.map((right) => question(right, values.kubeNamespace));
  const answer = await kubectl(
    ["create", "--filename", "-", "--validate=false", "--output", String.raw`go-template={{.status.allowed}}{{"\n"}}`],
    JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  );
  const allowed = answer.trim().split("\n");
  const missing = wanted.filter((_, index) => allowed[index] !== "true");
  if (missing.length === 0) return ok(`the login has the ${wanted.length} rights that a deploy needs`);
  return failure(
    `the login may not ${missing.map(({ verb, resource }) => `${verb} ${resource}`).join(", ")} in the namespace ${values.kubeNamespace}`,
    `${APPLY}, and gives the kubeconfig of its account deploy`,
  );
}

function question({ verb, group, resource: full }: Right, namespace: string): object {
  const [resource = "", subresource] = full.split("/");
  const ofNamespace = resource === "namespaces";
  return {
    ...{ apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" },
    spec: {
      resourceAttributes: {
        ...{ verb, group, resource, namespace },
        ...(subresource === undefined ? {} : { subresource }),
        ...(ofNamespace ? { name: namespace } : {}),
      },
    },
  };
}

async function podMonitors({ kubectl, values }: Access): Promise<Finding> {
  if (values.prometheusDiscovery !== "podMonitor") return skipped("Prometheus is outside the cluster");
  const { apiVersion, kind } = POD_MONITOR;
  const text = await kubectl(["get", "--raw", `/apis/${apiVersion}`]).catch(() => "{}");
  const { resources = [] } = JSON.parse(text) as { resources?: { kind: string }[] };
  if (resources.some((each) => each.kind === kind)) return ok(`the cluster has ${kind}s`);
  return failure(
    `the cluster has no ${kind}s (${apiVersion})`,
    `install the CustomResourceDefinitions of Prometheus' operator, or set ${NAMESPACE}:prometheusDiscovery to http`,
  );
}

async function metrics({ kubectl, values }: Access): Promise<Finding> {
  if (values.replicasMax === 0) return skipped(`${NAMESPACE}:replicasMax is not set, so nothing scales by load`);
  return kubectl(["get", "--raw", "/apis/metrics.k8s.io/v1beta1"]).then(
    () => ok("the cluster measures what its pods use"),
    (error: unknown) =>
      failure(
        `the cluster does not tell what its pods use, so the autoscaler does nothing: ${(error as Error).message}`,
        `install metrics-server, or set ${NAMESPACE}:replicasMax to 0`,
      ),
  );
}

export const cluster: Subject = {
  name: "The cluster",
  checks: [
    { id: "cluster-context", title: "kubeconfig", run: context },
    { id: "cluster-api", title: "the cluster's API", needs: "cluster-context", run: api },
    { id: "cluster-version", title: "Kubernetes' version", needs: "cluster-api", run: version },
    { id: "cluster-kubectl", title: "kubectl's version", needs: "cluster-api", run: skew },
    { id: "cluster-namespace", title: "namespace", needs: "cluster-api", run: namespace },
    { id: "cluster-rights", title: "the deploy's rights", needs: "cluster-api", run: rights },
    { id: "cluster-monitors", title: "PodMonitors", needs: "cluster-api", run: podMonitors },
    { id: "cluster-metrics", title: "metrics-server", needs: "cluster-api", run: metrics },
  ],
};
