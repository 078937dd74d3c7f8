import { set, type Broken } from "./broken";
import { allowedBut, vaultReply } from "../world";

const said = (command: string, text: string) => set("kubectl", { [command]: new Error(text) });
const versions = (client: string, server: string): string => {
  const of = (minor: string) => ({ gitVersion: `v1.${minor}` });
  return JSON.stringify({ clientVersion: of(client), serverVersion: of(server) });
};
const ownedBy = (labels: object) =>
  set("kubectl", { "get namespace": JSON.stringify({ metadata: { labels: { other: "x", ...labels } } }) });
const config = (data: object, status = 200) => set("vault", { "GET auth/kubernetes/config": vaultReply({ data }, status) }); // prettier-ignore

const image = (key: string): readonly Broken[] => [
  {
    what: "the digest is gone",
    change: (all) => (all.inRegistry = false),
    found: /harbor\.example\.test(:8443)? has no \S+@sha256:/,
    cure: new RegExp(`digest in audit:${key} right`),
  },
  {
    what: "the login is refused",
    change: (all) => (all.inRegistry = new Error("the registry refuses the login")),
    found: /does not give .*: the registry refuses the login/,
    cure: /AUDIT_REGISTRY_PASSWORD/,
  },
  {
    what: "this machine does not reach the registry",
    change: (all) => (all.inRegistry = new Error("Harbor at https://harbor.example.test does not answer: ENOTFOUND")),
    level: "warning",
    found: /is not known here: .*ENOTFOUND/,
    cure: /nodes may reach it/,
  },
];

/** What only a stack on a cluster has. */
export const cluster: Record<string, readonly Broken[]> = {
  "cluster-context": [
    {
      what: "the kubeconfig is another's",
      change: set("kubectl", { "config get-contexts": "elsewhere\nminikube\n" }),
      found: /no context production, which audit:kubeContext names; it has elsewhere, minikube/,
      cure: /kubeconfig\.sh has printed, or correct audit:kubeContext/,
    },
    {
      what: "there is no kubectl",
      change: said("config get-contexts", "kubectl is not installed on this machine; install it in a version that fits the cluster's."), // prettier-ignore
      found: /kubectl is not installed/,
      cure: /if kubectl is here/,
    },
    {
      what: "the kubeconfig is no YAML",
      change: said("config get-contexts", "error: error loading config file: yaml: line 2: mapping values are not allowed"), // prettier-ignore
      found: /yaml: line 2/,
      cure: /make it anew: sh bootstrap\/kubeconfig\.sh deploy/,
    },
  ],
  "cluster-api": [
    {
      what: "the token has been replaced",
      change: said("version --output", "error: You must be logged in to the server (Unauthorized)"),
      found: /does not answer: .*Unauthorized/,
      cure: /kubeconfig\.sh deploy/,
    },
    {
      what: "its certificate is another authority's",
      change: said("version --output", "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority"), // prettier-ignore
      found: /unknown authority/,
      cure: /authority that signed/,
    },
    {
      what: "nothing listens there",
      change: said("version --output", "The connection to the server 10.0.0.1:6443 was refused"),
      found: /was refused/,
      cure: /firewall.*NO_PROXY/,
    },
  ],
  "cluster-version": [
    {
      what: "it is too old",
      change: set("kubectl", { "version --output": versions("29", "29+") }),
      found: /Kubernetes v1\.29\+ lacks native sidecars/,
      cure: /1\.30 or newer/,
    },
  ],
  "cluster-kubectl": [
    {
      what: "the cluster is two versions newer",
      change: set("kubectl", { "version --output": versions("32+", "34") }),
      level: "warning",
      found: /kubectl v1\.32\+, the cluster v1\.34: more than one minor version apart/,
      cure: /kubectl 1\.34 here, .*CI_IMAGE/,
    },
  ],
  "cluster-namespace": [
    {
      what: "there is none",
      change: set("kubectl", { "get namespace": "" }),
      level: "warning",
      found: /no namespace audit yet/,
      cure: /bootstrap\/kubernetes\.yaml/,
    },
    {
      what: "it is another stack's",
      change: ownedBy({ "audit/stack": "other" }),
      found: /is the stack other's/,
      cure: /another audit:kubeNamespace.*label namespace audit audit\/stack=vm2 --overwrite/,
    },
    {
      what: "it is somebody else's",
      change: ownedBy({}),
      found: /is there, and no stack's/,
      cure: /another audit:kubeNamespace/,
    },
    {
      what: "it is being deleted",
      change: set("kubectl", { "get namespace": JSON.stringify({ metadata: { deletionTimestamp: "2026-12-01T00:00:00Z" } }) }), // prettier-ignore
      found: /namespace audit is being deleted/,
      cure: /wait until it is gone.*bootstrap\/kubernetes\.yaml/,
    },
    {
      what: "it has lost its level of Pod Security",
      change: ownedBy({ "audit/stack": "vm2", "pod-security.kubernetes.io/enforce": "baseline" }),
      found: /does not have the label pod-security\.kubernetes\.io\/enforce=restricted/,
      cure: /who has removed it; .*bootstrap\/kubernetes\.yaml/,
    },
    {
      what: "the login may not read it",
      change: said("get namespace", 'Error from server (Forbidden): namespaces "audit" is forbidden'),
      found: /may not read the namespace audit: .*Forbidden/,
      cure: /bootstrap\/kubernetes\.yaml/,
    },
  ],
  "cluster-rights": [
    {
      what: "the account lacks some",
      change: set("kubectl", { "create --filename": allowedBut("create deployments", "create pods/exec", "patch namespaces") }), // prettier-ignore
      found: /may not create deployments, create pods\/exec, patch namespaces in the namespace audit/,
      cure: /bootstrap\/kubernetes\.yaml.*kubeconfig of its account deploy/,
    },
    {
      what: "PodMonitors are wanted, and its Role is an old one",
      change: set("kubectl", { "create --filename": allowedBut("watch podmonitors") }),
      found: /may not watch podmonitors/,
      cure: /bootstrap\/kubernetes\.yaml/,
    },
  ],
  "cluster-monitors": [
    {
      what: "there is no operator",
      change: said("get --raw /apis/monitoring.coreos.com/v1", "Error from server (NotFound)"),
      found: /no PodMonitors \(monitoring\.coreos\.com\/v1\)/,
      cure: /audit:prometheusDiscovery to http/,
    },
  ],
  "cluster-metrics": [
    {
      what: "nothing measures",
      change: said("get --raw /apis/metrics.k8s.io/v1beta1", "Error from server (NotFound)"),
      found: /the autoscaler does nothing: .*NotFound/,
      cure: /metrics-server, or set audit:replicasMax to 0/,
    },
  ],
  "vault-cluster": [
    { what: "Vault was not told", change: config({}, 404), found: /which cluster to ask at auth\/kubernetes/, cure: /vault write auth\/kubernetes\/config/ }, // prettier-ignore
    {
      what: "it has no reviewer",
      change: config({ kubernetes_host: "https://cluster.example.test:6443", token_reviewer_jwt_set: false }),
      level: "warning",
      found: /without a login of its own/,
      cure: /step 2/,
    },
    { what: "the token may not look", change: config({}, 403), level: "skipped", found: /may not read auth\/kubernetes\/config/, cure: /^$/ }, // prettier-ignore
  ],
  "images-image": image("image"),
  "images-edgeImage": image("edgeImage"),
  "images-exporterImage": image("exporterImage"),
  "images-vaultImage": image("vaultImage"),
};
