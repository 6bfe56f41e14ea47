// The jobs that a page holds: the newest that fit the filters, kept true, and never more than it can show.
import { get } from "./api.js";
import { asText } from "./formatting.js";

const PAGE = 100;
export const MOST = 1000;
// Of jobs behind the first page, so many are asked for one by one at each refresh.
const MOST_SINGLE = 20;
const PREVIEW = 200;

export class JobList {
  constructor() {
    this.clear();
  }

  clear() {
    this.jobs = new Map();
    this.filters = { states: [], agent: "", createdAfter: () => null, createdBefore: () => null };
    this.cursor = null;
    this.pages = 1;
    this.isLoaded = false;
    this.generation = (this.generation ?? 0) + 1;
  }

  setFilters(filters) {
    this.clear();
    this.filters = filters;
  }

  get newestFirst() {
    return [...this.jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  get isFull() {
    return this.jobs.size >= MOST;
  }

  #path(cursor) {
    const { states, agent, createdAfter, createdBefore } = this.filters;
    const query = new URLSearchParams(states.map((state) => ["state", state]));
    if (agent) query.set("agent", agent);
    for (const [name, moment] of [["created_after", createdAfter()], ["created_before", createdBefore()]]) if (moment) query.set(name, moment);
    if (cursor) query.set("cursor", cursor);
    query.set("limit", PAGE);
    return `/v1/jobs?${query}`;
  }

  // Asks for the first page again, and for the jobs behind it that `changed` names.
  async refresh(changed = []) {
    const { generation } = this;
    const page = await get(this.#path(null));
    if (generation !== this.generation) return;
    const ids = new Set(page.data.map((job) => job.id));
    const oldest = page.has_more ? page.data.at(-1).id : "";
    for (const id of this.jobs.keys()) {
      if (!ids.has(id) && (id >= oldest || this.pages === 1)) this.jobs.delete(id);
    }
    for (const job of page.data) this.jobs.set(job.id, job);
    if (this.pages === 1) this.cursor = page.next_cursor;
    this.isLoaded = true;
    const behind = changed.filter((id) => id < oldest && this.jobs.has(id)).slice(0, MOST_SINGLE);
    await Promise.all(behind.map((id) => this.#refreshOne(id, generation)));
    this.#trim();
  }

  async #refreshOne(id, generation) {
    let job = null;
    try {
      job = await get(`/v1/jobs/${id}`);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    if (generation !== this.generation) return;
    const { states } = this.filters;
    if (job === null || (states.length && !states.includes(job.state))) this.jobs.delete(id);
    else this.jobs.set(id, { ...job, input_preview: asText(job.input).slice(0, PREVIEW) });
  }

  async older() {
    if (!this.cursor || this.isFull) return;
    const { generation } = this;
    const page = await get(this.#path(this.cursor));
    if (generation !== this.generation) return;
    for (const job of page.data) this.jobs.set(job.id, job);
    this.cursor = page.next_cursor;
    this.pages += 1;
    this.#trim();
  }

  #trim() {
    if (this.jobs.size <= MOST) return;
    for (const job of this.newestFirst.slice(MOST)) this.jobs.delete(job.id);
  }
}

// Whether a job holds every word of a search, in what a list shows of it.
export function matches(job, words) {
  if (!words.length) return true;
  const text = [
    job.id, job.agent, job.state, job.input_preview, job.owner, job.correlation_id,
    job.error ? `${job.error.code} ${job.error.message}` : "",
    job.answered_by ? `${job.answered_by.provider} ${job.answered_by.model}` : "",
    JSON.stringify(job.metadata),
  ].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}
