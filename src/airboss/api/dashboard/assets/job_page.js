// One job: its facts, its timeline and its output as it is written; cancel and retry.
import { call, get, showProblem, wordsOf } from "./api.js";
import { tabStorage } from "./browser_storage.js";
import { announce, byId, setText } from "./dom.js";
import { asText, duration, number, shortId } from "./formatting.js";
import { showAbsent, showError, showFacts, showWaiting, titleOf } from "./job_facts.js";
import { WrittenOutput } from "./job_output.js";
import { coalesced, eachFrame, whileVisible } from "./pace.js";
import { serverNow } from "./server_clock.js";
import { follow, shortcut, startShell, tellConnection } from "./shell.js";
import { STATE_AFTER, isFinal, stateWord } from "./states.js";
import { Timeline } from "./timeline_model.js";
import { TimelinePicture, stepRows } from "./timeline_picture.js";

const PAGE = 200;
// Behind so many pages the stream goes on: it replays what is left.
const MOST_PAGES = 10;
const REFRESH_MS = 250;
const AGAIN_MS = 5000;
const WAITING_POLL_MS = 5000;
// A tab that nobody looks at still says in its title how the job stands.
const HIDDEN_POLL_MS = 30000;
const TOLD = "airboss.told";
const REFRESH_ON = new Set([...Object.keys(STATE_AFTER), "job.cancel_requested", "model.answered"]);

const id = decodeURIComponent(location.pathname.split("/").pop());
const path = `/v1/jobs/${encodeURIComponent(id)}`;
const output = new WrittenOutput(byId("output"));
const picture = new TimelinePicture(byId("timeline"));
let timeline = new Timeline();
let job = null;
let isStarting = false;
let againTimer = null;

startShell();
setText(byId("crumb"), id);
byId("like").href = `/ui/spawn?like=${encodeURIComponent(id)}`;

function tell(text) {
  byId("told").hidden = !text;
  setText(byId("told"), text);
}

const drawTimeline = eachFrame(() => {
  const nowMs = timeline.isOver ? timeline.lastMs : serverNow();
  picture.show(timeline, nowMs);
  if (byId("timeline-details").open) byId("step-rows").replaceChildren(...stepRows(timeline, nowMs));
  const replayed = timeline.segments.filter((each) => each.replayed).length;
  const notes = [];
  const wait = timeline.firstMs === null ? null : picture.longWaitSeconds;
  byId("with-wait").hidden = wait === null;
  byId("with-wait").setAttribute("aria-pressed", String(picture.withWait));
  if (wait !== null && !picture.withWait) notes.push(`from its start; before that it waited ${duration(wait)}`);
  if (replayed) notes.push(`${number(replayed)} replayed from the journal (hollow)`);
  if (timeline.left) notes.push(`${number(timeline.left)} more are not drawn`);
  setText(byId("timeline-note"), notes.join("; "));
});

function drawOutput() {
  const note = byId("output-note");
  byId("output").setAttribute("aria-busy", String(!isFinal(job.state)));
  if (job.output !== null) {
    const text = asText(job.output);
    output.clear();
    setText(byId("output"), text);
    setText(note, "");
  } else if (isFinal(job.state)) {
    setText(note, output.isEmpty ? "none" : "what was written before it ended; there is no final output");
  } else {
    setText(note, output.isEmpty ? "nothing written yet" : `${output.isCut ? "its end, " : ""}as it is written`);
  }
}

function drawJob() {
  document.title = `${stateWord(job.state)} · ${titleOf(job)} · Airboss`;
  setText(byId("job-title"), job.agent);
  byId("loading").hidden = true;
  byId("job").hidden = false;
  byId("job").dataset.state = job.state;
  showFacts(job);
  showError(job.error);
  const text = asText(job.input);
  if (byId("input").textContent !== text) setText(byId("input"), text);
  byId("metadata-panel").hidden = Object.keys(job.metadata).length === 0;
  setText(byId("metadata"), asText(job.metadata));
  byId("cancel").disabled = isFinal(job.state);
  byId("retry").disabled = !isFinal(job.state);
  drawOutput();
  explainWaiting();
}

// Asked again while it waits: what holds it may change without an event of its own.
const explainWaiting = coalesced(async () => {
  if (job.state !== "pending") {
    showWaiting(job, null, []);
    return;
  }
  try {
    const [agent, nodes] = await Promise.all([get(`/v1/agents/${encodeURIComponent(job.agent)}`), get("/v1/coord/nodes")]);
    showWaiting(job, agent, nodes.data);
  } catch {
    // An agent that is gone, or a server in trouble: then there is nothing to explain it with.
    showWaiting(job, null, []);
  }
}, 1000);

async function load() {
  try {
    const before = job?.state;
    job = await get(path);
    showProblem("The job cannot be shown", null);
    drawJob();
    if (before && before !== job.state) announce(`The job is ${stateWord(job.state)}`);
  } catch (error) {
    if (error.status === 404) gone();
    else showProblem("The job cannot be shown", error, refresh);
  }
}

const refresh = coalesced(load, REFRESH_MS);

