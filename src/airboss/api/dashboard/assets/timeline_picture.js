// The timeline as a picture: lanes from left to right, read by pointer, focus and arrow keys; and as a table.
import { drawn, element, setText } from "./dom.js";
import { clockTime, duration } from "./formatting.js";
import { LANES, LANE_NAMES, packed, secondsOf } from "./timeline_model.js";

const ROW = 16;
const GAP = 3;
const LANE_GAP = 9;
const AXIS = 20;
const LEAST_WIDTH = 3;
const MOST_ROWS = 12;
// A wait that takes a larger share leaves no room for the work: the picture begins behind it, until somebody asks.
const MOST_WAIT = 0.5;
// The others are drawn where there is something in them.
const ALWAYS = new Set(["queue", "model"]);
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];

const resultClass = (segment) => {
  if (segment.replayed) return "replayed";
  if (/failed|denied|timed|cancel|interrupted|lost/.test(segment.result)) return "bad";
  return segment.to === null ? "open" : "good";
};

export function sentence(segment, nowMs) {
  const parts = [
    `${LANE_NAMES[segment.lane]}: ${segment.label}`,
    segment.step === null ? "" : `step ${segment.step}`,
    segment.isMark ? "" : duration(secondsOf(segment, nowMs)),
    segment.result === segment.label ? "" : segment.result,
    segment.detail,
  ];
  return parts.filter(Boolean).join(" · ");
}

