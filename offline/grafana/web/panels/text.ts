import DOMPurify from "dompurify";
import { marked } from "marked";
import { h } from "../dom.js";
import type { Drawing, View } from "./panel.js";

/** Words of the dashboard's author: Markdown, HTML without anything that runs, or code. */
export class Text implements Drawing {
  constructor(private readonly element: HTMLElement) {
    element.classList.add("text-panel");
  }

  draw({ panel }: View): void {
    const { mode = "markdown", content = "" } = panel.options ?? {};
    if (mode === "code") {
      this.element.replaceChildren(h("pre", {}, content));
      return;
    }
    const html = mode === "html" ? content : marked.parse(content, { async: false });
    this.element.innerHTML = DOMPurify.sanitize(html);
  }

  close(): void {
    this.element.replaceChildren();
  }
}
