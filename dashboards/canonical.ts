import { canonicalJson, type JsonObject } from "../lib/canonical-json";

/**
 * Fields that Grafana numbers itself. The provider strips them from its state, so a program that sends them would
 * always see a difference. `iteration` is a timestamp that older versions of Grafana wrote at each export.
 */
const NUMBERED_BY_GRAFANA = new Set(["id", "version", "iteration"]);

/**
 * Compact JSON with sorted keys and without what Grafana numbers: `id`, `version` and the panels' `id`.
 * It is byte for byte what the Grafana provider keeps in its state (Go's encoding/json, which also escapes `<`, `>` and `&`),
 * so that a second `up` shows no difference.
 *
 * @param dashboard a dashboard in Grafana's classic schema
 */
export function canonicalDashboard(dashboard: object): string {
  // Through JSON once: drops undefined members and the SDK's marker methods, as sending it would.
  const plain = JSON.parse(JSON.stringify(dashboard)) as JsonObject;
  return canonicalJson(withoutPanelIds(withoutNumbers(plain)));
}

function withoutNumbers(record: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !NUMBERED_BY_GRAFANA.has(key)));
}

function withoutPanelIds(record: JsonObject): JsonObject {
  if (!Array.isArray(record.panels)) return record;
  const panels = record.panels.map((panel) => {
    if (panel === null || typeof panel !== "object" || Array.isArray(panel)) return panel;
    return withoutPanelIds(Object.fromEntries(Object.entries(panel).filter(([key]) => key !== "id")));
  });
  return { ...record, panels };
}
