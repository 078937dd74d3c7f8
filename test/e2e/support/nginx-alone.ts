import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderNginxConfig, type EdgeConfig } from "../../../nginx/render";
import { routesOf } from "../../../nginx/routes";
import { platform, root, run, until } from "./sandbox";

/** The sandbox's Nginx with the edge's configuration, without a deploy, restricted as in EdgeProxy. */
export class NginxAlone {
  private constructor(
    /** Address of the public listener. */
    readonly url: string,
    /** Address of the metrics listener. */
    readonly metricsUrl: string,
    private readonly directory: string,
  ) {}

  /**
   * @param upstream port on this machine that serves as both slots
   * @param change what differs from a plain edge
   * @param scratchMiB size of /tmp
   */
  static async start(upstream: number, change: Partial<EdgeConfig> = {}, scratchMiB = 64): Promise<NginxAlone> {
    const [port, metricsPort, statusPort] = await threeFreePorts();
    const server = (name: string) => ({ name, servers: [{ name: `${name}-1`, address: "127.0.0.1", port: upstream }] });
    const directory = mkdtempSync(join(tmpdir(), "nginx-alone-"));
    const config: EdgeConfig = {
      port,
      metricsPort,
      status: { address: "127.0.0.1", port: statusPort, reader: "127.0.0.1" },
      exporter: `127.0.0.1:${upstream}`,
      upstreams: [server("blue"), server("green")],
      markerFile: "/etc/audit-edge/green",
      closingFile: "/tmp/closing",
      routes: routesOf({}),
      limits: { bodySize: "2m", clientRate: 0, clientConnections: 0 },
      loggedSuccesses: 100,
      trustedProxies: [],
      balancersOnly: false,
      metricsAllow: ["127.0.0.1"],
      metricsFiles: [],
      targets: { path: "/targets", file: "/etc/audit-edge/targets.json" },
      ...change,
    };
    writeFileSync(join(directory, "nginx.conf"), renderNginxConfig(config));
    writeFileSync(join(directory, "targets.json"), "[]");
    chmodSync(directory, 0o755);
    const nginx = new NginxAlone(`http://127.0.0.1:${port}`, `http://127.0.0.1:${metricsPort}`, directory);
    const confined = ["--read-only", "--cap-drop", "ALL", "--user", "101:101", "--memory", "128m"];
    const mounts = ["--tmpfs", `/tmp:size=${scratchMiB}m,mode=1777`, "--volume", `${directory}:/etc/audit-edge:ro`];
    const command = ["--entrypoint", "nginx", await image(), "-c", "/etc/audit-edge/nginx.conf", "-g", "daemon off;"];
    await docker("rm", "--force", name());
    await docker("run", "--detach", "--name", name(), "--network", "host", ...confined, ...mounts, ...command);
    await until("nginx listens", 10, async () => ((await fetch(nginx.url)).status === 404 ? true : undefined)).catch(
      async (error: unknown) => {
        throw new Error(`${String(error)}\n${await docker("logs", name())}`);
      },
    );
    return nginx;
  }

  /** Runs a command beside nginx. @returns its output */
  inside(...command: readonly string[]): Promise<string> {
    return docker("exec", name(), ...command);
  }

  /** nginx's log. */
  log(): Promise<string> {
    return docker("logs", name());
  }

  async stop(): Promise<void> {
    await docker("rm", "--force", name());
    rmSync(this.directory, { recursive: true });
  }
}

const name = (): string => platform("test-nginx");

/** The docker CLI on the engine that the sandbox itself runs on. */
async function docker(...args: readonly string[]): Promise<string> {
  const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
  const { code, output } = await run(["docker", ...args], { ...process.env, DOCKER_HOST: engineHost });
  if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
  return output.trim();
}

/** The sandbox's own image, or the official one if images can be pulled. */
async function image(): Promise<string> {
  const list = await docker("images", "--format", "{{.Repository}}:{{.Tag}}", "audit-sandbox/nginx");
  const found = list.split("\n").find((line) => line !== "" && !line.endsWith("<none>"));
  if (found !== undefined) return found;
  const { images } = JSON.parse(readFileSync(join(root, "versions.json"), "utf8")) as {
    images: { nginx: { official: string } };
  };
  return images.nginx.official;
}

/** All bound at the same time, because a released port might be returned twice. */
async function threeFreePorts(): Promise<[number, number, number]> {
  const held = await Promise.all([listening(), listening(), listening()]);
  const [one, two, three] = held;
  await Promise.all(held.map(({ server }) => new Promise((closed) => server.close(closed))));
  return [one.port, two.port, three.port];
}

const listening = (): Promise<{ server: Server; port: number }> =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () =>
      done({ server, port: (server.address() as AddressInfo).port }),
    );
  });
