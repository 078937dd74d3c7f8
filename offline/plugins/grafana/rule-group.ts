import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type * as grafana from "@pulumiverse/grafana";
import { formatDuration, parseDuration } from "../docker/durations.js";
import { defineResource, goJson, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import type { Api, Json } from "./api.js";
import { existingOrgId, newOrgId, orgResourceId } from "./ids.js";
import { checkJsonObject, parseObject } from "./json.js";

type GroupClass = typeof grafana.alerting.RuleGroup;
type GroupInputs = InputsOf<GroupClass>;
type GroupState = StateOf<GroupClass>;
type Rule = GroupInputs["rules"][number];
type Data = Rule["datas"][number];

/** How long the genuine plugin repeats a PUT that is refused, whatever the reason: its rule may need a folder that is not there yet. */
const RETRY_MS = 120_000;

interface RuleAnswer {
  readonly uid: string;
  readonly orgID: number;
  readonly folderUID: string;
  readonly ruleGroup: string;
  readonly title: string;
  readonly condition: string;
  readonly data: readonly {
    readonly refId: string;
    readonly queryType?: string;
    readonly datasourceUid: string;
    readonly relativeTimeRange: { readonly from?: number; readonly to?: number };
    readonly model: Json;
  }[];
  readonly for: string;
  readonly noDataState: string;
  readonly execErrState: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly isPaused?: boolean;
  readonly provenance?: string;
}

interface GroupAnswer {
  readonly title: string;
  readonly folderUid: string;
  readonly interval: number;
  readonly rules?: readonly { readonly uid: string }[];
}

/** A duration with whole days in front, as both Grafana and the genuine plugin take it, in nanoseconds. */
function nanoseconds(text: string): number | undefined {
  const [, days = "", rest = ""] = /^(?:(\d+)d)?(.*)$/.exec(text) ?? [];
  const tail = rest === "" ? 0 : parseDuration(rest);
  return tail === undefined ? undefined : Number(days) * 86_400e9 + tail;
}

/** What the state holds of a model: without what Grafana fills in by itself. */
function normalizeModel(text: string): string {
  const model = parseObject(text);
  if (model === undefined) return text;
  const standard: Json = { maxDataPoints: 43_200, intervalMs: 1000 };
  return goJson(Object.fromEntries(Object.entries(model).filter(([key, value]) => value !== standard[key])));
}

function path(group: { folderUid: string; name: string }): string {
  return `/v1/provisioning/folder/${encodeURIComponent(group.folderUid)}/rule-groups/${encodeURIComponent(group.name)}`;
}

/** The folder and the title in an id of the form `orgId:folderUid:title`. */
function groupOf(rest: string): { folderUid: string; name: string } {
  const separator = rest.indexOf(":");
  if (separator < 0) throw new Error(`invalid ID "${rest}"`);
  return { folderUid: rest.slice(0, separator), name: rest.slice(separator + 1) };
}

function orElse(text: string | undefined, otherwise: string): string {
  return text === undefined || text === "" ? otherwise : text;
}

function bodyOf(inputs: GroupInputs, orgId: number): Json {
  const rules = inputs.rules.map((rule): Json => {
    if (!rule.condition) throw new Error('"condition" is required');
    return {
      ...(rule.uid ? { uid: rule.uid } : {}),
      title: rule.name,
      folderUID: inputs.folderUid,
      ruleGroup: inputs.name,
      orgID: orgId,
      condition: rule.condition,
      data: rule.datas.map((data) => ({
        refId: data.refId,
        datasourceUid: data.datasourceUid,
        queryType: data.queryType ?? "",
        relativeTimeRange: data.relativeTimeRange,
        model: parseObject(data.model) ?? {},
      })),
      for: formatDuration(nanoseconds(rule.for ?? "0") ?? 0),
      noDataState: orElse(rule.noDataState, "NoData"),
      execErrState: orElse(rule.execErrState, "Alerting"),
      labels: rule.labels ?? {},
      annotations: rule.annotations ?? {},
      ...(rule.isPaused === true ? { isPaused: true } : {}),
    };
  });
  const uids = inputs.rules.flatMap(({ uid }) => (uid ? [uid] : []));
  const twice = uids.find((uid, index) => uids.indexOf(uid) !== index);
  if (twice !== undefined) throw new Error(`rule with UID "${twice}" is defined more than once`);
  return { title: inputs.name, folderUid: inputs.folderUid, interval: inputs.intervalSeconds, rules };
}

function ruleState(rule: RuleAnswer): GroupState["rules"] extends (infer R)[] | null | undefined ? R : never {
  return {
    uid: rule.uid,
    name: rule.title,
    condition: rule.condition,
    datas: rule.data.map(({ refId, datasourceUid, queryType = "", relativeTimeRange, model }) => ({
      refId,
      datasourceUid,
      queryType,
      relativeTimeRange: { from: relativeTimeRange.from ?? 0, to: relativeTimeRange.to ?? 0 },
      model: normalizeModel(JSON.stringify(model)),
    })),
    for: formatDuration(nanoseconds(rule.for) ?? 0),
    noDataState: rule.noDataState,
    execErrState: rule.execErrState,
    labels: rule.labels ?? {},
    annotations: rule.annotations ?? {},
    isPaused: rule.isPaused ?? false,
  };
}

async function readGroup(api: Api, id: string): Promise<{ id: string; state: GroupState } | undefined> {
  const { orgId, uid: rest } = existingOrgId(api, id);
  const named = groupOf(rest);
  const group = await api.find<GroupAnswer>("getAlertRuleGroup", path(named), orgId);
  if (group === undefined) return undefined;
  const rules: RuleAnswer[] = [];
  // Each once more by itself: only there Grafana tells the provenance.
  for (const { uid } of group.rules ?? [])
    rules.push(await api.call("getAlertRule", "GET", `/v1/provisioning/alert-rules/${encodeURIComponent(uid)}`, orgId));
  return {
    id: orgResourceId(orgId, `${named.folderUid}:${named.name}`),
    state: {
      ...(rules[0] === undefined ? {} : { orgId: String(rules[0].orgID) }),
      name: group.title,
      folderUid: group.folderUid,
      intervalSeconds: group.interval,
      disableProvenance: rules.every(({ provenance = "" }) => provenance === ""),
      rules: rules.map(ruleState),
    },
  };
}

async function put(api: Api, inputs: GroupInputs, orgId: number): Promise<{ id: string; state: GroupState }> {
  const body = bodyOf(inputs, orgId);
  const headers: Json = inputs.disableProvenance === true ? { "x-disable-provenance": "disabled" } : {};
  const end = Date.now() + RETRY_MS;
  for (let pause = 500; ; pause = Math.min(pause * 2, 10_000)) {
    try {
      await api.call(
        "putAlertRuleGroup",
        "PUT",
        path(inputs as { folderUid: string; name: string }),
        orgId,
        body,
        headers,
      );
      break;
    } catch (error) {
      if (Date.now() + pause > end) throw error;
      await sleep(pause);
    }
  }
  const id = orgResourceId(orgId, `${inputs.folderUid}:${inputs.name ?? ""}`);
  try {
    const found = await readGroup(api, id);
    if (found === undefined) throw new Error(`rule group ${id} is gone right after it was written`);
    return found;
  } catch (error) {
    throw new PartialFailure<GroupState>(id, {}, [messageOf(error)]);
  }
}

/** Whether both mean the same time: `2m` and `2m0s`. */
const sameDuration = (state: string, input: string): boolean => nanoseconds(state) === nanoseconds(input);

/** grafana_rule_group: always put as a whole. Recording rules, and settings of notifications by rule, are not implemented. */
export const ruleGroup = defineResource<GroupClass, Api>({
  token: "grafana:alerting/ruleGroup:RuleGroup",
  inputs: {
    orgId: { forceNew: true },
    name: { required: true, forceNew: true, autoname: true },
    folderUid: {
      required: true,
      forceNew: true,
      validate: (uid) =>
        /^[a-zA-Z0-9_-]+$/.test(uid) ? undefined : "folder UIDs can only be alphanumeric, dashes, or underscores",
    },
    intervalSeconds: { required: true },
    disableProvenance: { default: false },
    rules: {
      required: true,
      validate: (rules) => (rules.length > 0 ? undefined : "at least one rule is needed"),
      fields: {
        uid: { computed: true },
        name: { required: true },
        condition: {},
        for: {
          default: "",
          validate: (text) => (nanoseconds(text) === undefined ? "not a duration such as 1m30s" : undefined),
          equal: sameDuration,
        },
        // Not set is what the plugin then sends, and no difference to it.
        noDataState: { default: "", equal: (state, input) => state === orElse(input, "NoData") },
        execErrState: { default: "", equal: (state, input) => state === orElse(input, "Alerting") },
        labels: {},
        annotations: {},
        isPaused: { default: false },
        datas: {
          required: true,
          fields: {
            refId: { required: true },
            datasourceUid: { required: true },
            queryType: { default: "" },
            model: {
              required: true,
              validate: checkJsonObject,
              stateOf: normalizeModel,
              equal: (state: Data["model"], input: Data["model"]) =>
                isDeepStrictEqual(parseObject(state), parseObject(input)),
            },
            relativeTimeRange: { required: true, fields: { from: { required: true }, to: { required: true } } },
          },
        },
      },
    },
  },
  customizeDiff: (_state, inputs) => (inputs.orgId === undefined ? { unchanged: ["orgId"] } : {}),

  async create(api, inputs) {
    const orgId = newOrgId(api, inputs.orgId);
    // The API would overwrite a group of that name.
    const rules = await api.call<RuleAnswer[]>("getAlertRules", "GET", "/v1/provisioning/alert-rules", orgId);
    if (rules.some(({ ruleGroup, folderUID }) => ruleGroup === inputs.name && folderUID === inputs.folderUid))
      throw new Error(`rule group with name "${inputs.name ?? ""}" already exists`);
    return put(api, inputs, orgId);
  },

  read: (api, id) => readGroup(api, id),

  update(api, id, old, inputs) {
    // A rule without a uid keeps that of the rule in its place, as Terraform plans a computed field of a list.
    const rules = inputs.rules.map((rule, index) => ({ ...rule, uid: rule.uid ?? old.rules?.[index]?.uid }));
    return put(api, { ...inputs, rules }, existingOrgId(api, id).orgId);
  },

  // Rule by rule; a group that is gone already is an error, as in the genuine plugin.
  async delete(api, id) {
    const { orgId, uid: rest } = existingOrgId(api, id);
    const group = await api.call<GroupAnswer>("getAlertRuleGroup", "GET", path(groupOf(rest)), orgId);
    for (const { uid } of group.rules ?? [])
      await api.call("deleteAlertRule", "DELETE", `/v1/provisioning/alert-rules/${encodeURIComponent(uid)}`, orgId);
  },
});
