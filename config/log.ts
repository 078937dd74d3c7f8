import { z } from "zod";
import { alternatives } from "./alternatives";
import { serviceAgentOn } from "../lib/vault/rights";
import { vaultMount } from "./names";
import { platform, type Platform } from "./platform";
import { hint, oneOf, optional, trueOrFalse, wholeNumber } from "./values";

/** The log that proves itself: who signs it, its name, and who may read it. */
export const log = {
  log: oneOf("off", "vault", "key")
    .default("off")
    .describe(
      "Who signs the log's checkpoints: vault = Vault, with a key that never leaves it; key = the service itself, with a key that this program makes. Off = events are stored and prove nothing. For images with the setting log.",
    ),
  logOrigin: optional(
    z
      .string()
      .regex(
        /^[!-*,-~]{1,200}$/,
        hint("must be 1 to 200 printable ASCII characters without spaces or +, such as audit.example.com/vm2"),
      ),
  ).describe(
    "Name of the log, by which verifiers know it for ever; a changed one is another log to them. Empty = the host of serviceUrl, a slash, and environment.",
  ),
  logPlatform: optional(platform.platform.unwrap()).describe(
    "Platform on which the log began; its key is named after that. Set it only where the stack goes on with the log of a stack on the other platform ([cluster.md](cluster.md#7-from-a-vm-to-the-cluster)). Empty = platform.",
  ),
  logPublic: trueOrFalse
    .default(false)
    .describe(
      "Let everybody read checkpoints, tiles and entries, which hold only hashes and the months of events; false = only with the token of reader.",
    ),
  logTransitMount: vaultMount("Vault's transit engine")
    .default("transit")
    .describe("With vault, the mount of Vault's transit engine."),
  logKeyVersion: wholeNumber(1, 1000)
    .default(1)
    .describe("With key, raised by one, the log gets a new key; what the former ones have signed stays valid."),
};

/** Who signs the log. */
export const logSigner = alternatives(log, "log", "by", {
  off: {},
  vault: { mount: "logTransitMount" },
  key: { version: "logKeyVersion" },
});

/** The agent that the log's key is named from. */
export const logAgent = ({
  platform,
  logPlatform = platform,
}: {
  platform: Platform;
  logPlatform?: Platform;
}): string => serviceAgentOn(logPlatform);
