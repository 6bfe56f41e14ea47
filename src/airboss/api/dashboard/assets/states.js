// States of jobs and of breakers, as a shape and a word beside their colour.
import { element, icon } from "./dom.js";

const FINAL = new Set(["completed", "failed", "cancelled", "timed_out"]);

export const isFinal = (state) => FINAL.has(state);
export const stateWord = (state) => state.replaceAll("_", " ");

export function badge(state, word = stateWord(state)) {
  return element("span", { class: "state", "data-state": state }, icon(state), word);
}

// What stands behind the word: why a job waits, stops or failed.
export function stateNote(job) {
  if (job.error) return job.error.code;
  if (job.cancel_requested_at && !isFinal(job.state)) return "stopping";
  if (job.queue_position) return `place ${job.queue_position}`;
  if (job.state === "pending" && job.run_at) return "scheduled";
  return "";
}

// Which state an event of a job leads to; other events change none.
export const STATE_AFTER = {
  "job.spawned": "pending",
  "job.started": "running",
  "job.interrupted": "pending",
  "job.retry_scheduled": "pending",
  "job.waiting": "waiting",
  "job.resumed": "pending",
  "job.completed": "completed",
  "job.failed": "failed",
  "job.timed_out": "timed_out",
  "job.cancelled": "cancelled",
};
