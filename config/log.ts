import { z } from "zod";
import { alternatives } from "./alternatives";
import { vaultMount } from "./names";
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
