import { calculationName, keepsUnit, reduce } from "../data/reduce.js";
import { showText } from "../data/fields.js";
import { type Field, numbers } from "../data/frames.js";
import { h } from "../dom.js";
import type { LegendOptions } from "../model.js";

export interface LegendEntry {
  readonly field: Field;
  readonly color: string;
  readonly isHidden: boolean;
}

/** A legend as list or table. `pick` is told which series was clicked, and whether a modifier key was held. */
export function legend(
  options: LegendOptions,
  entries: readonly LegendEntry[],
  pick: (index: number, more: boolean) => void,
): HTMLElement | undefined {
  if (options.showLegend === false || options.displayMode === "hidden" || entries.length === 0) return undefined;
  const calcs = options.calcs ?? [];
  const onclick = (index: number) => (event: MouseEvent) =>
    pick(index, event.ctrlKey || event.metaKey || event.shiftKey);
  const value = (field: Field, calc: string) => {
    const reduced = reduce(numbers(field), calc);
    return keepsUnit(calc) || reduced === null ? showText(reduced, field) : String(reduced);
  };
  const name = ({ field, color, isHidden }: LegendEntry, index: number) =>
    h(
      "button",
      {
        class: isHidden ? "series off" : "series",
        type: "button",
        title: `${field.title}\nClick: this one alone. Ctrl-click: on or off.`,
        onclick: onclick(index),
      },
      h("i", { style: `background:${color}` }),
      h("span", {}, field.title),
    );
  if (options.displayMode === "table") {
    const head = h("tr", {}, h("th", {}, ""), ...calcs.map((calc) => h("th", {}, calculationName(calc))));
    const rows = entries.map((entry, index) =>
      h("tr", {}, h("td", {}, name(entry, index)), ...calcs.map((calc) => h("td", {}, value(entry.field, calc)))),
    );
    return h("div", { class: "legend table" }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)));
  }
  const items = entries.map((entry, index) =>
    h(
      "span",
      { class: "entry" },
      name(entry, index),
      ...calcs.map((calc) => h("small", {}, `${calculationName(calc)}: ${value(entry.field, calc)}`)),
    ),
  );
  return h("div", { class: "legend list" }, ...items);
}

/** Which series are hidden after a click: alone at a plain click, everything again at a second one; with a modifier one more or less. */
export function afterClick(
  hidden: ReadonlySet<string>,
  titles: readonly string[],
  clicked: string,
  more: boolean,
): Set<string> {
  if (more) {
    const next = new Set(hidden);
    if (!next.delete(clicked)) next.add(clicked);
    return next.size === titles.length ? new Set() : next;
  }
  const others = titles.filter((title) => title !== clicked);
  const isAlone = !hidden.has(clicked) && others.length > 0 && others.every((title) => hidden.has(title));
  return isAlone || others.length === 0 ? new Set() : new Set(others);
}
