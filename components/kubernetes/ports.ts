/** Ports within pods. Pods are reached by addresses of their own, so one number does for all of them. */

/** The service's main port. */
export const SERVICE_PORT = 8080;
/** The service's admin port, on the pod's loopback. */
export const ADMIN_PORT = 8081;
/** Nginx: the public listener, that for TLS, and the one for Prometheus. */
export const LISTEN_PORT = 8080;
export const TLS_PORT = 8443;
export const METRICS_PORT = 9145;
/** Nginx's own state, on the pod's loopback, and the exporter that reports it. */
export const STATUS_PORT = 8082;
export const EXPORTER_PORT = 9113;
/** Vault Agent's metrics. */
export const AGENT_PORT = 9102;
/** The certificate's expiry, for a Prometheus inside the cluster. */
export const CERTIFICATE_PORT = 9146;
