import { resolve } from "node:path";
import { readImageKeys } from "../../lib/image-keys";
import { imageByDigest, type ImageReference } from "../../lib/image-reference";
import { demand } from "./credentials";
import { Failure, type Job } from "./failure";
import { Registry, type RegistryAccess } from "./registry";
import { signatureProblem } from "./signature";
import type { Stack } from "./stack";

/**
 * If the stack's file names a key (audit:imageKey), allows only an image signed with that key. It uses the registry
 * login with which the VM pulls.
 *
 * @throws Failure naming the setting and the cure
 */
export async function checkSignature(job: Job, stack: Stack, name: string, root: string): Promise<void> {
  const file = (await stack.config("audit:imageKey")) ?? "";
  if (file === "") return;
  const image = imageByDigest(name);
  if (typeof image === "string") throw new Failure(`${name} ${image}`);
  let problem: string | undefined;
  try {
    const keys = readImageKeys(resolve(root, file));
    problem = await signatureProblem(new Registry(await pulling(stack, image), "pull"), image, keys);
  } catch (error) {
    throw new Failure(`the signature of ${name}, which audit:imageKey demands, cannot be checked, so nothing was changed: ${error instanceof Error ? error.message : String(error)}`); // prettier-ignore
  }
  if (problem === undefined) {
    job.say(`${image.digest} is signed by the key of ${file}`);
    return;
  }
  throw new Failure(
    `${name} is not deployed, and nothing was changed: audit:imageKey demands a signature of the key in ${file}, and ${problem}. The job publish signs what it builds when VAULT_IMAGE_KEY is set; for an image that is there already see "Signed images" in docs/reference.md`,
  );
}

/**
 * The registry of an image, with the VM's login there. HARBOR_URL, which may say plain HTTP, is used only if it is that
 * registry's URL.
 */
async function pulling(stack: Stack, { registry }: ImageReference): Promise<RegistryAccess> {
  const { HARBOR_URL: given, AUDIT_REGISTRY_PASSWORD: password } = stack.credentials.values;
  const host = registry === "docker.io" ? "index.docker.io" : registry;
  const url = given !== undefined && URL.canParse(given) && new URL(given).host === host ? new URL(given).origin : `https://${host}`; // prettier-ignore
  const username = (await stack.config("audit:registryUsername")) ?? "";
  const settings = { address: "audit:image", login: "audit:registryUsername and AUDIT_REGISTRY_PASSWORD" };
  if (username === "") return { host, url, settings };
  demand(stack.credentials, "AUDIT_REGISTRY_PASSWORD");
  return { host, url, username, password, settings };
}
