import { join } from "node:path";
import { UserError } from "../../../offline/lib/user-error.js";
import { runSteps, type Progress, type Step, type StepResult } from "../display.js";
import * as artifacts from "../artifacts/index.js";
import { sendFirstEvent } from "../first-event.js";
import { publishImages } from "../images.js";
import { following, Pool, type Job } from "../jobs.js";
import { authorityFile } from "../platform/authority.js";
import type { Context } from "../platform/context.js";
import { bootstrap } from "../platform/vault.js";
import { Pulumi } from "../pulumi.js";
import type { Settings } from "../settings.js";
import { writeStackConfig } from "../stack-config.js";
import { clusterStack, stackForVault } from "../stack-file.js";
import type { State } from "../state.js";
import { linkProgram, up, type Platform } from "../up.js";
import type { Access } from "./access.js";
import { reviewerToken } from "./addons.js";
import { clusterDir } from "./layout.js";
import { ensureKindCluster, useGivenCluster } from "./others.js";
import { ensureOwnCluster } from "./own.js";
import { ensurePrometheusJob } from "./prometheus-job.js";
import { clusterSettings } from "./stack.js";
import { ensureVaultAuth } from "./vault-auth.js";

/** `own`: built from package registries; `kind`: where images can be pulled; `given`: by SANDBOX_KUBECONFIG. */
export type ClusterSource = "own" | "kind" | "given";
export const sourceFile = `${clusterDir}/source`;

/** Brings up a cluster beside VM2, on the platform of `up`. What exists already is left as it is. */
export async function cluster(settings: Settings, state: State): Promise<void> {
  const platform = await up(settings, state, { platformOnly: true });
  const run = new ClusterRun(settings, state, platform);
  await runSteps(run.steps());
}

class ClusterRun {
  private readonly given = process.env.SANDBOX_KUBECONFIG;
  /** Sequential builds, in this order. The cluster starts once the first is done. */
  private readonly builds = new Pool(1);
  private readonly image: Job<artifacts.ImageArtifact | undefined>;
  private readonly vaultPlugin: Job<artifacts.ToolArtifact>;
  private readonly pulumiPlugin: Job<artifacts.ToolArtifact>;
  private readonly quiet: Progress = () => undefined;
  private access!: Access;

  constructor(
    private readonly settings: Settings,
    private readonly state: State,
    private readonly platform: Platform,
  ) {
    const { sources, info } = platform;
    this.image = this.builds.start(async (say) =>
      this.given ? undefined : artifacts.ensureImage("kubernetes-node", sources, say),
    );
    this.vaultPlugin = this.builds.start((say) => artifacts.ensureVaultPlugin(sources, say));
    this.pulumiPlugin = this.builds.start((say) => artifacts.ensureKubernetesPlugin(sources, info.pulumiHome, say));
  }

  steps(): Step[] {
    return [
      following("Image kubernetes-node", () => this.image, (image) => image ?? { cached: true, detail: "not needed" }), // prettier-ignore
      { name: "Cluster", run: (progress) => this.ensureCluster(progress) },
      { name: "Vault's auth method", run: (progress) => this.ensureVaultAuth(progress) },
      { name: "Prometheus's job", run: (progress) => this.ensureJob(progress) },
      following("Pulumi plugin kubernetes", () => this.pulumiPlugin, (plugin) => plugin), // prettier-ignore
      { name: "Images in the registry", run: (progress) => this.publish(progress) },
      { name: "Stack", run: (progress) => this.ensureStack(progress) },
      { name: "pulumi up", run: (progress) => this.deploy(progress) },
      { name: "One event in and out", run: () => this.firstEvent() },
    ];
  }

  private context(progress: Progress): Context {
    return { settings: this.settings, state: this.state, engine: this.platform.engine, progress };
  }

  private async ensureCluster(progress: Progress): Promise<StepResult> {
    const context = this.context(progress);
    const image = await this.image.follow(this.quiet);
    const kubectl = await artifacts.ensureKubectl(image);
    linkProgram(kubectl.path, join(this.state.path("bin"), "kubectl"));
    const source: ClusterSource = image === undefined ? "given" : image.source === "offline" ? "own" : "kind";
    this.state.write(sourceFile, source);
    if (image === undefined) this.access = await useGivenCluster(context, this.given ?? "", kubectl.path);
    else if (source === "own") this.access = await ensureOwnCluster(context, image.ref, kubectl.path);
    else {
      const kind = await artifacts.ensureKind(this.platform.sources, progress);
      this.access = await ensureKindCluster(context, image.ref, kind.path, kubectl.path);
    }
    return this.access;
  }

  private async ensureVaultAuth(progress: Progress): Promise<StepResult> {
    const token = await reviewerToken(this.settings, this.access.kubectl);
    const plugin = async (): Promise<string> => (await this.vaultPlugin.follow(progress)).path;
    return { cached: await ensureVaultAuth(this.context(progress), this.access.api, token, plugin) };
  }

  private async publish(progress: Progress): Promise<StepResult> {
    const { settings, state, platform } = this;
    const { images, cached } = await publishImages(this.context(progress), platform.sources);
    const machine = clusterSettings(this.access, settings, platform.info.engineHost, images, state.path(authorityFile));
    const own = writeStackConfig(settings, state, machine, clusterStack);
    return { cached, ...(own.length > 0 ? { detail: `with your own ${own.join(", ")}` } : {}) };
  }

  /** Creates the stack, and the rights of its pods in Vault. */
  private async ensureStack(progress: Progress): Promise<StepResult> {
    const { settings, state } = this;
    const same = await bootstrap(
      this.context(progress),
      "vault-settings-cluster.json",
      stackForVault(settings, state, clusterStack),
    );
    return { cached: (await new Pulumi(settings, state, progress, clusterStack).ensureStack()) && same };
  }

  private async deploy(progress: Progress): Promise<StepResult> {
    const same = await new Pulumi(this.settings, this.state, progress, clusterStack).up();
    return { cached: same, detail: same ? "nothing to change" : "deployed" };
  }

  private async firstEvent(): Promise<StepResult> {
    try {
      const id = await sendFirstEvent(this.settings, this.state, clusterStack);
      return { detail: `event ${id} stored and read back` };
    } catch (error) {
      throw new UserError(
        `The program is deployed, but an event does not go through it. ${(error as Error).message}\n` +
          `What runs on the cluster:\n${await this.access.kubectl.run(["get", "pods", "--all-namespaces"])}`,
      );
    }
  }

  private async ensureJob(progress: Progress): Promise<StepResult> {
    return { cached: await ensurePrometheusJob(this.context(progress), this.access.nodes[0] ?? "") };
  }
}
