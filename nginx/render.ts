/**
 * Renders nginx.conf from the files of this directory, by Mustache. Its output depends only on the arguments;
 * test/unit/nginx/render.test.ts asserts the exact text.
 */
import { fillTemplate } from "../lib/templates";
import { join } from "node:path";
import { errorBody, errorPages, NOT_ALLOWED, NOT_FOUND, UPSTREAM_FAILED } from "./errors";

export type Route = (
  | {
      /** Path without query, for example "/v1/events". Only exactly this spelling is let through. */
      path: string;
    }
  | {
      /**
       * Regular expression for the whole path, which must match it as it was spelt, too. It must not match dots that
       * lead upwards, semicolons or percent signs.
       */
      pattern: string;
    }
) & {
  /** Methods let through; every other is answered 405. */
  methods: readonly string[];
  /**
   * Whether a client above its rate is slowed down rather than refused, with a count of its own; default false. It is
   * for what a client reads by the thousand.
   */
  paced?: boolean;
};

export interface UpstreamGroup {
  /** Name of the group: the slot. */
  name: string;
  /** The name is that of its metrics, at `/metrics/<name>`; without one they are not served. */
  servers: readonly { address: string; port: number; name?: string }[];
}

export interface TlsConfig {
  /** Port of the TLS listener inside the container; the plain one then only redirects. */
  port: number;
  /** PEM file with the certificate, its chain and its key. Read at each handshake: a new one needs no reload. */
  certificate: string;
  /** Host, and port if it is not 443, to which plain requests are redirected. */
  authority: string;
  /** max-age of Strict-Transport-Security, in seconds; 0 = no such header. */
  hstsSeconds: number;
}

export interface EdgeLimits {
  /** Largest request body, for example "2m". */
  bodySize: string;
  /** Requests a second of one client, with a burst of as many; 0 = no limit. */
  clientRate: number;
  /** Connections (in HTTP/2: requests under way) of one client; 0 = no limit. */
  clientConnections: number;
}

export interface EdgeConfig {
  /** Port of the public listener inside the container. */
  port: number;
  /** Undefined = plain HTTP, for use behind a balancer that terminates TLS. */
  tls?: TlsConfig;
  /** Port of the metrics listener inside the container. */
  metricsPort: number;
  /** Address and port of stub_status, and the only address that may read it. */
  status: { address: string; port: number; reader: string };
  /** `host:port` of nginx-prometheus-exporter; default: there is none at a fixed address. */
  exporter?: string;
  upstreams: readonly [UpstreamGroup] | readonly [UpstreamGroup, UpstreamGroup];
  /** With two groups, the file whose presence sends requests to the second; absent, they go to the first. */
  markerFile?: string;
  /**
   * How long a connection to an upstream is used at the most, for example "3s", where one address stands for several
   * servers; default: for ever.
   */
  keepAliveTime?: string;
  /**
   * File whose presence makes nginx close each connection after its current request. It is set before a reload, which
   * would reset keep-alive connections.
   */
  closingFile: string;
  routes: readonly Route[];
  limits: EdgeLimits;
  /** Per cent of the requests answered without an error that leave a line in the access log, 1 to 100. */
  loggedSuccesses: number;
  /** Balancers whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are trusted: addresses or ranges. */
  trustedProxies: readonly string[];
  /** Whether requests that do not come through these balancers are answered 403. */
  balancersOnly: boolean;
  /** Addresses or ranges that may collect metrics; everybody else gets 403. */
  metricsAllow: readonly string[];
  /**
   * Pods whose metrics are served at `<path>/<IPv4 address>`, with the port on which they have them, and the path there,
   * perhaps with a query, if it is not "/metrics"; default none.
   */
  metricsPods?: readonly { path: string; port: number; upstream?: string }[];
  /** Files in Prometheus' format that the metrics listener serves, each at `/metrics/<name>`. */
  metricsFiles: readonly { name: string; file: string }[];
  /** Port of a further listener that serves these files alone, to everybody who reaches it; default none. */
  metricsFilesPort?: number;
  /**
   * The scrape targets for http_sd_configs: the path at which they are served, and the file; 404 while the file is
   * missing.
   */
  targets: { path: string; file: string };
}

/** The view of a route's location. */
function routeView({ methods, paced = false, ...where }: Route) {
  const allowed = methods.includes("GET") ? [...methods, "HEAD"] : [...methods];
  return {
    ...locationView(where),
    paced,
    verbs: allowed.join("|"),
    allow: allowed.join(", "),
    reads: methods.every((method) => method === "GET" || method === "HEAD"),
  };
}

const locationView = (where: { path: string } | { pattern: string }) =>
  "path" in where
    ? { location: `= ${where.path}`, path: where.path, pattern: false, target: where.path }
    : { location: `~ "${where.pattern}"`, path: false, pattern: where.pattern, target: "$path" };

/** The view of the service's listener. */
function serviceView({ port, tls, routes }: EdgeConfig) {
  return {
    port,
    tls: tls ?? false,
    hsts: tls?.hstsSeconds ?? 0,
    identified: true,
    routes: routes.map(routeView),
    errors: errorPages(UPSTREAM_FAILED),
    elsewhere: UPSTREAM_FAILED.join(" "),
  };
}

function metricsView(config: EdgeConfig) {
  const { metricsPort, metricsAllow, metricsFiles, metricsPods = [], targets, exporter, upstreams } = config;
  return {
    port: metricsPort,
    allowed: metricsAllow,
    targets,
    exporter: exporter === undefined ? false : { path: "/metrics/nginx", address: exporter },
    pods: metricsPods.map(({ path, port, upstream = "/metrics" }) => ({ path, port, upstream })),
    files: metricsFiles.map(({ name, file }) => ({ path: `/metrics/${name}`, file })),
    filesPort: config.metricsFilesPort ?? false,
    replicas: upstreams.flatMap(({ servers }: UpstreamGroup) =>
      servers.flatMap(({ name, address, port }) =>
        name === undefined ? [] : [{ path: `/metrics/${name}`, address: `${address}:${port}` }],
      ),
    ),
    errors: errorPages(),
  };
}

export function renderNginxConfig(config: EdgeConfig): string {
  const { port, tls, limits, upstreams, markerFile, closingFile, trustedProxies, balancersOnly, routes, status } =
    config;
  return fillTemplate(join(__dirname, "nginx.conf"), {
    ...limits,
    sampled: config.loggedSuccesses < 100 && config.loggedSuccesses,
    ...{ trustedProxies, behindBalancer: trustedProxies.length > 0, balancersOnly },
    ...{ closingFile, upstreams, keepAliveTime: config.keepAliveTime ?? false },
    ...{ markerFile, first: upstreams[0].name, second: upstreams[1]?.name ?? false },
    tls: tls ?? false,
    notFound: errorBody(NOT_FOUND),
    notAllowed: errorBody(NOT_ALLOWED),
    service: serviceView(config),
    paced: routes.some(({ paced }) => paced),
    redirect: tls && {
      port,
      authority: tls.authority,
      routes: routes.map(routeView),
      identified: true,
      errors: errorPages(),
    },
    metrics: metricsView(config),
    status: { ...status, path: "/stub_status" },
  });
}
