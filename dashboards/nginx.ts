import { type Json, type JsonObject, canonicalDashboard } from "./canonical";
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

/** The published dashboard's variable, and the input that its importer would be asked for. */
const PUBLISHED_VARIABLE = "DS_PROMETHEUS";

/** Only of use to Grafana's import dialogue, which a provider does not go through. */
const IMPORT_ONLY = new Set(["__inputs", "__requires", "__elements", "gnetId"]);

/**
 * The dashboard that nginx-prometheus-exporter publishes, adapted to this Grafana: bound to the data source, with a fixed uid, our tag and
 * links, and without what only the import dialogue reads. Panels and queries stay as published.
 *
 * @param source text of grafana/dashboard.json, see published.ts
 * @returns canonical JSON
 * @throws Error if the text is no dashboard, or has no data source variable of the expected name
 */
export function nginxDashboard(source: string, options: NginxDashboardOptions): string {
  const published = JSON.parse(source) as JsonObject;
  if (!Array.isArray(published.panels)) throw new Error("The published dashboard of the nginx exporter has no panels.");
  const { datasource, uid = NGINX_DASHBOARD_UID } = options;
  const kept = Object.fromEntries(Object.entries(published).filter(([key]) => !IMPORT_ONLY.has(key)));
  return canonicalDashboard({
    ...(withReferences(kept) as object),
    uid,
    title: options.title ?? published.title,
    tags: [...strings(published.tags), TAG],
    templating: { list: variables(published, datasource) },
    links: [SIBLINGS_LINK],
  });
}

/** The published variables, the one for the data source set to ours. */
function variables(published: JsonObject, { uid, name }: DataSource): Json[] {
  const templating = published.templating as { list?: JsonObject[] } | undefined;
  const list = templating?.list ?? [];
  if (!list.some((variable) => variable.name === PUBLISHED_VARIABLE && variable.type === "datasource")) {
    throw new Error(`The published dashboard of the nginx exporter has no data source variable ${PUBLISHED_VARIABLE}.`);
  }
  return list.map((variable) =>
    variable.name === PUBLISHED_VARIABLE
      ? { ...variable, current: { selected: true, text: name ?? uid, value: uid } }
      : withReferences(variable),
  );
}

/** Data sources named by a string, as before Grafana 8.3, become references: newer versions look a string up as a name. */
function withReferences(value: Json): Json {
  if (Array.isArray(value)) return value.map(withReferences);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key !== "datasource" || typeof member !== "string") return [key, withReferences(member)];
      return [key, member === "-- Grafana --" ? { type: "grafana", uid: member } : { type: "prometheus", uid: member }];
    }),
  );
}

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
