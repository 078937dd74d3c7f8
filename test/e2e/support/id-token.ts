import { createSign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, type Sandbox } from "./sandbox";

/** A pipeline as GitLab describes it in a job's ID token. Default: a protected tag of the sandbox's project. */
export interface Pipeline {
  project_path?: string;
  project_id?: string;
  ref?: string;
  ref_type?: "tag" | "branch";
  ref_protected?: "true" | "false";
  pipeline_source?: string;
  aud?: string;
  iss?: string;
  /** Seconds until the token expires; default 300. */
  life?: number;
}

/** An ID token as GitLab would give to a job, signed with the key that the sandbox's Vault accepts as GitLab's. */
export function idToken(sandbox: Sandbox, { life = 300, ...pipeline }: Pipeline = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: "https://gitlab.sandbox.test",
    aud: sandbox.get("VAULT_ADDR"),
    project_path: "team/audit",
    ref: "v1.0.0",
    ref_type: "tag",
    ref_protected: "true",
    pipeline_source: "push",
    ...pipeline,
  };
  const sub = `project_path:${claims.project_path}:ref_type:${claims.ref_type}:ref:${claims.ref}`;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part({ ...claims, sub, iat: now, nbf: now - 5, exp: now + life })}`;
  const key = readFileSync(join(root, ".sandbox/gitlab/private.pem"), "utf8");
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(key, "base64url")}`;
}
