import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { rootToken } from "./support/bootstrap";
import { Pipelines, schedule } from "./support/pipeline";
import { attached, until } from "./support/sandbox";

const COPY = "secret/data/ci/audit/state-copy/sandbox";
const TOKEN = "job-token-of-the-sandbox";

/** The real job, run by gitlab-ci-local, with a package registry of GitLab's as far as the job uses it. */
describe("scenario: the pipeline is a witness of the log", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let pipelines: Pipelines;
  let gitlab: Server;
  /** Checkpoints by version, in the order in which they came. */
  const packages = new Map<string, string>();
  let key: string;

  before(async () => {
    gitlab = createServer((request, response) => {
      assert.equal(request.headers["job-token"], TOKEN);
      const [path = ""] = (request.url ?? "").split("?");
      const [, version] = /\/packages\/generic\/audit-log-sandbox\/([\d.]+)\/checkpoint$/.exec(path) ?? [];
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (version === undefined) {
          const all = [...packages.keys()].reverse().map((one) => ({ name: "audit-log-sandbox", version: one }));
          response.end(JSON.stringify(all));
        } else if (request.method === "PUT") {
          packages.set(version, Buffer.concat(chunks).toString());
          response.writeHead(201).end("{}");
        } else response.end(packages.get(version));
      });
    });
    await new Promise<void>((ready) => gitlab.listen(0, "127.0.0.1", ready));
    pipelines = await Pipelines.open(sandbox());
    const keys = JSON.parse(await sandbox().mustPulumi("stack", "output", "logKeys", "--json")) as string[];
    key = keys[0] ?? "";
    // What a deploy publishes, as far as the job reads it.
    const outputs = { serviceUrl: sandbox().get("AUDIT_URL"), logKeys: keys };
    const state = { version: 4, deployment: { resources: [{ urn: "s", type: "pulumi:pulumi:Stack", outputs }] } };
    const data = { state: gzipSync(JSON.stringify(state)).toString("base64"), deploy: "v1", versions: {} };
    await sandbox().vault("POST", COPY, { data }, rootToken());
  });
  after(async () => {
    gitlab.close();
    await pipelines.close();
    await sandbox().vault("DELETE", COPY.replace("/data/", "/metadata/"), undefined, rootToken());
  });

  const run = (variables: Record<string, string> = {}) => {
    const kind = schedule("witness");
    const { port } = gitlab.address() as AddressInfo;
    const own = { CI_API_V4_URL: `http://127.0.0.1:${port}/api/v4`, CI_PROJECT_ID: "42", CI_JOB_TOKEN: TOKEN };
    return pipelines.run({ ...kind, variables: { ...kind.variables, ...own, ...variables } });
  };
  const green = async (variables?: Record<string, string>): Promise<string> => {
    const { code, log } = await run(variables);
    assert.equal(code, 0, log);
    return log;
  };
  const sizeNow = async (): Promise<number> => {
    const { body } = await sandbox().edge("/log/checkpoint", { token: sandbox().get("AUDIT_READ_TOKEN") });
    return Number(body.split("\n")[1]);
  };

  it("begins when told to, and keeps each larger checkpoint", async () => {
    const { errors } = await run();
    assert.match(errors.join(), /there is no checkpoint of an earlier run in the package audit-log-sandbox /);
    await green({ WITNESS_FIRST: "true" });
    const before = await sizeNow();
    assert.deepEqual([...packages.keys()], [`0.0.${before}`]);
    const event = { application: "demo", actor: "log", action: "see", resource: "witness", outcome: "success" };
    const { status } = await sandbox().edge("/v1/events", {
      ...{ method: "POST", token: sandbox().get("AUDIT_TOKEN") },
      body: JSON.stringify({ ...event, occurredAt: new Date().toISOString() }),
    });
    assert.equal(status, 201);
    await until("a larger checkpoint", 15, async () => ((await sizeNow()) > before ? true : undefined));
    assert.match(await green(), /and extends the \d+ of before/);
    assert.deepEqual([...packages.keys()], [`0.0.${before}`, `0.0.${await sizeNow()}`]);
    assert.match(await green(), /ok: nothing new since the last run/);
  });

  it("is red with one line when the log is another than it saw, and shows no token", async () => {
    // Signed by the log's own key: what an owner of the database who may sign could have had before.
    const [origin = "", hash = ""] = key.split("+");
    const size = await sizeNow();
    const text = `${origin}\n${size}\n${randomBytes(32).toString("base64")}\n`;
    const input = Buffer.from(text).toString("base64");
    const path = "transit/sign/audit-svc-log";
    const signed = await sandbox().vault<{ data: { signature: string } }>("POST", path, { input }, rootToken());
    const [, , signature = ""] = (signed?.data.signature ?? "").split(":");
    const line = Buffer.concat([Buffer.from(hash, "hex"), Buffer.from(signature, "base64")]).toString("base64");
    packages.delete(`0.0.${size}`);
    packages.set(`0.0.${size}`, `${text}\n— ${origin} ${line}\n`);
    const { code, errors } = await run();
    assert.notEqual(code, 0);
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? "", /^error: HISTORY WAS REWRITTEN: \S+ does not extend the checkpoint of \d+ entries/);
    for (const log of pipelines.logs) {
      assert.ok(!log.includes(sandbox().get("AUDIT_READ_TOKEN")));
      assert.ok(!log.includes("VAULT_TOKEN="));
    }
  });
});
