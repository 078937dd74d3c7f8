import type { Variable } from "./data/variables.js";
import { ALL } from "./data/variables.js";
import { h } from "./dom.js";

export const RANGES = [
  ["now-5m", "Last 5 minutes"],
  ["now-15m", "Last 15 minutes"],
  ["now-30m", "Last 30 minutes"],
  ["now-1h", "Last hour"],
  ["now-3h", "Last 3 hours"],
  ["now-6h", "Last 6 hours"],
  ["now-12h", "Last 12 hours"],
  ["now-24h", "Last 24 hours"],
  ["now-2d", "Last 2 days"],
  ["now-7d", "Last 7 days"],
  ["now-30d", "Last 30 days"],
] as const;
export const REFRESHES = ["", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"];

/** A chooser of one among several. What is chosen is listed even where nobody offers it. */
export function select(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  chosen: string,
  change: (value: string) => void,
): HTMLElement {
  const known = options.some(([value]) => value === chosen) ? options : [[chosen, chosen] as const, ...options];
  const element = h(
    "select",
    { "aria-label": label, onchange: () => change(element.value) },
    ...known.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  element.value = chosen;
  return element;
}

/** A variable's label and chooser; `change` is told the new values. */
export function variableControl(variable: Variable, change: (values: string[]) => void): HTMLElement | undefined {
  const { model, options, selected, error } = variable;
  if (model.hide === 2 || model.type === "constant") return undefined;
  const name = model.label !== undefined && model.label !== null && model.label !== "" ? model.label : model.name;
  const label = model.hide === 1 ? undefined : h("label", {}, name);
  if (error !== undefined)
    return h("div", { class: "variable broken", title: error }, label, h("span", { class: "value" }, `⚠ ${error}`));
  if (model.type === "textbox") {
    const input = h("input", { value: selected[0] ?? "", "aria-label": name, onchange: () => change([input.value]) });
    return h("div", { class: "variable" }, label, input);
  }
  const all = model.includeAll === true ? [[ALL, "All"] as const] : [];
  const list = [...all, ...options.map(({ value, text }) => [value, text] as const)];
  if (model.multi !== true)
    return h(
      "div",
      { class: "variable" },
      label,
      select(name, list, selected[0] ?? "", (value) => change([value])),
    );
  return h("div", { class: "variable" }, label, several(name, list, selected, change));
}

/** A chooser of several, which opens below; it applies when it is closed. */
function several(
  name: string,
  list: readonly (readonly [value: string, text: string])[],
  selected: readonly string[],
  change: (values: string[]) => void,
): HTMLElement {
  const picked = new Set(selected);
  const texts = list.filter(([value]) => picked.has(value)).map(([, text]) => text);
  const boxes = list.map(([value, text]) => {
    const box = h("input", { type: "checkbox", value, checked: picked.has(value) });
    box.addEventListener("change", () => {
      if (!box.checked) picked.delete(value);
      else if (value === ALL) {
        picked.clear();
        picked.add(ALL);
      } else {
        picked.delete(ALL);
        picked.add(value);
      }
      for (const other of boxes) {
        const input = other.querySelector("input");
        if (input !== null) input.checked = picked.has(input.value);
      }
    });
    return h("label", {}, box, text);
  });
  const element = h(
    "details",
    { class: "several" },
    h("summary", { "aria-label": name }, texts.length === 0 ? "none" : texts.join(", ")),
    h("div", { class: "menu" }, ...boxes),
  );
  element.addEventListener("toggle", () => {
    const isSame = picked.size === selected.length && selected.every((value) => picked.has(value));
    if (!element.open && !isSame) change([...picked]);
  });
  return element;
}

// An open chooser closes at a click elsewhere or at Escape, as people expect of one.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.several[open]")) {
    if (!open.contains(event.target as Node)) open.removeAttribute("open");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape")
    for (const open of document.querySelectorAll("details.several[open]")) open.removeAttribute("open");
});

/** The strip that says on every page what this is. */
export function banner(): HTMLElement {
  return h(
    "div",
    { class: "banner", role: "note" },
    h("b", {}, "Preview, not Grafana."),
    " The sandbox's stand-in draws dashboards with live data; Grafana itself may show them differently.",
  );
}
