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

function cells(job, isPicked) {
  const note = stateNote(job);
  const pick = element("input", { type: "checkbox", class: "pick", "aria-label": `Pick job ${shortId(job.id)}` });
  pick.checked = isPicked;
  return [
    element("td", { class: "cell-state" }, pick, badge(job.state), note ? element("span", { class: "note" }, note) : ""),
    element("td", { class: "cell-id" }, element("a", { href: `/ui/jobs/${job.id}`, title: job.id }, shortId(job.id))),
    element("td", { class: "cell-agent", title: job.agent }, job.agent),
    element("td", { class: "cell-input wide" }, element("span", { class: "clip", title: job.input_preview }, job.input_preview)),
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
  // `picked(id)` tells whether a job is picked, `onPick(ids, isPicked)` hears of it.
  constructor(body, picked, onPick) {
    this.body = body;
    this.picked = picked;
    this.lastPicked = null;
    body.addEventListener("click", (event) => this.#onClick(event, onPick));
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
    const isPicked = this.picked(job.id);
    const now = `${signature(job)}|${isPicked}`;
    if (known?.dataset.signature === now) return known;
    const row = known ?? element("tr", { "data-id": job.id });
    if (known && known.dataset.state !== job.state && isFinal(job.state)) changes.push(job);
    row.dataset.signature = now;
    row.dataset.state = job.state;
    const focused = row.contains(document.activeElement) ? document.activeElement.localName : null;
    row.replaceChildren(...cells(job, isPicked));
    row.classList.toggle("is-picked", isPicked);
    if (focused) row.querySelector(focused)?.focus({ preventScroll: true });
    this.rows.set(job.id, row);
    return row;
  }

  // With Shift from the one picked before to this one.
  #onClick(event, onPick) {
    if (!event.target.matches(".pick")) return;
    const row = event.target.closest("tr");
    const order = [...this.body.children].map((each) => each.dataset.id);
    const [at, from] = [order.indexOf(row.dataset.id), order.indexOf(this.lastPicked)];
    const range = event.shiftKey && from >= 0 ? order.slice(Math.min(at, from), Math.max(at, from) + 1) : [row.dataset.id];
    this.lastPicked = row.dataset.id;
    onPick(range, event.target.checked);
  }

  // Picks the row that has the focus, by key.
  pickFocused() {
    document.activeElement?.closest("#rows tr")?.querySelector(".pick")?.click();
  }

  // Moves the focus by so many rows.
  move(by) {
    const links = [...this.body.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement?.closest("tr")?.querySelector("a"));
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
    links[next]?.focus();
  }
}
