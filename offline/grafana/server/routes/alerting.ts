import type { FastifyInstance } from "fastify";
import { checkUid, type Context, isObject, number, route, text } from "../context.js";
import { plain } from "../errors.js";
import { type AlertRule, type Json, ORG_ID, type RuleGroup } from "../model.js";
import { newUid, type Store } from "../store.js";

/** Drops the rules of a folder, or of one group in it. */
export function forgetRules(store: Store, folderUid: string, title?: string): void {
  const { state } = store;
  state.alertRules = state.alertRules.filter(
    (rule) => rule.folderUid !== folderUid || (title !== undefined && rule.group !== title),
  );
  state.ruleGroups = state.ruleGroups.filter(
    (group) => group.folderUid !== folderUid || (title !== undefined && group.title !== title),
  );
}

/** Grafana keeps durations as Prometheus writes them, `2m` for the `2m0s` of a Go program. */
function prometheusDuration(text: string): string {
  const units = { d: 86_400, h: 3600, m: 60, s: 1 };
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([dhms])/g))
    seconds += Number(count) * units[unit as keyof typeof units];
  const parts = Object.entries(units).map(([unit, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return count === 0 ? "" : `${count}${unit}`;
  });
  return parts.join("") || "0s";
}

/** A rule with what Grafana fills in when it saves one. */
function completed(rule: Json): Json {
  const data = (rule.data as unknown[]).filter(isObject).map((query) => ({
    queryType: "",
    ...query,
    model: { intervalMs: 1000, maxDataPoints: 43_200, ...(isObject(query.model) ? query.model : {}) },
  }));
  return { ...rule, data, for: prometheusDuration(text(rule, "for")) };
}

/**
 * Alert rules as the provisioning API keeps them:
 * https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/
 * They are stored and given back; the preview evaluates none.
 */
export function alertingRoutes(app: FastifyInstance, context: Context): void {
  const { store } = context;
  const show = (rule: AlertRule): Json => ({
    ...rule.body,
    id: rule.id,
    uid: rule.uid,
    orgID: ORG_ID,
    folderUID: rule.folderUid,
    ruleGroup: rule.group,
    updated: rule.updated,
    ...(rule.provenance === "" ? {} : { provenance: rule.provenance }),
  });
  const findGroup = (folderUid: string | undefined, title: string | undefined): RuleGroup => {
    const group = store.state.ruleGroups.find(
      (candidate) => candidate.folderUid === folderUid && candidate.title === title,
    );
    if (group === undefined) throw plain(404, "rule group not found");
    return group;
  };
  const findRule = (uid: string | undefined): AlertRule => {
    const rule = store.state.alertRules.find((candidate) => candidate.uid === uid);
    if (rule === undefined) throw plain(404, "rule not found");
    return rule;
  };
  const showGroup = (group: RuleGroup): Json => ({
    title: group.title,
    folderUid: group.folderUid,
    interval: group.interval,
    rules: store.state.alertRules
      .filter(({ folderUid, group: title }) => folderUid === group.folderUid && title === group.title)
      .map(show),
  });
  const base = "/api/v1/provisioning";
  const groupPath = `${base}/folder/:folder/rule-groups/:group`;

  route(app, context, "GET", `${base}/alert-rules`, "Viewer", "alert.provisioning:read", () =>
    store.state.alertRules.map(show),
  );
  route(app, context, "GET", `${base}/alert-rules/:uid`, "Viewer", "alert.provisioning:read", ({ params }) =>
    show(findRule(params.uid)),
  );
  route(
    app,
    context,
    "DELETE",
    `${base}/alert-rules/:uid`,
    "Editor",
    "alert.provisioning:write",
    ({ params, reply }) => {
      const { state } = store;
      const rule = state.alertRules.find((candidate) => candidate.uid === params.uid);
      if (rule !== undefined) {
        state.alertRules = state.alertRules.filter((candidate) => candidate !== rule);
        const left = state.alertRules.some(
          ({ folderUid, group }) => folderUid === rule.folderUid && group === rule.group,
        );
        if (!left) forgetRules(store, rule.folderUid, rule.group);
        store.save();
      }
      return reply.code(204).send();
    },
  );
  route(app, context, "GET", groupPath, "Viewer", "alert.provisioning:read", ({ params }) =>
    showGroup(findGroup(params.folder, params.group)),
  );
  route(app, context, "DELETE", groupPath, "Editor", "alert.provisioning:write", ({ params, reply }) => {
    const group = findGroup(params.folder, params.group);
    forgetRules(store, group.folderUid, group.title);
    store.save();
    return reply.code(204).send();
  });
  route(app, context, "PUT", groupPath, "Editor", "alert.provisioning:write", ({ params, body, request }) => {
    const folderUid = params.folder ?? "";
    const title = params.group ?? "";
    if (!store.state.folders.some((folder) => folder.uid === folderUid))
      throw plain(400, "invalid alert rule: folder does not exist");
    const interval = number(body, "interval") ?? 60;
    if (interval <= 0 || interval % 10 !== 0) {
      throw plain(
        400,
        `invalid alert rule: interval (${interval}s) should be non-zero and divided exactly by scheduler interval: 10s`,
      );
    }
    const given = Array.isArray(body.rules) ? body.rules.filter(isObject) : [];
    const provenance = request.headers["x-disable-provenance"] === undefined ? "api" : "";
    const rules = given.map((rule): AlertRule => {
      if (text(rule, "title") === "") throw plain(400, "invalid alert rule: title is empty");
      if (!Array.isArray(rule.data) || rule.data.length === 0)
        throw plain(400, "invalid alert rule: no queries or expressions are found");
      const uid = text(rule, "uid") || newUid();
      checkUid(uid);
      const kept = store.state.alertRules.find((candidate) => candidate.uid === uid);
      return {
        id: kept?.id ?? store.nextId(),
        uid,
        folderUid,
        group: title,
        provenance,
        updated: new Date().toISOString(),
        body: completed(rule),
      };
    });
    if (new Set(rules.map(({ body: rule }) => rule.title)).size < rules.length) {
      throw plain(
        400,
        "a conflicting alert rule is found: rule title under the same organisation and folder should be unique",
      );
    }
    forgetRules(store, folderUid, title);
    store.state.alertRules = store.state.alertRules.filter(({ uid }) => !rules.some((rule) => rule.uid === uid));
    store.state.ruleGroups.push({ folderUid, title, interval });
    store.state.alertRules.push(...rules);
    store.save();
    return showGroup({ folderUid, title, interval });
  });
}
