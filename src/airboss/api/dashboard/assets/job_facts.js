// What is known of one job, as a list of facts, and its error with advice.
import { byId, element, setText, term } from "./dom.js";
import { asText, clockTime, duration, moment, number, plural, secondsBetween, since } from "./formatting.js";
import { serverNow } from "./server_clock.js";
import { badge, stateNote } from "./states.js";

function timeFacts(job) {
  const due = job.run_at && job.run_at > job.created_at ? job.run_at : job.created_at;
  const facts = [term("Created", moment(job.created_at))];
  if (job.run_at) facts.push(term("Run at", moment(job.run_at)));
  if (job.started_at) {
    facts.push(term("Started", moment(job.started_at), ` after ${duration(Math.max(0, secondsBetween(due, job.started_at)))} in the queue`));
  } else if (job.state === "pending") {
    const isLater = Date.parse(due) > serverNow();
    facts.push(isLater ? term("Due", since(due, "ago")) : term("Waits", since(due), job.queue_position ? `, place ${job.queue_position} in the queue` : ""));
  }
  if (job.finished_at) {
    facts.push(term("Finished", moment(job.finished_at), job.started_at ? ` after ${duration(secondsBetween(job.started_at, job.finished_at))}` : ""));
  } else if (job.started_at && job.state === "running") {
    facts.push(term("Running for", since(job.started_at)));
  }
  if (job.cancel_requested_at) facts.push(term("Cancel requested", moment(job.cancel_requested_at)));
  return facts;
}

function workFacts(job) {
  const { usage } = job;
  const facts = [
    term("Usage", `${plural(usage.requests, "model call")}, ${number(usage.input_tokens)} tokens in, ${number(usage.output_tokens)} out`),
    term("Answered by", job.answered_by ? `${job.answered_by.provider} / ${job.answered_by.model}` : "nobody"),
    term("Attempt", `${job.attempt} of ${job.max_attempts}`),
    term("Priority", String(job.priority)),
    term("Time-out", duration(job.timeout_seconds)),
  ];
  if (job.max_queue_wait_seconds) facts.push(term("Longest queue wait", duration(job.max_queue_wait_seconds)));
  if (job.retry_of) facts.push(term("Retry of", element("a", { href: `/ui/jobs/${job.retry_of}` }, element("code", {}, job.retry_of))));
  return facts;
}

export function showFacts(job) {
  const note = job.error ? "" : stateNote(job);
  byId("facts").replaceChildren(
    term("State", badge(job.state), note ? element("span", { class: "note" }, note) : ""),
    ...timeFacts(job), ...workFacts(job),
    term("Owner", `${job.owner} in ${job.tenant}`),
    term("Agent revision", element("code", {}, job.agent_revision)),
    term("Correlation id", element("code", {}, job.correlation_id)),
  );
}

// The meaning and the advice stand in the page, made from the server's one table of codes.
function tellCode(place, error) {
  setText(byId(`${place}-title`), error.code);
  setText(byId(`${place}-message`), error.message);
  const texts = byId("error-texts").content.querySelector(`[data-code="${CSS.escape(error.code)}"]`);
  byId(`${place}-advice`).replaceChildren(...(texts ? [...texts.cloneNode(true).children] : []));
}

// Where to look at what failed, by the names in the error's details.
function whereToLook({ provider, server }) {
  return [
    ...(provider ? [element("a", { href: "/ui/providers", class: "button" }, `Provider ${provider}`)] : []),
    ...(server ? [element("a", { href: "/ui/mcp", class: "button" }, `MCP server ${server}`)] : []),
  ];
}

export function showError(error) {
  byId("error").hidden = !error;
  if (!error) return;
  tellCode("error", error);
  byId("error-look").replaceChildren(...whereToLook(error.details ?? {}));
  const hasDetails = Object.keys(error.details ?? {}).length > 0;
  byId("error-details").hidden = !hasDetails;
  if (hasDetails) setText(byId("error-details"), asText(error.details));
}

export function titleOf(job) {
  return `${job.agent}, ${clockTime(job.created_at)}`;
}

// In place of a job: there is none of this id, or none for this caller.
export function showAbsent(error) {
  document.title = "There is no such job · Airboss";
  setText(byId("job-title"), "There is no such job");
  for (const [id, hidden] of [["actions", true], ["loading", true], ["absent", false], ["elsewhere", false]]) byId(id).hidden = hidden;
  tellCode("absent", error);
}

// Why a job that waits is not started, as far as its agent and the nodes tell.
export function showWaiting(job, agent, nodes) {
  const why = job.state === "pending" ? reason(job, agent, nodes) : null;
  byId("waiting").hidden = !why;
  byId("waiting").replaceChildren(...(why ?? []));
}

function reason(job, agent, nodes) {
  const nodesPage = element("a", { href: "/ui/nodes" }, "Nodes and queues");
  if (job.run_at && Date.parse(job.run_at) > serverNow()) return ["It starts ", job.attempt ? "again " : "", "at ", moment(job.run_at), job.attempt ? ", behind a failure that is retried." : ", as it was asked for."];
  if (!agent) return null;
  if (agent.paused) return [`The agent ${agent.name} is paused: its jobs wait until somebody resumes it on `, nodesPage, "."];
  if (nodes.length && nodes.every((node) => node.state !== "active")) return ["No node takes jobs now: all are out of service. See ", nodesPage, "."];
  if (agent.max_concurrent_jobs !== null && agent.running >= agent.max_concurrent_jobs) return [`The agent ${agent.name} runs as many jobs at once as it may: ${number(agent.max_concurrent_jobs)}.`];
  const [busy, slots] = ["running", "slots"].map((name) => nodes.reduce((all, node) => all + node[name], 0));
  if (slots && busy >= slots) return [`All ${number(slots)} workers are busy; ${plural(agent.pending, "job")} of ${agent.name} wait.`];
  return null;
}
