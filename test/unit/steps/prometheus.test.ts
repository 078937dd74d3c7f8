import assert from "node:assert/strict";
import { stringify } from "yaml";
import { problems, problemsOfPods, seconds } from "../../../lib/prometheus-targets";
import { missingInConfig } from "../../../lib/prometheus-config";
import { differences, missingForRules } from "../../../steps/load-rules";
import type { ActiveTarget } from "../../../lib/prometheus-api";
import { messagesNameKeys } from "../support/keys";

const now = Date.parse("2026-01-01T00:01:00Z");
const labels = { job: "audit-svc", instance: "vm2:9145/blue-1", environment: "vm2", release: "abc" };
const wanted = [{ targets: ["vm2:9145"], labels }];
const target = (change: Partial<ActiveTarget> = {}): ActiveTarget => ({
  labels,
  scrapeUrl: "http://vm2:9145/metrics/blue-1",
  health: "up",
  lastError: "",
  lastScrape: "2026-01-01T00:00:50Z",
  scrapeInterval: "15s",
  ...change,
});
const check = (...active: ActiveTarget[]) => problems(wanted, active, now);

describe("the check of the scrape targets", () => {
  messagesNameKeys();

  it("accepts a target that is up and scraped recently, and ignores others' targets", () => {
    const others = target({ labels: { job: "audit-svc", instance: "other:9145/blue-1", environment: "test" } });
    assert.deepEqual(check(target(), others), []);
  });

  it("says which is missing, down and why, not scraped recently, or of another release", () => {
    assert.deepEqual(check(), ["audit-svc vm2:9145/blue-1: Prometheus does not know it"]);
    assert.deepEqual(check(target({ health: "down", lastError: "server returned HTTP status 403" })), [
      "audit-svc vm2:9145/blue-1: down; http://vm2:9145/metrics/blue-1: server returned HTTP status 403",
    ]);
    assert.deepEqual(check(target({ lastScrape: "2026-01-01T00:00:00Z" })), [
      "audit-svc vm2:9145/blue-1: up, but not scraped for 60 s",
    ]);
    assert.deepEqual(check(target({ labels: { ...labels, release: "old" } })), [
      "audit-svc vm2:9145/blue-1: Prometheus still has it as release old",
    ]);
  });

  it("says which replica is scraped although it no longer serves", () => {
    const left = target({ labels: { ...labels, instance: "vm2:9145/green-1" } });
    assert.deepEqual(check(target(), left), [
      "audit-svc vm2:9145/green-1: Prometheus still scrapes it, although it no longer serves",
    ]);
  });

  describe("where pods come and go", () => {
    const pod = (address: string, release = "abc", change: Partial<ActiveTarget> = {}) =>
      target({ labels: { ...labels, instance: `vm2:9145/${address}`, release }, ...change });
    const nginx = target({ labels: { ...labels, job: "nginx", instance: "vm2:9145/nginx/1" } });
    const ofPods = (...active: ActiveTarget[]) =>
      problemsOfPods({ environment: "vm2", release: "abc", pods: 2 }, active, now);

    it("wants as many of the release as there are at the least, and nginx, all of them up", () => {
      assert.deepEqual(ofPods(pod("1"), pod("2"), pod("3"), nginx), []);
      assert.deepEqual(ofPods(pod("1"), nginx), ["1 of 2 audit-svc targets of release abc"]);
      assert.deepEqual(ofPods(pod("1", "old"), pod("2", "old"), nginx), ["no audit-svc target of release abc"]);
      assert.deepEqual(ofPods(pod("1"), pod("2")), ["no nginx target"]);
      assert.match(ofPods(pod("1"), pod("2", "abc", { health: "down" }), nginx).join(), /vm2:9145\/2: down/);
    });

    it("takes pods that do not tell their release for those of the wanted one", () => {
      assert.deepEqual(ofPods(pod("1", "unknown"), pod("2", "unknown"), nginx), []);
    });
  });

  it("reads Prometheus's durations", () => {
    assert.deepEqual(["15s", "1m30s", "500ms", "1h"].map(seconds), [15, 90, 0.5, 3600]);
  });

  it("says what is missing in prometheus.yml", () => {
    const config = (job: object) => stringify({ scrape_configs: [{ job_name: "audit", ...job }] });
    assert.match(
      missingInConfig(config({}), "/targets"),
      /^prometheus\.yml has no scrape job with file_sd_configs: add/,
    );
    assert.match(
      missingInConfig(config({ file_sd_configs: [{ files: ["/other/*.json"] }] }), "/targets"),
      /^Its file_sd_configs read \/other\/\*\.json; the targets were written to audit:prometheusTargets \(\/targets\)/,
    );
    assert.match(
      missingInConfig("scrape_config_files: [jobs/*.yml]", "/targets"),
      /and reload it; what it reads from jobs\/\*\.yml \(scrape_config_files\), it does not show\.$/,
    );
    const place = "http://vm2:9145/targets";
    assert.match(
      missingInConfig(config({}), place),
      /no scrape job with http_sd_configs, and the targets are at http:/,
    );
    assert.match(missingInConfig(config({ http_sd_configs: [{ url: place }] }), place), /its log says why/);
    assert.equal(
      missingInConfig(config({}), "podMonitor"),
      "Its operator makes scrape jobs of PodMonitors. In its resource Prometheus, podMonitorNamespaceSelector must choose this namespace, and podMonitorSelector the labels of audit:podMonitorLabels.",
    );
  });
});

