import { AnswerError, ask, boot } from "./api.js";
import { banner } from "./controls.js";
import { fill, h } from "./dom.js";

/** Where to go after logging in: only within this server. */
function destination(): string {
  const wanted = new URLSearchParams(location.search).get("redirectTo") ?? "";
  const url = new URL(wanted, location.origin);
  return wanted !== "" && url.origin === location.origin ? url.pathname + url.search : `${boot.base}/`;
}

export function showLogin(root: HTMLElement): void {
  const user = h("input", { name: "user", autocomplete: "username", required: true, autofocus: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const message = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "submit" }, "Log in");
  const submit = async (event: Event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await ask("POST", "/login", { user: user.value, password: password.value });
      location.assign(destination());
    } catch (error) {
      message.hidden = false;
      message.textContent = error instanceof AnswerError ? error.message : "The server does not answer.";
      button.disabled = false;
      password.select();
    }
  };
  const form = h(
    "form",
    { class: "login", onsubmit: (event: Event) => void submit(event) },
    h("h1", {}, "Dashboards"),
    h("label", {}, "User", user),
    h("label", {}, "Password", password),
    message,
    button,
  );
  fill(root, banner(), h("main", { class: "gate" }, form));
  user.focus();
}
