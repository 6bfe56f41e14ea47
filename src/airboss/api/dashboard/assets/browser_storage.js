// What this browser keeps for the page. Where a setting of the browser forbids that, it is kept as long as the page.
class Memory {
  #kept = new Map();

  getItem(name) {
    return this.#kept.get(name) ?? null;
  }

  setItem(name, text) {
    this.#kept.set(name, text);
  }

  removeItem(name) {
    this.#kept.delete(name);
  }
}

function opened(name) {
  try {
    return window[name] ?? new Memory();
  } catch {
    return new Memory();
  }
}

// For all tabs, and for longer than the page.
export const browserStorage = opened("localStorage");
// For this tab.
export const tabStorage = opened("sessionStorage");
