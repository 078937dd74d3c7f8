import type * as grafana from "@pulumiverse/grafana";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { Api, Json } from "./api.js";
import { existingOrgId, newOrgId, orgResourceId } from "./ids.js";

type AnnotationClass = typeof grafana.oss.Annotation;
type AnnotationInputs = InputsOf<AnnotationClass>;
type AnnotationState = StateOf<AnnotationClass>;

interface Answer {
  readonly id: number;
  readonly text: string;
  readonly time: number;
  readonly timeEnd: number;
  readonly dashboardUID?: string;
  readonly panelId?: number;
  readonly tags?: string[];
}

/** Go's RFC 3339: whole seconds, in this machine's own time zone. */
function rfc3339(milliseconds: number): string {
  const offset = -new Date(milliseconds).getTimezoneOffset();
  const local = new Date(milliseconds + offset * 60_000).toISOString().slice(0, 19);
  if (offset === 0) return `${local}Z`;
  const two = (value: number) => String(Math.trunc(Math.abs(value))).padStart(2, "0");
  return `${local}${offset < 0 ? "-" : "+"}${two(offset / 60)}:${two(offset % 60)}`;
}

function checkTime(text: string): string | undefined {
  if (text === "") return undefined;
  const looksRight = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  return looksRight && !Number.isNaN(Date.parse(text)) ? undefined : "expected valid RFC3339 date";
}

function bodyOf(inputs: AnnotationInputs): Json {
  return {
    text: inputs.text,
    ...(inputs.dashboardUid ? { dashboardUID: inputs.dashboardUid } : {}),
    ...(inputs.panelId ? { panelId: inputs.panelId } : {}),
    ...(inputs.tags ? { tags: inputs.tags } : {}),
    ...(inputs.time ? { time: Date.parse(inputs.time) } : {}),
    ...(inputs.timeEnd ? { timeEnd: Date.parse(inputs.timeEnd) } : {}),
  };
}

/** Grafana answers "" and 0 where there is none. */
function blankToNull<T extends string | number>(value: T | undefined): T | null {
  return value === undefined || value === "" || value === 0 ? null : value;
}

async function readAnnotation(api: Api, id: string): Promise<{ id: string; state: AnnotationState } | undefined> {
  const { orgId, uid } = existingOrgId(api, id);
  const found = await api.find<Answer>("getAnnotationByID", `/annotations/${encodeURIComponent(uid)}`, orgId);
  if (found === undefined) return undefined;
  return {
    id: orgResourceId(orgId, String(found.id)),
    state: {
      orgId: String(orgId),
      text: found.text,
      time: rfc3339(found.time),
      timeEnd: rfc3339(found.timeEnd),
      dashboardUid: blankToNull(found.dashboardUID),
      panelId: blankToNull(found.panelId),
      tags: found.tags && found.tags.length > 0 ? found.tags : null,
    },
  };
}

/** grafana_annotation: a mark in time on a dashboard, or on all of them. */
export const annotation = defineResource<AnnotationClass, Api>({
  token: "grafana:oss/annotation:Annotation",
  inputs: {
    orgId: { computed: true, forceNew: true },
    text: { required: true },
    time: { computed: true, validate: checkTime },
    timeEnd: { computed: true, validate: checkTime },
    dashboardUid: { forceNew: true },
    panelId: { forceNew: true },
    tags: { unordered: true },
  },

  async create(api, inputs) {
    const orgId = newOrgId(api, inputs.orgId);
    const { id } = await api.call<{ id: number }>("postAnnotation", "POST", "/annotations", orgId, bodyOf(inputs));
    const made = orgResourceId(orgId, String(id));
    const found = await readAnnotation(api, made);
    if (found === undefined) throw new Error(`annotation ${made} is gone right after it was written`);
    return found;
  },

  read: (api, id) => readAnnotation(api, id),

  async update(api, id, _old, inputs) {
    const { orgId, uid } = existingOrgId(api, id);
    await api.call("updateAnnotation", "PUT", `/annotations/${encodeURIComponent(uid)}`, orgId, bodyOf(inputs));
    const found = await readAnnotation(api, id);
    if (found === undefined) throw new Error(`annotation ${id} is gone right after it was written`);
    return found;
  },

  // Already gone is an error, as in the genuine plugin.
  async delete(api, id) {
    const { orgId, uid } = existingOrgId(api, id);
    await api.call("deleteAnnotationByID", "DELETE", `/annotations/${encodeURIComponent(uid)}`, orgId);
  },
});
