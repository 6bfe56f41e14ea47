// How numbers, times and texts are written.
import { element } from "./dom.js";
import { serverNow } from "./server_clock.js";
import { written } from "./time_zone.js";

const count = new Intl.NumberFormat("en");
const two = (number) => String(Math.floor(number)).padStart(2, "0");

export const number = (value) => count.format(value);
export const plural = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  const value = Math.max(0, seconds);
  if (value === 0) return "0 s";
  if (value < 1) return `${Math.max(1, Math.round(value * 1000))} ms`;
  if (value < 10) return `${value.toFixed(2)} s`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} m ${two(value % 60)} s`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${two((value % 3600) / 60)} m`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

// For what ticks: whole seconds, so that nothing flickers.
export function ticking(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  return duration(whole);
}

export const secondsBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
export const secondsSince = (from) => (serverNow() - Date.parse(from)) / 1000;

export function clockTime(moment) {
  const at = new Date(moment);
  const { date, time } = written(at);
  return Math.abs(Date.now() - at.getTime()) < 12 * 3600 * 1000 ? time : `${date} ${time}`;
}

export function moment(iso) {
  return element("time", { datetime: iso, title: iso, "data-tick": "clock" }, clockTime(iso));
}

// One unit: of a thousand rows, a few change in a second.
function coarse(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

export function ago(iso) {
  const seconds = secondsSince(iso);
  if (seconds < -1) return `in ${coarse(-seconds)}`;
  return seconds < 1 ? "now" : `${coarse(seconds)} ago`;
}

// A time that goes on: `tickAll` writes it anew each second.
export function since(iso, kind = "since") {
  return element("time", { datetime: iso, title: `${clockTime(iso)} (${iso})`, "data-tick": kind }, ticked(kind, iso));
}

const TICKED = { ago, clock: clockTime, since: (iso) => ticking(secondsSince(iso)) };
const ticked = (kind, iso) => TICKED[kind](iso);

export function tickAll() {
  for (const node of document.querySelectorAll("time[data-tick]")) {
    const text = ticked(node.dataset.tick, node.dateTime);
    if (node.textContent !== text) node.textContent = text;
  }
}

export const shortId = (id) => id.slice(-12);

export function asText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
