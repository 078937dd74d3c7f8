import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import tar from "tar-stream";

/** A registry on loopback with one small image, behind a login. Engines speak plain HTTP to loopback. */
export interface RegistryServer {
  /** `127.0.0.1:port` */
  host: string;
  /** `127.0.0.1:port/some/image` */
  repository: string;
  /** Of the image's manifest, `sha256:…`. */
  digest: string;
  close(): void;
}

const LOGIN = { username: "puller", password: "hush" };

async function layerWith(name: string, content: string): Promise<Buffer> {
  const pack = tar.pack();
  pack.entry({ name }, content);
  pack.finalize();
  return buffer(pack);
}

const digestOf = (data: Buffer) => `sha256:${createHash("sha256").update(data).digest("hex")}`;

/** @param content what is in the image, so that each test can have one of its own */
export async function startRegistry(content: string): Promise<RegistryServer & { login: typeof LOGIN }> {
  const layer = await layerWith("content", content);
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["/content"] },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: {
        mediaType: "application/vnd.docker.container.image.v1+json",
        size: config.length,
        digest: digestOf(config),
      },
      layers: [
        { mediaType: "application/vnd.docker.image.rootfs.diff.tar", size: layer.length, digest: digestOf(layer) },
      ],
    }),
  );
  const digest = digestOf(manifest);
  const expected = `Basic ${Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64")}`;
  const server = http.createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
      return;
    }
    const name = (request.url ?? "").split("/").at(-1) ?? "";
    const found = { [digest]: manifest, one: manifest, [digestOf(config)]: config, [digestOf(layer)]: layer }[name];
    if (request.url === "/v2/") response.end("{}");
    else if (found === undefined)
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"none"}]}');
    else {
      const type =
        found === manifest ? "application/vnd.docker.distribution.manifest.v2+json" : "application/octet-stream";
      response.writeHead(200, {
        "Content-Type": type,
        "Content-Length": found.length,
        "Docker-Content-Digest": digestOf(found),
      });
      response.end(request.method === "HEAD" ? undefined : found);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    repository: `${host}/some/image`,
    digest,
    login: LOGIN,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
