// What explains why jobs wait or fail: paused agents, open breakers, MCP servers that fail, nodes out of service.
import { get } from "./api.js";
import { announce, byId, element, icon } from "./dom.js";
import { number, plural } from "./formatting.js";
import { coalesced, whileVisible } from "./pace.js";

export const ATTENTION_TYPES = [
  "provider.breaker_opened", "provider.breaker_half_opened", "provider.breaker_closed",
  "mcp.server_created", "mcp.server_updated", "mcp.server_deleted", "mcp.server_started", "mcp.server_stopped", "mcp.server_failed",
  "queue.paused", "queue.resumed", "node.joined", "node.draining", "node.left",
];
const EVERY_MS = 2000;
const POLL_MS = 30000;
const MOST_NAMES = 3;
const NEARLY_FULL = 0.9;
const kinds = new Set(ATTENTION_TYPES);

function names(all) {
  const shown = all.slice(0, MOST_NAMES).join(", ");
  return all.length > MOST_NAMES ? `${shown} and ${number(all.length - MOST_NAMES)} more` : shown;
}

const told = (all, href, kind, one, many) => (all.length ? [{ href, kind, text: `${all.length === 1 ? one : many}: ${names(all)}` }] : []);

function ofAgents(agents) {
  const paused = agents.filter((agent) => agent.paused);
  const waiting = paused.reduce((all, agent) => all + agent.pending, 0);
  const found = told(paused.map((agent) => agent.name), "/ui/nodes", "waiting", "Agent paused", `${number(paused.length)} agents paused`);
  return waiting ? found.map((each) => ({ ...each, text: `${each.text}; ${plural(waiting, "job waits", "jobs wait")}` })) : found;
}

function ofProviders(providers) {
  const all = providers.flatMap((provider) => provider.breakers.map((breaker) => ({ ...breaker, name: `${provider.name} / ${breaker.model}` })));
  const inState = (state) => all.filter((breaker) => breaker.state === state).map((breaker) => breaker.name);
  const [open, half] = [inState("open"), inState("half_open")];
  return [
    ...told(open, "/ui/providers", "open", "Breaker open", `${number(open.length)} breakers open`),
    ...told(half, "/ui/providers", "half_open", "Breaker probed", `${number(half.length)} breakers probed`),
  ];
}

function ofServers(servers) {
  const bad = servers.filter((server) => ["failed", "quarantined"].includes(server.state)).map((server) => server.name);
  return told(bad, "/ui/mcp", "failed", "MCP server failed", `${number(bad.length)} MCP servers failed`);
}

function ofNodes(nodes) {
  const out = nodes.filter((node) => node.state !== "active").map((node) => node.id);
  const full = nodes.filter((node) => node.pending >= node.queue_capacity * NEARLY_FULL)
    .map((node) => `${number(node.pending)} of ${number(node.queue_capacity)} jobs`);
  return [
    ...told(out, "/ui/nodes", "waiting", "Node out of service", `${number(out.length)} nodes out of service`),
    ...told(full, "/ui/nodes", "open", "Queue nearly full", "Queues nearly full"),
  ];
}

const SOURCES = [["/v1/coord/nodes", ofNodes], ["/v1/providers", ofProviders], ["/v1/mcp/servers", ofServers], ["/v1/agents", ofAgents]];

// One that cannot be read says nothing: the page's own list tells of trouble with the server.
async function ask([path, of]) {
  try {
    return of((await get(path)).data);
  } catch {
    return [];
  }
}

export class Attention {
  constructor() {
    this.box = byId("attention");
    this.texts = null;
    this.refresh = coalesced(() => this.#load(), EVERY_MS);
    whileVisible(this.refresh, POLL_MS);
  }

  onEvent(type) {
    if (kinds.has(type)) this.refresh();
  }

  async #load() {
    const items = (await Promise.all(SOURCES.map(ask))).flat();
    const texts = items.map(({ text }) => text);
    if (JSON.stringify(texts) === JSON.stringify(this.texts)) return;
    // What is new is said; what a page finds when it is opened stands there to be read.
    const news = this.texts === null ? [] : texts.filter((text) => !this.texts.includes(text));
    if (news.length) announce(`Needs attention: ${news.join("; ")}`);
    this.texts = texts;
    this.box.hidden = items.length === 0;
    this.box.replaceChildren(...items.map(({ href, kind, text }) =>
      element("li", { "data-state": kind }, element("a", { href }, icon(kind), text))));
  }
}
