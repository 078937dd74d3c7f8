import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, it } from "mocha";
import { witness } from "../../../ci/witness";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { double, type Double } from "./support/servers";
import { jobDirectory } from "./support/stack";

const KEYS = ["audit.example.com/vm2+00000002+new", "audit.example.com/vm2+00000001+old"];
const checkpoint = (size: number): string => `audit.example.com/vm2\n${size}\nroot=\n\n— audit.example.com/vm2 sig\n`;
const ARTIFACT = "/api/v4/projects/42/jobs/artifacts/main/raw/build/witness/checkpoint?job=witness" as const;

interface Given {
  /** Checkpoints that GitLab has as packages, by version, the newest first. */
  packages?: Record<string, string>;
  artifact?: string;
  outputs?: object | null;
  token?: string;
  env?: Record<string, string>;
  /** GitLab's answer to everything. */
  status?: number;
}

describe("ci: witness", () => {
  const dir = jobDirectory();
  let gitlab: Double;

  /** The documented part of GitLab's API for packages and artifacts, and a Vault with what a deploy has published. */
  const job = async (given: Given = {}) => {
    const { packages = {}, artifact, outputs = { serviceUrl: "https://audit.example.com", logKeys: KEYS } } = given;
    writeFileSync(join(dir(), "Pulumi.vm2.yaml"), "config:\n  audit:vaultPath: audit-svc/one\n");
    gitlab = await double(({ method, path, headers, body }) => {
      assert.equal(headers["job-token"], "the-token-of-this-job");
      if (given.status !== undefined) return { status: given.status };
      const url = new URL(path, "http://x");
      if (path === ARTIFACT) return artifact === undefined ? { status: 404 } : { body: artifact };
      if (url.pathname === "/api/v4/projects/42/packages") {
        assert.equal(url.searchParams.get("package_name"), "audit-log-vm2");
        const found = Object.keys(packages).map((version) => ({ name: "audit-log-vm2", version }));
        return { body: [{ name: "audit-log-vm2-other", version: "0.0.99" }, ...found] };
      }
      const [, version] =
        /^\/api\/v4\/projects\/42\/packages\/generic\/audit-log-vm2\/([^/]+)\/checkpoint$/.exec(path) ?? [];
      assert.ok(version, `${method} ${path}`);
      if (method === "GET") return { body: packages[version] ?? "" };
      packages[version] = body;
      return { status: 201, body: {} };
    });
    const copy = { version: 4, deployment: { resources: [{ urn: "s", type: "pulumi:pulumi:Stack", outputs }] } };
    const packed = gzipSync(JSON.stringify(copy)).toString("base64");
    const vault = await vaultWith(
      {
        ...(outputs && { "secret/ci/audit/state-copy/vm2": { state: packed, deploy: "v1", versions: {} } }),
        "secret/audit-svc/one-tokens/reader": { token: given.token ?? "token-of-the-reader" },
      },
      ({ path, body }) => {
        if (path === "/v1/auth/jwt/login")
          assert.equal((JSON.parse(body) as { role: string }).role, "audit-ci-witness");
        return undefined;
      },
    );
    return jobWith({
      ...{ VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}), CI_API_V4_URL: `${gitlab.url}/api/v4` },
      ...{ CI_PROJECT_ID: "42", CI_JOB_TOKEN: "the-token-of-this-job", CI_COMMIT_REF_NAME: "main", ...given.env },
    });
  };
  /** The checkpoints that the verifier was given. */
  let found: (string | undefined)[];
  beforeEach(() => (found = []));
  /** The verifier, which finds a log of this many entries. */
  const verifier = (size: number, result: { code?: number; all?: string } = {}) =>
    commands({
      " witness ": ({ line }) => {
        const [, file = ""] = /--token-file (\S+)/.exec(line) ?? [];
        assert.equal(readFileSync(file, "utf8"), "token-of-the-reader");
        assert.equal(statSync(file).mode & 0o777, 0o600);
        const [, since = ""] = /--since (\S+)/.exec(line) ?? [];
        found.push(existsSync(since) ? readFileSync(since, "utf8") : undefined);
        if ((result.code ?? 0) === 0) writeFileSync(since, checkpoint(size));
        return { all: `witnessed: the log has ${size} entries\n`, ...result };
      },
    });

  it("has the newest checkpoint checked against the last one that it saw, with all keys, and keeps it", async () => {
    const packages = { "0.0.7": checkpoint(7), "0.0.5": checkpoint(5) };
    const { exec, calls } = verifier(9);
    const { job: one, log } = await job({ packages });
    await witness(one, exec, dir());
    const { line } = calls[0] ?? { line: "" };
    assert.ok(
      line.includes("--import tsx audit-svc/src/verify-main.ts witness --url https://audit.example.com --token-file"),
    );
    assert.ok(line.includes(` --key ${KEYS[0]} --key ${KEYS[1]} --since `), line);
    assert.deepEqual(found, [checkpoint(7)]);
    assert.doesNotMatch(line, /token-of-the-reader/);
    assert.equal((packages as Record<string, string>)["0.0.9"], checkpoint(9));
    assert.equal(readFileSync(join(dir(), "build/witness/checkpoint"), "utf8"), checkpoint(9));
    assert.ok(!existsSync(join(dir(), "build/witness-token")), "no token is left for the artifact");
    assert.equal(
      log.at(-1),
      "ok: the checkpoint of 9 entries is kept in the package audit-log-vm2 of the project's package registry",
    );
  });

  it("keeps nothing when there is nothing new", async () => {
    const { job: one, log } = await job({ packages: { "0.0.7": checkpoint(7) } });
    await witness(one, verifier(7).exec, dir());
    assert.equal(log.at(-1), "ok: nothing new since the last run, 7 entries");
    assert.ok(!gitlab.asked.some(({ method }) => method === "PUT"));
  });

  it("is red with one line when history was rewritten, and when it could not be checked, and keeps nothing", async () => {
    const packages = { "0.0.7": checkpoint(7) };
    const rewritten = "reading\nHISTORY WAS REWRITTEN: a log does not extend the checkpoint of 7 entries\n";
    await failsWith(
      witness((await job({ packages })).job, verifier(9, { code: 1, all: rewritten }).exec, dir()),
      'HISTORY WAS REWRITTEN: a log does not extend the checkpoint of 7 entries; see docs/runbook.md, "A log that was rewritten"',
    );
    for (const code of [1, 2])
      await failsWith(
        witness((await job({ packages })).job, verifier(9, { code, all: "no answer\n" }).exec, dir()),
        "the log could not be checked: no answer",
      );
    assert.deepEqual(Object.keys(packages), ["0.0.7"]);
    assert.ok(!existsSync(join(dir(), "build/witness-token")));
  });

  it("begins without an earlier checkpoint only when told to: somebody may have removed it", async () => {
    await failsWith(
      witness((await job()).job, verifier(3).exec, dir()),
      "there is no checkpoint of an earlier run in the package audit-log-vm2 of the project's package registry; if this is the first, run the schedule once with WITNESS_FIRST=true, otherwise find out who removed it",
    );
    const packages: Record<string, string> = {};
    const { exec } = verifier(3);
    await witness((await job({ packages, env: { WITNESS_FIRST: "true" } })).job, exec, dir());
    assert.deepEqual(found, [undefined]);
    assert.deepEqual(packages, { "0.0.3": checkpoint(3) });
  });

  it("keeps checkpoints as the job's artifact alone, if told to", async () => {
    const { exec } = verifier(9);
    await witness((await job({ artifact: checkpoint(8), env: { WITNESS_KEEP: "artifact" } })).job, exec, dir());
    assert.deepEqual(found, [checkpoint(8)]);
    assert.deepEqual(
      gitlab.asked.map(({ method, path }) => `${method} ${path}`),
      [`GET ${ARTIFACT}`],
    );
    await failsWith(
      witness((await job({ env: { WITNESS_KEEP: "branch" } })).job, exec, dir()),
      "WITNESS_KEEP is branch; set it to package or artifact, or remove it",
    );
  });

  it("says what is missing: a deploy with a log, a token, rights in GitLab", async () => {
    const nothing = "no deploy of stack vm2 has published a log yet; set audit:log in Pulumi.vm2.yaml and deploy";
    for (const outputs of [null, { serviceUrl: "https://audit.example.com" }])
      await failsWith(witness((await job({ outputs })).job, verifier(1).exec, dir()), nothing);
    await failsWith(
      witness((await job({ status: 403 })).job, verifier(1).exec, dir()),
      /^GitLab answered 403 to GET \/projects\/42\/packages\?\S+; the job's token needs the package registry \(/,
    );
  });
});
