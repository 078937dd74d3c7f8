import assert from "node:assert/strict";
import { Registry, sha256 } from "../../../ci/lib/registry";
import { imageByDigest } from "../../../lib/image-reference";
import { addressOf, secretsOf } from "./pipeline";

/**
 * Pushes an image again as one for another processor: the same layers, with another word in its configuration.
 *
 * @returns the reference by digest under which VM2 finds it
 */
export async function pushForeign(name: string, architecture: string): Promise<string> {
  const image = imageByDigest(name);
  if (typeof image === "string") throw new Error(`${name} ${image}`);
  const host = `${addressOf("registry")}:5000`;
  const login = { username: "pusher", password: secretsOf()["registry-pusher"] };
  const registry = new Registry({ host, url: `http://${host}`, ...login });
  const found = await registry.manifest(image.repository, image.digest);
  assert.ok(found, `the registry has no ${name}`);
  const manifest = JSON.parse(found.body.toString()) as { config: { digest: string; size: number } };
  const config = JSON.parse((await registry.blob(image.repository, manifest.config.digest)).toString()) as object;
  const other = Buffer.from(JSON.stringify({ ...config, architecture }));
  manifest.config.digest = await registry.upload(image.repository, other);
  manifest.config.size = other.length;
  const body = Buffer.from(JSON.stringify(manifest));
  await registry.tag(image.repository, "foreign", { kind: found.kind, body });
  return `${image.registry}/${image.repository}@${sha256(body)}`;
}
