// Bursts of news become one piece of work.

// How much longer than a run the pause behind it is: work takes a quarter of the time at most.
const PAUSES = 3;
// A run may seem to take hours: the machine was asleep meanwhile.
const LONGEST_PAUSE_MS = 5000;

// Returns a function that asks for a run: runs never overlap, and are at least `everyMs` apart, a number or a function
// that tells one.
export function coalesced(run, everyMs) {
  const leastMs = typeof everyMs === "function" ? everyMs : () => everyMs;
  let wanted = false;
  let busy = false;
  async function work() {
    busy = true;
    while (wanted) {
      wanted = false;
      const began = performance.now();
      await run();
      const pauseMs = Math.max(leastMs(), Math.min(LONGEST_PAUSE_MS, PAUSES * (performance.now() - began)));
      await new Promise((wake) => setTimeout(wake, pauseMs));
    }
    busy = false;
  }
  return () => {
    wanted = true;
    if (!busy) work();
  };
}

// Returns a function that asks for `draw` in the next frame, once however often it is asked.
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

// Runs now and then, but not while nobody looks.
export function whileVisible(run, everyMs) {
  setInterval(() => {
    if (document.visibilityState === "visible") run();
  }, everyMs);
}
