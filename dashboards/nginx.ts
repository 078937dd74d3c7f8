import type { Json, JsonObject } from "../lib/canonical-json";
import { canonicalDashboard } from "./canonical";
import { type DataSource, SIBLINGS_LINK, TAG } from "./service";

export interface NginxDashboardOptions {
  readonly datasource: DataSource;
  /** Fixed uid, part of the dashboard's URL (`/d/<uid>`). Default `audit-nginx`; the published one is random. */
  readonly uid?: string;
  /** Unique in its folder. Default: the published title, `NGINX`. */
  readonly title?: string;
}

/** uid of the edge's dashboard unless the options say otherwise. */
export const NGINX_DASHBOARD_UID = "audit-nginx";

/** The published dashboard's variable, and the input that the import dialogue would ask for. */
const PUBLISHED_VARIABLE = "DS_PROMETHEUS";

/**
 * Members that only Grafana's import dialogue reads, which a provider does not use; and a fixed style, which Grafana 9
 * and later ignore.
 */
const DROPPED = new Set(["__inputs", "__requires", "__elements", "gnetId", "style"]);

/** Tags of a variable's values: Grafana 7.4 was the last version that supported them. */
const VARIABLE_TAGS = new Set(["tags", "tagsQuery", "tagValuesQuery", "useTags"]);

/**
 * The dashboard that nginx-prometheus-exporter publishes, adapted to this Grafana: bound to the data source, with a fixed uid, our tag and
 * links, upgraded to the current schema, and without what only the import dialogue reads. Panels, their types and their
 * queries stay as published; Grafana itself draws a `graph` as a time series and a `singlestat` as a stat.
 *
 * @param source text of grafana/dashboard.json, see published.ts
 * @returns canonical JSON
 * @throws Error if the text is not a dashboard, or has no data source variable of the expected name
 */
export function nginxDashboard(source: string, options: NginxDashboardOptions): string {
  const published = JSON.parse(source) as JsonObject;
  if (!Array.isArray(published.panels)) throw new Error("The published dashboard of the nginx exporter has no panels.");
  const { datasource, uid = NGINX_DASHBOARD_UID } = options;
  const kept = Object.fromEntries(Object.entries(published).filter(([key]) => !DROPPED.has(key)));
  return canonicalDashboard({
    ...(modern(kept) as JsonObject),
    uid,
    title: options.title ?? published.title,
    tags: [...strings(published.tags), TAG],
    templating: { list: variables(published, datasource) },
    links: [SIBLINGS_LINK],
  });
}

/** The published variables: the one for the data source is set to ours, the others to all of their values. */
function variables(published: JsonObject, { uid, name }: DataSource): Json[] {
  const templating = published.templating as { list?: JsonObject[] } | undefined;
  const list = templating?.list ?? [];
  if (!list.some((variable) => variable.name === PUBLISHED_VARIABLE && variable.type === "datasource")) {
    throw new Error(`The published dashboard of the nginx exporter has no data source variable ${PUBLISHED_VARIABLE}.`);
  }
  return list.map((variable) => ({
    ...(modern(Object.fromEntries(Object.entries(variable).filter(([key]) => !VARIABLE_TAGS.has(key)))) as JsonObject),
    current:
      variable.name === PUBLISHED_VARIABLE
        ? { selected: true, text: name ?? uid, value: uid }
        : { selected: true, text: ["All"], value: ["$__all"] },
  }));
}

/**
 * Removes what the current schema no longer has: null for "not set", time ranges in the picker, and data sources given
 * as a string, which newer versions would look up as a name.
 */
function modern(value: Json): Json {
  if (Array.isArray(value)) return value.map(modern);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, member]) => member !== null && key !== "time_options")
      .map(([key, member]) => [
        key,
        key === "datasource" && typeof member === "string" ? dataSourceReference(member) : modern(member),
      ]),
  );
}

function dataSourceReference(name: string): Json {
  return { type: name === "-- Grafana --" ? "grafana" : "prometheus", uid: name };
}

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
