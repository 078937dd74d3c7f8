import { ask } from "../api.js";
import type { SourceRef } from "../model.js";
import { interpolate, type Values } from "./interpolate.js";
import { seconds } from "./time.js";

export interface Source {
  readonly uid: string;
  readonly name: string;
  readonly type: string;
  readonly isDefault: boolean;
  /** Seconds between two scrapes; the data source's `timeInterval`, default 15. */
  readonly scrape: number;
}

export async function loadSources(): Promise<Source[]> {
  const list = await ask<
    { uid: string; name: string; type: string; isDefault: boolean; jsonData?: { timeInterval?: string } }[]
  >("GET", "/api/datasources");
  return list.map(({ uid, name, type, isDefault, jsonData }) => ({
    uid,
    name,
    type,
    isDefault,
    scrape: seconds(jsonData?.timeInterval) ?? 15,
  }));
}

/** Finds the source that a panel or variable means, by uid, by name, or the default one. Throws with a sentence for people. */
export function findSource(
  sources: readonly Source[],
  ref: SourceRef | string | null | undefined,
  values: Values,
): Source {
  const written = typeof ref === "string" ? ref : (ref?.uid ?? "");
  const wanted = interpolate(written, values, "raw");
  if (wanted === "" || wanted === "default") {
    const chosen = sources.find(({ isDefault }) => isDefault);
    if (chosen === undefined) throw new Error("No data source is set as the default one.");
    return chosen;
  }
  if (wanted.startsWith("-- ") || wanted === "__expr__") throw new Error(`The preview has no data source "${wanted}".`);
  const found = sources.find(({ uid }) => uid === wanted) ?? sources.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`There is no data source "${wanted}".`);
  if (found.type !== "prometheus")
    throw new Error(`The preview can only query Prometheus; "${found.name}" is of type ${found.type}.`);
  return found;
}
