import { NAMESPACE } from "../../../config/errors";
import { failure, ok, warning, type Finding, type Subject } from "../check";
import type { Access } from "../access";
import { imageOf, KEYS, type Key } from "./images";

/** Nodes pull, and nobody can ask one; this machine asks the registry, with the login that they are given. */
async function inRegistry(access: Access, key: Key): Promise<Finding> {
  const image = imageOf(access, key);
  if ("level" in image) return image;
  const { registry, repository, digest } = image;
  const found = await access.inRegistry(image).catch((error: unknown) => (error as Error).message);
  if (found === true) return ok(`${registry} has ${repository}; the first pod shows whether nodes reach it`);
  if (found === false)
    return failure(
      `${registry} has no ${repository}@${digest}`,
      `is the digest in ${NAMESPACE}:${key} right, and has the registry kept the image?`,
    );
  if (found.includes("does not answer"))
    return warning(`whether ${registry} has ${repository} is not known here: ${found}`, "nodes may reach it all the same; if not, no pod starts"); // prettier-ignore
  return failure(
    `${registry} does not give ${repository}: ${found}`,
    `${NAMESPACE}:registryUsername and AUDIT_REGISTRY_PASSWORD must be a login that may pull it`,
  );
}

export const imagesOfCluster: Subject = {
  name: "Images",
  checks: (Object.keys(KEYS) as Key[]).map((key) => ({
    id: `images-${key}`,
    title: `${KEYS[key]} image`,
    run: (access) => inRegistry(access, key),
  })),
};
