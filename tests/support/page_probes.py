"""Questions to a page, as scripts: contrast, width, and what assistive technology is given."""

#: Contrast of each visible text with the colour behind it, as WCAG 2.2 defines it; returns what is too weak.
WEAK_TEXTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true })) continue;
    if (node.closest(".hidden, button:disabled, option, svg, script, template, .skip")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(node).color)), luminance(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}
"""
#: What reaches beyond the window.
TOO_WIDE = """
() => [...document.querySelectorAll("body *")]
  .filter((node) => node.getBoundingClientRect().right > innerWidth && !node.closest(".hidden, .scroll"))
  .map((node) => `${location.pathname} ${Math.round(node.getBoundingClientRect().right)} ${node.outerHTML.slice(0, 100)}`)
"""
#: What a screen reader would be left without.
NAMELESS = """
() => {
  const found = [];
  const name = (node) => node.getAttribute("aria-label") || node.labels?.[0]?.textContent.trim()
    || (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("").trim()
    || (/^(BUTTON|A|SUMMARY)$/.test(node.tagName) ? node.textContent.trim() : "");
  for (const node of document.querySelectorAll("a, button, input, select, textarea, meter, summary, dialog, [tabindex='0']")) {
    if (node.checkVisibility() && !name(node)) found.push(`no name: ${node.outerHTML.slice(0, 120)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`id twice: ${id}`);
  for (const node of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
    for (const id of `${node.getAttribute("aria-describedby") ?? ""} ${node.getAttribute("aria-labelledby") ?? ""}`.trim().split(/ +/)) {
      if (!document.getElementById(id)) found.push(`no such id: ${id}`);
    }
  }
  for (const image of document.images) if (!image.hasAttribute("alt")) found.push("an image without alt");
  for (const table of document.querySelectorAll("table")) {
    if (!table.querySelector("th[scope]")) found.push("a table without heads");
  }
  for (const [selector, count] of [["main", 1], ["header", 1], ["footer", 1], ["h1", 1], ["html[lang]", 1]]) {
    if (document.querySelectorAll(selector).length !== count) found.push(`${selector}: not ${count}`);
  }
  if (!document.querySelector("nav[aria-label]")) found.push("no nav");
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter((node) => node.checkVisibility()).map((node) => Number(node.tagName[1]));
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) found.push(`h${level} behind h${levels[at - 1]}`); });
  return found;
}
"""
