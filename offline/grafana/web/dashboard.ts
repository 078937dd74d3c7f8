import { ask, boot } from "./api.js";
import { banner, RANGES, REFRESHES, select, variableControl } from "./controls.js";
import { loadMarks } from "./data/annotations.js";
import { constant, interpolate, type Values } from "./data/interpolate.js";
import { type Section, sections } from "./data/layout.js";
import { loadSources, type Source } from "./data/sources.js";
import { moment, type Range, seconds } from "./data/time.js";
import { loadVariables, type Variable, valuesOf } from "./data/variables.js";
import { fill, h } from "./dom.js";
import { PanelFrame, type Scene } from "./frame.js";
import type { DashboardLink, DashboardModel } from "./model.js";
import { isDark, toggleTheme } from "./theme.js";
import { dateTime } from "./units.js";

interface Loaded {
  readonly dashboard: DashboardModel;
  readonly meta: { readonly folderTitle?: string; readonly folderUid?: string; readonly version?: number };
}

/** One dashboard on its page: its controls, its panels, and when they are asked anew. */
export class DashboardPage {
  private readonly head = h("div", { class: "head" });
  private readonly controls = h("div", { class: "controls" });
  private readonly problems = h("div", { class: "problems", hidden: true });
  private readonly grid = h("main", { class: "dashboard" });
  private readonly frames = new Map<string, PanelFrame>();
  private readonly folded = new Map<string, boolean>();
  private sources: Source[] = [];
  private variables: Variable[] = [];
  private scene: Scene | undefined;
  private from: string;
  private to: string;
  private refresh: string;
  private wanted: Record<string, string[]> = {};
  private timer: ReturnType<typeof setTimeout> | undefined;
  private round = 0;

  private constructor(private readonly loaded: Loaded) {
    const { dashboard } = loaded;
    const query = new URLSearchParams(location.search);
    this.from = query.get("from") ?? dashboard.time?.from ?? "now-6h";
    this.to = query.get("to") ?? dashboard.time?.to ?? "now";
    this.refresh = query.get("refresh") ?? (typeof dashboard.refresh === "string" ? dashboard.refresh : "");
    for (const name of new Set(query.keys()))
      if (name.startsWith("var-")) this.wanted[name.slice(4)] = query.getAll(name);
  }

