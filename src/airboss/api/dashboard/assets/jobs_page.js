// The page of jobs: the newest that fit the filters, live, with the load of the last minutes above them.
import { get, showProblem } from "./api.js";
import { ATTENTION_TYPES, Attention } from "./attention.js";
import { announce, byId, element, setText } from "./dom.js";
import { number, plural, shortId } from "./formatting.js";
import { filters, isFiltered, offerAgents, onFilters, readAddress, searchField, searchWords, writeAddress } from "./job_filters.js";
import { JobList, MOST, matches } from "./job_list.js";
import { JobSelection } from "./job_selection.js";
import { JobTable } from "./job_table.js";
import { LoadCharts } from "./load_charts.js";
import { coalesced, eachFrame, whileVisible } from "./pace.js";
import { follow, shortcut, startShell } from "./shell.js";
import { STATE_AFTER, stateWord } from "./states.js";

const REFRESH_MS = 250;
// A long table is laid out anew at each change.
const REFRESH_LONG_MS = 1000;
const LONG = 300;
const SAMPLE_MS = 5000;
const ANNOUNCE_MS = 5000;
const MOST_CHANGED = 1000;
const WINDOWS = ["300", "900", "3600", "21600"];
const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TYPES = [...Object.keys(STATE_AFTER), "job.cancel_requested", "job.pruned", ...ATTENTION_TYPES];

startShell();
readAddress();

const list = new JobList();
const attention = new Attention();
const selection = new JobSelection((id) => list.jobs.get(id), () => draw());
const table = new JobTable(byId("rows"), (id) => selection.has(id), (ids, isPicked) => selection.set(ids, isPicked));
const changed = new Set();
const ended = [];
let isPaused = false;
let waitingChanges = 0;

const givenWindow = new URLSearchParams(location.search).get("window");
byId("window").value = WINDOWS.includes(givenWindow) ? givenWindow : "900";
const charts = new LoadCharts(Number(byId("window").value));

const keepAddress = () => writeAddress({ window: byId("window").value === "900" ? "" : byId("window").value });

const draw = eachFrame(() => {
  const words = searchWords();
  const fitting = list.newestFirst.filter((job) => matches(job, words));
  const shown = new Set(fitting.map((job) => job.id));
  selection.keepOnly(shown);
  ended.push(...table.show(fitting));
  byId("pick-all").checked = fitting.length > 0 && fitting.every((job) => selection.has(job.id));
  byId("pick-all").indeterminate = !byId("pick-all").checked && selection.ids.size > 0;
  if (ended.length) tellEnds();
  byId("jobs").setAttribute("aria-busy", String(!list.isLoaded));
  byId("older").hidden = !list.cursor || list.isFull;
  drawNote(fitting.length, words);
  byId("clear").hidden = !isFiltered();
  drawEmpty(fitting.length);
});

// One sentence for all that ended meanwhile: a listener must not be talked over.
const tellEnds = coalesced(async () => {
  if (ended.length === 1) announce(`Job ${shortId(ended[0].id)} of ${ended[0].agent} is ${stateWord(ended[0].state)}`);
  else announce(`${plural(ended.length, "job")} ended, ${number(ended.filter((job) => job.state === "failed").length)} of them failed`);
  ended.length = 0;
}, ANNOUNCE_MS);

function drawNote(count, words) {
  const parts = [];
  if (!list.isLoaded) parts.push("Loading …");
  else if (words.length) parts.push(`${number(count)} of the newest ${plural(list.jobs.size, "job")} match`);
  else parts.push(`${plural(count, "job")}${list.cursor ? ", newest first" : ""}`);
  if (list.isFull) parts.push(`no more than ${number(MOST)} are shown: narrow the filters for older ones`);
  if (isPaused) parts.push(`updates are paused, ${plural(waitingChanges, "change")} behind`);
  setText(byId("list-note"), `${parts.join("; ")}.`);
}

function drawEmpty(count) {
  const box = byId("empty");
  box.hidden = count > 0 || !list.isLoaded;
  byId("jobs").hidden = list.isLoaded && count === 0;
  if (box.hidden) return;
  if (isFiltered()) {
    const text = JOB_ID.test(searchField.value.trim()) ? ["Press Enter to open the job of this id."] : ["No job fits these filters."];
    box.replaceChildren(element("p", {}, ...text));
  } else {
    box.replaceChildren(element("p", {}, "No jobs yet."), element("p", {}, element("a", { href: "/ui/spawn" }, "Spawn the first one"),
      " or run ", element("code", {}, 'airboss jobs spawn offline "What is here?"'), "."));
  }
}

async function load() {
  const ids = [...changed];
  changed.clear();
  waitingChanges = 0;
  try {
    await list.refresh(ids);
    while (searchWords().length && list.cursor && !list.isFull) await list.older();
    showProblem("Jobs cannot be listed", null);
  } catch (error) {
    showProblem("Jobs cannot be listed", error, refresh);
  }
  draw();
}

const refresh = coalesced(load, () => (list.jobs.size > LONG ? REFRESH_LONG_MS : REFRESH_MS));

async function attempt(what, run) {
  try {
    await run();
  } catch (error) {
    if (error.status !== 401) showProblem(what, error);
  }
}

const sample = coalesced(() => attempt("The load cannot be read", () => charts.sample()), 1000);
const seed = () => attempt("The charts cannot be filled", () => charts.seed());

function reload() {
  refresh();
  sample();
  seed();
  attention.refresh();
  attempt("Agents cannot be listed", async () => offerAgents((await get("/v1/agents")).data.map((agent) => agent.name)));
}

function onEvent(type, data, event) {
  charts.onEvent(type, data, event);
  attention.onEvent(type);
  if (/^(provider|mcp)\./.test(type)) return;
  if (data.job_id && changed.size < MOST_CHANGED) changed.add(data.job_id);
  sample();
  if (isPaused) {
    waitingChanges += 1;
    draw();
  } else {
    refresh();
  }
}

function setPaused(paused) {
  isPaused = paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  setText(byId("pause"), paused ? "Resume updates" : "Pause updates");
  if (paused) draw();
  else refresh();
}

onFilters((kind) => {
  keepAddress();
  if (kind === "filter") list.setFilters(filters());
  if (kind === "filter" || (searchWords().length && list.cursor)) refresh();
  draw();
});
searchField.addEventListener("keydown", (event) => {
  const text = searchField.value.trim();
  if (event.key === "Enter" && JOB_ID.test(text)) location.assign(`/ui/jobs/${text}`);
  if (event.key === "Escape") searchField.blur();
});
byId("window").addEventListener("change", () => {
  keepAddress();
  charts.setWindow(Number(byId("window").value));
  seed();
});
byId("pause").addEventListener("click", () => setPaused(!isPaused));
byId("pick-all").addEventListener("change", (event) => selection.set([...table.rows.keys()], event.target.checked));
byId("older").addEventListener("click", () => attempt("Older jobs cannot be listed", async () => {
  await list.older();
  draw();
}));
shortcut("/", "Search", () => searchField.focus());
shortcut("j", "Next job (Enter opens it)", () => table.move(1));
shortcut("k", "Previous job", () => table.move(-1));
shortcut("x", "Pick the job, or let it go", () => table.pickFocused());
shortcut("p", "Pause or resume updates", () => setPaused(!isPaused));
shortcut("n", "Spawn a job", () => location.assign("/ui/spawn"));

list.setFilters(filters());
follow(`/v1/events?types=${TYPES.join(",")}`, { opened: reload, event: onEvent, reset: reload, restart: () => null });
whileVisible(sample, SAMPLE_MS);
whileVisible(draw, SAMPLE_MS);
