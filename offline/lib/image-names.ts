/**
 * All images that the sandbox uses. `base` and `node` trust this machine's authorities and are for build stages; the
 * plain ones are for what is deployed.
 */
export const imageNames = [
  "base",
  "base-plain",
  "node",
  "node-plain",
  "postgres",
  "vault",
  "registry",
  "prometheus",
  "grafana",
  "nginx",
  "nginx-exporter",
  "vm2",
  "kubernetes-node",
] as const;
export type ImageName = (typeof imageNames)[number];

/** An image's name on this machine's engine; the key distinguishes builds. */
export const localRef = (name: ImageName, version: string, key: string): string =>
  `audit-sandbox/${name}:${`${version}-${key}`.replace(/[^a-zA-Z0-9_.-]/g, "_").slice(-128)}`;
