// Queue, workers, throughput and latency of the last minutes, seeded from the newest jobs and kept up by events.
import { get } from "./api.js";
import { browserStorage } from "./browser_storage.js";
import { Chart } from "./charts.js";
import { byId, setText } from "./dom.js";
import { clockTime, duration, number, plural } from "./formatting.js";
import { INTERVALS, Measures } from "./measures.js";
import { coalesced } from "./pace.js";
import { serverNow } from "./server_clock.js";

const SEED_PAGES = 5;
const SEED_LIMIT = 200;
const DRAW_MS = 1000;
const FOLDED = "airboss.load";
const whole = (value) => number(Math.round(value));

const sum = (name) => (entries) => entries.reduce((total, entry) => total + entry[name], 0);

function charts() {
  const quantiles = (p50, p95) => [
    { name: "p95", label: "p95", value: (entry) => entry[p95] },
    { name: "p50", label: "p50", value: (entry) => entry[p50] },
  ];
  const outcome = (name, label, below, isRare) => ({ name, label, below, isRare, value: (entry) => entry[name], total: sum(name) });
  return {
    depth: new Chart("Queue", { write: whole, lines: [{ name: "depth", label: "waiting to start", filled: true, value: (entry) => entry.depth }] }),
    busy: new Chart("Workers busy", { write: whole, lines: [{ name: "busy", label: "running", filled: true, value: (entry) => entry.busy }] }),
    ended: new Chart("Jobs ended", {
      write: whole,
      bars: [outcome("completed", "completed"), outcome("failed", "failed", true), outcome("timed_out", "timed out", true, true), outcome("cancelled", "cancelled", true, true)],
    }),
    wait: new Chart("Queue wait", { write: duration, lines: quantiles("waitP50", "waitP95") }),
    run: new Chart("Start to end", { write: duration, lines: quantiles("runP50", "runP95") }),
  };
}

const SMALL = matchMedia("(max-width: 700px)");

// On a phone the list comes first: the charts are one line there until they are opened.
function startFolding() {
  const load = byId("load");
  const kept = browserStorage.getItem(FOLDED);
  load.open = kept === null ? !SMALL.matches : kept === "open";
  byId("load").querySelector("summary").addEventListener("click", () => {
    browserStorage.setItem(FOLDED, load.open ? "closed" : "open");
  });
}

export class LoadCharts {
  constructor(windowSeconds) {
    startFolding();
    this.charts = charts();
    byId("charts").append(...Object.values(this.charts).map((chart) => chart.figure));
    this.draw = coalesced(() => this.#draw(), DRAW_MS);
    this.level = { depth: null, busy: null, slots: null, capacity: null };
    this.setWindow(windowSeconds);
    setInterval(this.draw, Math.max(1000, (windowSeconds * 1000) / INTERVALS / 2));
  }

  setWindow(windowSeconds) {
    this.measures = new Measures(windowSeconds);
    this.waiting = [];
    this.isSeeded = false;
    this.coversFromMs = serverNow();
  }

  // Events that come while the seed is on its way are counted behind it, once.
  onEvent(type, data, event) {
    if (this.isSeeded) this.measures.onEvent(type, data, event);
    else if (this.waiting.length < 10000) this.waiting.push([type, data, event]);
    this.draw();
  }

  async seed() {
    this.setWindow(this.measures.windowSeconds);
    const { measures } = this;
    const fromMs = serverNow() - measures.windowSeconds * 1000;
    const jobs = [];
    let cursor = null;
    for (let page = 0; page < SEED_PAGES; page += 1) {
      const query = new URLSearchParams({ limit: SEED_LIMIT, created_after: new Date(fromMs).toISOString() });
      if (cursor) query.set("cursor", cursor);
      const { data, next_cursor: next } = await get(`/v1/jobs?${query}`);
      jobs.push(...data);
      cursor = next;
      if (!cursor) break;
    }
    const knownMs = cursor ? Date.parse(jobs.at(-1).created_at) : fromMs;
    // What came before that and has not ended stands in its levels too.
    const living = await get(`/v1/jobs?state=pending&state=running&limit=${SEED_LIMIT}&created_before=${new Date(knownMs).toISOString()}`);
    await this.#readLevels();
    if (measures !== this.measures) return;
    measures.seed(jobs, living.data, knownMs, serverNow(), this.level);
    for (const each of this.waiting) measures.onEvent(...each);
    this.waiting = [];
    this.isSeeded = true;
    this.coversFromMs = knownMs;
    this.#note(cursor !== null, jobs.length);
    // At once: what they cover is said by now.
    this.#draw();
  }

  #note(isPartial, count) {
    const from = clockTime(this.coversFromMs);
    setText(byId("window-covers"), isPartial
      ? `From the newest ${number(count)} jobs, so since ${from} only, and from live events.`
      : `Since ${from}: from ${plural(count, "job")} and live events.`);
  }

  async sample() {
    await this.#readLevels();
    this.measures.sample(serverNow(), this.level.depth, this.level.busy);
    this.draw();
  }

  // What the server says of itself now.
  async #readLevels() {
    const { data } = await get("/v1/coord/nodes");
    const total = (name) => data.reduce((all, node) => all + node[name], 0);
    this.level = { depth: total("pending"), busy: total("running"), slots: total("slots"), capacity: total("queue_capacity") };
  }

  #draw() {
    const { measures, level } = this;
    // Nobody looks, or nothing has a size yet: the numbers are kept, the pictures can wait.
    if (document.visibilityState !== "visible") return;
    const entries = measures.series(serverNow());
    const known = (value, written) => (value === null ? "–" : written(value));
    this.charts.depth.show(entries, known(level.depth, whole), level.capacity === null ? "" : `of ${number(level.capacity)}`);
    this.charts.busy.show(entries, known(level.busy, whole), level.slots === null ? "" : `of ${number(level.slots)}`);
    const ended = entries.reduce((all, each) => all + each.completed + each.failed + each.timed_out + each.cancelled, 0);
    const minutes = Math.max(1 / 60, (serverNow() - Math.max(this.coversFromMs, entries[0].fromMs)) / 60000);
    const isKnown = this.isSeeded;
    this.charts.ended.show(entries, isKnown ? number(ended) : "–", isKnown ? `${(ended / minutes).toFixed(1)} a minute` : "");
    const busy = known(level.busy, whole) + (level.slots === null ? "" : ` of ${number(level.slots)}`);
    setText(byId("load-line"), `${known(level.depth, whole)} in the queue, ${busy} workers busy${isKnown ? `, ${number(ended)} ended` : ""}`);
    for (const [name, kept] of [["wait", "waits"], ["run", "runs"]]) {
      const p95 = measures.overall(kept, 0.95);
      this.charts[name].show(entries, known(measures.overall(kept, 0.5), duration), p95 === null ? "none yet" : `p50, p95 ${duration(p95)}`);
    }
  }
}
