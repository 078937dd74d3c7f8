import { z } from "zod";
import { readImageKeys } from "../lib/image-keys";
import { SMOKE, tokenHolders } from "../components/secrets/token-holders";
import { digestImage } from "./addresses";
import { NAMESPACE } from "./errors";
import { hasControl, hint, json, list, oneOf, optional, trueOrFalse, wholeNumber, type GroupOf } from "./values";

/** A login read from a file ends with a line break; from an empty file it is nothing but that. */
const oneLine = z
  .string()
  .trim()
  .refine(
    (text) => !hasControl(text),
    hint("has a line break or another control character within it; set it again without"),
  )
  .transform((text) => (text === "" ? undefined : text))
  .optional();

const VERSIONS = '{"writer-billing": [1, 2]}';

/** The accepted versions of a token; the last one is handed out. */
const isVersions = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((version, i) => Number.isSafeInteger(version) && version > ((value[i - 1] as number | undefined) ?? 0));

const tokenVersions = json(`must be versions by holder, such as ${VERSIONS}`)
  .pipe(
    z.record(
      z.string(),
      z.custom<readonly number[]>(
        isVersions,
        hint("must list whole numbers from 1 in ascending order, such as [1, 2] to rotate the token and then [2]"),
      ),
      hint(`must be versions by holder, such as ${VERSIONS}`),
    ),
  )
  .meta({ type: "object", allowed: "versions in ascending order by holder" })
  .default({})
  .describe(
    `Accepted versions of the tokens, by holder, for example ${VERSIONS}; Vault has the last of them. A holder is reader, or writer- or reader- and an application. Who is not named has version 1.`,
  );

/** The service: its image and how the VM pulls it, its replicas, who may send events. */
export const service = {
  image: digestImage("service's").describe(
    "Image of the service by digest, registry/project/name@sha256:...; a tag beside the digest is accepted and ignored.",
  ),
  /**
   * Read here only so that a wrong file is reported with the other settings; the job deploy uses it
   * (ci/lib/signature.ts).
   */
  imageKey: optional(
    z.string().transform((file, context) => {
      try {
        readImageKeys(file);
        return file;
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
        return z.NEVER;
      }
    }),
  ).describe(
    "PEM file with the public key of your images' signatures, relative to Pulumi.yaml or absolute; the job deploy then refuses an image without one. Empty = images are not checked.",
  ),
  registryUsername: oneLine.describe("Login with which the VM pulls images. Empty = anonymous."),
  registryPassword: oneLine
    .meta({ variable: "AUDIT_REGISTRY_PASSWORD" })
    .describe("Password of that login; set it with --secret, or give AUDIT_REGISTRY_PASSWORD in the environment."),
  replicas: wholeNumber(1, 16).default(2).describe("Containers of the service, 1 to 16."),
  memory: wholeNumber(64, 65536).default(256).describe("Memory limit of one replica, MiB."),
  reloadOn: oneOf("admin", "main")
    .default("admin")
    .describe(
      "The port on which the image takes POST /reload: admin (a port of its own) or main (the same port as everything else).",
    ),
  readySeconds: wholeNumber(5, 3600)
    .default(60)
    .describe(
      "Seconds, 5 to 3600, until a new release must be ready; otherwise the deploy fails and the old one keeps serving.",
    ),
  applications: list(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/, hint("must be 1 to 31 small letters, digits or hyphens, a letter first")),
    '["billing", "crm"]',
  )
    .refine((names) => names.length > 0, hint("must name at least one application"))
    .refine((names) => new Set(names).size === names.length, hint("must not name an application twice"))
    .refine(
      (names) => !names.includes("audit-svc"),
      hint("must not name audit-svc, under which the service records who read the log"),
    )
    .refine(
      (names) => !names.includes(SMOKE),
      hint(`must not name ${SMOKE}, under which the pipeline's smoke test writes`),
    )
    .default(["demo"])
    .describe("Applications that may send events; each gets a token for writing and one for reading its own events."),
  tokenVersions,
  recordReads: trueOrFalse
    .default(false)
    .describe(
      "Store an event of the application audit-svc for each list, export and refused request. For images with the setting recordReads.",
    ),
};

/** Contradictions between these settings, one sentence each. */
export function serviceContradictions(settings: GroupOf<typeof service>): string[] {
  return [...unknownHolders(settings), ...missingPassword(settings)];
}

function unknownHolders({ applications, tokenVersions }: GroupOf<typeof service>): string[] {
  const holders = tokenHolders([...applications, SMOKE]).map(({ name }) => name);
  return Object.keys(tokenVersions)
    .filter((name) => !holders.includes(name))
    .map(
      (name) =>
        `${NAMESPACE}:tokenVersions names ${name}, which has no token; remove it, or name reader, or writer- or reader- before an application of ${NAMESPACE}:applications`,
    );
}

function missingPassword(settings: GroupOf<typeof service>): string[] {
  if (settings.registryUsername === undefined || settings.registryPassword !== undefined) return [];
  return [
    `${NAMESPACE}:registryPassword is missing; set it with \`pulumi config set --secret ${NAMESPACE}:registryPassword\` or AUDIT_REGISTRY_PASSWORD`,
  ];
}
