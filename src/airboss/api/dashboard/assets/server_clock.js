// The server's time as this page knows it: a browser whose clock is wrong must not show wrong durations.
const TOLERATED_MS = 2000;
let offsetMs = 0;

export function noteServerDate(header, sentMs, receivedMs) {
  const served = Date.parse(header ?? "");
  if (Number.isNaN(served)) return;
  // The header is cut to whole seconds: half of one is the best guess.
  const found = served + 500 - (sentMs + receivedMs) / 2;
  offsetMs = Math.abs(found) > TOLERATED_MS ? found : 0;
}

export const serverNow = () => Date.now() + offsetMs;
