import { createHash } from "node:crypto";
import { double, type Answer, type Asked, type Double } from "./servers";

/** Media type of the manifests. */
export const KIND = "application/vnd.oci.image.manifest.v1+json";
export const COMMIT = "c0ffee".repeat(6) + "abcd";
export const sha = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** A registry in Harbor's manner: a challenge, a token service, tags in a map. */
export async function harborWith(
  tags: Record<string, string>,
  refuse: (asked: Asked) => [number, string] | undefined = () => undefined,
  name = "audit-svc",
): Promise<Double> {
  const harbor: Double = await double((asked): Answer => {
    const { method, path, headers, body } = asked;
    if (path.startsWith("/service/token")) {
      const basic = `Basic ${Buffer.from("robot$ci:of-the-robot").toString("base64")}`;
      return headers.authorization === basic ? { body: { token: "bearer-of-harbor" } } : { status: 401, body: {} };
    }
    if (headers.authorization !== "Bearer bearer-of-harbor") {
      const challenge = `Bearer realm="${harbor.url}/service/token",service="harbor-registry"`;
      return { status: 401, headers: { "www-authenticate": challenge }, body: {} };
    }
    const [status, message] = refuse(asked) ?? [];
    if (status !== undefined) return { status, body: { errors: [{ code: "DENIED", message }] } };
    const tag = new RegExp(`^/v2/audit/${name}/manifests/(.+)$`).exec(path)?.[1] ?? "";
    if (method === "PUT") {
      tags[tag] = body;
      return { status: 201, body: "" };
    }
    const found = tags[tag];
    return found === undefined ? { status: 404, body: {} } : { headers: { "content-type": KIND }, body: found };
  });
  return harbor;
}

/** The variables of a job that pushes to Harbor. */
export const settings = (harbor: Pick<Double, "url">) => ({
  HARBOR_URL: harbor.url,
  // As GitLab's Harbor integration sets it: without the port.
  HARBOR_HOST: new URL(harbor.url).hostname,
  HARBOR_PROJECT: "audit",
  HARBOR_USERNAME: "robot$ci",
  HARBOR_PASSWORD: "of-the-robot",
  CI_COMMIT_SHA: COMMIT,
});
/** … of a pipeline for a protected tag. */
export const onTag = { CI_COMMIT_TAG: "v1.2.0", CI_COMMIT_REF_PROTECTED: "true" };
