// In which zone moments are written: this browser's, or UTC as in the server's log; remembered in this browser.
import { browserStorage } from "./browser_storage.js";
import { byId, setText } from "./dom.js";

const KEY = "airboss.times";
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local";
let isUtc = browserStorage.getItem(KEY) === "utc";

const two = (value) => String(value).padStart(2, "0");

// The parts of a moment in the chosen zone.
export function written(date) {
  const [year, month, day, hours, minutes, seconds] = isUtc
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  return { date: `${year}-${two(month + 1)}-${two(day)}`, time: `${two(hours)}:${two(minutes)}:${two(seconds)}${isUtc ? "Z" : ""}` };
}

// `changed` writes anew what stands on the page.
export function startTimeZone(changed) {
  const show = () => setText(byId("zone"), `Times: ${isUtc ? "UTC" : zone}`);
  show();
  byId("zone").addEventListener("click", () => {
    isUtc = !isUtc;
    browserStorage.setItem(KEY, isUtc ? "utc" : "local");
    show();
    changed();
  });
}
