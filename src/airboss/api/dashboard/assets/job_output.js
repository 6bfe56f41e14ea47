// The output as it is written: text of each step where its offset puts it. Offsets count characters (code points).
import { element } from "./dom.js";

const MOST_CHARACTERS = 500000;

const length = (text) => { let count = 0; for (const _ of text) count += 1; return count; };
const firstCharacters = (text, count) => [...text].slice(0, Math.max(0, count)).join("");

export class WrittenOutput {
  constructor(box) {
    this.box = box;
    this.clear();
  }

  clear() {
    this.steps = [];
    this.characters = 0;
    this.isCut = false;
    this.box.replaceChildren();
  }

  get isEmpty() {
    return this.steps.length === 0;
  }

  add({ text, step, offset }) {
    const follows = this.#isAtEnd();
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
    this.#bound();
    if (follows) this.box.scrollTop = this.box.scrollHeight;
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
