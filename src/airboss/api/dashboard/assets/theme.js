// The theme: the system's, light or dark, remembered in this browser.
import { browserStorage } from "./browser_storage.js";
import { byId, setText } from "./dom.js";

const ORDER = ["system", "light", "dark"];
const KEY = "airboss.theme";

const chosen = () => document.documentElement.dataset.theme ?? "system";

function show() {
  const word = chosen();
  setText(byId("theme-text"), word[0].toUpperCase() + word.slice(1));
  byId("theme").setAttribute("aria-label", `Theme: ${word}. Change it`);
}

export function startTheme() {
  show();
  byId("theme").addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    browserStorage.setItem(KEY, next);
    show();
  });
}