export class TimelinePicture {
  constructor(box) {
    this.box = box;
    this.timeline = null;
    this.withWait = false;
    this.focused = 0;
    this.picture = drawn("svg", { class: "timeline-picture", role: "group", "aria-label": "Timeline. Arrow keys go through its entries; the table below says the same." });
    this.labels = element("div", { class: "timeline-labels", "aria-hidden": "true" });
    this.told = element("p", { class: "timeline-told", "aria-live": "off" });
    this.box.replaceChildren(element("div", { class: "timeline-frame" }, this.labels, this.picture), this.told);
    this.picture.addEventListener("keydown", (event) => this.#onKey(event));
    this.picture.addEventListener("pointerover", (event) => this.#tell(event.target.closest("[data-index]")));
    this.picture.addEventListener("focusin", (event) => this.#tell(event.target.closest("[data-index]")));
    new ResizeObserver(() => this.draw()).observe(this.picture);
  }

  show(timeline, nowMs) {
    this.timeline = timeline;
    this.nowMs = nowMs;
    this.draw();
  }

  draw() {
    const width = Math.floor(this.picture.clientWidth);
    if (!width || this.timeline === null || this.timeline.firstMs === null) return;
    const firstMs = this.#fromMs();
    const lastMs = this.#lastMs();
    const span = Math.max(1, lastMs - firstMs);
    const scale = { width, firstMs, span, x: (time) => Math.min(width, Math.max(0, ((time - firstMs) / span) * (width - LEAST_WIDTH))) };
    const hadFocus = this.picture.contains(document.activeElement);
    const parts = [];
    let y = AXIS;
    const heights = [];
    const lanes = LANES.filter((lane) => ALWAYS.has(lane) || this.timeline.segments.some((each) => each.lane === lane));
    for (const lane of lanes) {
      const { placed, rows } = packed(this.timeline.segments.filter((each) => each.lane === lane), this.nowMs, (LEAST_WIDTH / width) * span);
      const shown = Math.min(rows, MOST_ROWS);
      const height = shown * (ROW + GAP) + LANE_GAP;
      parts.push(drawn("line", { class: "lane-line", x1: 0, x2: width, y1: y + height - LANE_GAP / 2, y2: y + height - LANE_GAP / 2 }));
      for (const [segment, row] of placed) parts.push(this.#segment(segment, scale, y + Math.min(row, MOST_ROWS - 1) * (ROW + GAP)));
      heights.push(height);
      y += height;
    }
    this.picture.setAttribute("height", y);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${y}`);
    this.picture.replaceChildren(...this.#axis(scale, y), ...parts.filter(Boolean));
    this.#drawLabels(lanes, heights);
    this.#keepFocus(hadFocus);
  }

  #lastMs() {
    return this.timeline.isOver ? this.timeline.lastMs : Math.max(this.nowMs, this.timeline.lastMs);
  }

  // The wait before the first start, where it takes most of the picture.
  get longWaitSeconds() {
    const { firstMs, startedMs } = this.timeline;
    if (startedMs === null) return null;
    const wait = startedMs - firstMs;
    return wait > MOST_WAIT * (this.#lastMs() - firstMs) ? wait / 1000 : null;
  }

  #fromMs() {
    return this.withWait || this.longWaitSeconds === null ? this.timeline.firstMs : this.timeline.startedMs;
  }

  #drawLabels(lanes, heights) {
    const labels = lanes.map((lane, index) => {
      const label = element("div", {}, LANE_NAMES[lane]);
      label.style.height = `${heights[index]}px`;
      return label;
    });
    const axis = element("div", {});
    axis.style.height = `${AXIS}px`;
    this.labels.replaceChildren(axis, ...labels);
  }

  #axis({ width, span, x, firstMs }, height) {
    const step = STEPS.find((each) => span / 1000 / each <= Math.max(3, width / 90)) ?? STEPS.at(-1);
    const parts = [];
    for (let at = 0; at <= span / 1000; at += step) {
      const place = x(firstMs + at * 1000);
      parts.push(drawn("line", { class: "axis-line", x1: place, x2: place, y1: AXIS - 4, y2: height }));
      if (place < width - 40) parts.push(drawn("text", { class: "axis-text", x: place + 3, y: 11 }, at === 0 ? "0" : axisTime(at)));
    }
    return parts;
  }

  #segment(segment, { x, width, firstMs }, y) {
    const index = this.timeline.segments.indexOf(segment);
    if (segment.to !== null && segment.to < firstMs) return null;
    const left = x(segment.from);
    const kind = `segment lane-${segment.lane} is-${resultClass(segment)}`;
    const group = { class: segment.isMark ? `${kind} mark` : kind, "data-index": index, role: "img", tabindex: "-1", "aria-label": sentence(segment, this.nowMs) };
    if (segment.isMark) {
      const middle = Math.min(width - 6, left + 5);
      const path = `M${middle} ${y + 2}l5.5 6l-5.5 6l-5.5 -6z`;
      const label = width - middle > 110 && segment.lane === "other" && segment.label !== "progress"
        ? drawn("text", { class: "mark-text", x: middle + 9, y: y + 12 }, segment.label) : "";
      return drawn("g", group, drawn("path", { d: path }), label);
    }
    const boxWidth = Math.max(LEAST_WIDTH, x(segment.to ?? this.nowMs) - left);
    const room = Math.floor((boxWidth - 8) / 6.4);
    const text = `${segment.lane === "queue" ? "" : `${segment.label} `}${duration(secondsOf(segment, this.nowMs))}`;
    const shown = room >= 4 ? (text.length <= room ? text : `${text.slice(0, room - 1)}…`) : "";
    return drawn("g", group,
      drawn("rect", { x: left, y, width: boxWidth, height: ROW, rx: 2 }),
      shown ? drawn("text", { class: "segment-text", x: left + 4, y: y + 12 }, shown) : "");
  }

  #items() {
    return [...this.picture.querySelectorAll("[data-index]")].sort((a, b) => a.dataset.index - b.dataset.index);
  }

  // One stop of the Tab key for the whole picture; the arrows do the rest.
  #keepFocus(hadFocus) {
    const items = this.#items();
    if (!items.length) return;
    this.focused = Math.min(this.focused, items.length - 1);
    items[this.focused].setAttribute("tabindex", "0");
    if (hadFocus) items[this.focused].focus({ preventScroll: true });
  }

  #onKey(event) {
    const items = this.#items();
    const to = { ArrowRight: this.focused + 1, ArrowDown: this.focused + 1, ArrowLeft: this.focused - 1, ArrowUp: this.focused - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[this.focused]?.setAttribute("tabindex", "-1");
    this.focused = Math.min(items.length - 1, Math.max(0, to));
    items[this.focused].setAttribute("tabindex", "0");
    items[this.focused].focus();
  }

  #tell(node) {
    if (!node) return;
    const segment = this.timeline.segments[Number(node.dataset.index)];
    setText(this.told, `${sentence(segment, this.nowMs)} · from ${clockTime(segment.from)}`);
  }
}

function axisTime(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(3))} s`;
  return duration(seconds);
}

export function stepRows(timeline, nowMs) {
  return timeline.segments.map((segment) => element("tr", { class: segment.replayed ? "is-replayed" : "" },
    element("td", {}, LANE_NAMES[segment.lane]),
    element("td", {}, segment.label),
    element("td", {}, segment.step === null ? "" : String(segment.step)),
    element("td", {}, segment.result),
    element("td", { class: "number" }, `+${duration((segment.from - timeline.firstMs) / 1000)}`),
    element("td", { class: "number" }, segment.isMark ? "" : duration(secondsOf(segment, nowMs))),
    element("td", { class: "cell-detail" }, segment.detail),
  ));
}
