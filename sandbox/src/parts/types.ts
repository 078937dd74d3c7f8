/** How a part was had: from its vendor, from the user's mirror, from package registries, or it was there already. */
export type Way = "official" | "offline" | "mirror" | "present";

export interface Part {
  readonly name: string;
  /** True when nothing had to be downloaded or built. */
  readonly cached: boolean;
  readonly way: Way;
  /** One line for the operator: version, source, and why not the other way. */
  readonly detail: string;
}

/** Receives one line per step, for display. */
export type Progress = (line: string) => void;

/** Every image the sandbox uses. `base` and `node` trust what this machine trusts and are for build stages; the plain ones are for what is deployed. */
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
] as const;
export type ImageName = (typeof imageNames)[number];

export const toolNames = ["pulumi", "vault", "vault-postgres-plugin", "nginx-exporter", "docker-cli", "psql"] as const;
export type ToolName = (typeof toolNames)[number];

/** Which sources answered; decided once per run. */
export interface Ways {
  /** Where images come from. */
  readonly images: "official" | "mirror" | "offline";
  /** Where the Pulumi CLI and its plugins come from. */
  readonly pulumi: "official" | "offline";
  /** `host[:port][/project]` of the user's image mirror, from REGISTRY_MIRROR. */
  readonly mirror?: string;
  /** Image references set by IMAGE_<NAME>. */
  readonly overrides: Readonly<Partial<Record<ImageName, string>>>;
  /** True when SANDBOX_WAY forced the choice: then nothing falls back. */
  readonly forced: boolean;
  /** One line per source: what was asked, what it answered. */
  readonly reasons: readonly string[];
  readonly decidedAt: string;
}
