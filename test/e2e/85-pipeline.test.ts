import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { closeAll, double } from "../unit/ci/support/servers";
import { pushBaseImages, pushPulumiImage } from "./support/hub";
import {
  defaultBranch,
  mergeRequest,
  onVm2,
  Pipelines,
  removeLogins,
  schedule,
  secretsOf,
  setUpLogins,
  tagged,
  type Kind,
} from "./support/pipeline";
import {
  changingNothing,
  containersOf,
  emptyDatabase,
  onPostgres,
  green,
  serving,
  showsNoSecret,
  slotsOf,
  type Slots,
} from "./support/pipeline-checks";
import { times } from "../support/depth";
import { attached, root, until } from "./support/sandbox";

interface Copy {
  data?: { data?: { state?: string } };
}

describe("scenario: the pipeline, run by gitlab-ci-local with its real scripts", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let pipelines: Pipelines;
  let first: Slots;
  // A tag's image cannot be changed, and the registry outlives this run.
  const tag = `v1.0.${Date.now()}`;

  const slots = () => slotsOf(sandbox());
  const containers = () => containersOf(sandbox());
  const red = (kind: Kind, why: RegExp, ...jobs: string[]) =>
    changingNothing(sandbox(), () => pipelines.run(kind, ...jobs), why);

  before(async () => {
    pipelines = await Pipelines.open(sandbox(), { signed: true });
    await setUpLogins(sandbox(), pipelines.harbor);
    await pushBaseImages();
    first = await slots();
  });
  after(async () => {
    closeAll();
    // Restore the former release for later scenarios.
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
    await removeLogins(sandbox());
    await pipelines.close();
    assert.equal(code, 0, output);
  });

  it("merge request: runs the migrations on an empty PostgreSQL, and fails when they cannot run there", async () => {
    const database = await emptyDatabase(sandbox());
    try {
      const kind = { ...mergeRequest, variables: database.variables };
      green(await pipelines.run(kind, "migrations"));
      const broken = join(pipelines.dir, "audit-svc/migrations/999.do.broken.sql");
      writeFileSync(broken, "SELECT 1 FROM no_such_table;\n");
      try {
        await red(kind, /^error: .*no_such_table|the migrations do not run/, "migrations");
      } finally {
        rmSync(broken);
      }
    } finally {
      await database.remove();
    }
  });

  it("merge request: builds the image without a push", async () => {
    const before = await pipelines.tagsOf("audit-svc");
    green(await pipelines.run(mergeRequest, "image-check"));
    assert.deepEqual(await pipelines.tagsOf("audit-svc"), before);
  });

  // The same work as the suites of `make test` that have these names.
  if (times(0, 1) > 0)
    for (const job of ["lint", "typecheck", "unit", "service"])
      it(`merge request: ${job}`, async () => {
        const { log } = green(await pipelines.run(mergeRequest, job));
        if (["unit", "service"].includes(job)) assert.match(log, /\d+ passing/);
        assert.match(log, /> [1-9]\d* passed, 0 failed/);
      });

  it("tag: refuses an image that nobody has signed, and deploys it once somebody has", async () => {
    const present = (await sandbox().mustPulumi("stack", "output", "image")).trim();
    // The deployed image, by the registry's address on this machine.
    const image = `${pipelines.harbor}/${present.slice(present.indexOf("/") + 1)}`;
    const kind = tagged("v0.9", { IMAGE: image });
    const why = /@sha256:[0-9a-f]{64} is not deployed, and nothing was changed: audit:imageKey demands a signature of the key in image-key\.pem, and it has no signature\./; // prettier-ignore
    // The registry outlives this run.
    await pipelines.unsign(image);
    await red(kind, why, "deploy");
    await pipelines.sign(image);
    assert.match(green(await pipelines.run(kind, "deploy")).log, /is signed by the key of image-key\.pem/);
    first = await slots();
    assert.equal(first.slots[first.active]?.image, image);
  });

  it("default branch: builds the image without a daemon and publishes it, labelled, with its SBOM", async () => {
    const { log } = green(await pipelines.run(defaultBranch, "publish"));
    const [, digest = ""] =
      new RegExp(`IMAGE=${pipelines.harbor}/audit/audit-svc@(sha256:[0-9a-f]{64})`).exec(log) ?? [];
    assert.match(log, /signed with Vault's transit\/keys\/audit-image/);
    assert.ok((await pipelines.tagsOf("audit-svc")).includes(`${digest.replace(":", "-")}.sig`));
    const bytes = await pipelines.sizeOf("audit-svc", digest);
    console.log(`      the image has ${(bytes / 1e6).toFixed(1)} MB compressed`);
    // 79.9 at the time of writing, of which 31.6 are Debian's; npm alone would be 5 more.
    assert.ok(bytes < 82e6, `${bytes} bytes`);
  });

  it("tag: promotes that image, deploys it, tests it through the edge, and keeps a record", async () => {
    const { log } = green(await pipelines.run(tagged(tag)));
    assert.doesNotMatch(log, /building it/, "the tag must not build");
    assert.match(log, /is signed by the key of image-key\.pem/);
    const after = await slots();
    assert.notEqual(serving(after), serving(first));
    assert.match(log, new RegExp(`release ${serving(first)} -> ${serving(after)}`));
    assert.match(log, /ok: \/reload and \/metrics are 404/);
    assert.match(log, /ok: an event went in and came out/);
    assert.match(log, /ok: Prometheus has \d+ targets/);
    const history = await sandbox().mustPulumi("stack", "history", "--full-dates");
    assert.match(
      history,
      new RegExp(`deploy ${tag} by alice: release ${serving(first)} -> ${serving(after)} \\(sha256:`),
    );
  });

  it("merge request: shows what a deploy would change, in one comment that is kept up to date", async () => {
    const notes: { id: number; body: string; author: { id: number } }[] = [];
    const api = await double(({ method, path, body, headers }) => {
      if (headers["private-token"] !== "glpat-of-the-sandbox") return { status: 401 };
      if (path === "/user") return { body: { id: 7 } };
      const [, id] = /^\/projects\/1217\/merge_requests\/5\/notes(?:\/(\d+))?/.exec(path) ?? [];
      const text = body === "" ? "" : (JSON.parse(body) as { body: string }).body;
      if (method === "POST") notes.push({ id: notes.length + 1, body: text, author: { id: 7 } });
      const note = notes.find((one) => String(one.id) === id);
      if (method === "PUT" && note !== undefined) note.body = text;
      return { body: method === "GET" ? notes : (note ?? {}) };
    });
    const request = { CI_MERGE_REQUEST_IID: "5", CI_API_V4_URL: api.url, CI_PROJECT_ID: "1217" };
    const once = green(await pipelines.run({ ...mergeRequest, variables: request }, "preview"));
    assert.match(once.log, /comment: made/);
    const again = green(
      await pipelines.run({ ...mergeRequest, variables: { ...request, CI_COMMIT_SHORT_SHA: "c0ffee12" } }, "preview"),
    );
    assert.match(again.log, /comment: updated/);
    assert.equal(notes.length, 1);
    assert.match(notes[0]?.body ?? "", /Pulumi preview of `sandbox`[^]*Commit c0ffee12/);
    // Every secret is a placeholder; that alone is no change.
    assert.match(notes[0]?.body ?? "", /\n\nNothing would change\.\n/, again.log);
    assert.match(notes[0]?.body ?? "", /Previewed on a copy of the state of "deploy v1\.0\.\d+ by alice: /);
  });

  it("merge request: its job finds no secret and no login, however its branch has changed it", async () => {
    const own = join(pipelines.dir, "ci/preview.ts");
    const right = readFileSync(own, "utf8");
    // What a malicious branch could push: it tries the job's own login and everything that might open.
    const curious = `
      import { writeFileSync } from "node:fs";
      void (async () => {
        const { VAULT_ADDR, VAULT_ID_TOKEN } = process.env;
        const ask = async (path: string, token = "", body?: object) => {
          const init = { method: body === undefined ? "GET" : "POST", headers: { "x-vault-token": token }, body: JSON.stringify(body) };
          const response = await fetch(VAULT_ADDR + "/v1/" + path, init);
          return { status: response.status, body: (await response.json()) as Record<string, any> };
        };
        const found: Record<string, unknown> = { env: process.env };
        for (const role of ["preview", "publish", "deploy", "drift", "witness"])
          found[role] = await ask("auth/jwt/login", "", { role: "audit-ci-" + role, jwt: VAULT_ID_TOKEN });
        const token = (found.preview as any).body.auth.client_token;
        for (const path of ["secret/data/ci/audit/preview", "secret/data/ci/audit/state-copy/sandbox", "secret/data/ci/audit/deploy"])
          found[path] = await ask(path, token);
        found.decrypt = await ask("transit/decrypt/pulumi-sandbox", token, { ciphertext: "vault:v1:AAAA" });
        writeFileSync(${JSON.stringify(join(pipelines.dir, "../found.json"))}, JSON.stringify(found));
      })();`;
    writeFileSync(own, curious);
    try {
      green(await pipelines.run(mergeRequest, "preview"));
    } finally {
      writeFileSync(own, right);
    }
    const file = join(pipelines.dir, "../found.json");
    const found = JSON.parse(readFileSync(file, "utf8")) as Record<string, { status: number; body: Copy }>;
    rmSync(file);
    for (const refused of ["publish", "deploy", "drift", "witness"]) assert.equal(found[refused]?.status, 400, refused);
    for (const denied of ["secret/data/ci/audit/deploy", "decrypt"]) assert.equal(found[denied]?.status, 403, denied);
    const packed = found["secret/data/ci/audit/state-copy/sandbox"]?.body.data?.data?.state ?? "";
    const copy = gunzipSync(Buffer.from(packed, "base64")).toString();
    assert.match(copy, /placeholder-[0-9a-f]{12}/);
    const secrets = { ...secretsOf(), url: sandbox().get("PULUMI_BACKEND_URL"), token: sandbox().get("AUDIT_TOKEN") };
    for (const [name, secret] of Object.entries(secrets))
      assert.equal(`${JSON.stringify(found)}${copy}`.includes(secret), false, name);
    assert.doesNotMatch(copy, /ciphertext|encryptedkey|PRIVATE KEY/);
  });

  it("rollback: goes back to the former release by a start and a promotion", async () => {
    const made = (await containers()).map((line) => line.split(" ").slice(0, 2).join(" "));
    const { log } = green(await pipelines.run(tagged(tag), "rollback"));
    assert.equal(serving(await slots()), serving(first), log);
    assert.deepEqual(
      (await containers()).map((line) => line.split(" ").slice(0, 2).join(" ")),
      made,
    );
  });

  it("status: shows what runs, with the job's logins alone", async () => {
    const { log } = await pipelines.run(tagged(tag), "status");
    assert.match(log, /stack sandbox .* UTC/);
    for (const part of ["release", "containers", "drift", "vault"]) assert.match(log, new RegExp(`${part} +✔ `), log);
    assert.doesNotMatch(log, /cannot look/);
  });

  it("tag: does not replace what a newer pipeline has deployed", () =>
    red(
      tagged("v0.9", { IMAGE: `${pipelines.harbor}/audit/audit-svc@sha256:${"0".repeat(64)}`, CI_PIPELINE_ID: "-1" }), // gitlab-ci-local counts from 0
      /v0\.9 is older than what is deployed, "rollback from v1\.0\.\d+ by alice: /,
      "deploy",
    ));

  it("schedule: finds no drift, and the drift that somebody made, with logins that only read", async () => {
    assert.match(
      green(await pipelines.run(schedule("drift"))).log,
      /no drift since "rollback from v1\.0\.\d+ by alice: /,
    );
    const { rootToken } = JSON.parse(readFileSync(join(root, ".sandbox/vault.json"), "utf8")) as { rootToken: string };
    try {
      await sandbox().docker("rm", "--force", "audit-edge-exporter");
      await onPostgres("ALTER ROLE audit_runtime CREATEDB");
      const tokens = "secret/data/audit-svc/sandbox-tokens/writer-demo";
      const present = await sandbox().vault<{ data: { data: object } }>("GET", tokens, undefined, rootToken);
      await sandbox().vault("POST", tokens, { data: present?.data.data }, rootToken);
      const result = await pipelines.run(schedule("drift"));
      assert.notEqual(result.code, 0, result.log);
      assert.match(
        result.errors.join(),
        /the installation differs from what "rollback from \S+ by alice: .*" left \(Would change: .*Vault's secret\/audit-svc\/sandbox-tokens\/writer-demo is at version \d+ of \S+, and the deploy left it at version \d+ of \S+\. ?\)/,
      );
      assert.match(result.log, /audit-edge-exporter/);
      assert.match(result.log, /audit-runtime/);
    } finally {
      await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    }
  });

  // A second whole build, which differs from the first by two options of buildah's, and the image of the jobs.
  if (times(0, 1) > 0)
    it("schedule: rebuilds the images on their newest bases", async () => {
      await pushPulumiImage(sandbox());
      const { log } = green(await pipelines.run(schedule("rebuild")));
      assert.match(log, / IMAGE=\S+@sha256:[0-9a-f]{64} \(\w{40}, main\)/);
      const [, digest = ""] = / CI_IMAGE=\S+\/audit\/audit-ci@(sha256:[0-9a-f]{64}) \(\w{40}, main\)/.exec(log) ?? [];
      console.log(
        `      the jobs' image has ${((await pipelines.sizeOf("audit-ci", digest)) / 1e6).toFixed(1)} MB compressed`,
      );
    });

  describe("fails with one line and changes nothing", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    // Signed, so that what comes after the check is reached.
    before(() => pipelines.sign(`${pipelines.harbor}/audit/audit-svc@${digest}`));
    const withImage = (kind: Kind): Kind => ({
      ...kind,
      variables: { ...kind.variables, IMAGE: `${pipelines.harbor}/audit/audit-svc@${digest}` },
    });

    it("without the role in Vault", () =>
      red(withImage(tagged("v2", { VAULT_ROLE: "nobody" })), /Vault has no role nobody at auth\/jwt/, "deploy"));
    it("with a token for another audience", () =>
      red(
        withImage({ ...tagged("v2"), claims: { aud: "https://elsewhere.example" } }),
        /is not for the audience of the job's token, "https:\/\/elsewhere\.example"/,
        "deploy",
      ));
    it("for a tag that is not protected", () =>
      red({ ...tagged("v2"), protected: false }, /tag v2 is not protected, so it is not deployed/));
    it("when Harbor refuses the login", () =>
      red(
        tagged("v2", {
          HARBOR_HOST: pipelines.harbor,
          HARBOR_URL: `http://${pipelines.harbor}`,
          HARBOR_PROJECT: "audit",
          HARBOR_USERNAME: "pusher",
          HARBOR_PASSWORD: "not-the-password",
        }),
        /refused the login of pusher/,
        "promote",
      ));
    it("when there is no image of the tag's commit, which nobody has checked then", () =>
      red(tagged("v2", { CI_COMMIT_SHA: "0".repeat(40) }), /there is no image of commit 0{40}/, "promote"));
    it("when the image is not in the registry", () =>
      red(withImage(tagged("v2")), /Pulumi could not deploy .*(manifest unknown|not found)/i, "deploy"));
    it("when VM2 is away", async () => {
      const rule = "-p tcp --dport 22 --syn -j REJECT --reject-with tcp-reset";
      await onVm2(`iptables -I INPUT ${rule}`);
      try {
        const result = await pipelines.run(withImage(tagged("v2")), "deploy");
        assert.notEqual(result.code, 0, result.log);
        assert.match(
          result.errors.join("\n"),
          /^error: the VM at ssh:\S+ \(audit:hostAddress\) cannot be reached, so nothing was changed: .*$/,
        );
      } finally {
        await onVm2(`iptables -D INPUT ${rule}`);
      }
      await until("VM2 answers again", 60, async () => ((await slots()) && (await containers()) ? true : undefined));
    });
    it("when IMAGE is from elsewhere", () =>
      red(
        tagged("v2", { IMAGE: `mallory.example/audit/audit-svc@${digest}` }),
        /IMAGE mallory\.example\/\S+ is not from the stack's repository, /,
        "deploy",
      ));
    it("when the preview fails", () =>
      red({ ...mergeRequest, variables: { AUDIT_STACK: "nowhere" } }, /Pulumi could not preview: /, "preview"));
  });

  it("has shown no secret in any job's log", () => showsNoSecret(sandbox(), pipelines.logs));
});