// It was there when the page was opened: what is known of it stays to be read.
function gone() {
  tell("This job is not kept any more: retention has removed it. This is what was last known of it.");
  for (const name of ["cancel", "retry"]) byId(name).disabled = true;
  byId("like").hidden = true;
}

function onEvent(type, data, event) {
  if (type === "output.delta") {
    if (job?.output === null) {
      const wasEmpty = output.isEmpty;
      output.add(data);
      if (wasEmpty) drawOutput();
    }
    return;
  }
  timeline.onEvent(type, data, event);
  drawTimeline();
  if (REFRESH_ON.has(type)) refresh();
}

// Reads what has happened in pages; returns the last event's id, from which the stream goes on, and whether it must.
async function history() {
  anew();
  let cursor = null;
  let last = "0";
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}) });
    const answer = await get(`${path}/events?${query}`);
    for (const event of answer.data) {
      if (event.type === "output.delta") output.add(event.data);
      else timeline.onEvent(event.type, event.data, event);
      last = event.id;
    }
    cursor = answer.next_cursor;
    if (!answer.has_more) break;
  }
  return { after: last, isCut: cursor !== null };
}

// Everything comes again, from the oldest event that is kept.
function anew() {
  timeline = new Timeline();
  output.clear();
  return "0";
}

async function start() {
  // By its timer, or by somebody who does not wait for that.
  clearTimeout(againTimer);
  if (isStarting) return;
  isStarting = true;
  try {
    job = await get(path);
    const { after, isCut } = await history();
    showProblem("The job cannot be shown", null);
    drawJob();
    drawTimeline();
    // Of a job that had ended before its events were read there is nothing more to come.
    if (isFinal(job.state) && !isCut) tellConnection("ended");
    else follow(`${path}/events`, { event: onEvent, opened: refresh, ended: refresh, reset: anew, restart: anew }, { after });
  } catch (error) {
    notStarted(error);
  } finally {
    isStarting = false;
  }
}

function notStarted(error) {
  if (error.status === 404) {
    tellConnection("absent");
    showAbsent(error);
    return;
  }
  // A refusal of the caller is told by the form to sign in or by its words; all else may be over soon.
  const isFinalWord = error.status >= 400 && error.status < 500 && error.status !== 429;
  byId("loading").hidden = isFinalWord;
  showProblem("The job cannot be shown", error, start);
  if (error.status === 401) return;
  tellConnection(isFinalWord ? "refused" : "lost");
  if (isFinalWord) return;
  setText(byId("loading"), error.status ? "Trying again …" : "The server cannot be reached. Trying again …");
  againTimer = setTimeout(start, error.retryAfterSeconds ? error.retryAfterSeconds * 1000 : AGAIN_MS);
}

async function cancel() {
  byId("confirm-cancel").returnValue = "no";
  byId("confirm-cancel").showModal();
}

async function confirmed() {
  if (byId("confirm-cancel").returnValue !== "yes") return;
  try {
    const { status } = await call(`${path}/cancel`, { method: "POST" });
    tell(status === 200 ? "The job is cancelled." : "Cancel requested: its work is being stopped, and it will end cancelled.");
  } catch (error) {
    tell(error.code === "already_final" ? `Too late to cancel: ${wordsOf(error)}.` : `It could not be cancelled: ${wordsOf(error)}.`);
  }
  refresh();
}

async function retry() {
  try {
    const { document: made } = await call(`${path}/retry`, { method: "POST" });
    tabStorage.setItem(TOLD, `A new job, a retry of ${shortId(id)}.`);
    location.assign(`/ui/jobs/${made.id}`);
  } catch (error) {
    tell(`It could not be retried: ${wordsOf(error)}.`);
    refresh();
  }
}

async function copy(from) {
  try {
    await navigator.clipboard.writeText(byId(from).textContent);
    announce(`The ${from} is copied`);
  } catch {
    // Without the clipboard's permission, or without https, the text can still be selected.
    getSelection().selectAllChildren(byId(from));
  }
}

byId("cancel").addEventListener("click", cancel);
byId("confirm-cancel").addEventListener("close", confirmed);
byId("retry").addEventListener("click", retry);
byId("with-wait").addEventListener("click", () => {
  picture.withWait = !picture.withWait;
  drawTimeline();
});
byId("timeline-details").addEventListener("toggle", drawTimeline);
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", () => copy(button.dataset.copies));
shortcut("c", "Cancel the job", () => byId("cancel").click());
shortcut("r", "Retry the job", () => byId("retry").click());
shortcut("e", "Edit and spawn", () => { if (byId("like").checkVisibility()) byId("like").click(); });
shortcut("u", "Up to the jobs", () => location.assign("/ui/"));
tell(tabStorage.getItem(TOLD) ?? "");
tabStorage.removeItem(TOLD);
setInterval(() => { if (document.visibilityState === "hidden" && job && !isFinal(job.state)) refresh(); }, HIDDEN_POLL_MS);
whileVisible(() => { if (job?.state === "pending") refresh(); }, WAITING_POLL_MS);
whileVisible(() => { if (job && !isFinal(job.state)) drawTimeline(); }, 1000);
start();
