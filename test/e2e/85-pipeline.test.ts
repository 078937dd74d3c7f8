import assert from "node:assert/strict";
import { closeAll, double } from "../unit/ci/support/servers";
import { pushBaseImages } from "./support/hub";
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
  type Result,
} from "./support/pipeline";
import { times } from "../support/depth";
import { attached, run, until } from "./support/sandbox";

interface Release {
  release: string;
  image: string;
}
interface Slots {
  active: "blue" | "green";
  slots: Partial<Record<"blue" | "green", Release>>;
}

describe("journey: the pipeline, run by gitlab-ci-local with its real scripts", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let pipelines: Pipelines;
  let first: Slots;
  // A tag's image cannot be changed, and the registry outlives this run.
  const tag = `v1.0.${Date.now()}`;

  const slots = async () => JSON.parse(await sandbox().mustPulumi("stack", "output", "releases", "--json")) as Slots;
  const serving = ({ active, slots: of }: Slots) => of[active]?.release;
  const containers = async () =>
    (await sandbox().docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}"))
      .split("\n")
      .sort();
  const green = (result: Result) => {
    assert.equal(result.code, 0, result.log);
    console.log(`      ${result.seconds.toFixed(0)} s`);
    return result;
  };
  /** A pipeline that must end red, with one clear line, and leave everything as it was. */
  const red = async (kind: Kind, why: RegExp, ...jobs: string[]) => {
    const before = [await slots(), await containers()];
    const result = await pipelines.run(kind, ...jobs);
    assert.notEqual(result.code, 0, result.log);
    assert.equal(result.errors.length, 1, result.log);
    assert.match(result.errors[0] ?? "", why);
    assert.deepEqual([await slots(), await containers()], before);
  };

  before(async () => {
    pipelines = await Pipelines.open(sandbox());
    await setUpLogins(sandbox(), pipelines.harbor);
    await pushBaseImages();
    first = await slots();
  });
  after(async () => {
    closeAll();
    // The journeys that follow find the release that was there before.
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
    await removeLogins(sandbox());
    pipelines.close();
    assert.equal(code, 0, output);
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
  });

  it("default branch: builds the image without a daemon and publishes it, labelled, with its SBOM", async () => {
    const { log } = green(await pipelines.run(defaultBranch, "publish"));
    assert.match(log, new RegExp(`IMAGE=${pipelines.harbor}/audit/audit-svc@sha256:[0-9a-f]{64}`));
  });

  it("tag: promotes that image, deploys it, tests it through the edge, and keeps a record", async () => {
    const { log } = green(await pipelines.run(tagged(tag)));
    assert.doesNotMatch(log, /building it/, "the tag must not build");
    const after = await slots();
    assert.notEqual(serving(after), serving(first));
    assert.match(log, new RegExp(`release ${serving(first)} -> ${serving(after)}`));
    assert.match(log, /ok: \/reload is 404/);
    assert.match(log, /ok: an event went in and came out/);
    assert.match(log, /ok: Prometheus has \d+ targets/);
    const history = await sandbox().mustPulumi("stack", "history", "--full-dates");
    assert.match(
      history,
      new RegExp(`deploy ${tag} by alice: release ${serving(first)} -> ${serving(after)} \\(sha256:`),
    );
  });

  it("rollback: goes back to the former release by a start and a flip", async () => {
    const made = (await containers()).map((line) => line.split(" ").slice(0, 2).join(" "));
    const { log } = green(await pipelines.run(tagged(tag), "rollback"));
    assert.equal(serving(await slots()), serving(first), log);
    assert.deepEqual(
      (await containers()).map((line) => line.split(" ").slice(0, 2).join(" ")),
      made,
    );
  });

  it("schedule: finds no drift, and the drift that somebody made", async () => {
    assert.match(green(await pipelines.run(schedule("drift"))).log, /no drift/);
    await sandbox().docker("rm", "--force", "audit-edge-exporter");
    const result = await pipelines.run(schedule("drift"));
    assert.notEqual(result.code, 0, result.log);
    assert.match(result.errors.join(), /the installation differs from the program \(Would change: /);
    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
  });

  // A second whole build, which differs from the first by two options of buildah's.
  if (times(0, 1) > 0)
    it("schedule: rebuilds the image on its newest base", async () => {
      const { log } = green(await pipelines.run(schedule("rebuild")));
      assert.match(log, /IMAGE=\S+@sha256:[0-9a-f]{64} \(\w{40}, main\)/);
    });

  describe("ends red, with one line, and changes nothing", () => {
    const digest = `sha256:${"0".repeat(64)}`;
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
    it("when there is no image of the tag's commit and none may be built", () =>
      red(
        tagged("v2", { PROMOTE_ONLY: "true", CI_COMMIT_SHA: "0".repeat(40) }),
        /there is no image of commit 0{40}/,
        "promote",
      ));
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
    it("when the preview fails", () =>
      red(
        { ...mergeRequest, variables: { PULUMI_CONFIG_PASSPHRASE: "", AUDIT_STACK: "nowhere" } },
        /Pulumi could not read stack nowhere/,
        "preview",
      ));
  });

  describe("and besides", () => {
    it("leaves another run's lock alone, and releases one that LOCK_OWNER names", async () => {
      const image = first.slots[first.active]?.image ?? "";
      const kind = tagged("v3", { IMAGE: image });
      const sql = async (text: string) => {
        const { code, output, stdout } = await run(
          ["psql", sandbox().get("PULUMI_BACKEND_URL"), "-XAtc", text],
          sandbox().env,
        );
        assert.equal(code, 0, output);
        return stdout.trim();
      };
      // The lock of a deploy on another runner that was killed.
      const name = "locks/organization/audit/sandbox/00000000-0000-4000-8000-000000000000.json";
      const lock = { pid: 4711, username: "root", hostname: "runner-7", timestamp: new Date().toISOString() };
      const [key = ""] = (await sql("SELECT key FROM pulumi_state WHERE key LIKE '%stacks/audit/sandbox.json'")).split(
        "\n",
      );
      const path = key.replace(/stacks\/.*/, name);
      await sql(
        `INSERT INTO pulumi_state (key, data) VALUES ('${path}', '${JSON.stringify({ data: Buffer.from(JSON.stringify(lock)).toString("base64") })}')`,
      );
      try {
        await red(kind, /stack sandbox is locked by root@runner-7 \(pid 4711\); if that run is over, /, "deploy");
        await red(
          tagged("v3", { IMAGE: image, LOCK_OWNER: "root@runner-8 (pid 4711)" }),
          /is locked by root@runner-7/,
          "deploy",
        );
        const released = green(
          await pipelines.run(tagged("v3", { IMAGE: image, LOCK_OWNER: "root@runner-7 (pid 4711)" }), "deploy"),
        );
        assert.match(released.log, /the lock of root@runner-7 \(pid 4711\) is released: LOCK_OWNER names it/);
      } finally {
        await sql(`DELETE FROM pulumi_state WHERE key = '${path}'`);
      }
    });

    it("has shown no secret in any job's log", () => {
      const secrets = {
        ...secretsOf(),
        VAULT_TOKEN: sandbox().get("VAULT_TOKEN"),
        AUDIT_TOKEN: sandbox().get("AUDIT_TOKEN"),
      };
      const logs = pipelines.logs.join("\n");
      assert.ok(logs.length > 5_000);
      for (const [name, secret] of Object.entries(secrets))
        for (const form of [secret, Buffer.from(secret).toString("base64").replace(/=+$/, "").slice(0, -1)])
          assert.equal(logs.includes(form), false, `${name} is in a job's log`);
      assert.doesNotMatch(logs, /hvs\.[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{20,}\.eyJ|BEGIN OPENSSH PRIVATE KEY/);
    });
  });
});
