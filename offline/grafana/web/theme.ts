import { boot } from "./api.js";

const KEY = "preview.theme";

/** The user's choice, else the server's, else the system's. */
export function isDark(): boolean {
  const asked = new URLSearchParams(location.search).get("theme");
  const wanted = asked ?? localStorage.getItem(KEY) ?? boot.theme;
  return wanted === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : wanted !== "light";
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

export function toggleTheme(): void {
  localStorage.setItem(KEY, isDark() ? "light" : "dark");
  const url = new URL(location.href);
  url.searchParams.delete("theme");
  history.replaceState(null, "", url);
  applyTheme();
}
