import type { ImageName } from "../../../offline/lib/image-names.js";

/** Where an artifact came from: its vendor, the user's mirror, package registries, or it was already present. */
export type Source = "official" | "offline" | "mirror" | "present";

export interface Artifact {
  readonly name: string;
  /** True when nothing had to be downloaded or built. */
  readonly cached: boolean;
  readonly source: Source;
  /** One line for the operator: version, address, and why another source was not used. */
  readonly detail: string;
}

/** Programs that an operator and the deploy use on the sandbox, in the order in which they are obtained. */
export const toolNames = ["pulumi", "vault", "docker-cli", "psql"] as const;
export type ToolName = (typeof toolNames)[number];

/** Which sources answered; decided once per run. */
export interface Sources {
  /** Where images come from. */
  readonly images: "official" | "mirror" | "offline";
  /** Where the Pulumi CLI and its plugins come from. */
  readonly pulumi: "official" | "offline";
  /** `host[:port][/project]` of the user's image mirror, from REGISTRY_MIRROR. */
  readonly mirror?: string;
  /** Image references set by IMAGE_<NAME>. */
  readonly overrides: Readonly<Partial<Record<ImageName, string>>>;
  /** True if SANDBOX_WAY forced the choice; there is no fallback then. */
  readonly forced: boolean;
  /** One line per source: the request and the answer. */
  readonly reasons: readonly string[];
  readonly decidedAt: string;
}
