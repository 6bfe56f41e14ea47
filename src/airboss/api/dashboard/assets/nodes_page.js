// Nodes and the agents' queues: how loaded they are; taking one out of service and back.
import { call, get, showProblem, wordsOf } from "./api.js";
import { byId, element, keepingFocus, setText } from "./dom.js";
import { clockTime, moment, number } from "./formatting.js";
import { meter } from "./meter.js";
import { coalesced, whileVisible } from "./pace.js";
import { follow, startShell } from "./shell.js";

const TYPES = ["node.joined", "node.draining", "node.left", "queue.paused", "queue.resumed", "job.spawned", "job.started", "job.completed", "job.failed", "job.cancelled", "job.timed_out", "job.interrupted"];
const POLL_MS = 5000;
let drawnAs = "";

startShell();

function tell(text) {
  byId("told").hidden = false;
  setText(byId("told"), text);
}

async function act(path, done) {
  try {
    await call(path, { method: "POST" });
    tell(done);
  } catch (error) {
    tell(`That was not done: ${wordsOf(error)}.`);
  }
  refresh();
}

const button = (label, about, key, path, done) => element("button", {
  type: "button", "aria-label": `${label} ${about}`, "data-key": key, onclick: () => act(path, done),
}, label);

// Shape and word carry the state; the colour only helps.
const mark = (state, word) => element("span", { class: "state", "data-state": state }, element("i", { class: "mark", "aria-hidden": "true" }), word);

function nodeRow(node) {
  const path = `/v1/coord/nodes/${encodeURIComponent(node.id)}`;
  const action = node.state === "active"
    ? button("Drain", `node ${node.id}`, `node ${node.id}`, `${path}/drain`, `Node ${node.id} drains: it starts no more jobs; what runs goes on.`)
    : button("Resume", `node ${node.id}`, `node ${node.id}`, `${path}/resume`, `Node ${node.id} is back in service.`);
  return element("tr", {},
    element("td", {}, element("code", {}, node.id)),
    element("td", {}, mark(node.state === "active" ? "active" : "out", node.state)),
    element("td", { "data-label": "Workers busy" }, meter(node.running, node.slots, `workers busy on ${node.id}`)),
    element("td", { "data-label": "Queue" }, meter(node.pending, node.queue_capacity, `jobs in the queue of ${node.id}`)),
    element("td", { "data-label": "Since" }, moment(node.since)),
    element("td", { "data-label": "Version" }, node.version),
    element("td", { class: "cell-action" }, action));
}

function queueRow(agent) {
  const path = `/v1/coord/queues/${encodeURIComponent(agent.name)}`;
  const key = `queue ${agent.name}`;
  const action = agent.paused
    ? button("Resume", `agent ${agent.name}`, key, `${path}/resume`, `Jobs of ${agent.name} are started again.`)
    : button("Pause", `agent ${agent.name}`, key, `${path}/pause`, `No more jobs of ${agent.name} are started; those that run go on.`);
  return element("tr", { "data-agent": agent.name },
    element("td", {}, element("a", { href: `/ui/?agent=${encodeURIComponent(agent.name)}` }, agent.name)),
    element("td", {}, agent.paused ? mark("out", "paused") : mark("active", "active")),
    element("td", { class: "number", "data-label": "Waiting" }, number(agent.pending)),
    element("td", { class: "number", "data-label": "Running" }, agent.max_concurrent_jobs === null ? number(agent.running) : `${number(agent.running)} of ${number(agent.max_concurrent_jobs)}`),
    element("td", { "data-label": "Model" }, `${agent.provider} / ${agent.model}`),
    element("td", { "data-label": "Tools", class: "cell-tools" }, agent.tools.join(", ") || "none"),
    element("td", { class: "cell-action" }, action));
}

const nothing = (columns, text) => element("tr", {}, element("td", { colspan: columns, class: "empty" }, text));

function draw(nodes, agents) {
  const now = JSON.stringify([nodes, agents]);
  if (now === drawnAs) return;
  drawnAs = now;
  keepingFocus(() => {
    byId("node-rows").replaceChildren(...(nodes ? nodes.map(nodeRow) : [nothing(7, "Nodes are shown to admins.")]));
    byId("queue-rows").replaceChildren(...(agents.length ? agents.map(queueRow) : [nothing(7, "No agents are configured.")]));
  });
}

const refresh = coalesced(async () => {
  try {
    const agents = (await get("/v1/agents")).data;
    const nodes = (await get("/v1/coord/nodes")).data;
    showProblem("Nodes and queues cannot be listed", null);
    setText(byId("fresh"), `As of ${clockTime(new Date().toISOString())}`);
    draw(nodes, agents);
  } catch (error) {
    if (error.code !== "unreachable") showProblem("Nodes and queues cannot be listed", error, refresh);
  }
}, 500);

follow(`/v1/events?types=${TYPES.join(",")}`, { opened: refresh, event: refresh, reset: refresh });
whileVisible(refresh, POLL_MS);
refresh();
