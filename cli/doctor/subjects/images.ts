import { NAMESPACE } from "../../../config/errors";
import { imageByDigest, type ImageReference } from "../../../lib/image-reference";
import { pullLogin } from "../../registry";
import { NOT_GIVEN } from "../../world";
import { failure, ok, skipped, warning, type Check, type Finding, type Subject } from "../check";
import type { Access } from "../access";

export const KEYS = {
  image: "the service's",
  edgeImage: "Nginx's",
  exporterImage: "the exporter's",
  vaultImage: "Vault Agent's",
} as const;
export type Key = keyof typeof KEYS;

/** As the Docker CLI sends a login to its engine: https://docs.docker.com/reference/api/engine/#section/Authentication */
function login({ values }: Access, registry: string): Record<string, string> {
  const pull = pullLogin(values, registry);
  if (pull === undefined) return {};
  const auth = { ...pull, serveraddress: registry };
  // The URL's alphabet, but padded; Node's base64url is not, and the engine would take it for no login at all.
  return {
    "x-registry-auth": Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
  };
}

/** The image of a setting, or what is to be said of it without asking anybody. */
export function imageOf({ values }: Access, key: Key): ImageReference | Finding {
  const setting = `${NAMESPACE}:${key}`;
  const image = imageByDigest(values[key]);
  if (typeof image === "string") return failure(`${setting} ${image}`, "set it to registry/name@sha256:…");
  if (/^sha256:0{64}$/.test(image.digest)) {
    return key === "image"
      ? ok("the pipeline gives the digest of what it builds")
      : failure(`${setting} has no digest yet`, "`audit init` looks it up from a tag");
  }
  if (values.registryPassword === NOT_GIVEN)
    return skipped("AUDIT_REGISTRY_PASSWORD is not set, without which nothing is pulled");
  return image;
}

async function pullable(access: Access, key: Key): Promise<Finding> {
  const setting = `${NAMESPACE}:${key}`;
  const image = imageOf(access, key);
  if ("level" in image) return image;
  const { status, body } = await access.engine(`/distribution/${image.name}/json`, login(access, image.registry));
  if (status === 200) return ok(`the VM can pull ${image.repository} from ${image.registry}`);
  const said = (body as { message?: string }).message ?? `status ${status}`;
  if ((await access.engine(`/images/${image.name}/json`)).status === 200) {
    return warning(
      `the VM has ${image.repository}, and could not pull it again: ${said}`,
      "a new VM, or one without the image, could not be deployed to",
    );
  }
  return failure(`the VM cannot pull ${image.name}: ${said}`, cureFor(said, image.registry, setting));
}

function cureFor(said: string, registry: string, setting: string): string {
  if (said.includes("x509"))
    return registry === "docker.io"
      ? "add the authority that signed its certificate to the VM's own (update-ca-certificates), and restart Docker"
      : `put the authority that signed the registry's certificate into /etc/docker/certs.d/${registry}/ca.crt on the VM`;
  if (/unauthorized|denied|authentication|no basic auth|401|403/i.test(said))
    return `${NAMESPACE}:registryUsername and AUDIT_REGISTRY_PASSWORD must be a login that may pull it`;
  if (/not found|unknown|404/i.test(said))
    return `is the digest in ${setting} right, and has the registry kept the image?`;
  if (/no such host|lookup/.test(said)) return `the VM's DNS does not know ${registry}`;
  if (said.includes("server gave HTTP response"))
    return `the registry has no TLS: name it in insecure-registries of the VM's daemon.json, or give it TLS`;
  return `see that the VM reaches ${registry}`;
}

const check = (key: Key): Check => ({
  id: `images-${key}`,
  title: `${KEYS[key]} image`,
  needs: "vm-docker",
  run: (access) => pullable(access, key),
});

export const images: Subject = {
  name: "Images",
  checks: [
    ...(Object.keys(KEYS) as Key[]).map(check),
    {
      id: "images-platform",
      title: "the image's platform",
      needs: "images-image",
      run: async (access) => {
        const image = imageByDigest(access.values.image);
        if (typeof image === "string" || /^sha256:0{64}$/.test(image.digest)) return ok("known with the first image");
        const { Arch: arch } = (await access.engine("/version")).body as { Arch: string };
        const { body } = await access.engine(`/distribution/${image.name}/json`, login(access, image.registry));
        const { Platforms: found = [] } = body as { Platforms?: { architecture?: string }[] };
        const built = found.map(({ architecture }) => architecture);
        if (built.length === 0 || built.includes(arch)) return ok(`built for ${arch}, as the VM is`);
        return failure(
          `built for ${built.join(", ")}, and the VM is ${arch}`,
          "build it for the VM's processor, or for both",
        );
      },
    },
  ],
};
