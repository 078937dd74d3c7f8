import { secret, type Output } from "@pulumi/pulumi";
import { z } from "zod";
import { readImageKeys } from "../components/image-keys";
import { digestImage } from "./addresses";
import { NAMESPACE } from "./errors";
import { hasControl, hint, list, optional, wholeNumber, type GroupOf, trueOrFalse } from "./values";

/** A login from a file ends with a line break, and that of an empty file is nothing else. */
const oneLine = z
  .string()
  .trim()
  .refine(
    (text) => !hasControl(text),
    hint("has a line break or another control character within it; set it again without"),
  )
  .transform((text) => (text === "" ? undefined : text))
  .optional();

/** The service: its image and how the VM pulls it, its replicas, who may send events. */
export const service = {
  image: digestImage("service's"),
  /** Read here, so that a wrong one is reported with the other settings; the job deploy checks by it (ci/lib/signature.ts). */
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
  ),
  registryUsername: oneLine,
  registryPassword: oneLine,
  replicas: wholeNumber(1, 16).default(2),
  memory: wholeNumber(64, 65536).default(256),
  reloadOn: z.enum(["admin", "main"], hint("must be admin or main")).default("admin"),
  readySeconds: wholeNumber(5, 3600).default(60),
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
    .default(["demo"]),
  recordReads: trueOrFalse.default(false),
};

/** What of these settings does not go together, one sentence each. */
export function serviceContradictions(settings: GroupOf<typeof service>): string[] {
  if (settings.registryUsername === undefined || settings.registryPassword !== undefined) return [];
  return [
    `${NAMESPACE}:registryPassword is missing; set it with \`pulumi config set --secret ${NAMESPACE}:registryPassword\` or AUDIT_REGISTRY_PASSWORD`,
  ];
}

/** How the VM logs in where the service's image is; undefined = anonymously. The password is marked as secret. */
export function registryLogin(
  settings: GroupOf<typeof service>,
): { server: string; username: string; password: Output<string> } | undefined {
  const { registryUsername: username, registryPassword: password } = settings;
  if (username === undefined || password === undefined) return undefined;
  const server = settings.image.slice(0, settings.image.indexOf("/"));
  return { server, username, password: secret(password) };
}
