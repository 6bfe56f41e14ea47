// Draws the OpenAPI document as a page to read: no library, no request to anyone else.
import { get, showProblem } from "./api.js";
import { byId, element, setText } from "./dom.js";
import { plural } from "./formatting.js";
import { drawOperation } from "./reference_operation.js";
import { use } from "./reference_words.js";
import { shortcut, startShell } from "./shell.js";

const GROUPS = { mcp: "MCP servers", coord: "Nodes and queues" };

startShell();
byId("connection").hidden = true;
const search = byId("filter");
const meanings = new Map([...document.querySelectorAll("#error-list [data-code]")].map((box) => [box.dataset.code, box.querySelector("dd").textContent]));

function draw(openapi) {
  use(openapi);
  const sections = new Map();
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      if (!sections.has(tag)) sections.set(tag, element("section", { "aria-label": tag }, element("h2", { id: `tag-${tag}` }, GROUPS[tag] ?? tag)));
      sections.get(tag).append(drawOperation(method, path, operation, meanings));
    }
  }
  setText(byId("about"), `${openapi.info.version}: ${openapi.info.description}`);
  byId("operations").replaceChildren(...sections.values());
  byId("tags").prepend(...[...sections.keys()].map((tag) => element("a", { href: `#tag-${tag}` }, GROUPS[tag] ?? tag)));
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const section of byId("operations").children) {
    let left = 0;
    for (const box of section.querySelectorAll("details.operation")) {
      const fits = words.every((word) => box.dataset.text.includes(word));
      box.hidden = !fits;
      left += fits ? 1 : 0;
    }
    section.hidden = left === 0;
    count += left;
  }
  for (const id of ["errors", "tags"]) byId(id).hidden = words.length > 0;
  setText(byId("found"), !words.length ? "" : count ? `${plural(count, "operation")}.` : "No operation has all these words in its method, path, summary, group or role.");
}

// An address with an operation's id opens it.
function toAddress() {
  const found = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (!found) return;
  if (found.hidden) {
    search.value = "";
    filter();
  }
  if (found.matches("details")) found.open = true;
  found.scrollIntoView({ block: "start" });
}

search.addEventListener("input", filter);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  search.value = "";
  filter();
});
byId("operations").addEventListener("click", (event) => {
  const box = event.target.closest("summary")?.parentElement;
  // The browser opens it behind this click.
  if (box?.matches(".operation") && !box.open) history.replaceState(null, "", `#${box.id}`);
});
addEventListener("hashchange", toAddress);
shortcut("/", "Filter the operations", () => search.focus());

try {
  draw(await get("/openapi.json"));
  filter();
  toAddress();
} catch (error) {
  byId("operations").replaceChildren();
  showProblem("The description of the API cannot be read", error, () => location.reload());
}
