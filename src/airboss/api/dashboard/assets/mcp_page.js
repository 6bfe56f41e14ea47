// MCP servers: how each stands on this node and why, who uses it, its tools; started and stopped.
import { call, get, showProblem, wordsOf } from "./api.js";
import { announce, byId, element, keepingFocus, setText, term } from "./dom.js";
import { clockTime, moment, number, plural, since } from "./formatting.js";
import { coalesced, whileVisible } from "./pace.js";
import { follow, startShell } from "./shell.js";
import { badge } from "./states.js";

const TYPES = ["created", "updated", "deleted", "started", "stopped", "failed"].map((what) => `mcp.server_${what}`);
const POLL_MS = 5000;
// The shapes and colours of the other states, for these.
const LOOKS = { running: "closed", starting: "pending", stopped: "cancelled", failed: "failed", quarantined: "open" };
const HINTS = {
  stopped: "Its connection is opened at its first use.",
  failed: "It is tried again by itself.",
  quarantined: "It failed too often and is left alone for a while; Start tries it now.",
};
const tools = new Map();
let servers = [];
let drawnAs = "";

startShell();

function tell(text) {
  byId("told").hidden = false;
  setText(byId("told"), text);
}

const pathOf = (server) => `/v1/mcp/servers/${encodeURIComponent(server.name)}`;

async function act(server, verb) {
  tell(`${verb === "start" ? "Starting" : "Stopping"} ${server.name} …`);
  try {
    const { document: now } = await call(`${pathOf(server)}/${verb}`, { method: "POST" });
    tell(now.reason ? `${server.name} is ${now.state}: ${now.reason}.` : `${server.name} is ${now.state}.`);
  } catch (error) {
    tell(`That was not done: ${wordsOf(error)}.`);
  }
  tools.delete(server.name);
  refresh();
}

async function loadTools(server) {
  tools.set(server.name, { isLoading: true });
  draw();
  try {
    const list = await get(`${pathOf(server)}/tools`);
    tools.set(server.name, list);
    announce(`${plural(list.data.length, "tool")} of ${server.name}`);
  } catch (error) {
    tools.set(server.name, { failure: error });
  }
  refresh();
  draw();
}

function toolList(server) {
  const known = tools.get(server.name);
  if (!known) return "";
  if (known.isLoading) return element("p", { class: "hint" }, "Asking …");
  if (known.failure) return element("p", { class: "field-error" }, wordsOf(known.failure));
  if (known.error) return element("p", { class: "field-error" }, `${known.error.message} (${known.error.code})`);
  return element("dl", { class: "tools-list", tabindex: "0", "aria-label": `Tools of ${server.name}` }, ...known.data.flatMap((tool) => [
    element("dt", {}, element("code", {}, `${server.name}.${tool.name}`), tool.repeatable ? "" : element("span", { class: "note" }, "may not be repeated")),
    element("dd", {}, tool.description),
  ]));
}

// What it is follows from the keys of its spec, as the server has it.
function kindOf(spec) {
  if (spec.endpoint_url) return ["Endpoint", spec.endpoint_url];
  if (spec.image) return ["Image", spec.image];
  return ["Command", [spec.command, ...(spec.args ?? [])].join(" ")];
}

function facts(server) {
  const [kind, what] = kindOf(server.json_spec);
  const told = [server.server_name, server.server_version].filter(Boolean).join(" ");
  return element("dl", { class: "facts narrow" },
    term("Since", moment(server.since), " (", since(server.since, "ago"), ")"),
    term("Tools", server.tools_count === null ? "not asked yet" : number(server.tools_count)),
    term("Restarts", number(server.restarts)),
    term("Agents", ...(server.agents.length ? server.agents.flatMap((name, at) => [at ? ", " : "", element("a", { href: `/ui/?agent=${encodeURIComponent(name)}` }, name)]) : ["none"])),
    ...(told ? [term("Says it is", `${told}${server.protocol_version ? `, protocol ${server.protocol_version}` : ""}`)] : []),
    element("div", { class: "across" }, element("dt", {}, kind), element("dd", {}, element("code", {}, what))));
}

function button(server, verb, label, run) {
  return element("button", { type: "button", "data-key": `${verb} ${server.name}`, "aria-label": `${label}: ${server.name}`, onclick: run }, label);
}

function hintOf({ state, reason }) {
  if (state === "stopped" && reason) return `${reason}: it stays closed until it is started.`;
  return HINTS[state] ?? "";
}

function card(server) {
  const isBad = ["failed", "quarantined"].includes(server.state);
  return element("section", { class: "panel", "aria-label": `MCP server ${server.name}`, "data-server": server.name },
    element("div", { class: "section-head" }, element("h2", {}, server.name), badge(LOOKS[server.state] ?? "pending", server.state),
      element("p", { class: "hint" }, server.origin === "api" ? "added by API" : "from the settings")),
    isBad ? element("p", { class: "why" }, server.reason ?? "No reason is known.") : "",
    element("p", { class: "hint" }, hintOf(server)),
    facts(server),
    element("p", { class: "actions" },
      server.state === "running" || server.state === "starting"
        ? button(server, "stop", "Stop", () => act(server, "stop"))
        : button(server, "start", "Start", () => act(server, "start")),
      button(server, "tools", tools.has(server.name) ? "Ask for its tools again" : "Show its tools", () => loadTools(server))),
    toolList(server));
}

function draw() {
  const box = byId("servers");
  box.setAttribute("aria-busy", "false");
  const now = JSON.stringify([servers, [...tools]]);
  if (now === drawnAs) return;
  drawnAs = now;
  keepingFocus(() => box.replaceChildren(...(servers.length ? servers.map(card) : [element("p", { class: "empty" }, "No MCP servers: name some in the settings under ",
    element("code", {}, "mcp.servers"), ", or add one with ", element("code", {}, "POST /v1/mcp/servers"), ".")])));
}

const refresh = coalesced(async () => {
  try {
    servers = (await get("/v1/mcp/servers")).data;
    showProblem("MCP servers cannot be listed", null);
    setText(byId("fresh"), `As of ${clockTime(new Date().toISOString())}`);
    draw();
  } catch (error) {
    showProblem("MCP servers cannot be listed", error, refresh);
  }
}, 500);

function onEvent(type, data) {
  if (type === "mcp.server_failed") announce(`The MCP server ${data.server} failed: ${data.reason}`);
  refresh();
}

follow(`/v1/events?types=${TYPES.join(",")}`, { opened: refresh, event: onEvent, reset: refresh });
whileVisible(refresh, POLL_MS);
refresh();
