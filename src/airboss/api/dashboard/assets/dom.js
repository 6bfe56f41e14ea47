// Elements made in code. Text goes in as text nodes, so nothing that a job says can become markup.
const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export function icon(name) {
  return drawn("svg", { class: "icon", "aria-hidden": "true" }, drawn("use", { href: `#icon-${name}` }));
}

// Writes only what differs: an unchanged text keeps the reader's selection.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Draws anew, and puts the focus back on what has the same `data-key`.
export function keepingFocus(draw) {
  const focused = document.activeElement?.dataset?.key;
  draw();
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function term(label, ...content) {
  return element("div", {}, element("dt", {}, label), element("dd", {}, ...content));
}

let lastAnnounced = "";

// For assistive technology: one sentence, and never the same one twice in a row.
export function announce(text) {
  if (text === lastAnnounced) return;
  lastAnnounced = text;
  setText(byId("announcer"), text);
}