describe("the check of the alert rules", () => {
  messagesNameKeys();

  const rule = {
    alert: "A",
    expr: 'up{job="a",b=~"x, {y}"} ==\n  0',
    for: "10s",
    labels: { a: "b" },
    annotations: { summary: "s" },
  };
  const group = [{ name: "g", rules: [rule] }];
  const loaded = {
    type: "alerting",
    name: "A",
    query: 'up{b=~"x, {y}",job="a"} == 0',
    duration: 10,
    labels: { a: "b" },
    annotations: { summary: "s" },
  };

  it("finds them in force however Prometheus formats them", () => {
    assert.deepEqual(differences(group, [{ name: "g", rules: [loaded] }]), []);
    const spelt = (expr: string, query: string) => {
      const wanted = group.map((each) => ({ ...each, rules: each.rules.map((rule) => ({ ...rule, expr })) }));
      return differences(wanted, [{ name: "g", rules: [{ ...loaded, query }] }]);
    };
    assert.deepEqual(spelt("a < 1209600 >= 5 and b[6h]", "a < 1.2096e+06 >= 5 and b[6h]"), []);
    assert.equal(spelt("a < 1209600", "a < 1.2097e+06").length, 1);
  });

  it("says which group is missing, or which of its rules differ", () => {
    assert.deepEqual(differences(group, []), ["Prometheus has no rule group g"]);
    for (const change of [{ query: "up == 1" }, { duration: 60 }, { labels: {} }, { annotations: {} }])
      assert.deepEqual(differences(group, [{ name: "g", rules: [{ ...loaded, ...change }] }]), [
        "Prometheus has other rules in its group g: A",
      ]);
    assert.deepEqual(differences(group, [{ name: "g", rules: [loaded, loaded] }]), [
      "Prometheus has other rules in its group g: 1 more than written",
    ]);
  });

  it("says what is missing", () => {
    const config = stringify({ rule_files: ["/rules/*.yml"] });
    assert.match(missingForRules("{}", "/rules", true), /^prometheus\.yml has no rule_files/);
    assert.match(missingForRules(config, "/rules", false), /--web\.enable-lifecycle, or set audit:prometheusReload/);
    assert.match(missingForRules(config, "/other", true), /^Its rule_files read \/rules\/\*\.yml; .*\(\/other\)/);
  });
});
