// Small charts as SVG: lines for levels and times, bars for what ended. Each can be read by pointer and by key.
import { announce, drawn, element, setText } from "./dom.js";
import { clockTime } from "./formatting.js";

const HEIGHT = 56;
const PAD = 3;

export class Chart {
  // `lines`: [{name, label, value(entry)}]; `bars`: the same with `below`. `write` formats a value.
  constructor(title, { lines = [], bars = [], write }) {
    this.title = title;
    this.lines = lines;
    this.bars = bars;
    this.write = write;
    this.entries = [];
    this.chosen = null;
    this.value = element("strong", { class: "chart-value" });
    this.note = element("span", { class: "chart-note" });
    this.picture = drawn("svg", { class: "chart-picture", height: HEIGHT, role: "img", tabindex: "0" });
    this.legend = element("p", { class: "legend" });
    this.figure = element("figure", { class: "chart" },
      element("figcaption", {}, element("span", { class: "chart-title" }, title), this.value, this.note),
      this.picture, this.legend);
    this.picture.addEventListener("pointermove", (event) => this.#choose(this.#place(event)));
    this.picture.addEventListener("pointerleave", () => this.#choose(null));
    this.picture.addEventListener("blur", () => this.#choose(null));
    this.picture.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => this.#draw()).observe(this.figure);
  }

  show(entries, value, note) {
    this.entries = entries;
    setText(this.value, value);
    setText(this.note, note);
    this.picture.setAttribute("aria-label", `${this.title}: ${value} ${note}. Arrow keys read the intervals.`);
    this.#draw();
  }

  #place(event) {
    const { left, width } = this.picture.getBoundingClientRect();
    return Math.min(this.entries.length - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * this.entries.length)));
  }

  #onKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const last = this.entries.length - 1;
    this.#choose(Math.min(last, Math.max(0, (this.chosen ?? last + (by < 0 ? 1 : 0)) + by)));
    // The picture has one name for all of it: what a key reads is said.
    announce(`${clockTime(this.entries[this.chosen].fromMs)}: ${[...this.legend.querySelectorAll(".key")].map((key) => key.textContent).join(", ")}`);
  }

  #choose(index) {
    this.chosen = index;
    this.#draw();
  }

  #draw() {
    const width = Math.floor(this.picture.clientWidth);
    if (!width || !this.entries.length) return;
    this.picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = this.bars.length ? this.#barParts(width) : this.#lineParts(width);
    if (this.chosen !== null) {
      const x = ((this.chosen + 0.5) / this.entries.length) * width;
      parts.push(drawn("line", { class: "cursor", x1: x, x2: x, y1: 0, y2: HEIGHT }));
    }
    this.picture.replaceChildren(...parts);
    this.#drawLegend();
  }

  #drawLegend() {
    const series = [...this.lines, ...this.bars];
    const entry = this.chosen === null ? null : this.entries[this.chosen];
    const told = series.flatMap((each) => {
      const value = entry ? each.value(entry) : each.total?.(this.entries);
      if (value === 0 && each.isRare) return [];
      const text = value === undefined ? each.label : `${each.label} ${value === null ? "–" : this.write(value)}`;
      return element("span", { class: `key key-${each.name}` }, element("i", { "aria-hidden": "true" }), text);
    });
    this.legend.replaceChildren(...told, entry ? element("span", { class: "chart-when" }, clockTime(entry.fromMs)) : "");
  }

  #lineParts(width) {
    const highest = Math.max(1e-9, ...this.lines.flatMap((line) => this.entries.map((entry) => line.value(entry) ?? 0)));
    const x = (index) => ((index + 0.5) / this.entries.length) * width;
    const y = (value) => HEIGHT - PAD - (value / highest) * (HEIGHT - 2 * PAD);
    const ground = drawn("line", { class: "ground", x1: 0, x2: width, y1: HEIGHT - 1, y2: HEIGHT - 1 });
    return [ground, ...this.lines.flatMap((line) => {
      const runs = unbroken(this.entries.map((entry, index) => {
        const value = line.value(entry);
        return value === null ? null : [x(index), y(value)];
      }));
      return runs.flatMap((points) => {
        const path = points.map(([px, py], index) => `${index ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
        const [first, last] = [points[0], points.at(-1)];
        const area = line.filled && points.length > 1
          ? drawn("path", { class: `area area-${line.name}`, d: `${path}L${last[0]} ${HEIGHT}L${first[0]} ${HEIGHT}Z` }) : null;
        const dot = points.length === 1 ? drawn("circle", { class: `dot dot-${line.name}`, cx: first[0], cy: first[1], r: 2 }) : null;
        return [area, drawn("path", { class: `line line-${line.name}`, d: path }), dot].filter(Boolean);
      });
    })];
  }

  #barParts(width) {
    const total = (entry, below) => this.bars.filter((bar) => Boolean(bar.below) === below).reduce((sum, bar) => sum + bar.value(entry), 0);
    const up = Math.max(1, ...this.entries.map((entry) => total(entry, false)));
    const down = Math.max(0, ...this.entries.map((entry) => total(entry, true)));
    const unit = (HEIGHT - 2 * PAD) / (up + down);
    const ground = HEIGHT - PAD - down * unit;
    const step = width / this.entries.length;
    const parts = [drawn("line", { class: "ground", x1: 0, x2: width, y1: ground, y2: ground })];
    this.entries.forEach((entry, index) => {
      let [above, beneath] = [ground, ground];
      for (const bar of this.bars) {
        const height = bar.value(entry) * unit;
        if (!height) continue;
        if (!bar.below) above -= height;
        const box = { x: index * step + 0.5, width: Math.max(1, step - 1), y: bar.below ? beneath : above, height };
        parts.push(drawn("rect", { class: `bar bar-${bar.name}`, ...box }));
        if (bar.below) beneath += height;
      }
    });
    return parts;
  }
}

// Cuts a series at its gaps: where nothing was measured there is no line.
function unbroken(points) {
  const runs = [[]];
  for (const point of points) {
    if (point) runs.at(-1).push(point);
    else if (runs.at(-1).length) runs.push([]);
  }
  return runs.filter((run) => run.length);
}
