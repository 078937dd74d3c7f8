import { chmodSync, existsSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../offline/lib/user-error.js";
import { checkMachine } from "./checks.js";
import { type Progress, runSteps, type Step, type StepResult } from "./display.js";
import { Engine } from "./docker.js";
import { sendFirstEvent } from "./first-event.js";
import { publishImages } from "./images.js";
import { following, type Job, Pool } from "./jobs.js";
import * as artifacts from "./artifacts/index.js";
import { authorityFile } from "./platform/authority.js";
import type { Context } from "./platform/context.js";
import { ensureGrafana, grafanaVolume } from "./platform/grafana.js";
import { ensurePostgres, postgresVolume } from "./platform/postgres.js";
import { ensurePrometheus, prometheusVolumes } from "./platform/prometheus.js";
import { ensureRegistry, registryVolume } from "./platform/registry.js";
import { ensureVault, vaultVolumes } from "./platform/vault.js";
import { ensureVm2, onVm2, vm2Volume } from "./platform/vm2.js";
import { rememberPlace } from "./name.js";
import { Pulumi } from "./pulumi.js";
import { type RunInfo, saveRunInfo } from "./run-info.js";
import type { Settings } from "./settings.js";
import { machineSettings, writeStackConfig } from "./stack-config.js";
import { sandboxStack } from "./stack-file.js";
import type { State } from "./state.js";

export const volumes = [
  postgresVolume,
  ...Object.values(vaultVolumes),
  registryVolume,
  ...Object.values(prometheusVolumes),
  grafanaVolume,
  vm2Volume,
];

/** Images of the program's containers and of the platform, in the order in which they are needed. */
const imageNames = [
  "postgres",
  "vault",
  "registry",
  "prometheus",
  "grafana",
  "vm2",
  "nginx",
  "nginx-exporter",
  "node",
] as const;
type SandboxImage = (typeof imageNames)[number];
/** A tool's program name, if it differs. */
const programs: Partial<Record<artifacts.ToolName, string>> = { "docker-cli": "docker" };

export interface UpOptions {
  /** Stop once the platform is up, without deploying the program. Default false. */
  platformOnly?: boolean;
}

/** What is there after `up`, for commands that build on it. */
export interface Platform {
  readonly sources: Awaited<ReturnType<typeof artifacts.decideSources>>;
  readonly engine: Engine;
  readonly info: RunInfo;
}

/** Brings everything up, from nothing to a running system. What exists already is left as it is. */
export async function up(settings: Settings, state: State, options: UpOptions = {}): Promise<Platform> {
  const run = new UpRun(settings, state, options.platformOnly ?? false);
  await runSteps([...run.platform(), ...(options.platformOnly ? [] : run.program())]);
  return run;
}

class UpRun implements Platform {
  sources!: Platform["sources"];
  engine!: Engine;
  readonly info: RunInfo = { engineHost: "", pulumiHome: "", path: [], artifacts: {} };
  private readonly images = new Map<SandboxImage, Job<artifacts.Artifact & { ref: string }>>();
  private readonly tools = new Map<string, Job<artifacts.ToolArtifact>>();
  private readonly containers = new Map<string, Job<boolean>>();
  private published!: Job<Published>;
  private readonly quiet: Progress = () => undefined;

  constructor(
    private readonly settings: Settings,
    private readonly state: State,
    private readonly platformOnly: boolean,
  ) {}

  platform(): Step[] {
    return [
      { name: "Machine", run: () => this.checkMachine() },
      { name: "Docker Engine", run: (progress) => this.ensureEngine(progress) },
      { name: "Network and volumes", run: () => this.ensureGround() },
      { name: "Sources", run: (progress) => this.decideSources(progress) },
      ...imageNames.map((name) =>
        following(
          `Image ${name}`,
          () => chosen(this.images, name),
          (artifact) => this.note(artifact),
        ),
      ),
      ...Object.keys(platformServices).map((name) =>
        following(
          name,
          () => chosen(this.containers, name),
          (cached) => ({ cached }),
        ),
      ),
      ...artifacts.toolNames.map((name) =>
        following(
          `Tool ${name}`,
          () => chosen(this.tools, name),
          (artifact) => {
            linkProgram(artifact.path, join(this.binDir, programs[name] ?? name));
            return this.note(artifact);
          },
        ),
      ),
      { name: "Pulumi plugins", run: (progress) => this.ensurePulumiHome(progress) },
    ];
  }

  program(): Step[] {
    return [
      following(
        "Images in the registry",
        () => this.published,
        (published) => this.configure(published),
      ),
      {
        name: "Stack",
        run: async (progress) => ({ cached: await new Pulumi(this.settings, this.state, progress).ensureStack() }),
      },
      {
        name: "pulumi up",
        run: async (progress) => {
          const same = await new Pulumi(this.settings, this.state, progress).up();
          return { cached: same, detail: same ? "nothing to change" : "deployed" };
        },
      },
      {
        name: "One event in and out",
        run: async () => ({ detail: `event ${await this.firstEvent()} stored and read back` }),
      },
    ];
  }

  private async firstEvent(): Promise<string> {
    try {
      return await sendFirstEvent(this.settings, this.state);
    } catch (error) {
      throw new UserError(
        `The program is deployed, but an event does not go through it. ${(error as Error).message}\n` +
          `What runs on VM2, and its last lines:\n${await onVm2(this.state, "docker ps --all --format '{{.Names}} {{.Status}}'; for name in $(docker ps --format '{{.Names}}'); do echo \"--- $name\"; docker logs --tail 10 $name 2>&1; done")}`, // prettier-ignore
      );
    }
  }

  private async checkMachine(): Promise<StepResult> {
    const found = await artifacts.findEngine();
    const engine = found.up ? Engine.connect(found.host, this.settings) : undefined;
    await engine?.refuseForeign();
    await checkMachine({ settings: this.settings, cold: !this.state.has("run.json"), found, engine });
    return { cached: true };
  }

  private async ensureEngine(progress: Progress): Promise<StepResult> {
    const artifact = await artifacts.ensureEngine(progress);
    this.info.engineHost = artifact.host;
    this.engine = Engine.connect(artifact.host, this.settings);
    return artifact;
  }

  /**
   * From here on, images are fetched or built two at a time, in parallel with the tools. Each service starts when its
   * image is available; services do not need each other to start. What VM2 pulls is pushed as soon as the registry is up.
   */
  private async decideSources(progress: Progress): Promise<StepResult> {
    this.sources = await artifacts.decideSources(progress);
    const pool = new Pool(2);
    for (const name of imageNames) {
      this.images.set(
        name,
        pool.start((say) => artifacts.ensureImage(name, this.sources, say)),
      );
    }
    const tools = new Pool(1);
    for (const name of artifacts.toolNames) {
      this.tools.set(
        name,
        tools.start((say) => artifacts.ensureTool(name, this.sources, say)),
      );
    }
    const parallel = new Pool(Object.keys(platformServices).length);
    for (const [name, service] of Object.entries(platformServices)) {
      this.containers.set(
        name,
        parallel.start(async (say) => service.ensure(this.context(say), await this.imageRef(service.image))),
      );
    }
    if (!this.platformOnly) this.published = this.publish();
    return { cached: true, detail: `images ${this.sources.images}, Pulumi ${this.sources.pulumi}` };
  }

  private async ensurePulumiHome(progress: Progress): Promise<StepResult> {
    const artifact = await artifacts.ensurePulumiHome(this.sources, progress);
    this.info.pulumiHome = artifact.pulumiHome;
    this.info.path = [this.binDir, ...artifact.path];
    this.note(artifact);
    saveRunInfo(this.state, this.info);
    return artifact;
  }

  private get binDir(): string {
    return this.state.path("bin");
  }

  private note<P extends artifacts.Artifact>(artifact: P): P {
    this.info.artifacts[artifact.name] = `${artifact.source}: ${artifact.detail}`;
    return artifact;
  }

  private async imageRef(name: SandboxImage): Promise<string> {
    return (await chosen(this.images, name).follow(this.quiet)).ref;
  }

  private context(progress: Progress): Context {
    return { settings: this.settings, state: this.state, engine: this.engine, progress };
  }

  private async ensureGround(): Promise<StepResult> {
    const sameNetwork = await this.engine.ensureNetwork();
    rememberPlace(this.state, this.settings);
    const sameVolumes = await this.engine.ensureVolumes(volumes, this.state.dataId);
    return { cached: sameNetwork && sameVolumes };
  }

  /** Builds the service's image and pushes the images that VM2 pulls, once the registry is up and all are built. */
  private publish(): Job<Published> {
    const built = imageNames.map((name) => this.imageRef(name));
    const registry = chosen(this.containers, "Registry").follow(this.quiet);
    return new Pool(1).start(async (say) => {
      await Promise.all([registry, ...built]);
      return publishImages(this.context(say), this.sources);
    });
  }

  /** Names what was pushed, by digest, in the stack's settings. */
  private configure({ images, cached }: Published): StepResult {
    const own = writeStackConfig(
      this.settings,
      this.state,
      machineSettings(this.settings, this.info.engineHost, images, this.state.path(authorityFile)),
    );
    return {
      cached,
      ...(own.length ? { detail: `stack ${sandboxStack.name} with your own ${own.join(", ")}` } : {}),
    };
  }
}

type Published = Awaited<ReturnType<typeof publishImages>>;

interface PlatformService {
  image: SandboxImage;
  ensure(context: Context, image: string): Promise<boolean>;
}

const platformServices: Record<string, PlatformService> = {
  PostgreSQL: { image: "postgres", ensure: ensurePostgres },
  Vault: { image: "vault", ensure: ensureVault },
  Registry: { image: "registry", ensure: ensureRegistry },
  Prometheus: { image: "prometheus", ensure: ensurePrometheus },
  Grafana: { image: "grafana", ensure: ensureGrafana },
  VM2: { image: "vm2", ensure: ensureVm2 },
};

function chosen<N, T>(jobs: Map<N, Job<T>>, name: N): Job<T> {
  const job = jobs.get(name);
  if (!job) throw new Error(`${String(name)} was not begun`);
  return job;
}

/** Puts a program under a name that PATH finds. */
export function linkProgram(target: string, path: string): void {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  try {
    if (readlinkSync(path) === target) return;
  } catch {
    // there is none yet
  }
  rmSync(path, { force: true });
  symlinkSync(target, path);
  if (existsSync(target)) chmodSync(join(path, ".."), 0o700);
}
