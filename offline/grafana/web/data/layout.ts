import type { GridPos, Panel } from "../model.js";
import { type Chosen, constant, interpolate, type Values } from "./interpolate.js";
import { migrate } from "./migrate.js";

/** A panel where it goes: in columns of 24 and rows of 38 pixels, with the values of the variable it is repeated for. */
export interface Placed {
  readonly key: string;
  readonly panel: Panel;
  readonly at: GridPos;
  readonly scoped: Values;
}

/** A row with what is below it; the first may be without a heading. */
export interface Section {
  readonly key: string;
  readonly title: string | undefined;
  readonly collapsed: boolean;
  readonly panels: readonly Placed[];
}

const COLUMNS = 24;

function position(panel: Panel, fallbackY: number): GridPos {
  const { x = 0, y = fallbackY, w = 12, h = 8 } = panel.gridPos ?? {};
  return { x: Math.min(x, COLUMNS - 1), y, w: Math.max(1, Math.min(w, COLUMNS - x)), h: Math.max(1, h) };
}

function repeats(chosen: Chosen | undefined): readonly string[] {
  return chosen === undefined || chosen.values.length === 0 ? [] : chosen.values;
}

/** One panel, or one for each value of the variable it repeats by. */
function expand(panel: Panel, index: number, y: number, values: Values, prefix: string): Placed[] {
  const at = position(panel, y);
  const key = `${prefix}${panel.id ?? `n${index}`}`;
  const name = panel.repeat ?? "";
  const list = name === "" ? [] : repeats(values[name]);
  if (list.length === 0) return [{ key, panel: migrate(panel), at, scoped: {} }];
  const isVertical = panel.repeatDirection === "v";
  const perRow = isVertical ? 1 : Math.min(list.length, panel.maxPerRow ?? 4);
  const width = isVertical ? at.w : Math.floor(COLUMNS / perRow);
  return list.map((value, number) => ({
    key: `${key}-${value}`,
    panel: migrate(panel),
    scoped: { [name]: constant(value) },
    at: {
      x: isVertical ? at.x : (number % perRow) * width,
      y: at.y + Math.floor(number / perRow) * at.h,
      w: width,
      h: at.h,
    },
  }));
}

/** Shifts panels so that none lies on another one: repeats make rows taller than the dashboard says. */
function settle(panels: readonly Placed[]): Placed[] {
  const done: Placed[] = [];
  for (const placed of [...panels].sort((left, right) => left.at.y - right.at.y || left.at.x - right.at.x)) {
    let { at } = placed;
    const hits = (other: Placed) =>
      at.x < other.at.x + other.at.w &&
      other.at.x < at.x + at.w &&
      at.y < other.at.y + other.at.h &&
      other.at.y < at.y + at.h;
    for (let other = done.find(hits); other !== undefined; other = done.find(hits))
      at = { ...at, y: other.at.y + other.at.h };
    done.push({ ...placed, at });
  }
  const top = Math.min(...done.map(({ at }) => at.y), Infinity);
  return done.map((placed) => ({ ...placed, at: { ...placed.at, y: placed.at.y - top } }));
}

/** Parts a dashboard into its rows, with repeated rows and panels written out. `values` are the variables' at this moment. */
export function sections(panels: readonly Panel[], values: Values): Section[] {
  const groups: { row: Panel | undefined; members: Panel[] }[] = [{ row: undefined, members: [] }];
  const ordered = [...panels].sort(
    (left, right) =>
      (left.gridPos?.y ?? 0) - (right.gridPos?.y ?? 0) || (left.gridPos?.x ?? 0) - (right.gridPos?.x ?? 0),
  );
  for (const panel of ordered) {
    if (panel.type === "row") groups.push({ row: panel, members: [...(panel.panels ?? [])] });
    else groups[groups.length - 1]?.members.push(panel);
  }
  return groups
    .filter(({ row, members }) => row !== undefined || members.length > 0)
    .flatMap(({ row, members }, number) => {
      const name = row?.repeat ?? "";
      const scopes: Values[] = repeats(name === "" ? undefined : values[name]).map((value) => ({
        [name]: constant(value),
      }));
      return (scopes.length === 0 ? [{}] : scopes).map((scope, copy): Section => {
        const inScope = { ...values, ...scope };
        const prefix = `s${number}-${copy}-`;
        const placed = members.flatMap((panel, index) => expand(panel, index, index * 8, inScope, prefix));
        return {
          key: prefix,
          title: row === undefined ? undefined : interpolate(row.title ?? "", inScope, "text"),
          collapsed: row?.collapsed ?? false,
          panels: settle(placed.map((each) => ({ ...each, scoped: { ...scope, ...each.scoped } }))),
        };
      });
    });
}
