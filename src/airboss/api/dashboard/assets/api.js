// Calls of the HTTP API; every refusal is an ApiError with the server's code and words.
import { byId, element } from "./dom.js";
import { noteServerDate } from "./server_clock.js";
import { authorization } from "./session.js";

export const SIGN_IN_NEEDED = "airboss:sign-in-needed";
// The refusal of this page's token. It would only be given again: the page asks no more until somebody signs in.
let refusal = null;

function askToSignIn() {
  document.dispatchEvent(new CustomEvent(SIGN_IN_NEEDED, { detail: refusal }));
}

export class ApiError extends Error {
  constructor(status, error, retryAfterSeconds = null) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.details = error.details ?? {};
    this.requestId = error.request_id ?? null;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export async function apiError(answer) {
  let error = { code: `http_${answer.status}`, message: `the server answered with status ${answer.status}` };
  try {
    error = (await answer.json()).error ?? error;
  } catch {
    // Not from this server: a proxy has answers of its own.
  }
  const made = new ApiError(answer.status, error, Number(answer.headers.get("retry-after")) || null);
  if (answer.status === 401) {
    refusal = made;
    askToSignIn();
  }
  return made;
}

export async function call(path, { method = "GET", body, headers = {}, signal } = {}) {
  if (refusal) {
    // What somebody does must not fail in silence; what a page repeats by itself may.
    if (method !== "GET") askToSignIn();
    throw refusal;
  }
  const sentMs = Date.now();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...authorization(),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "unreachable", message: "the server cannot be reached" });
  }
  noteServerDate(answer.headers.get("date"), sentMs, Date.now());
  if (!answer.ok) throw await apiError(answer);
  return { status: answer.status, document: await answer.json() };
}

export async function get(path, options) {
  return (await call(path, options)).document;
}

export function wordsOf(error) {
  const words = error instanceof ApiError ? `${error.message} (${error.code})` : String(error.message ?? error);
  return error.retryAfterSeconds ? `${words}; try again in ${error.retryAfterSeconds} s` : words;
}

// Shows what could not be done, until it can. What is unreachable is told by the connection's banner, and a token
// that is not taken by the form to sign in.
export function showProblem(what, error, again) {
  const box = byId("problem");
  box.hidden = !error || error.code === "unreachable" || error.status === 401;
  if (box.hidden) {
    box.replaceChildren();
    return;
  }
  const shown = `${what}: ${wordsOf(error)}`;
  if (box.dataset.shown === shown && box.childElementCount) return;
  box.dataset.shown = shown;
  box.replaceChildren(
    element("p", {}, element("strong", {}, `${what}: `), wordsOf(error)),
    error.requestId ? element("p", { class: "hint" }, `Request ${error.requestId}`) : "",
    again ? element("button", { type: "button", onclick: again }, "Try again") : "",
  );
}
