import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platform, platformNetwork, platformSubnet, root, run } from "./sandbox";

/** Ports of the services; the front uses the same ones. */
const PORTS = { vault: 8200, registry: 5000, prometheus: 9090, grafana: 3000 } as const;

/**
 * Nginx with TLS in front of Vault, the registry, Prometheus and Grafana, on the platform's network: each on its usual
 * port, with a certificate from the sandbox's authority. It has one address, which this machine and VM2 can both reach.
 */
export class TlsFront {
  readonly address = `${platformSubnet}.60`;
  /** The sandbox's authority, whose key is in `.sandbox/ca`. */
  readonly authority = join(root, ".sandbox/ca/ca.pem");
  readonly #name = `${platformNetwork}-tls`;

  static async start(): Promise<TlsFront> {
    const front = new TlsFront();
    const directory = mkdtempSync(join(tmpdir(), "tls-front-"));
    try {
      front.#certificate(directory);
      writeFileSync(join(directory, "nginx.conf"), front.#configuration());
      await front.stop();
      const create = ["create", "--name", front.#name, "--network", platformNetwork, "--ip", front.address];
      await docker(...create, "--entrypoint", "nginx", await image(), "-c", "/tls/nginx.conf", "-g", "daemon off;");
      await docker("cp", `${directory}/.`, `${front.#name}:/tls`);
      await docker("start", front.#name);
    } finally {
      rmSync(directory, { recursive: true });
    }
    return front;
  }

  url(part: keyof typeof PORTS): string {
    return `https://${this.host(part)}`;
  }

  host(part: keyof typeof PORTS): string {
    return `${this.address}:${PORTS[part]}`;
  }

  async stop(): Promise<void> {
    await docker("rm", "--force", "--volumes", this.#name);
  }

  #certificate(directory: string): void {
    const at = (name: string) => join(directory, name);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
    writeFileSync(at("ext"), `subjectAltName=IP:${this.address}\n`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at("key.pem")];
    openssl("req", "-new", ...key, "-subj", "/CN=front", "-out", at("csr"));
    openssl(
      ...["x509", "-req", "-in", at("csr"), "-extfile", at("ext"), "-days", "2", "-out", at("cert.pem")],
      ...["-CA", this.authority, "-CAkey", this.authority.replace(/pem$/, "key"), "-CAcreateserial"],
    );
  }

  #configuration(): string {
    const servers = Object.entries(PORTS).map(
      ([part, port]) => `
  server {
    listen ${port} ssl;
    ssl_certificate /tls/cert.pem;
    ssl_certificate_key /tls/key.pem;
    client_max_body_size 0;
    location / {
      proxy_pass http://${part}.sandbox.test:${port};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
    }
  }`,
    );
    return `events {}\npid /tmp/nginx.pid;\nhttp {\n  access_log off;${servers.join("")}\n}\n`;
  }
}

async function docker(...args: string[]): Promise<string> {
  const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
  const { code, output, stdout } = await run(["docker", ...args], { ...process.env, DOCKER_HOST: engineHost });
  if (code !== 0 && args[0] !== "rm") throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
  return stdout.trim();
}

/** The sandbox's own nginx, or the official one. */
async function image(): Promise<string> {
  const found = (await docker("images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n");
  const nginx = found.find((name) => /^(\S*\/)?nginx:(?!<none>)/.test(name));
  if (nginx === undefined) throw new Error(`no nginx among the images of ${platform("*")}: ${found.join(", ")}`);
  return nginx;
}
