import type { ImageName } from "../../../offline/lib/image-names.js";

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

/** The programs with which an operator and the deploy act on the sandbox, in the order in which they are had. */
export const toolNames = ["pulumi", "vault", "docker-cli", "psql"] as const;
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
