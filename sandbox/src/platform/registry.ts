import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hash } from "bcryptjs";
import { join } from "node:path";
import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";

export const registryVolume = `${sandboxName}-registry`;
/** The registry's address on VM2. It uses plain HTTP; VM2's engine lists it as insecure. */
export const registryAddress = `${hostName("registry")}:5000`;
export const registryUsers = { pusher: "pusher", puller: "vm2-puller" } as const;

/** A registry that requires a login, as Harbor does. @returns true when there was nothing to do. */
export async function ensureRegistry(context: Context, image: string): Promise<boolean> {
  const { engine, settings, state } = context;
  const running = await engine.ensureContainer({
    name: containerName("registry"),
    image,
    hostname: hostName("registry"),
    address: addressOf(settings, "registry"),
    files: [
      {
        path: "/etc/docker/registry/config.yml",
        content: readFileSync(join(settings.root, "sandbox/platform/registry.yml"), "utf8"),
      },
      { path: "/etc/sandbox/htpasswd", content: await passwordFile(context) },
    ],
    // The official image serves /etc/docker/registry/config.yml (2.x) or /etc/distribution/config.yml (3.x).
    command: ["serve", "/etc/docker/registry/config.yml"],
    volumes: { [registryVolume]: "/var/lib/registry" },
    ports: { 5000: settings.ports.registry },
  });
  if (!running) {
    await until("The registry", 30, async () => {
      const response = await fetch(`http://127.0.0.1:${settings.ports.registry}/v2/`, {
        headers: { authorization: basicAuth(registryUsers.pusher, state.secret("registry-pusher")) },
      });
      return response.ok ? true : undefined;
    });
  }
  return running;
}

/**
 * bcrypt uses a random salt, so the file is kept while the passwords are the same; otherwise the container would change
 * in every run.
 */
async function passwordFile({ state }: Context): Promise<string> {
  const passwords = [
    [registryUsers.pusher, state.secret("registry-pusher")],
    [registryUsers.puller, state.secret("registry-puller")],
  ] as const;
  const key = createHash("sha256").update(JSON.stringify(passwords)).digest("hex");
  const kept = state.readJson<{ key: string; content: string }>("htpasswd.json");
  if (kept?.key === key) return kept.content;
  const lines = await Promise.all(passwords.map(async ([user, password]) => `${user}:${await hash(password, 8)}\n`));
  const content = lines.join("");
  state.writeJson("htpasswd.json", { key, content });
  return content;
}

export const basicAuth = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
