import type { Mark } from "../data/annotations.js";
import type { PanelData } from "../data/query.js";
import type { Range } from "../data/time.js";
import type { Panel } from "../model.js";

/** What a panel's drawing is given besides its data. */
export interface View {
  readonly panel: Panel;
  readonly data: PanelData;
  readonly marks: readonly Mark[];
  readonly isDark: boolean;
  /** Charts with the same key share their crosshair; undefined: each for itself. */
  readonly syncKey: string | undefined;
  /** The user has marked a span of time on a chart. */
  readonly zoom: (range: Range) => void;
}

/** One kind of panel: draws into an element, again at every new data or size. */
export interface Drawing {
  draw(view: View): void;
  /** Ends what it has started. */
  close(): void;
}

export type DrawingFactory = (element: HTMLElement) => Drawing;
