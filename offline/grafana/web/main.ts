import "uplot/dist/uPlot.min.css";
import "./style.css";
import "./drawings.css";
import "./panels.css";
import { boot } from "./api.js";
import { banner } from "./controls.js";
import { DashboardPage } from "./dashboard.js";
import { fill, h } from "./dom.js";
import { showList } from "./list.js";
import { showLogin } from "./login.js";
import { applyTheme } from "./theme.js";

async function show(root: HTMLElement): Promise<void> {
  if (boot.view === "login") showLogin(root);
  else if (boot.view === "list") await showList(root);
  else if (boot.view === "dashboard") await DashboardPage.open(root, boot.uid ?? "");
  else
    fill(
      root,
      banner(),
      h(
        "main",
        { class: "catalog" },
        h("p", { class: "empty" }, "There is no such dashboard."),
        h("a", { href: `${boot.base}/` }, "All dashboards"),
      ),
    );
}

applyTheme();
const root = document.getElementById("app") ?? document.body;
show(root).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  fill(
    root,
    banner(),
    h("main", { class: "catalog" }, h("p", { class: "error" }, `The page could not be shown: ${message}`)),
  );
});
