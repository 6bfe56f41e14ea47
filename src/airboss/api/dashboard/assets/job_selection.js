// Jobs that are picked in the list, and what is done with all of them: cancel those that live, retry those that ended.
import { call, wordsOf } from "./api.js";
import { announce, byId, setText } from "./dom.js";
import { number, plural, shortId } from "./formatting.js";
import { isFinal } from "./states.js";

const AT_ONCE = 4;
const MOST_WAITS = 5;
const DONE = { cancel: "cancelled, or being stopped", retry: "retried" };
const DOING = { cancel: "Cancelling", retry: "Retrying" };
const pause = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));

// Where the server says when to come again, it is waited for.
async function patiently(path) {
  for (let waits = 0; ; waits += 1) {
    try {
      return await call(path, { method: "POST" });
    } catch (error) {
      if (error.status !== 429 || waits >= MOST_WAITS) throw error;
      await pause(error.retryAfterSeconds ?? 1);
    }
  }
}

export class JobSelection {
  // `jobOf(id)` is what the list holds; `changed()` draws the rows anew.
  constructor(jobOf, changed) {
    this.ids = new Set();
    this.jobOf = jobOf;
    this.changed = changed;
    this.isBusy = false;
    this.asked = null;
    for (const verb of ["cancel", "retry"]) byId(`${verb}-picked`).addEventListener("click", () => this.#ask(verb));
    byId("unpick").addEventListener("click", () => this.clear());
    byId("confirm-picked").addEventListener("close", () => {
      if (byId("confirm-picked").returnValue === "yes") this.#act(this.asked);
    });
  }

  has(id) {
    return this.ids.has(id);
  }

  set(ids, isPicked) {
    for (const id of ids) {
      if (isPicked) this.ids.add(id);
      else this.ids.delete(id);
    }
    this.draw();
    this.changed();
  }

  clear() {
    this.set([...this.ids], false);
  }

  // What is not in the list any more cannot be seen, so nothing is done with it.
  keepOnly(shown) {
    for (const id of this.ids) if (!shown.has(id)) this.ids.delete(id);
    this.draw();
  }

  #fitting(verb) {
    return [...this.ids].map((id) => this.jobOf(id)).filter((job) => job && isFinal(job.state) === (verb === "retry") && !(verb === "cancel" && job.cancel_requested_at));
  }

  draw() {
    byId("picked").hidden = this.ids.size === 0 && !this.isBusy;
    if (byId("picked").hidden) return;
    if (!this.isBusy) setText(byId("picked-count"), `${plural(this.ids.size, "job")} picked`);
    for (const verb of ["cancel", "retry"]) {
      const count = this.#fitting(verb).length;
      setText(byId(`${verb}-picked`), `${verb === "cancel" ? "Cancel" : "Retry"} ${number(count)}`);
      byId(`${verb}-picked`).hidden = count === 0;
      byId(`${verb}-picked`).disabled = this.isBusy;
    }
    byId("unpick").disabled = this.isBusy;
  }

  #ask(verb) {
    this.asked = verb;
    const jobs = plural(this.#fitting(verb).length, "job");
    setText(byId("confirm-picked-title"), `${verb === "cancel" ? "Cancel" : "Retry"} ${jobs}?`);
    setText(byId("confirm-picked-text"), verb === "cancel"
      ? "Their work stops, and they end cancelled. A final state never changes."
      : "Each is spawned again as a new job, with the agent as it is configured now.");
    setText(byId("confirm-picked-yes"), verb === "cancel" ? `Cancel ${jobs}` : `Retry ${jobs}`);
    byId("confirm-picked").returnValue = "no";
    byId("confirm-picked").showModal();
  }

  async #act(verb) {
    const jobs = this.#fitting(verb);
    const waiting = [...jobs];
    const failures = [];
    let done = 0;
    this.isBusy = true;
    this.draw();
    const work = async () => {
      for (let job = waiting.shift(); job; job = waiting.shift()) {
        try {
          await patiently(`/v1/jobs/${job.id}/${verb}`);
          this.ids.delete(job.id);
        } catch (error) {
          failures.push([job, error]);
          // What holds for the caller or the server holds for the rest too.
          if (error.status === 0 || [401, 403, 429, 503].includes(error.status)) waiting.length = 0;
        }
        done += 1;
        setText(byId("picked-count"), `${DOING[verb]}: ${number(done)} of ${number(jobs.length)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.isBusy = false;
    this.#tell(verb, done - failures.length, jobs.length, failures);
    this.draw();
    this.changed();
  }

  #tell(verb, count, all, failures) {
    const parts = [`${number(count)} of ${plural(all, "job")} ${DONE[verb]}.`];
    if (failures.length) {
      const [job, error] = failures[0];
      parts.push(`${shortId(job.id)}: ${wordsOf(error)}.`);
      if (all - count > 1) parts.push(`${number(all - count)} are left and stay picked.`);
    }
    byId("told").hidden = false;
    setText(byId("told"), parts.join(" "));
    announce(parts[0]);
  }
}
