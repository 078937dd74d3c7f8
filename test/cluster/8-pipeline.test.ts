import assert from "node:assert/strict";
import {
  mergeRequest,
  Pipelines,
  removeLogins,
  schedule,
  setUpLogins,
  tagged,
  type Kind,
} from "../e2e/support/pipeline";
import { green, serving, showsNoSecret, slotsOf, type Slots } from "../e2e/support/pipeline-checks";
import { pushVariant } from "../e2e/support/variant";
import { Accounts } from "./support/accounts";
import { attached } from "./support/cluster";
import { namesOf, Releases } from "./support/releases";

/**
 * The jobs that reach the stack, as test/e2e/85-pipeline.test.ts runs them for VM2, which has what builds and publishes.
 * They have the accounts that bootstrap/kubernetes.yaml makes.
 */
describe("scenario: the pipeline's jobs on a cluster", function () {
  this.timeout(600_000);
  const cluster = attached();
  let pipelines: Pipelines;
  let releases: Releases;
  let first: Slots;
  let next: string;
  let accounts: Accounts;
  const tag = `v1.0.${Date.now()}`;

  const pods = async (): Promise<string[]> => namesOf(await cluster().pods("audit-svc"));
  /** The job `deploy` fails with one line, and changes nothing. */
  const refused = async (kind: Kind, why: RegExp): Promise<void> => {
    const before = [await slotsOf(cluster()), await pods()];
    const { code, errors, log } = await pipelines.run(kind, "deploy");
    assert.notEqual(code, 0, log);
    assert.equal(errors.length, 1, log);
    assert.match(errors[0] ?? "", why);
    assert.deepEqual([await slotsOf(cluster()), await pods()], before);
  };

  before(async () => {
    releases = new Releases(cluster());
    pipelines = await Pipelines.open(cluster());
    accounts = await Accounts.make(cluster());
    await setUpLogins(cluster(), pipelines.harbor, accounts.kubeconfig);
    next = await pushVariant(cluster(), "audit-svc", [`LABEL scenario="cluster ${Date.now()}"`]);
    first = await slotsOf(cluster());
  });
  after(async () => {
    try {
      // What the other scenarios find.
      await releases.mustUp();
    } finally {
      await removeLogins(cluster());
      await accounts.remove();
      await pipelines.close();
      releases.close();
    }
  });

  it("tag: deploys an image pod by pod, without a lost request, and tests it through the edge", async () => {
    let log = "";
    await releases.losesNothing(100, async () => {
      ({ log } = green(await pipelines.run(tagged(tag, { IMAGE: next }), "deploy", "smoke")));
    });
    const after = await slotsOf(cluster());
    assert.equal(after.slots[after.active]?.image, next);
    assert.match(log, new RegExp(`release ${serving(first)} -> ${serving(after)}`));
    assert.match(log, /published a copy of the state without its secrets/);
    assert.match(log, /ok: \/reload and \/metrics are 404/);
    assert.match(log, /ok: an event went in and came out/);
    assert.match(log, /ok: Prometheus has \d+ targets/);
    assert.ok((await releases.serving()).every((release) => release === serving(after)));
    const history = await cluster().mustPulumi("stack", "history", "--full-dates");
    assert.match(history, new RegExp(`deploy ${tag} by alice: release ${serving(first)} -> ${serving(after)} `));
  });

  it("merge request: shows that nothing would change, without a login to the cluster", async () => {
    const { log } = green(await pipelines.run(mergeRequest, "preview"));
    assert.match(log, /The cluster was not checked: .*cannot be reached/);
    assert.match(log, /comment: none, this is no merge request pipeline/);
    // Secrets in the copy are placeholders, so these alone may differ.
    assert.doesNotMatch(log, /\d+ to (create|replace|delete)\b/);
    assert.match(log, /\d+ unchanged/);
  });

  it("tag: does not replace what a newer pipeline has deployed", () =>
    refused(
      tagged("v0.9", { IMAGE: next, CI_PIPELINE_ID: "-1" }), // gitlab-ci-local counts from 0
      /v0\.9 is older than what is deployed, "deploy v1\.0\.\d+ by alice: /,
    ));

  it("tag: changes nothing without a kubeconfig, or with one that lacks the context", async () => {
    const kind = (KUBECONFIG: string): Kind => tagged("v2", { IMAGE: next, KUBECONFIG });
    await refused(kind("/nowhere/kubeconfig"), /KUBECONFIG names \/nowhere\/kubeconfig, and there is no such file/);
    const other = JSON.stringify({ contexts: [{ name: "elsewhere" }] });
    await refused(kind(`${other}\n`), /KUBECONFIG has no context \S+, which audit:kubeContext names; it has elsewhere/);
  });

  it("status: shows what runs, with the job's logins alone", async () => {
    const { log } = await pipelines.run(tagged(tag), "status");
    assert.match(log, /stack cluster .* UTC/);
    for (const part of ["release", "service", "containers", "vault"]) assert.match(log, new RegExp(`${part} +✔ `), log);
    assert.doesNotMatch(log, /cannot look/);
  });

  it("rollback: goes back to the former release, pod by pod", async () => {
    await releases.losesNothing(100, async () => {
      green(await pipelines.run(tagged(tag), "rollback"));
    });
    assert.equal(serving(await slotsOf(cluster())), serving(first));
    assert.ok((await releases.serving()).every((release) => release === serving(first)));
  });

  it("schedule: finds no drift, and the drift that somebody made, with an account that only reads", async () => {
    const { log } = green(await pipelines.run(schedule("drift")));
    assert.match(log, /no drift since "rollback from v1\.0\.\d+ by alice: /);
    await cluster().kubectl("delete", "poddisruptionbudget", "-n", "audit", "audit-edge");
    try {
      const result = await pipelines.run(schedule("drift"));
      assert.notEqual(result.code, 0, result.log);
      assert.match(result.errors.join(), /the installation differs from what "rollback from \S+ by alice: /);
      assert.match(result.log, /PodDisruptionBudget/);
    } finally {
      await cluster().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    }
  });

  it("has shown no secret in any job's log, and no token of the kubeconfigs", () => {
    showsNoSecret(cluster(), pipelines.logs);
    assert.equal(accounts.tokens.length, 2);
    for (const token of accounts.tokens) assert.ok(!pipelines.logs.join("\n").includes(token), "a kubeconfig's token");
  });
});
