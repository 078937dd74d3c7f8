import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pack } from "tar-stream";
import { ensureImage } from "./artifacts/index.js";
import type { Sources } from "./artifacts/types.js";
import type { Progress } from "./display.js";
import { basicAuth, registryAddress, registryUsers } from "./platform/registry.js";
import type { Context } from "./platform/context.js";
import type { StackImages } from "./stack-config.js";

/** Files of the project that go into the service image's build context. */
const contextPaths = [
  "audit-svc",
  "package.json",
  "package-lock.json",
  "offline/package.json",
  "sandbox/package.json",
  "tsconfig.base.json",
  ".npmrc",
];
const leftOut = new Set(["node_modules", "dist", "test", "bench", "build"]);

/**
 * Builds the service's image, and pushes it and the other images of a deploy, so that a stack's settings can name them by
 * digest.
 */
export async function publishImages(
  context: Context,
  sources: Sources,
): Promise<{ cached: boolean; images: StackImages }> {
  const image = async (name: Parameters<typeof ensureImage>[0]) =>
    (await ensureImage(name, sources, context.progress)).ref;
  const service = await ensureServiceImage(context, { build: await image("node"), run: await image("base-plain") });
  // Sequentially: each records what it has pushed, so that shared layers are uploaded only once.
  const pushed = {
    service: await ensurePushed(context, "audit-svc", service.ref),
    nginx: await ensurePushed(context, "nginx", await image("nginx")),
    exporter: await ensurePushed(context, "nginx-exporter", await image("nginx-exporter")),
    vault: await ensurePushed(context, "vault", await image("vault")),
  };
  return {
    cached: service.cached && Object.values(pushed).every(({ cached }) => cached),
    images: {
      service: pushed.service.reference,
      nginx: pushed.nginx.reference,
      exporter: pushed.exporter.reference,
      vault: pushed.vault.reference,
      prometheusTools: await image("prometheus"),
    },
  };
}

/**
 * Builds the service's image from the working tree, tagged with the hash of its inputs.
 * @param buildImages `build`: the image with Node to build on; `run`: the base of what is deployed.
 */
export async function ensureServiceImage(
  { engine, settings, progress }: Context,
  buildImages: { build: string; run: string },
): Promise<{ cached: boolean; ref: string }> {
  const files = contextPaths.flatMap((path) => walk(join(settings.root, path))).sort();
  const hash = createHash("sha256").update(JSON.stringify(await imageIds(engine, Object.values(buildImages))));
  for (const file of files) {
    hash.update(`\0${relative(settings.root, file)}\0`).update(readFileSync(file));
  }
  const ref = `audit-sandbox/audit-svc:${hash.digest("hex").slice(0, 16)}`;
  const there = await engine.docker.getImage(ref).inspect().then(() => true, () => false); // prettier-ignore
  if (there) return { cached: true, ref };

  const tar = pack();
  for (const file of files) {
    // The service's user must be able to read them, also if the umask of this checkout is strict.
    const mode = statSync(file).mode & 0o100 ? 0o755 : 0o644;
    tar.entry({ name: relative(settings.root, file), mode }, readFileSync(file));
  }
  tar.finalize();
  const stream = await engine.docker.buildImage(tar, {
    t: ref,
    dockerfile: "audit-svc/Dockerfile",
    buildargs: { NODE_IMAGE: buildImages.build, RUNTIME_IMAGE: buildImages.run },
    forcerm: true,
    labels: { "org.opencontainers.image.source": "audit-svc" },
  });
  await follow(engine.docker, stream, progress);
  return { cached: false, ref };
}

async function imageIds(engine: Context["engine"], refs: string[]): Promise<string[]> {
  return Promise.all(refs.map(async (ref) => (await engine.docker.getImage(ref).inspect()).Id));
}

function walk(path: string): string[] {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !leftOut.has(entry.name))
    .flatMap((entry) =>
      entry.isDirectory() ? walk(join(path, entry.name)) : entry.isFile() ? [join(path, entry.name)] : [],
    );
}

type Pushed = Record<string, { id: string; digest: string } | undefined>;

/**
 * Pushes an image to the sandbox's registry, unless it is there.
 * @returns the reference by digest under which VM2 pulls it.
 */
export async function ensurePushed(
  context: Context,
  name: string,
  ref: string,
): Promise<{ cached: boolean; reference: string }> {
  const { engine, settings, state, progress } = context;
  const { Id: id } = await engine.docker.getImage(ref).inspect();
  const pushed = state.readJson<Pushed>("pushed.json") ?? {};
  const known = pushed[name];
  const byDigest = (digest: string): string => `${registryAddress}/audit/${name}@${digest}`;
  if (known?.id === id && (await inRegistry(context, name, known.digest))) {
    return { cached: true, reference: byDigest(known.digest) };
  }
  // Every Docker Engine trusts plain-HTTP registries in 127.0.0.0/8; the digest is the same under both names.
  const repo = `127.0.0.1:${settings.ports.registry}/audit/${name}`;
  const tag = id.replace(/^sha256:/, "").slice(0, 16);
  await engine.docker.getImage(ref).tag({ repo, tag });
  const stream = await engine.docker.getImage(`${repo}:${tag}`).push({
    authconfig: {
      username: registryUsers.pusher,
      password: state.secret("registry-pusher"),
      serveraddress: `127.0.0.1:${settings.ports.registry}`,
    },
  });
  const events = await follow(engine.docker, stream, progress);
  const digest = events.map((event) => event.aux?.Digest).find((value) => value !== undefined);
  if (!digest) throw new Error(`the registry gave no digest for ${repo}:${tag}`);
  await engine.docker
    .getImage(`${repo}:${tag}`)
    .remove({ noprune: true })
    .catch(() => undefined);
  state.writeJson("pushed.json", { ...(state.readJson<Pushed>("pushed.json") ?? {}), [name]: { id, digest } });
  return { cached: false, reference: byDigest(digest) };
}

async function inRegistry({ settings, state }: Context, name: string, digest: string): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${settings.ports.registry}/v2/audit/${name}/manifests/${digest}`, {
    method: "HEAD",
    headers: {
      authorization: basicAuth(registryUsers.pusher, state.secret("registry-pusher")),
      accept: "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json",
    },
  });
  return response.ok;
}

interface EngineEvent {
  stream?: string;
  status?: string;
  error?: string;
  aux?: { Digest?: string };
}

/** Shows the engine's progress and waits for the end. @throws Error with the last lines if it reports an error. */
async function follow(
  docker: Context["engine"]["docker"],
  stream: NodeJS.ReadableStream,
  progress: Progress,
): Promise<EngineEvent[]> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error: Error | null, events: EngineEvent[] | null) => {
        const told = events?.find((event) => event.error)?.error;
        if (error ?? told) reject(new Error(`${told ?? error?.message ?? ""}\n${lines.slice(-20).join("\n")}`));
        else resolve(events ?? []);
      },
      (event: EngineEvent) => {
        const line = (event.stream ?? event.status ?? "").trim();
        if (!line) return;
        lines.push(line);
        progress(line.split("\n")[0] ?? "");
      },
    );
  });
}
