// Keys that work anywhere on a page, and the list of them under `?`.
import { byId, element } from "./dom.js";

const registered = [];

// `keys` is one key or two in a row ("g j"); `run` gets the event.
export function shortcut(keys, does, run) {
  registered.push({ keys, does, run });
}

let first = null;
let forgetTimer;

function writing(target) {
  return target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || writing(event.target)) return;
  const pressed = first === null ? event.key : `${first} ${event.key}`;
  clearTimeout(forgetTimer);
  first = null;
  const found = registered.find(({ keys }) => keys === pressed) ?? registered.find(({ keys }) => keys === event.key);
  if (found) {
    event.preventDefault();
    found.run(event);
  } else if (registered.some(({ keys }) => keys.startsWith(`${event.key} `))) {
    first = event.key;
    forgetTimer = setTimeout(() => { first = null; }, 1000);
  }
}

function showAll() {
  byId("shortcut-list").replaceChildren(...registered.map(({ keys, does }) => element("div", {},
    element("dt", {}, ...keys.split(" ").map((key) => element("kbd", {}, key))), element("dd", {}, does))));
  byId("shortcuts").showModal();
}

export function startShortcuts() {
  const go = (path) => () => location.assign(path);
  shortcut("?", "Show this list", showAll);
  shortcut("g j", "Go to the jobs", go("/ui/"));
  shortcut("g s", "Go to the spawn form", go("/ui/spawn"));
  shortcut("g p", "Go to the providers", go("/ui/providers"));
  shortcut("g m", "Go to the MCP servers", go("/ui/mcp"));
  shortcut("g n", "Go to the nodes and queues", go("/ui/nodes"));
  shortcut("g a", "Go to the API reference", go("/docs"));
  shortcut("t", "Change the theme", () => byId("theme").click());
  shortcut("z", "Times in this browser's zone or in UTC", () => byId("zone").click());
  byId("help").addEventListener("click", showAll);
  document.addEventListener("keydown", onKey);
}
