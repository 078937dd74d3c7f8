import { createHash } from "node:crypto";
import type * as grafana from "@pulumiverse/grafana";
import { defineResource, goJson, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { type Api, AnswerError, type Json } from "./api.js";
import { existingOrgId, newOrgId, orgResourceId, splitOrgResourceId } from "./ids.js";
import { checkJsonObject, parseObject } from "./json.js";

type DashboardClass = typeof grafana.oss.Dashboard;
type DashboardInputs = InputsOf<DashboardClass>;
type DashboardState = StateOf<DashboardClass>;

function without(object: Json, keys: readonly string[]): Json {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/**
 * The model without what Grafana fills in itself (`id`, `version`, the ids of the panels that are in no row, the details of
 * library panels), as canonical JSON: two models that mean the same are the same text, and no difference is shown.
 */
function normalizeModel(model: Json): string {
  const kept = without(model, ["id", "version"]);
  if (Array.isArray(kept.panels)) {
    kept.panels = kept.panels.map((panel: unknown) => {
      if (typeof panel !== "object" || panel === null) return panel;
      const rest = without(panel as Json, ["id"]);
      const library = rest.libraryPanel;
      if (typeof library === "object" && library !== null) {
        const { name, uid } = library as Json;
        rest.libraryPanel = { ...(name === undefined ? {} : { name }), ...(uid === undefined ? {} : { uid }) };
      }
      return rest;
    });
  }
  return goJson(kept);
}

function isHash(text: string): boolean {
  return /^[a-f0-9]{64}$/.test(text);
}

/** Set by the provider's configuration: the comparison of inputs is not told which provider it is for. */
let onlyHashes = false;
export function storeOnlyHashes(value: boolean): void {
  onlyHashes = value;
}

/** What the state holds for a model; with `storeDashboardSha256` only its checksum. */
function stored(model: Json): string {
  const text = normalizeModel(model);
  return onlyHashes ? createHash("sha256").update(text).digest("hex") : text;
}

function uidIn(configJson: string | null | undefined): string {
  const uid = parseObject(configJson ?? "")?.uid;
  return typeof uid === "string" ? uid : "";
}

interface Answer {
  readonly dashboard: Json & { readonly uid: string; readonly id: number; readonly version: number };
  readonly meta: { readonly url: string; readonly folderUid?: string };
}

async function readDashboard(
  api: Api,
  id: string,
  configJson: string,
): Promise<{ id: string; state: DashboardState } | undefined> {
  const { orgId, uid } = existingOrgId(api, id);
  const answer = await api.find<Answer>("getDashboardByUid", `/dashboards/uid/${encodeURIComponent(uid)}`, orgId);
  if (answer === undefined) return undefined;
  const { dashboard, meta } = answer;
  const model: Json = { ...dashboard };
  // A uid that Grafana made up is not in the program's JSON and must not look like a difference.
  if (configJson !== "" && !isHash(configJson) && uidIn(configJson) === "") delete model.uid;
  return {
    id: orgResourceId(orgId, uid),
    state: {
      orgId: String(orgId),
      uid: dashboard.uid,
      dashboardId: dashboard.id,
      version: dashboard.version,
      url: api.link(meta.url),
      folder: meta.folderUid ?? "",
      configJson: stored(model),
    },
  };
}

async function save(api: Api, orgId: number, inputs: DashboardInputs, more: { id?: number; overwrite: boolean }) {
  const model = without(parseObject(inputs.configJson) ?? {}, ["id"]);
  const body = {
    dashboard: more.id === undefined ? model : { ...model, id: more.id },
    folderUid: splitOrgResourceId(inputs.folder ?? "").rest,
    message: inputs.message ?? "",
    overwrite: more.overwrite,
  };
  const { uid } = await api.call<{ uid: string }>("postDashboard", "POST", "/dashboards/db", orgId, body);
  const saved = orgResourceId(orgId, uid);
  try {
    const found = await readDashboard(api, saved, inputs.configJson);
    if (found === undefined) throw new Error(`dashboard ${saved} is gone right after it was written`);
    return found;
  } catch (error) {
    throw new PartialFailure<DashboardState>(saved, {}, [messageOf(error)]);
  }
}

/** grafana_dashboard. Only another `uid` inside the JSON, or another organisation, replaces it. */
export const dashboard = defineResource<DashboardClass, Api>({
  token: "grafana:oss/dashboard:Dashboard",
  inputs: {
    orgId: { forceNew: true },
    configJson: { required: true, validate: checkJsonObject, stateOf: (text) => stored(parseObject(text) ?? {}) },
    folder: {
      // An id with its organisation, or the uid alone, or "0" for no folder: the same folder.
      equal: (state, input) => {
        const [before, after] = [splitOrgResourceId(state).rest, splitOrgResourceId(input).rest];
        return before === after || (before === "0" && after === "") || (before === "" && after === "0");
      },
    },
    overwrite: {},
    message: {},
  },
  outputs: { uid: {}, dashboardId: {}, url: {}, version: {} },

  customizeDiff(state, inputs, { changed }) {
    const unchanged = inputs.orgId === undefined ? ["orgId"] : [];
    const wanted = inputs.configJson;
    // In a preview the JSON may be unknown: then there is no telling.
    if (!changed.has("configJson") || typeof wanted !== "string") return { unchanged };
    return uidIn(state.configJson) === uidIn(wanted) ? { unchanged } : { unchanged, replaces: ["configJson"] };
  },

  create: (api, inputs) =>
    api.inTurn("dashboard", () =>
      save(api, newOrgId(api, inputs.orgId), inputs, { overwrite: inputs.overwrite === true }),
    ),

  read: (api, id, state) => readDashboard(api, id, state.configJson ?? ""),

  update: (api, id, old, inputs) =>
    api.inTurn("dashboard", () =>
      save(api, existingOrgId(api, id).orgId, inputs, { id: old.dashboardId ?? 0, overwrite: true }),
    ),

  delete: (api, id) =>
    api.inTurn("dashboard", async () => {
      const { orgId, uid } = existingOrgId(api, id);
      try {
        await api.call("deleteDashboardByUid", "DELETE", `/dashboards/uid/${encodeURIComponent(uid)}`, orgId);
      } catch (error) {
        if (!(error instanceof AnswerError && error.status === 404)) throw error;
      }
    }),
});
