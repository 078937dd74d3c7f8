import type { EdgeConfig, Route } from "../../nginx/render";

/** A year: what browsers ask for. */
const HSTS_SECONDS = 31_536_000;

/** What clients and Prometheus may do at the edge, the same on a VM and on a cluster. */
export interface ClientRules {
  /** Allow-list; everything else is answered 404. */
  routes: readonly Route[];
  /**
   * Requests a second and connections of one client, on a cluster at one pod of nginx; more is answered 429. 0, the
   * default, is no limit.
   */
  limits?: { clientRate?: number; clientConnections?: number };
  /**
   * Per cent of the requests answered without an error that leave a line in the access log, 1 to 100; default 100.
   * Every other request does.
   */
  loggedSuccesses?: number;
  /**
   * Balancers whose headers about the client are trusted: addresses or ranges; default none. On a VM ports are
   * published on IPv4 only.
   */
  trustedProxies?: readonly string[];
  /**
   * Whether clients that come around the trusted balancers are served; default false: 403. Without such balancers
   * everybody is.
   */
  directClients?: boolean;
  /** Addresses or ranges that may collect metrics; IPv4 on a VM. */
  metricsAllow: readonly string[];
  /** The service's address for its users, for redirects and outputs. */
  publicUrl: string;
  /** Largest request body, for example "2m"; default "2m". */
  bodySize?: string;
}

/**
 * The part of nginx's configuration that follows from these rules.
 *
 * @param secure the TLS listener's port and the certificate's file; undefined = plain HTTP
 */
export function configOf(
  { routes, limits = {}, trustedProxies = [], ...rules }: ClientRules,
  secure: { port: number; certificate: string } | undefined,
): Pick<
  EdgeConfig,
  "routes" | "limits" | "loggedSuccesses" | "trustedProxies" | "balancersOnly" | "metricsAllow" | "tls"
> {
  return {
    routes,
    limits: {
      bodySize: rules.bodySize ?? "2m",
      clientRate: limits.clientRate ?? 0,
      clientConnections: limits.clientConnections ?? 0,
    },
    loggedSuccesses: rules.loggedSuccesses ?? 100,
    trustedProxies,
    balancersOnly: trustedProxies.length > 0 && rules.directClients !== true,
    metricsAllow: rules.metricsAllow,
    tls: secure && { ...secure, authority: new URL(rules.publicUrl).host, hstsSeconds: HSTS_SECONDS },
  };
}
