import type { Mark } from "./data/annotations.js";
import type { Placed } from "./data/layout.js";
import { interpolate, type Values } from "./data/interpolate.js";
import { type Asking, type PanelData, runPanel } from "./data/query.js";
import type { Range } from "./data/time.js";
import { fill, h } from "./dom.js";
import { DRAWINGS } from "./panels/index.js";
import type { Drawing } from "./panels/panel.js";

/** What all panels of the page share at one moment. */
export interface Scene {
  readonly asking: Omit<Asking, "points" | "signal">;
  readonly marks: readonly Mark[];
  readonly isDark: boolean;
  readonly syncKey: string | undefined;
  readonly zoom: (range: Range) => void;
}

/** One panel on the page: its head, its drawing, and what went wrong. */
export class PanelFrame {
  readonly element = h("section", { class: "panel" });
  private readonly title = h("h3", {});
  private readonly extras = h("span", { class: "extras" });
  private readonly body = h("div", { class: "body" });
  private readonly trouble = h("div", { class: "trouble", hidden: true });
  private readonly stage = h("div", { class: "stage" });
  private drawing: Drawing | undefined;
  private data: PanelData | undefined;
  private scene: Scene | undefined;
  private current: AbortController | undefined;
  private readonly resized: ResizeObserver;

  constructor(private placed: Placed) {
    this.stage.append(this.trouble, this.body);
    fill(this.element, h("header", {}, this.title, this.extras), this.stage);
    this.element.dataset.type = placed.panel.type;
    this.place(placed);
    const factory = DRAWINGS[placed.panel.type];
    if (factory === undefined) {
      fill(
        this.body,
        h("p", { class: "empty" }, `The preview cannot draw panels of type "${placed.panel.type}". Grafana shows it.`),
      );
    } else if (placed.panel.libraryPanel === undefined || placed.panel.targets !== undefined) {
      this.drawing = factory(this.body);
    }
    let size = "";
    this.resized = new ResizeObserver(() => {
      const now = `${this.body.clientWidth}x${this.body.clientHeight}`;
      if (now === size) return;
      size = now;
      this.paint();
    });
    this.resized.observe(this.body);
  }

  place(placed: Placed): void {
    this.placed = placed;
    const { x, y, w, h: rows } = placed.at;
    this.element.style.cssText = `--x:${x};--y:${y};--w:${w};--h:${rows}`;
    this.element.classList.toggle("transparent", placed.panel.transparent === true);
  }

  /** Asks for new data and draws it; the old picture stays until then. */
  async refresh(scene: Scene): Promise<void> {
    this.scene = scene;
    const { panel, scoped } = this.placed;
    const values: Values = { ...scene.asking.values, ...scoped };
    this.head(values);
    if (this.drawing === undefined) return;
    this.current?.abort();
    const abort = new AbortController();
    this.current = abort;
    this.element.classList.add("loading");
    try {
      const points = Math.max(100, this.body.clientWidth || 600);
      // Text may hold variables too.
      const shown =
        panel.type === "text"
          ? {
              ...panel,
              options: { ...panel.options, content: interpolate(panel.options?.content ?? "", values, "text") },
            }
          : panel;
      this.data = await runPanel(shown, { ...scene.asking, values, points, signal: abort.signal });
      this.paint(shown);
      this.report([...this.data.errors], [...this.data.notes]);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.report([(error as Error).message], []);
    } finally {
      if (this.current === abort) this.element.classList.remove("loading");
    }
  }

  /** Draws what is known once more: after a change of size or theme. */
  repaint(scene: Scene): void {
    this.scene = scene;
    this.paint();
  }

  close(): void {
    this.current?.abort();
    this.resized.disconnect();
    this.drawing?.close();
    this.element.remove();
  }

  private paint(panel = this.placed.panel): void {
    const { data, scene, drawing } = this;
    if (data === undefined || scene === undefined || drawing === undefined || this.body.clientWidth === 0) return;
    try {
      drawing.draw({ panel, data, marks: scene.marks, isDark: scene.isDark, syncKey: scene.syncKey, zoom: scene.zoom });
    } catch (error) {
      // A model that nobody foresaw breaks its own panel, not the page.
      this.report([`The preview failed to draw this panel: ${(error as Error).message}`], []);
    }
  }

  private head(values: Values): void {
    const { panel } = this.placed;
    this.title.textContent = interpolate(panel.title ?? "", values, "text");
    const description = interpolate(panel.description ?? "", values, "text");
    const links = (panel.links ?? []).map(({ title, url, targetBlank }) =>
      h(
        "a",
        {
          href: interpolate(url ?? "", values, "percentencode"),
          title: title ?? "",
          ...(targetBlank === true ? { target: "_blank", rel: "noreferrer" } : {}),
        },
        "↗",
      ),
    );
    fill(
      this.extras,
      description !== "" &&
        h("span", { class: "info", title: description, tabindex: 0, "aria-label": description }, "i"),
      ...links,
    );
  }

  private report(errors: readonly string[], notes: readonly string[]): void {
    const isEmpty = this.data === undefined || this.data.frames.length === 0;
    this.element.classList.toggle("failed", errors.length > 0);
    this.trouble.hidden = errors.length === 0 && notes.length === 0;
    this.trouble.classList.toggle("whole", errors.length > 0 && isEmpty);
    fill(
      this.trouble,
      ...errors.map((error) => h("p", { class: "error" }, error)),
      ...notes.map((note) => h("p", {}, note)),
    );
  }
}
