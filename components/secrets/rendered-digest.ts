import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { MADE_BY_VAULT, renderedSecret } from "../../vault-agent/render";
import type { DatabaseCredentials } from "../database/database-credentials";

interface Rendered {
  /** What the secret holds. */
  data: pulumi.Input<Record<string, unknown>>;
  /** Given when Vault makes the login in it. */
  credentials?: DatabaseCredentials;
}

/** What Vault makes is not known here, and no part of the digest: which lines these are; undefined = none. */
export const leftOut = ({ credentials }: Rendered): string | undefined => (credentials ? MADE_BY_VAULT : undefined);

/** Digest of the file as it will be rendered. No secret: the service shows the same digest in its metrics. */
export function renderedDigest(args: Rendered): pulumi.Output<string> {
  return pulumi.unsecret(
    pulumi.output(args.data).apply((data) =>
      createHash("sha256")
        .update(renderedSecret(args.credentials ? withLogin(data) : data, leftOut(args)))
        .digest("hex"),
    ),
  );
}

/** The data in the shape in which the agent renders it, with a login in it. */
function withLogin(data: Record<string, unknown>): Record<string, unknown> {
  return { ...data, database: { ...(data.database as object), user: "", password: "" } };
}
