// The filters of the list, which live in the page's address.
import { byId, element } from "./dom.js";
import { serverNow } from "./server_clock.js";

const BACK_SECONDS = { "15m": 900, "1h": 3600, "24h": 86400, "7d": 604800 };
const FIELDS = ["agent", "created_after", "search"];
const RANGE = "range";
// The moments of a range stand in the address as the API takes them, and in the fields in this browser's zone.
const ENDS = { from: "created_after", to: "created_before" };
const form = byId("filters");

export function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const box of form.elements.state) box.checked = query.getAll("state").includes(box.value);
  for (const name of FIELDS) {
    const value = query.get(name) ?? "";
    // An agent that is not in the settings any more may still have jobs.
    if (name === "agent") offerAgents([value].filter(Boolean));
    form.elements[name].value = value;
  }
  const moments = Object.entries(ENDS).map(([field, name]) => [field, Date.parse(query.get(name) ?? "")]).filter(([, time]) => !Number.isNaN(time));
  if (moments.length) form.elements.created_after.value = RANGE;
  for (const [field, time] of moments) form.elements[field].value = localMoment(new Date(time));
  showRange();
}

function localMoment(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

const isRange = () => form.elements.created_after.value === RANGE;

function showRange() {
  byId("range").hidden = !isRange();
}

// What was chosen of a range, in UTC; an end that is not filled in is open.
function rangeEnd(field) {
  const { value } = form.elements[field];
  return isRange() && value ? new Date(value).toISOString() : null;
}

export function writeAddress(extra) {
  const query = new URLSearchParams();
  for (const box of form.elements.state) if (box.checked) query.append("state", box.value);
  for (const name of FIELDS) if (form.elements[name].value && form.elements[name].value !== RANGE) query.set(name, form.elements[name].value);
  for (const [field, name] of Object.entries(ENDS)) if (rangeEnd(field)) query.set(name, rangeEnd(field));
  for (const [name, value] of Object.entries(extra)) if (value) query.set(name, value);
  const text = query.toString();
  history.replaceState(null, "", text ? `/ui/?${text}` : "/ui/");
}

export function offerAgents(names) {
  const select = form.elements.agent;
  const known = new Set([...select.options].map((option) => option.value));
  for (const name of names) if (!known.has(name)) select.append(element("option", { value: name }, name));
}

export function filters() {
  const seconds = BACK_SECONDS[form.elements.created_after.value];
  return {
    states: [...form.elements.state].filter((box) => box.checked).map((box) => box.value),
    agent: form.elements.agent.value,
    createdAfter: seconds ? () => new Date(serverNow() - seconds * 1000).toISOString() : () => rangeEnd("from"),
    createdBefore: () => rangeEnd("to"),
  };
}

export const searchWords = () => form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
export const isFiltered = () => location.search !== "" && /state|agent|created_|search/.test(location.search);

// Calls `changed("search")` for the search and `changed("filter")` for the rest.
export function onFilters(changed) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", showRange);
  form.addEventListener("reset", () => setTimeout(showRange, 0));
  form.addEventListener("input", (event) => changed(event.target.name === "search" ? "search" : "filter"));
  form.addEventListener("reset", () => setTimeout(() => changed("filter"), 0));
}

export const searchField = form.elements.search;
