// The form that spawns a job, made from what the server says of its agents.
import { call, get, showProblem, wordsOf } from "./api.js";
import { tabStorage } from "./browser_storage.js";
import { byId, element, term } from "./dom.js";
import { asText, duration, number } from "./formatting.js";
import { follow, shortcut, startShell } from "./shell.js";
import { SIGNING_IN } from "./sign_in.js";

const TOLD = "airboss.told";
const DRAFT = "airboss.draft";
const NUMBERS = ["priority", "timeout_seconds", "max_queue_wait_seconds"];
const form = byId("spawn");
const agents = new Map();
let idempotencyKey = null;

startShell();
const draft = takeDraft();

// What was written when a token expired is there again behind the sign-in.
function takeDraft() {
  const kept = JSON.parse(tabStorage.getItem(DRAFT) ?? "{}");
  tabStorage.removeItem(DRAFT);
  const { agent, ...fields } = kept;
  for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
  openOptions();
  return kept;
}

function keepDraft() {
  tabStorage.setItem(DRAFT, JSON.stringify({ ...draft, ...Object.fromEntries(new FormData(form)) }));
}

function openOptions() {
  byId("options").open = [...byId("options").querySelectorAll("input, textarea")].some((field) => field.value);
}

class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

function parsed(name, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FieldError(name, `this is not JSON: ${error.message}`);
  }
}

function body() {
  const { agent, input, input_form: inputForm, run_at: runAt, metadata } = form.elements;
  if (!input.value.trim()) throw new FieldError("input", "say what the agent is asked");
  const made = { agent: agent.value, input: inputForm.value === "json" ? parsed("input", input.value) : input.value };
  for (const name of NUMBERS) {
    const field = form.elements[name];
    if (field.validity.badInput) throw new FieldError(name, "must be a number");
    if (field.value !== "") made[name] = Number(field.value);
  }
  if (runAt.validity.badInput) throw new FieldError("run_at", "must be a whole date and time");
  if (runAt.value) made.run_at = new Date(runAt.value).toISOString();
  if (metadata.value.trim()) made.metadata = parsed("metadata", metadata.value);
  return made;
}

function clearErrors() {
  for (const told of form.querySelectorAll(".field-error")) told.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  showProblem("The job was not spawned", null);
}

function showAtField(name, message) {
  const box = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  if (!box) return null;
  const control = box.querySelector("select, textarea, input:not([type=radio])");
  const id = `${name}-error`;
  box.append(element("p", { class: "field-error", id }, message));
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", id);
  if (byId("options").contains(box)) byId("options").open = true;
  return control;
}

// Puts each problem beside its field; what belongs to none stands above the form.
function showErrors(error) {
  const problems = error instanceof FieldError
    ? [{ field: error.field, message: error.message }]
    : error.code === "unknown_agent" ? [{ field: "agent", message: wordsOf(error) }] : error.details?.problems ?? [];
  const shown = problems.map(({ field, message }) => showAtField(field.split(".")[0], message));
  form.querySelector("[aria-invalid]")?.focus();
  if (!problems.length || shown.some((control) => control === null)) {
    if (error.code === "unreachable") error.code = "unreachable_now";
    showProblem("The job was not spawned", error);
  }
}

// A key of our own: sending the same form twice, by two clicks or after a lost answer, makes one job.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ui-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function send(event) {
  event.preventDefault();
  if (byId("submit").disabled) return;
  clearErrors();
  byId("submit").disabled = true;
  try {
    const sent = body();
    idempotencyKey ??= newKey();
    const { document: job } = await call("/v1/jobs", { method: "POST", body: sent, headers: { "Idempotency-Key": idempotencyKey } });
    tabStorage.setItem(TOLD, "The job is spawned: it is on disk.");
    location.assign(`/ui/jobs/${job.id}`);
  } catch (error) {
    byId("submit").disabled = false;
    showErrors(error);
  }
}

function about() {
  const agent = agents.get(form.elements.agent.value);
  if (!agent) return;
  form.elements.timeout_seconds.placeholder = String(agent.timeout_seconds);
  byId("about").replaceChildren(
    term("Model", `${agent.provider} / ${agent.model}`),
    term("Instructions", agent.instructions || "none"),
    term("Tools", agent.tools.length ? agent.tools.join(", ") : "none"),
    term("Now", `${number(agent.running)} running, ${number(agent.pending)} waiting${agent.paused ? "; paused: jobs wait until it is resumed" : ""}`),
    term("Time-out", duration(agent.timeout_seconds)),
    term("Most model calls", number(agent.max_turns)),
    term("Most jobs at once", agent.max_concurrent_jobs === null ? "as many as there are workers" : number(agent.max_concurrent_jobs)),
    term("Attempts", number(agent.max_attempts)),
    term("After an interruption", agent.on_interrupt),
    ...(agent.retry_on.length ? [term("Retried on", agent.retry_on.join(", "))] : []),
    ...(agent.handoffs.length ? [term("Hands over to", agent.handoffs.join(", "))] : []),
  );
}

async function loadAgents() {
  const select = form.elements.agent;
  const chosen = select.disabled ? null : select.value;
  const { data } = await get("/v1/agents");
  agents.clear();
  for (const agent of data) agents.set(agent.name, agent);
  select.replaceChildren(...data.map(({ name, paused }) => element("option", { value: name }, paused ? `${name} (paused)` : name)));
  select.disabled = data.length === 0;
  byId("submit").disabled = data.length === 0;
  if (chosen !== null) select.value = chosen;
  about();
}

function choose(agent) {
  if (agents.has(agent)) form.elements.agent.value = agent;
  else showAtField("agent", `there is no agent '${agent}' any more: choose another`);
  about();
}

async function takeOver(id) {
  const job = await get(`/v1/jobs/${encodeURIComponent(id)}`);
  choose(job.agent);
  const { input, input_form: inputForm, metadata } = form.elements;
  inputForm.value = typeof job.input === "string" ? "text" : "json";
  input.value = asText(job.input);
  if (job.priority !== 5) form.elements.priority.value = job.priority;
  if (job.timeout_seconds !== agents.get(job.agent)?.timeout_seconds) form.elements.timeout_seconds.value = job.timeout_seconds;
  if (job.max_queue_wait_seconds) form.elements.max_queue_wait_seconds.value = job.max_queue_wait_seconds;
  if (Object.keys(job.metadata).length) metadata.value = asText(job.metadata);
  openOptions();
}

async function start() {
  try {
    await loadAgents();
    const query = new URLSearchParams(location.search);
    const agent = draft.agent ?? query.get("agent");
    if (agent) choose(agent);
    if (query.get("like") && !draft.input) await takeOver(query.get("like"));
    if (!agents.size) throw new Error("no agents are configured");
  } catch (error) {
    showProblem("The form cannot be filled", error, start);
  }
}

document.addEventListener(SIGNING_IN, keepDraft);
form.addEventListener("submit", send);
form.addEventListener("input", () => { idempotencyKey = null; });
form.elements.agent.addEventListener("change", about);
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
shortcut("i", "Write the input", () => form.elements.input.focus());
const refreshAgents = () => loadAgents().catch(() => {});
follow("/v1/events?types=queue.paused,queue.resumed,node.joined", { event: refreshAgents, reset: refreshAgents });
start();
