// From a job's events to segments of time: waits, model calls, tools, and what came in between.
export const LANES = ["queue", "model", "tool", "other"];
export const LANE_NAMES = { queue: "Queue", model: "Model calls", tool: "Tools", other: "Interruptions" };
// Beyond so many a picture says nothing any more; the rest is counted.
const MOST_SEGMENTS = 600;

export class Timeline {
  constructor() {
    this.segments = [];
    this.open = new Map();
    this.left = 0;
    this.firstMs = null;
    // When it started first: what is before is waiting.
    this.startedMs = null;
    this.lastMs = null;
    this.isOver = false;
  }

  get hasOpen() {
    return this.open.size > 0;
  }

  onEvent(type, data, event) {
    const time = Date.parse(event.time);
    this.firstMs ??= time;
    this.lastMs = Math.max(this.lastMs ?? time, time);
    const handle = HANDLERS[type];
    if (handle) handle(this, data, time, type);
  }

  #add(segment) {
    if (this.segments.length >= MOST_SEGMENTS) {
      this.left += 1;
      return segment;
    }
    this.segments.push(segment);
    return segment;
  }

  begin(key, lane, label, time, more = {}) {
    this.close(key, time, "replaced");
    this.open.set(key, this.#add({ lane, label, from: time, to: null, result: "running", detail: "", step: null, replayed: false, ...more }));
  }

  close(key, time, result, more = {}) {
    const segment = this.open.get(key);
    if (!segment) return null;
    this.open.delete(key);
    return Object.assign(segment, { to: time, result, ...more });
  }

  closeAll(time, result) {
    for (const key of [...this.open.keys()]) this.close(key, time, result);
  }

  mark(lane, label, time, more = {}) {
    this.#add({ lane, label, from: time, to: time, result: "", detail: "", step: null, replayed: false, isMark: true, ...more });
  }
}

function answeredModel(timeline, data, time) {
  const tokens = data.usage ? `${data.usage.input_tokens} tokens in, ${data.usage.output_tokens} out` : "";
  const detail = [data.finish_reason && `finish reason ${data.finish_reason}`, tokens].filter(Boolean).join("; ");
  const more = { step: data.step, detail };
  const label = `${data.provider} / ${data.model}`;
  if (data.replayed) timeline.mark("model", label, time, { ...more, result: "replayed", replayed: true });
  else timeline.close(`model ${data.step}`, time, data.finish_reason === "length" ? "cut at its length" : "answered", { ...more, seconds: data.duration_seconds });
}

const TOOL_RESULTS = { "tool.answered": "answered", "tool.failed": "failed", "tool.denied": "denied" };

function answeredTool(timeline, data, time, type) {
  const detail = [data.code, data.preview].filter(Boolean).join(": ");
  if (data.replayed) {
    timeline.mark("tool", data.tool, time, { step: data.step, detail, result: "replayed", replayed: true });
  } else {
    timeline.close(`tool ${data.call_id}`, time, TOOL_RESULTS[type], { detail, seconds: data.duration_seconds });
  }
}

function backToQueue(timeline, label, time, detail) {
  timeline.closeAll(time, "interrupted");
  timeline.mark("other", label, time, { detail, result: label });
  timeline.begin("queue", "queue", "Waiting to start again", time, { result: "waiting" });
}

function over(timeline, data, time, type) {
  const state = type.slice(4).replace("_", " ");
  timeline.closeAll(time, type === "job.completed" ? "done" : state);
  if (type !== "job.completed") timeline.mark("other", state, time, { result: state, detail: data.error?.code ?? data.reason ?? "" });
  timeline.isOver = true;
}

const HANDLERS = {
  "job.spawned": (timeline, data, time) => timeline.begin("queue", "queue", "Waiting to start", time, { result: "waiting" }),
  "job.started": (timeline, data, time) => {
    timeline.startedMs ??= time;
    const wait = timeline.close("queue", time, `attempt ${data.attempt} starts`);
    const dueMs = time - data.queue_wait_seconds * 1000;
    if (wait && dueMs - wait.from > 1000) {
      // It was not due before: that time is no wait in the queue.
      Object.assign(wait, { label: "Not due yet", to: dueMs, result: "scheduled" });
      timeline.begin("queue", "queue", "Waiting to start", dueMs);
      timeline.close("queue", time, `attempt ${data.attempt} starts`);
    }
    if (data.resumed_steps) timeline.mark("other", "resumed", time, { result: "resumed", detail: `${data.resumed_steps} steps need not be made again` });
  },
  "job.interrupted": (timeline, data, time) => backToQueue(timeline, "interrupted", time, data.reason),
  "job.retry_scheduled": (timeline, data, time) => backToQueue(timeline, "retry scheduled", time, `${data.code}; again at ${data.run_at}`),
  "job.waiting": (timeline, data, time) => timeline.begin("person", "other", "Waiting for a person", time, { detail: data.reason ?? "" }),
  "job.resumed": (timeline, data, time) => {
    timeline.close("person", time, "resumed");
    timeline.begin("queue", "queue", "Waiting to start again", time, { result: "waiting" });
  },
  "job.cancel_requested": (timeline, data, time) => timeline.mark("other", "cancel requested", time, { detail: data.by ? `by ${data.by}` : "", result: "cancel requested" }),
  "job.progressed": (timeline, data, time) => timeline.mark("other", "progress", time, { detail: data.message ?? "", result: "progress" }),
  "job.completed": over,
  "job.failed": over,
  "job.timed_out": over,
  "job.cancelled": over,
  "model.called": (timeline, data, time) => {
    // The same step again without an answer: a fallback is asked.
    timeline.close(`model ${data.step}`, time, "failed, another provider is asked");
    timeline.begin(`model ${data.step}`, "model", `${data.provider} / ${data.model}`, time, { step: data.step });
  },
  "model.answered": answeredModel,
  "tool.called": (timeline, data, time) => timeline.begin(`tool ${data.call_id}`, "tool", data.tool, time, { step: data.step }),
  "tool.answered": answeredTool,
  "tool.failed": answeredTool,
  "tool.denied": answeredTool,
};

// Seconds that a segment took, or takes up to now.
export function secondsOf(segment, nowMs) {
  return segment.seconds ?? Math.max(0, ((segment.to ?? nowMs) - segment.from) / 1000);
}

// Puts segments that overlap below each other; returns [segment, row] and the count of rows.
export function packed(segments, nowMs, leastMs) {
  const ends = [];
  const placed = segments.map((segment) => {
    const end = Math.max(segment.to ?? nowMs, segment.from + leastMs);
    let row = ends.findIndex((busyUntil) => busyUntil <= segment.from);
    if (row < 0) row = ends.length;
    ends[row] = end;
    return [segment, row];
  });
  return { placed, rows: Math.max(1, ends.length) };
}
