// Rows of jobs: made once, changed only where their job did, so that focus and selection stay.
import { element } from "./dom.js";
import { duration, secondsBetween, shortId, since } from "./formatting.js";
import { badge, isFinal, stateNote } from "./states.js";

function queueWait(job) {
  if (job.started_at) {
    const due = job.run_at && job.run_at > job.created_at ? job.run_at : job.created_at;
    return duration(secondsBetween(due, job.started_at));
  }
  return job.state === "pending" && !job.run_at ? since(job.created_at) : "";
}

function runTime(job) {
  if (!job.started_at) return "";
  return job.finished_at ? duration(secondsBetween(job.started_at, job.finished_at)) : since(job.started_at);
}

function cells(job) {
  const note = stateNote(job);
  return [
    element("td", { class: "cell-state" }, badge(job.state), note ? element("span", { class: "note" }, note) : ""),
    element("td", { class: "cell-id" }, element("a", { href: `/ui/jobs/${job.id}`, title: job.id }, shortId(job.id))),
    element("td", { class: "cell-agent" }, job.agent),
    element("td", { class: "cell-input wide" }, element("span", { class: "clip" }, job.input_preview)),
    element("td", { class: "number", "data-label": "Queue" }, queueWait(job)),
    element("td", { class: "number", "data-label": "Start to end" }, runTime(job)),
    element("td", { class: "number", "data-label": "Attempt" }, `${job.attempt}/${job.max_attempts}`),
    element("td", { class: "number cell-created" }, since(job.created_at, "ago")),
  ];
}

const signature = (job) => [
  job.state, job.attempt, job.queue_position, job.cancel_requested_at, job.started_at, job.finished_at, job.run_at,
].join("|");

export class JobTable {
  constructor(body) {
    this.body = body;
    this.rows = new Map();
  }

  // Shows these jobs, in this order; returns the changes of state for who cannot see them.
  show(jobs) {
    const changes = [];
    const wanted = new Set(jobs.map((job) => job.id));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    let at = this.body.firstElementChild;
    for (const job of jobs) {
      const row = this.#row(job, changes);
      if (row === at) at = at.nextElementSibling;
      else this.body.insertBefore(row, at);
    }
    return changes;
  }

  #row(job, changes) {
    const known = this.rows.get(job.id);
    const now = signature(job);
    if (known?.dataset.signature === now) return known;
    const row = known ?? element("tr", { "data-id": job.id });
    if (known && known.dataset.state !== job.state && isFinal(job.state)) changes.push(job);
    row.dataset.signature = now;
    row.dataset.state = job.state;
    const focused = row.contains(document.activeElement);
    row.replaceChildren(...cells(job));
    if (focused) row.querySelector("a").focus({ preventScroll: true });
    this.rows.set(job.id, row);
    return row;
  }

  // Moves the focus by so many rows.
  move(by) {
    const links = [...this.body.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
    links[next]?.focus();
  }
}
