/**
 * Mocha's global fixtures: start the servers that no setting names as containers of the sandbox's images, once for all
 * test files, and take away all that the run has made.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container } from "dockerode";
import { given, missing, provide, type Backend, type BackendName } from "./harness/backends.js";
import { PREFIX, docker, sweep } from "./harness/world.js";

const READY_SECONDS = 30;

interface Server {
  readonly port: number;
  /** Arguments for the image's entrypoint; its own when left out. */
  readonly command?: readonly string[];
  readonly capabilities?: readonly string[];
  env(password: string): readonly string[];
  backend(port: number, password: string): Backend;
  ready(backend: Backend): Promise<boolean>;
}

const answers = async (url: string): Promise<boolean> =>
  fetch(url).then(
    (r) => r.ok,
    () => false,
  );

const SERVERS: Record<BackendName, Server> = {
  vault: {
    port: 8200,
    command: ["server", "-dev", "-dev-listen-address=0.0.0.0:8200", "-dev-no-store-token"],
    capabilities: ["IPC_LOCK"],
    env: (password) => [`VAULT_DEV_ROOT_TOKEN_ID=${password}`, "SKIP_SETCAP=1"],
    backend: (port, password) => ({ url: `http://127.0.0.1:${port}`, token: password }),
    ready: ({ url }) => answers(`${url}/v1/sys/health`),
  },
  postgres: {
    port: 5432,
    env: (password) => [`POSTGRES_PASSWORD=${password}`],
    backend: (port, password) => ({ url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, token: "" }),
    ready: async () => {
      const { sql } = await import("./harness/postgres.js");
      return sql("select 1").then(
        () => true,
        () => false,
      );
    },
  },
  grafana: {
    port: 3000,
    env: (password) => ["GF_SECURITY_ADMIN_USER=admin", `GF_SECURITY_ADMIN_PASSWORD=${password}`],
    backend: (port, password) => ({ url: `http://127.0.0.1:${port}`, token: `admin:${password}` }),
    ready: ({ url }) => answers(`${url}/api/health`),
  },
};

const started: Container[] = [];

export async function mochaGlobalSetup(): Promise<void> {
  const names = (Object.keys(SERVERS) as BackendName[]).filter((name) => !given(name));
  // A promise that is never settled would let Node end quietly, with nothing tested and an exit code of 0.
  const alive = setInterval(() => undefined, 1_000);
  try {
    await Promise.all(
      names.map((name) =>
        Promise.race([start(name), timeout(name)]).catch((error: unknown) => {
          missing(name, (error as Error).message);
        }),
      ),
    );
  } finally {
    clearInterval(alive);
  }
}

export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all(started.map((container) => container.remove({ force: true, v: true })));
  const left = await sweep();
  if (left.length > 0) {
    // Thrown, because Mocha sets the exit code itself, from the failed tests alone.
    throw new Error(`the tests left something behind, now removed: ${left.join(", ")}`);
  }
}

async function timeout(name: BackendName): Promise<never> {
  await sleep((READY_SECONDS + 10) * 1000, undefined, { ref: false });
  throw new Error(`${name} did not start`);
}

async function start(name: BackendName): Promise<void> {
  const server = SERVERS[name];
  const password = randomBytes(12).toString("hex");
  const container = await docker.createContainer({
    name: `${PREFIX}-server-${name}`,
    Image: await newestImage(name),
    Env: [...server.env(password)],
    ...(server.command && { Cmd: [...server.command] }),
    HostConfig: {
      PortBindings: { [`${server.port}/tcp`]: [{ HostIp: "127.0.0.1", HostPort: "" }] },
      CapAdd: [...(server.capabilities ?? [])],
    },
    ExposedPorts: { [`${server.port}/tcp`]: {} },
  });
  started.push(container);
  await container.start();
  const { NetworkSettings } = await container.inspect();
  const port = Number(NetworkSettings.Ports[`${server.port}/tcp`]?.[0]?.HostPort);
  const backend = server.backend(port, password);
  provide(name, backend);
  const deadline = Date.now() + READY_SECONDS * 1000;
  while (!(await server.ready(backend))) {
    if (Date.now() > deadline) {
      const log = await container.logs({ stdout: true, stderr: true, tail: 20 });
      throw new Error(`${name} was not ready within ${READY_SECONDS} s:\n${log.toString()}`);
    }
    await sleep(100);
  }
}

/** The image that the sandbox has built or pulled last. */
async function newestImage(name: BackendName): Promise<string> {
  const images = await docker.listImages({ filters: { reference: [`audit-sandbox/${name}`] } });
  const [newest] = images.sort((a, b) => b.Created - a.Created);
  const tag = newest?.RepoTags?.[0];
  if (tag === undefined) {
    throw new Error(`there is no image audit-sandbox/${name}; \`make up\` makes it`);
  }
  return tag;
}
