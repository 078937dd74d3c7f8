import { scriptInImage } from "../host/script-file";
import { dockerRunWords } from "../../lib/shell";

/** What the scripts on the VM work with. */
export interface PromotionContext {
  /** Image with `sh` and `wget`. */
  tools: string;
  /** Docker network of the replicas' main port. */
  frontNetwork: string;
  /** Docker volume of the marker. */
  markerVolume: string;
  /** Seconds that a replica has from its start until it must be ready. */
  readyDeadline: number;
  /** Path that answers 200 once a replica can store events. */
  readyPath: string;
}

/** What a release must report before it is promoted, besides being ready. */
export interface Gate {
  /** Docker volume and name of the configuration file as it was rendered, and the numeric group that may read it. */
  config: { volume: string; file: string; group: string };
  /** Version to which `migrate` brought the schema; undefined if it reported none. */
  schemaVersion: number | undefined;
}

/** Name of the file whose presence in the marker's volume makes green the active slot; components/host/switch-helper.sh makes it. */
const MARKER = "green";

/** Where that volume is mounted, in nginx and in the agent. */
export const MARKER_DIRECTORY = "/run/release";

export const MARKER_FILE = `${MARKER_DIRECTORY}/${MARKER}`;

/**
 * The command of the one-shot that helps a switch (components/host/switch-helper.sh), without its last argument, the
 * name of the deploy.
 *
 * @param gate what a replica must report besides being ready; default: nothing
 */
export function helperCommand(context: PromotionContext, gate?: Gate): string[] {
  return dockerRunWords({
    image: context.tools,
    interactive: true,
    network: context.frontNetwork,
    volumes: [`${context.markerVolume}:/marker`, ...(gate === undefined ? [] : [`${gate.config.volume}:/config:ro`])],
    // Runs as root without capabilities, which owns the marker's volume, and in the group that may read the
    // configuration.
    groups: gate === undefined ? [] : [gate.config.group],
    ...scriptInImage("switch-helper.sh", [
      "/marker",
      gate === undefined ? "" : `/config/${gate.config.file}`,
      gate?.schemaVersion ?? "",
    ]),
  });
}
