import type { input } from "@pulumi/kubernetes/types";
import type { EdgeCertificate } from "./edge-certificate";
import { resources, restricted } from "./pods";
import { EXPORTER_PORT, LISTEN_PORT, METRICS_PORT, SERVICE_PORT, STATUS_PORT, TLS_PORT } from "./ports";

/** Nginx of the official image. */
export const NGINX_UID = 101;
export const DIRECTORY = "/etc/audit-edge";
export const CONFIG_FILE = `${DIRECTORY}/nginx.conf`;
export const CLOSING_FILE = "/tmp/closing";
/** Where the list of targets is, in nginx and in what writes it. */
export const TARGETS = { directory: "/run/targets", file: "/run/targets/targets.json", path: "/targets" };
/**
 * Seconds for which a pod that is being removed closes keep-alive connections by its answers. Meanwhile the clients'
 * balancers stop sending to it.
 */
export const CLOSING_SECONDS = 15;

/** Seconds that a new pod waits for its way to the service at the most. */
const WAY_SECONDS = 10;

/**
 * Before nginx starts: waits until the service's pods answer this one. Each node lets a new pod through at its own time.
 *
 * @param tools image with `sh`, `timeout` and `wget`
 * @param service name of the service
 */
export function way(tools: string, service: string): input.core.v1.Container {
  return {
    name: "way",
    image: tools,
    command: ["sh", `${DIRECTORY}/wait-service.sh`, `http://${service}:${SERVICE_PORT}/healthz`, String(WAY_SECONDS)],
    securityContext: restricted(65534, NGINX_UID),
    resources: resources(32, 10),
    volumeMounts: [{ name: "config", mountPath: DIRECTORY, readOnly: true }],
  };
}

/**
 * Nginx itself.
 *
 * @param certificatePort port at which it serves the certificate's expiry; undefined = on that for metrics alone
 */
export function nginx(image: string, secure: EdgeCertificate["pod"] | undefined, certificatePort: number | undefined) {
  return {
    name: "nginx",
    image,
    command: ["nginx", "-c", CONFIG_FILE, "-g", "daemon off;"],
    ports: [
      { name: "http", containerPort: LISTEN_PORT },
      ...(secure ? [{ name: "https", containerPort: TLS_PORT }] : []),
      { name: "metrics", containerPort: METRICS_PORT },
      ...(certificatePort === undefined ? [] : [{ name: "certificate", containerPort: certificatePort }]),
    ],
    securityContext: restricted(NGINX_UID, NGINX_UID),
    resources: resources(128, 100),
    // That nginx itself answers: whether the service does is the service's to say, and no reason to take the way in
    // away.
    readinessProbe: { tcpSocket: { port: LISTEN_PORT }, periodSeconds: 2, failureThreshold: 3 },
    livenessProbe: { tcpSocket: { port: LISTEN_PORT }, periodSeconds: 10, failureThreshold: 6 },
    lifecycle: {
      preStop: {
        exec: { command: ["sh", `${DIRECTORY}/drain-nginx.sh`, CONFIG_FILE, CLOSING_FILE, String(CLOSING_SECONDS)] },
      },
    },
    volumeMounts: [
      { name: "config", mountPath: DIRECTORY, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      { name: "targets", mountPath: TARGETS.directory, readOnly: true },
      ...(secure ? [secure.mount] : []),
    ],
  };
}

/** Reports nginx to Prometheus. */
export function exporter(image: string): input.core.v1.Container {
  return {
    name: "exporter",
    image,
    args: [
      `--nginx.scrape-uri=http://127.0.0.1:${STATUS_PORT}/stub_status`,
      `--web.listen-address=0.0.0.0:${EXPORTER_PORT}`,
    ],
    securityContext: restricted(65534, 65534),
    resources: resources(64, 10),
    ports: [{ name: "exporter", containerPort: EXPORTER_PORT }],
    // As long as nginx takes requests: the pod stays a target until it is gone, and some clusters' DNS knows it for half a
    // minute more. All of that together would be an alert at a deploy.
    lifecycle: { preStop: { sleep: { seconds: CLOSING_SECONDS } } },
  };
}

interface ListedTargets {
  /** Image with `sh`, `wget` and `getent` or `nslookup`. */
  tools: string;
  /** Names that DNS resolves to the addresses of the service's and of nginx's pods. */
  pods: { service: string; edge: string };
  /** The metrics listener as Prometheus reaches it, and the name of this installation. */
  metricsAddress: string;
  environment: string;
  /** What else the listener serves at `/metrics/<name>`. */
  others: readonly string[];
  /** Whether nginx's pods have a Vault Agent. */
  agents: boolean;
}

/** Keeps the list of what Prometheus scrapes. */
export function targets({
  tools,
  pods,
  metricsAddress,
  environment,
  others,
  agents,
}: ListedTargets): input.core.v1.Container {
  const env = {
    AUDIT_TARGETS_FILE: TARGETS.file,
    AUDIT_ADDRESS: metricsAddress,
    AUDIT_ENVIRONMENT: environment,
    AUDIT_SERVICE_PODS: pods.service,
    AUDIT_EDGE_PODS: pods.edge,
    AUDIT_EDGE_AGENTS: agents ? "yes" : "",
    AUDIT_SERVICE_PORT: String(SERVICE_PORT),
    AUDIT_OTHERS: others.join(" "),
    AUDIT_SECONDS: "5",
  };
  return {
    name: "targets",
    image: tools,
    command: ["sh", `${DIRECTORY}/targets.sh`],
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    securityContext: restricted(65534, NGINX_UID),
    resources: resources(32, 10),
    volumeMounts: [
      { name: "config", mountPath: DIRECTORY, readOnly: true },
      { name: "targets", mountPath: TARGETS.directory },
      { name: "targets-tmp", mountPath: "/tmp" },
    ],
  };
}
