// What the charts draw: numbers of the last minutes in a fixed count of intervals, from jobs and from events.
import { isFinal } from "./states.js";

export const INTERVALS = 60;
// Of each interval so many waits and durations are kept; beyond them a random one gives way.
const KEPT = 100;
const MOST_SEEDED = 1000;

const OUTCOMES = { "job.completed": "completed", "job.failed": "failed", "job.timed_out": "timed_out", "job.cancelled": "cancelled" };

class Sample {
  values = [];
  seen = 0;

  add(value) {
    if (!(value >= 0)) return;
    this.seen += 1;
    if (this.values.length < KEPT) this.values.push(value);
    else if (Math.random() < KEPT / this.seen) this.values[Math.floor(Math.random() * KEPT)] = value;
  }
}

function quantile(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] : null;
}

const interval = () => ({ completed: 0, failed: 0, timed_out: 0, cancelled: 0, waits: new Sample(), runs: new Sample(), depth: null, busy: null });

export class Measures {
  constructor(windowSeconds) {
    this.windowSeconds = windowSeconds;
    this.intervalMs = (windowSeconds * 1000) / INTERVALS;
    this.intervals = new Map();
    this.counted = new Set();
    this.begun = new Set();
  }

  #at(timeMs) {
    const index = Math.floor(timeMs / this.intervalMs);
    if (!this.intervals.has(index)) this.intervals.set(index, interval());
    return this.intervals.get(index);
  }

  // Fills the window from jobs, newest first, that were created since `knownMs`, and older ones that live on. `level`
  // is what there is now: of more older ones than were asked for, that many waited all the time.
  seed(jobs, older, knownMs, nowMs, level) {
    const from = nowMs - this.windowSeconds * 1000;
    for (const job of jobs.slice(0, MOST_SEEDED)) {
      const started = Date.parse(job.started_at);
      const finished = Date.parse(job.finished_at);
      if (job.started_at) this.begun.add(job.id);
      if (started >= from) this.#at(started).waits.add((started - dueMs(job)) / 1000);
      if (!isFinal(job.state)) continue;
      this.counted.add(job.id);
      if (finished < from) continue;
      const at = this.#at(finished);
      at[job.state] += 1;
      if (job.started_at) at.runs.add((finished - started) / 1000);
    }
    this.#seedLevels([...jobs, ...older], Math.max(from, knownMs), nowMs, level.depth);
  }

  // How deep the queue was and how many ran follows from when jobs came, started and ended.
  #seedLevels(jobs, fromMs, nowMs, depthNow) {
    const waitingAt = (time) => jobs.filter((job) => dueMs(job) <= time && (begunMs(job) ?? nowMs + 1) > time).length;
    const unseen = Math.max(0, (depthNow ?? 0) - waitingAt(nowMs));
    for (let time = fromMs; time < nowMs; time += this.intervalMs) {
      const at = this.#at(time);
      at.depth = waitingAt(time) + unseen;
      at.busy = jobs.filter((job) => job.started_at && Date.parse(job.started_at) <= time
        && (job.finished_at ? Date.parse(job.finished_at) > time : job.state === "running")).length;
    }
  }

  onEvent(type, data, event) {
    const time = Date.parse(event.time);
    // What the seed has counted may be replayed.
    if (type === "job.started" && !this.begun.has(data.job_id)) this.#at(time).waits.add(data.queue_wait_seconds);
    const outcome = OUTCOMES[type];
    if (!outcome || this.counted.has(data.job_id)) return;
    const at = this.#at(time);
    at[outcome] += 1;
    if (data.attempt > 0) at.runs.add(data.duration_seconds);
  }

  sample(timeMs, depth, busy) {
    const at = this.#at(timeMs);
    if (depth !== null) at.depth = Math.max(at.depth ?? 0, depth);
    if (busy !== null) at.busy = Math.max(at.busy ?? 0, busy);
  }

  // Returns one entry for each interval of the window, oldest first, and forgets what is older.
  series(nowMs) {
    const last = Math.floor(nowMs / this.intervalMs);
    for (const index of this.intervals.keys()) if (index <= last - INTERVALS) this.intervals.delete(index);
    return Array.from({ length: INTERVALS }, (_, place) => {
      const index = last - INTERVALS + 1 + place;
      const found = this.intervals.get(index) ?? interval();
      const waits = [...found.waits.values].sort((a, b) => a - b);
      const runs = [...found.runs.values].sort((a, b) => a - b);
      return {
        ...found,
        fromMs: index * this.intervalMs,
        waitP50: quantile(waits, 0.5), waitP95: quantile(waits, 0.95),
        runP50: quantile(runs, 0.5), runP95: quantile(runs, 0.95),
      };
    });
  }

  // Quantiles over the whole window.
  overall(name, share) {
    const all = [...this.intervals.values()].flatMap((each) => each[name].values).sort((a, b) => a - b);
    return quantile(all, share);
  }
}

function dueMs(job) {
  return Math.max(Date.parse(job.created_at), Date.parse(job.run_at ?? job.created_at));
}

function begunMs(job) {
  const moment = job.started_at ?? job.finished_at;
  return moment ? Date.parse(moment) : null;
}
