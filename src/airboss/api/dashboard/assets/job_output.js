// The output as it is written: text of each step where its offset puts it. Offsets count characters (code points).
import { element } from "./dom.js";
import { coalesced } from "./pace.js";

const MOST_CHARACTERS = 500000;
// A long text is laid out anew at each write: what comes meanwhile is written together.
const WRITE_MS = 50;

const length = (text) => { let count = 0; for (const _ of text) count += 1; return count; };
const firstCharacters = (text, count) => [...text].slice(0, Math.max(0, count)).join("");

export class WrittenOutput {
  constructor(box) {
    this.box = box;
    this.write = coalesced(() => this.#write(), WRITE_MS);
    this.clear();
  }

  clear() {
    this.waiting = [];
    this.steps = [];
    this.characters = 0;
    this.isCut = false;
    this.box.replaceChildren();
  }

  get isEmpty() {
    return this.steps.length === 0 && this.waiting.length === 0;
  }

  add(delta) {
    this.waiting.push(delta);
    this.write();
  }

  #write() {
    if (!this.waiting.length) return;
    const follows = this.#isAtEnd();
    for (const delta of this.waiting.splice(0)) this.#append(delta);
    this.#bound();
    if (follows) this.box.scrollTop = this.box.scrollHeight;
  }

  #append({ text, step, offset }) {
    this.#dropFrom(step, offset);
    let last = this.steps.at(-1);
    if (last?.step !== step) {
      const node = document.createTextNode("");
      last = { step, offset, end: offset, node, box: element("span", { class: "written", "data-step": step }, node) };
      this.steps.push(last);
      this.box.append(last.box);
    }
    last.node.appendData(text);
    last.end = offset + length(text);
    this.characters += text.length;
  }

  // After a resume a step is written again from its start: what stood there, and behind it, goes.
  #dropFrom(step, offset) {
    while (this.steps.length && (this.steps.at(-1).step > step || this.steps.at(-1).offset >= offset && this.steps.at(-1).step === step)) {
      this.steps.pop().box.remove();
    }
    const last = this.steps.at(-1);
    if (last?.step === step && last.end > offset) last.node.data = firstCharacters(last.node.data, offset - last.offset);
  }

  #bound() {
    while (this.characters > MOST_CHARACTERS && this.steps.length) {
      const first = this.steps[0];
      const over = Math.min(first.node.length, this.characters - MOST_CHARACTERS);
      first.node.deleteData(0, over);
      this.characters -= over;
      this.isCut = true;
      if (first.node.length || this.steps.length === 1) return;
      this.steps.shift().box.remove();
    }
  }

  #isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 24;
  }
}
