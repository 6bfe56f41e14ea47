// How much of something is taken: numbers first, and a bar beside them.
import { element } from "./dom.js";
import { number } from "./formatting.js";

export function meter(value, most, label) {
  const bar = element("meter", { min: 0, max: Math.max(1, most), value, high: Math.max(1, most) * 0.9, "aria-label": label });
  return element("span", { class: "metered" }, element("span", {}, `${number(value)} of ${number(most)}`), bar);
}
