import { chmodSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { goTool } from "../../../offline/index.js";
import { copyFromImage } from "../../../offline/lib/docker.js";
import { keyOf } from "../../../offline/lib/keys.js";
import { which } from "../../../offline/lib/packages.js";
import { cacheDir } from "../../../offline/lib/paths.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { versions } from "../../../offline/lib/versions.js";
import type { Progress } from "../display.js";
import { builderContext, type ImageArtifact } from "./images.js";
import { ensurePulumiCli } from "./pulumi-cli.js";
import { installGenuine } from "./pulumi-home.js";
import type { ToolArtifact } from "./tools.js";
import type { Sources } from "./types.js";

/** kubectl from the nodes' image, so that versions match; for a given cluster, the machine's own. */
export async function ensureKubectl(image: ImageArtifact | undefined): Promise<ToolArtifact> {
  const name = "kubectl";
  if (image === undefined) {
    const own = await which(name);
    if (own !== undefined) return { name, cached: true, source: "present", detail: own, path: own };
    throw new UserError(
      "kubectl is not installed; with SANDBOX_KUBECONFIG it is needed. Install the cluster's version.",
    );
  }
  const path = join(cacheDir(), "tools", `kubectl-${keyOf(image.ref)}`, name);
  const found = { name, source: image.source, detail: `out of the image ${image.ref}`, path };
  if (existsSync(path)) return { ...found, cached: true };
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  // The path differs in kind's image.
  await copyFromImage(image.ref, image.source === "offline" ? "/usr/local/bin/kubectl" : "/usr/bin/kubectl", temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, path);
  return { ...found, cached: false };
}

/** kind: the machine's own, or built from its Go module. */
export async function ensureKind(sources: Sources, progress: Progress): Promise<ToolArtifact> {
  const name = "kind";
  const own = await which(name);
  if (own !== undefined) return { name, cached: true, source: "present", detail: own, path: own };
  const built = await goTool(name, builderContext(sources, progress));
  return { name, source: "offline", detail: `kind ${versions().tools.kind}, built from Go modules`, ...built };
}

/** Vault's auth method for Kubernetes as a plugin, for a Vault without it. */
export async function ensureVaultPlugin(sources: Sources, progress: Progress): Promise<ToolArtifact> {
  const name = "vault-kubernetes-plugin";
  const built = await goTool(name, builderContext(sources, progress));
  return { name, source: "offline", detail: `${versions().tools[name]}, built from Go modules`, ...built };
}

/**
 * Installs Pulumi's Kubernetes plugin into the sandbox's PULUMI_HOME. Built from Go modules it is the genuine one,
 * too, and not a stand-in. `make up` never installs it.
 */
export async function ensureKubernetesPlugin(
  sources: Sources,
  pulumiHome: string,
  progress: Progress,
): Promise<ToolArtifact> {
  const name = "pulumi-kubernetes";
  const version = versions().tools[name];
  const dir = join(pulumiHome, "plugins", `resource-kubernetes-v${version}`);
  const path = join(dir, "pulumi-resource-kubernetes");
  const cli = await ensurePulumiCli(sources, progress);
  if (cli.source === "official") {
    const cached = await installGenuine(cli.path, pulumiHome, { name: "kubernetes", version }, progress);
    return { name, cached, source: "official", detail: `${version} from get.pulumi.com`, path };
  }
  const detail = `${version}, the genuine one, built from Go modules`;
  const built = await goTool(name, builderContext(sources, progress));
  const installed = existsSync(path);
  if (!installed) {
    mkdirSync(dir, { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    rmSync(temporary, { force: true });
    cpSync(built.path, temporary);
    renameSync(temporary, path);
  }
  return { name, cached: built.cached && installed, source: "offline", detail, path };
}
