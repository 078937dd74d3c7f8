import { generateKeyPairSync, randomBytes } from "node:crypto";
import { stringify } from "yaml";
import { authority, certificate } from "../certificates.js";
import type { ContainerFile } from "../docker.js";
import { addressOf, hostName, type Settings } from "../settings.js";
import type { State } from "../state.js";
import { apiServiceAddress, clusterDir, contextName, controlPlane, localApiAddress, type NodeName } from "./layout.js";

const dir = `${clusterDir}/pki`;
const CLUSTER = `${dir}/ca`;
const ETCD = `${dir}/etcd-ca`;

type Use = "serverAuth" | "clientAuth";

/** The holder of a certificate, and the name of its files on the node. */
interface Holder {
  name: string;
  subject: string;
  use: Use;
  /** Default: the cluster's authority. */
  by?: string;
  /** For servers: `DNS:name` and `IP:address`. */
  names?: readonly string[];
  /** Set if each node has its own; default: one for the whole cluster. */
  node?: NodeName;
}

/** On every node: the kubelet as client and as server, kube-proxy and kube-router. */
const nodeHolders = (settings: Settings, node: NodeName): Holder[] => [
  { name: "kubelet", subject: `/O=system:nodes/CN=system:node:${node}`, use: "clientAuth", node },
  {
    ...{ name: "kubelet-server", subject: `/O=system:nodes/CN=system:node:${node}`, use: "serverAuth", node },
    names: [`DNS:${node}`, `DNS:${hostName(node)}`, `IP:${addressOf(settings, node)}`],
  },
  { name: "kube-proxy", subject: "/CN=system:kube-proxy", use: "clientAuth" },
  { name: "kube-router", subject: "/CN=kube-router", use: "clientAuth" },
];

/** Each subject is a user to whom Kubernetes' own roles, or those in rights.yaml, grant what it needs. */
const controlPlaneHolders = (settings: Settings): Holder[] => [
  {
    ...{ name: "apiserver", subject: "/CN=kube-apiserver", use: "serverAuth" },
    names: [
      ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"].map(
        (name) => `DNS:${name}`,
      ),
      ...[`DNS:${hostName(controlPlane)}`, "DNS:localhost"],
      ...[`IP:${addressOf(settings, controlPlane)}`, `IP:${apiServiceAddress}`, "IP:127.0.0.1"],
    ],
  },
  { name: "apiserver-kubelet", subject: "/CN=kube-apiserver-kubelet-client", use: "clientAuth" },
  { name: "apiserver-etcd", subject: "/CN=kube-apiserver-etcd-client", use: "clientAuth", by: ETCD },
  { name: "etcd", subject: "/CN=etcd", use: "serverAuth", by: ETCD, names: ["DNS:localhost", "IP:127.0.0.1"] },
  { name: "controller-manager", subject: "/CN=system:kube-controller-manager", use: "clientAuth" },
  { name: "scheduler", subject: "/CN=system:kube-scheduler", use: "clientAuth" },
];

const issue = (state: State, { name, subject, use, by, names, node }: Holder) =>
  certificate(state, {
    ...{ file: `${dir}/${node === undefined ? name : `${node}-${name}`}`, authority: by ?? CLUSTER, subject },
    extensions: [
      "basicConstraints=CA:FALSE",
      "keyUsage=critical,digitalSignature",
      `extendedKeyUsage=${use}`,
      ...(names === undefined ? [] : [`subjectAltName=${names.join(",")}`]),
    ],
  });

export const clusterAuthority = (state: State): Promise<string> => authority(state, CLUSTER, "sandbox cluster");

/** The files under /etc/kubernetes/pki of a node; the control plane's are on its node only. */
export async function pkiFiles(settings: Settings, state: State, node: NodeName): Promise<ContainerFile[]> {
  const path = (name: string): string => `/etc/kubernetes/pki/${name}`;
  const secret = { mode: 0o600 };
  const files: ContainerFile[] = [{ path: path("ca.pem"), content: await clusterAuthority(state) }];
  const isControlPlane = node === controlPlane;
  if (isControlPlane) {
    files.push({ path: path("etcd-ca.pem"), content: await authority(state, ETCD, "sandbox etcd") });
    const { publicKey, privateKey } = serviceAccountKeys(state);
    files.push({ path: path("service-accounts.pub"), content: publicKey });
    files.push({ path: path("service-accounts.key"), content: privateKey, ...secret });
    files.push({ path: path("encryption.yaml"), content: encryption(state), ...secret });
  }
  // Sequentially: each takes the next serial number of its authority.
  for (const holder of [...nodeHolders(settings, node), ...(isControlPlane ? controlPlaneHolders(settings) : [])]) {
    const made = await issue(state, holder);
    files.push({ path: path(`${holder.name}.pem`), content: made.certificate });
    files.push({ path: path(`${holder.name}.key`), content: made.key, ...secret });
  }
  return files;
}

/** The key pair that signs service account tokens. */
function serviceAccountKeys(state: State): { publicKey: string; privateKey: string } {
  const files = { publicKey: `${dir}/service-accounts.pub`, privateKey: `${dir}/service-accounts.key` };
  if (!state.has(files.publicKey)) {
    const made = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    state.write(files.privateKey, made.privateKey);
    state.write(files.publicKey, made.publicKey);
  }
  return { publicKey: state.readText(files.publicKey) ?? "", privateKey: state.readText(files.privateKey) ?? "" };
}

/** Configuration that encrypts Secrets on etcd's disk. */
function encryption(state: State): string {
  const file = `${dir}/encryption.key`;
  const key = state.readText(file) ?? randomBytes(32).toString("base64");
  state.write(file, key);
  return stringify({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "EncryptionConfiguration",
    resources: [
      {
        resources: ["secrets"],
        providers: [{ secretbox: { keys: [{ name: "sandbox", secret: key }] } }, { identity: {} }],
      },
    ],
  });
}

/** The administrator's kubeconfig, with an embedded certificate. */
export async function kubeconfig(settings: Settings, state: State): Promise<string> {
  const ca = await clusterAuthority(state);
  // Kubernetes grants this group all rights; the administrator needs them to create everybody else's roles.
  const admin = await issue(state, { name: "admin", subject: "/O=system:masters/CN=sandbox-admin", use: "clientAuth" });
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: contextName,
        cluster: { server: localApiAddress(settings), "certificate-authority-data": base64(ca) },
      },
    ],
    users: [
      {
        name: contextName,
        user: { "client-certificate-data": base64(admin.certificate), "client-key-data": base64(admin.key) },
      },
    ],
    contexts: [{ name: contextName, context: { cluster: contextName, user: contextName } }],
    "current-context": contextName,
  });
}
