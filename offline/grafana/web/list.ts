import { ask, boot } from "./api.js";
import { banner } from "./controls.js";
import { fill, h } from "./dom.js";
import { toggleTheme } from "./theme.js";

interface Hit {
  readonly uid: string;
  readonly title: string;
  readonly url: string;
  readonly type: string;
  readonly tags: readonly string[];
  readonly folderUid?: string;
}

/** All dashboards by folder; in the address of one folder, that folder alone. */
export async function showList(root: HTMLElement): Promise<void> {
  const hits = await ask<Hit[]>("GET", "/api/search?limit=5000");
  const only = /\/dashboards\/f\/([^/]+)/.exec(location.pathname)?.[1];
  const folders = [
    ...hits.filter(({ type }) => type === "dash-folder"),
    { uid: "", title: "Without a folder", url: "", type: "", tags: [] },
  ];
  const boards = hits.filter(({ type }) => type === "dash-db");
  const groups = folders
    .filter(({ uid }) => only === undefined || uid === only)
    .map(({ uid, title }) => ({ title, inside: boards.filter(({ folderUid = "" }) => folderUid === uid) }))
    .filter(({ inside }) => inside.length > 0);
  const card = ({ title, url, tags }: Hit) =>
    h(
      "a",
      { class: "card", href: url },
      h("b", {}, title),
      h("span", { class: "tags" }, ...tags.map((tag) => h("i", {}, tag))),
    );
  const body = groups.map(({ title, inside }) =>
    h("section", {}, h("h2", {}, title), h("div", { class: "cards" }, ...inside.map(card))),
  );
  fill(
    root,
    banner(),
    h(
      "div",
      { class: "head" },
      h("nav", { class: "crumbs" }, h("h1", {}, "Dashboards")),
      h(
        "div",
        { class: "tools" },
        h("button", { type: "button", title: "Light or dark", onclick: toggleTheme }, "◐"),
        h(
          "a",
          { class: "user", href: `${boot.base}/${boot.login === "" ? "login" : "logout"}` },
          boot.login === "" ? "Log in" : (boot.login ?? ""),
        ),
      ),
    ),
    h(
      "main",
      { class: "catalog" },
      ...(body.length > 0
        ? body
        : [h("p", { class: "empty" }, "There are no dashboards yet. `pulumi up` creates them.")]),
    ),
  );
}
