// Lists the newest jobs and keeps them true: one snapshot, then the events behind it.
const SHOWN = 50;
const RETRY_MS = 2000;
const FIRST_SIGN_MS = 45000;
const JOB_EVENTS = [
  "job.spawned", "job.started", "job.interrupted", "job.retry_scheduled", "job.waiting", "job.resumed",
  "job.cancel_requested", "job.completed", "job.failed", "job.timed_out", "job.cancelled", "job.pruned",
];

const jobs = new Map();
const stale = new Set();
let refreshing = false;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  if (className) made.className = className;
  return made;
}

function tell(state, text) {
  const line = document.getElementById("connection");
  line.dataset.state = state;
  line.textContent = text;
}

function row(job) {
  const made = document.createElement("tr");
  const state = element("td", job.state.replace("_", " "), `state ${job.state}`);
  const why = job.error ? `${job.error.code}: ${job.error.message}`
    : job.cancel_requested_at && job.state === "running" ? "stopping" 
    : job.queue_position ? `place ${job.queue_position}` : "";
  if (why) state.append(element("span", why, "why"));
  const created = document.createElement("td");
  const time = element("time", new Date(job.created_at).toLocaleTimeString());
  time.dateTime = job.created_at;
  created.append(time);
  const link = element("a", job.id.slice(-12));
  link.href = job.links.self;
  const id = element("td", "", "id");
  id.append(link);
  made.append(state, element("td", job.agent), element("td", job.input_preview, "input"),
    element("td", `${job.attempt} of ${job.max_attempts}`), created, id);
  return made;
}

function draw() {
  const newest = [...jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, SHOWN);
  document.getElementById("jobs").replaceChildren(...newest.map(row));
  document.getElementById("empty").hidden = newest.length > 0;
}

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function drawTotals() {
  const { data } = await get("/v1/agents");
  document.getElementById("totals").replaceChildren(...data.map((agent) => {
    const box = document.createElement("div");
    const paused = agent.paused ? ", paused" : "";
    box.append(element("dt", agent.name), element("dd", `${agent.running} running, ${agent.pending} pending${paused}`));
    return box;
  }));
}

async function snapshot() {
  const page = await get(`/v1/jobs?limit=${SHOWN}`);
  jobs.clear();
  for (const job of page.data) jobs.set(job.id, job);
  draw();
  await drawTotals();
}

// What changed is asked for again, at most every 200 ms, so that a burst of events is one request.
async function refresh() {
  if (refreshing) return;
  refreshing = true;
  await new Promise((wake) => setTimeout(wake, 200));
  stale.clear();
  try {
    await snapshot();
  } catch (error) {
    tell("lost", `The server does not answer: ${error.message}`);
  }
  refreshing = false;
  if (stale.size) refresh();
}

function changed(event) {
  const { data } = JSON.parse(event.data);
  if (data.job_id || data.agent) {
    stale.add(data.job_id ?? data.agent);
    refresh();
  }
}

let after = null;

async function follow() {
  let source;
  let watchdog;
  const lost = (text) => {
    clearTimeout(watchdog);
    source?.close();
    tell("lost", text);
    setTimeout(follow, RETRY_MS);
  };
  try {
    const { ticket } = await (await fetch("/v1/events/tickets", { method: "POST" })).json();
    const address = new URL("/v1/events", location.href);
    address.searchParams.set("ticket", ticket);
    address.searchParams.set("types", [...JOB_EVENTS, "queue.paused", "queue.resumed"].join(","));
    if (after !== null) address.searchParams.set("after", after);
    source = new EventSource(address);
    watchdog = setTimeout(() => lost("Disconnected; trying again"), FIRST_SIGN_MS);
    source.onopen = () => {
      clearTimeout(watchdog);
      tell("live", "Live");
      refresh();
    };
    source.onerror = () => lost("Disconnected; what you see may be old. Trying again");
    for (const type of [...JOB_EVENTS, "queue.paused", "queue.resumed"]) {
      source.addEventListener(type, (event) => {
        after = event.lastEventId;
        changed(event);
      });
    }
    source.addEventListener("stream.lagged", () => tell("live", "Live; catching up"));
    source.addEventListener("stream.reset", () => { after = null; });
    source.addEventListener("stream.end", () => lost("The server is shutting down; trying again"));
  } catch (error) {
    lost(`No connection: ${error.message}`);
  }
}

follow();