  static async open(root: HTMLElement, uid: string): Promise<void> {
    const loaded = await ask<Loaded>("GET", `/api/dashboards/uid/${encodeURIComponent(uid)}`);
    const page = new DashboardPage(loaded);
    document.title = `${loaded.dashboard.title} - Dashboard preview`;
    fill(root, banner(), page.head, page.controls, page.problems, page.grid);
    root.classList.toggle("kiosk", new URLSearchParams(location.search).has("kiosk"));
    page.sources = await loadSources();
    await page.update(true);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && page.refresh !== "") void page.update(false);
    });
  }

  private get range(): Range {
    const now = Date.now();
    const to = moment(this.to, now) ?? now;
    const from = moment(this.from, now) ?? to - 6 * 3600_000;
    return from < to ? { from, to } : { from: to - 60_000, to };
  }

  /** Asks everything anew. `all`: variables too that are loaded only with the page. */
  private async update(all: boolean): Promise<void> {
    clearTimeout(this.timer);
    const round = ++this.round;
    const { dashboard } = this.loaded;
    const models = dashboard.templating?.list ?? [];
    const { range } = this;
    if (all || models.some((model) => model.refresh === 2)) {
      this.variables = await loadVariables(models, this.wanted, this.sources, range);
    }
    if (round !== this.round) return;
    const values: Values = {
      ...valuesOf(this.variables),
      __dashboard: constant(dashboard.title),
      __org: constant("1"),
    };
    this.drawHead(values);
    const list = sections(dashboard.panels ?? [], values);
    this.layOut(list, values);
    const { marks, errors } = await loadMarks(
      dashboard.annotations?.list ?? [],
      dashboard.uid,
      this.sources,
      values,
      range,
    );
    if (round !== this.round) return;
    this.tell(errors);
    const zoom = ({ from, to }: Range) => this.setRange(String(Math.round(from)), String(Math.round(to)));
    const syncKey = (dashboard.graphTooltip ?? 0) > 0 ? dashboard.uid : undefined;
    const scene: Scene = { asking: { sources: this.sources, values, range }, marks, isDark: isDark(), syncKey, zoom };
    this.scene = scene;
    await Promise.all([...this.frames.values()].map((frame) => frame.refresh(scene)));
    if (round !== this.round) return;
    // For whoever takes a picture of the page: every panel has been drawn this often.
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
    const every = seconds(this.refresh);
    if (this.refresh !== "" && every !== undefined) {
      this.timer = setTimeout(() => {
        if (!document.hidden) void this.update(false);
      }, every * 1000);
    }
  }

  /** Puts the panels of open rows on the page; those that were there already stay, with their pictures. */
  private layOut(list: readonly Section[], values: Values): void {
    const keep = new Set<string>();
    const parts = list.map((section) => {
      const isFolded = this.folded.get(section.key) ?? section.collapsed;
      const shown = isFolded ? [] : section.panels;
      const rows = Math.max(0, ...shown.map(({ at }) => at.y + at.h));
      const panels = shown.map((placed) => {
        keep.add(placed.key);
        const frame = this.frames.get(placed.key) ?? new PanelFrame(placed);
        frame.place(placed);
        this.frames.set(placed.key, frame);
        return frame.element;
      });
      const onclick = () => {
        this.folded.set(section.key, !isFolded);
        void this.update(false);
      };
      const heading =
        section.title === undefined
          ? undefined
          : h(
              "button",
              { class: "row", type: "button", "aria-expanded": String(!isFolded), onclick },
              h("i", {}, isFolded ? "▸" : "▾"),
              section.title,
              isFolded && h("small", {}, `${section.panels.length} panels`),
            );
      const key = section.key;
      const element =
        this.grid.querySelector<HTMLElement>(`[data-key="${key}"]`) ?? h("div", { class: "section", "data-key": key });
      const box = element.querySelector<HTMLElement>(":scope > .panels") ?? h("div", { class: "panels" });
      box.style.setProperty("--rows", String(rows));
      const isSame =
        panels.length === box.children.length && panels.every((panel, index) => box.children[index] === panel);
      if (!isSame) fill(box, ...panels);
      element.querySelector(":scope > .row")?.remove();
      if (heading !== undefined) element.prepend(heading);
      if (box.parentElement !== element) element.append(box);
      return element;
    });
    for (const [key, frame] of this.frames) {
      if (keep.has(key)) continue;
      frame.close();
      this.frames.delete(key);
    }
    const isSame =
      parts.length === this.grid.children.length && parts.every((part, index) => this.grid.children[index] === part);
    if (!isSame) fill(this.grid, ...parts);
    if (parts.length === 0)
      fill(this.grid, h("p", { class: "empty" }, interpolate("This dashboard has no panels.", values)));
  }

  private drawHead(values: Values): void {
    const { dashboard, meta } = this.loaded;
    const absolute =
      this.to === "now" ? [] : [[this.from, `${dateTime(this.range.from)} to ${dateTime(this.range.to)}`] as const];
    const known =
      RANGES.some(([from]) => from === this.from) || absolute.length > 0
        ? []
        : [[this.from, `${this.from} to now`] as const];
    const ranges = [...absolute, ...known, ...RANGES];
    const intervals = dashboard.timepicker?.refresh_intervals ?? [];
    const refreshes = [...new Set(["", ...(intervals.length > 0 ? intervals : REFRESHES.slice(1)), this.refresh])].sort(
      (a, b) => (seconds(a) ?? 0) - (seconds(b) ?? 0),
    );
    const link = (path: string, text: string, current = false) =>
      h("a", { href: `${boot.base}${path}`, ...(current ? { "aria-current": "page" } : {}) }, text);
    fill(
      this.head,
      h(
        "nav",
        { class: "crumbs" },
        link("/", "Dashboards"),
        meta.folderUid !== undefined &&
          meta.folderUid !== "" &&
          link(`/dashboards/f/${meta.folderUid}`, meta.folderTitle ?? ""),
        h("h1", { title: dashboard.description ?? "" }, dashboard.title),
      ),
      h(
        "div",
        { class: "tools" },
        select("Time range", ranges, this.from, (from) => this.setRange(from, "now")),
        h(
          "button",
          { type: "button", title: "Zoom out", "aria-label": "Zoom out", onclick: () => this.zoomOut() },
          "−",
        ),
        h(
          "button",
          { type: "button", title: "Refresh now", "aria-label": "Refresh now", onclick: () => void this.update(true) },
          "⟳",
        ),
        select(
          "Auto refresh",
          refreshes.map((value) => [value, value === "" ? "Off" : value] as const),
          this.refresh,
          (value) => this.setRefresh(value),
        ),
        h(
          "button",
          { type: "button", title: "Light or dark", "aria-label": "Light or dark", onclick: () => this.changeTheme() },
          "◐",
        ),
        boot.login !== undefined && boot.login !== ""
          ? h("a", { class: "user", href: `${boot.base}/logout`, title: "Log out" }, boot.login)
          : h("a", { class: "user", href: `${boot.base}/login` }, "Log in"),
      ),
    );
    // A chooser that is open is being used: it must not be taken away by an automatic refresh.
    if (this.controls.querySelector("details[open]") !== null || this.controls.contains(document.activeElement)) return;
    const choosers = this.variables.map((variable) =>
      variableControl(variable, (chosen) => {
        this.wanted = { ...this.wanted, [variable.model.name]: chosen };
        (document.activeElement as HTMLElement | null)?.blur();
        this.remember();
        void this.update(true);
      }),
    );
    fill(
      this.controls,
      ...choosers,
      h("span", { class: "links" }, ...(dashboard.links ?? []).map((each) => this.link(each, values))),
    );
    this.controls.hidden = choosers.every((chooser) => chooser === undefined) && (dashboard.links ?? []).length === 0;
  }

  private link(link: DashboardLink, values: Values): HTMLElement {
    const extra = new URLSearchParams();
    if (link.keepTime === true) {
      extra.set("from", this.from);
      extra.set("to", this.to);
    }
    if (link.includeVars === true)
      for (const { model, selected } of this.variables)
        for (const value of selected) extra.append(`var-${model.name}`, value);
    const search = extra.toString();
    const target = link.targetBlank === true ? { target: "_blank", rel: "noreferrer" } : {};
    if (link.type !== "dashboards") {
      const url = interpolate(link.url ?? "", values, "percentencode");
      const whole = search === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${search}`;
      return h("a", { href: whole, title: link.tooltip ?? "", ...target }, link.title ?? url, h("small", {}, " ↗"));
    }
    const box = h("span", { class: "siblings" });
    const tags = (link.tags ?? []).map((tag) => `&tag=${encodeURIComponent(tag)}`).join("");
    void ask<{ uid: string; title: string; url: string }[]>("GET", `/api/search?type=dash-db${tags}`).then((found) => {
      const others = found.filter(({ uid }) => uid !== this.loaded.dashboard.uid);
      fill(
        box,
        ...others.map(({ title, url }) => h("a", { href: search === "" ? url : `${url}?${search}`, ...target }, title)),
      );
    });
    return box;
  }

  private tell(errors: readonly string[]): void {
    this.problems.hidden = errors.length === 0;
    fill(this.problems, ...errors.map((error) => h("p", {}, error)));
  }

  private setRange(from: string, to: string): void {
    this.from = from;
    this.to = to;
    this.remember();
    void this.update(true);
  }

  private zoomOut(): void {
    const { from, to } = this.range;
    const half = (to - from) / 2;
    this.setRange(String(Math.round(from - half)), String(Math.round(Math.min(to + half, Date.now()))));
  }

  private setRefresh(value: string): void {
    this.refresh = value;
    this.remember();
    void this.update(false);
  }

  private changeTheme(): void {
    toggleTheme();
    if (this.scene === undefined) return;
    this.scene = { ...this.scene, isDark: isDark() };
    for (const frame of this.frames.values()) frame.repaint(this.scene);
  }

  /** Keeps what is chosen in the address, so that it can be sent to somebody. */
  private remember(): void {
    const url = new URL(location.href);
    url.searchParams.set("from", this.from);
    url.searchParams.set("to", this.to);
    if (this.refresh !== "") url.searchParams.set("refresh", this.refresh);
    else url.searchParams.delete("refresh");
    for (const [name, values] of Object.entries(this.wanted)) {
      url.searchParams.delete(`var-${name}`);
      for (const value of values) url.searchParams.append(`var-${name}`, value);
    }
    history.replaceState(null, "", url);
  }
}
