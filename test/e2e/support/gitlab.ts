import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { platformSubnet, root } from "./sandbox";

const PROJECT = "/api/v4/projects/42";

/** Answers of GitLab's API for the project team/audit, set as docs/reference.md says. */
export const wellSet = (): Record<string, unknown> => ({
  [PROJECT]: {
    ...{ id: 42, path_with_namespace: "team/audit", default_branch: "main" },
    ...{ restrict_user_defined_variables: true, ci_pipeline_variables_minimum_override_role: "maintainer" },
  },
  [`${PROJECT}/protected_tags`]: [{ name: "v*", create_access_levels: [{ access_level: 40 }] }],
  [`${PROJECT}/protected_branches`]: [
    { name: "main", push_access_levels: [{ access_level: 40 }], allow_force_push: false },
  ],
  [`${PROJECT}/variables`]: [{ key: "VAULT_ADDR" }, { key: "VAULT_SSH_ROLE" }],
  [`${PROJECT}/resource_groups/sandbox`]: { process_mode: "oldest_first" },
});

/** The part of GitLab that Vault, init and the doctor ask, on this machine, as the sandbox's containers reach it. */
export class Gitlab {
  private constructor(
    readonly url: string,
    /** By path; a path that is not there answers 404. */
    readonly answers: Record<string, unknown>,
    readonly close: () => void,
  ) {}

  /** @param token who asks the API needs it */
  static async start(token: string): Promise<Gitlab> {
    const answers = wellSet();
    const server = createServer((request, response) => {
      const path = (request.url ?? "").split("?")[0] ?? "";
      const refused = path.startsWith("/api/") && request.headers["private-token"] !== token;
      const body = refused ? { message: "401 Unauthorized" } : answers[path];
      response.writeHead(refused ? 401 : body === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(body ?? { message: "404 Not Found" }));
    });
    await new Promise<void>((listening) => server.listen(0, "0.0.0.0", listening));
    const url = `http://${platformSubnet}.1:${(server.address() as AddressInfo).port}`;
    const key = createPublicKey(readFileSync(join(root, ".sandbox/gitlab/public.pem")));
    // By which Vault gets the keys of ID tokens.
    answers["/.well-known/openid-configuration"] = {
      ...{ issuer: url, jwks_uri: `${url}/keys`, authorization_endpoint: `${url}/authorize` },
      ...{ response_types_supported: ["id_token"], subject_types_supported: ["public"] },
      id_token_signing_alg_values_supported: ["RS256"],
    };
    answers["/keys"] = { keys: [{ ...key.export({ format: "jwk" }), use: "sig", alg: "RS256" }] };
    return new Gitlab(url, answers, () => server.close());
  }
}
