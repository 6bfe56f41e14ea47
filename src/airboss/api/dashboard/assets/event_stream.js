// One stream of events over fetch: with headers, from where it broke off, for as long as the page is open.
import { ApiError, apiError } from "./api.js";
import { authorization } from "./session.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15000;
// Three of the server's heartbeats.
const SILENCE_MS = 45000;
const LONGEST_FRAME = 1 << 20;
// What is caught up from storage comes without pauses: after one nothing more is behind.
const CAUGHT_UP_MS = 2000;
// A browser opens six connections to a server: tabs that nobody looks at give theirs back, and take none before.
const HIDDEN_MS = 15000;
// After so long it is cheaper to load the page's state anew than to replay.
const STALE_MS = 600000;

export class EventStream {
  // `path` may carry a query. Handlers: opened(), event(type, data, event), reset(), ended(reason), status(status).
  constructor(path, handlers, { after = null } = {}) {
    this.path = path;
    this.handlers = handlers;
    this.lastId = after;
    this.failures = 0;
    this.over = false;
    this.laggedTo = null;
    this.isAsleep = document.visibilityState === "hidden";
    this.hiddenSince = Date.now();
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    window.addEventListener("online", () => this.retryNow());
  }

  start() {
    this.#run();
    return this;
  }

  stop() {
    this.over = true;
    this.#endWait?.();
    this.controller?.abort();
  }

  retryNow() {
    this.#endWait?.();
  }

  #endWait = null;

  async #run() {
    while (!this.over) {
      if (this.isAsleep) {
        this.#tell("asleep");
        await this.#wait(null);
        continue;
      }
      let reason;
      try {
        if (this.failures === 0) this.#tell("connecting");
        reason = await this.#connection();
      } catch (error) {
        reason = error;
      }
      if (this.over || this.isAsleep) continue;
      await this.#afterwards(reason);
    }
  }

  async #afterwards(reason) {
    if (reason === "final") {
      this.over = true;
      this.#tell("ended");
      this.handlers.ended?.("final");
      return;
    }
    if (reason instanceof ApiError && [401, 403, 404, 422].includes(reason.status)) {
      this.over = true;
      this.#tell("refused", { error: reason });
      return;
    }
    const delayMs = this.#delayMs(reason);
    this.failures += 1;
    const state = reason === "draining" ? "draining" : "lost";
    this.#tell(state, { retryAt: Date.now() + delayMs, error: reason instanceof ApiError ? reason : null });
    this.handlers.ended?.(state);
    await this.#wait(delayMs);
  }

  #delayMs(reason) {
    if (reason instanceof ApiError && reason.retryAfterSeconds) return reason.retryAfterSeconds * 1000;
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.failures);
    // A server that comes back must not be met by every dashboard at once.
    return ceiling * (0.75 + Math.random() / 4);
  }

  #wait(delayMs) {
    return new Promise((wake) => {
      const timer = delayMs === null ? null : setTimeout(wake, delayMs);
      this.#endWait = () => {
        clearTimeout(timer);
        wake();
      };
    }).finally(() => {
      this.#endWait = null;
    });
  }

  // Reads one connection to its end; returns the reason of `stream.end`, or "broken".
  async #connection() {
    this.controller = new AbortController();
    this.#watch();
    try {
      const answer = await fetch(this.path, {
        headers: {
          Accept: "text/event-stream",
          ...authorization(),
          ...(this.lastId === null ? {} : { "Last-Event-ID": this.lastId }),
        },
        signal: this.controller.signal,
        cache: "no-store",
      });
      if (!answer.ok) throw await apiError(answer);
      this.failures = 0;
      this.#tell("live");
      this.handlers.opened?.();
      return await this.#read(answer.body);
    } finally {
      clearTimeout(this.watchdog);
      clearTimeout(this.quietTimer);
      this.laggedTo = null;
      this.controller.abort();
    }
  }

  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "broken";
      this.#watch();
      if (this.laggedTo !== null) this.#awaitQuiet();
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      if (rest.length > LONGEST_FRAME) throw new Error("a frame has no end");
      for (const frame of frames) {
        const reason = this.#frame(frame);
        if (reason) return reason;
      }
    }
  }

  #watch() {
    clearTimeout(this.watchdog);
    const { controller } = this;
    this.watchdog = setTimeout(() => controller.abort(), SILENCE_MS);
  }

  #frame(text) {
    let id = null;
    let type = "message";
    let data = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("id: ")) id = line.slice(4);
      else if (line.startsWith("event: ")) type = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) {
      if (text.startsWith(":")) this.#caughtUp();
      return null;
    }
    const document = JSON.parse(data);
    if (id === null) return this.#notice(type, document);
    this.lastId = id;
    this.handlers.event(type, document.data, document);
    if (this.laggedTo !== null && Number(id) >= this.laggedTo) this.#caughtUp();
    return null;
  }

  #notice(type, document) {
    if (type === "stream.end") return document.reason;
    if (type === "stream.lagged") {
      this.laggedTo = document.missed_to;
      this.#awaitQuiet();
      this.#tell("catching_up", { from: document.missed_from, to: document.missed_to });
    } else if (type === "stream.reset") {
      this.handlers.reset?.(document.oldest);
    }
    return null;
  }

  #awaitQuiet() {
    clearTimeout(this.quietTimer);
    this.quietTimer = setTimeout(() => this.#caughtUp(), CAUGHT_UP_MS);
  }

  #caughtUp() {
    if (this.laggedTo === null) return;
    this.laggedTo = null;
    this.#tell("live");
  }

  #onVisibility() {
    clearTimeout(this.sleepTimer);
    if (document.visibilityState === "hidden") {
      const since = Date.now();
      this.sleepTimer = setTimeout(() => {
        this.isAsleep = true;
        this.hiddenSince = since;
        this.controller?.abort();
        this.#endWait?.();
      }, HIDDEN_MS);
    } else if (this.isAsleep) {
      this.isAsleep = false;
      if (Date.now() - this.hiddenSince > STALE_MS) {
        this.lastId = this.handlers.restart?.() ?? null;
      }
      this.failures = 0;
      this.#endWait?.();
    }
  }

  #tell(state, more = {}) {
    this.handlers.status?.({ state, ...more });
  }
}
