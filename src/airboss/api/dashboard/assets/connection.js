// Says plainly how the page stands to the server: a word in the bar, and a banner where something is wrong.
import { announce, byId, setText } from "./dom.js";
import { wordsOf } from "./api.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  catching_up: "Catching up",
  lost: "Disconnected",
  draining: "Server draining",
  refused: "Refused",
  signed_out: "Not signed in",
  ended: "Complete",
  absent: "Nothing to follow",
  asleep: "Asleep",
  paused: "Paused",
};
const BANNERS = {
  catching_up: "Catching up.",
  lost: "Disconnected from the server. What you see may be old.",
  draining: "The server is draining: it shuts down and takes no new jobs.",
  refused: "The server refuses the event stream.",
  signed_out: "Not signed in: this page is not kept up to date.",
};
let retryAt = null;
let shown = null;

function detail(status) {
  if (status.state === "catching_up") {
    return `This page was too slow; the server reads events ${status.from} to ${status.to} from storage. Nothing is lost.`;
  }
  return status.error && status.state !== "signed_out" ? wordsOf(status.error) : "";
}

function countDown() {
  if (retryAt === null) return;
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  setText(byId("banner-detail"), `${shown.detail ? `${shown.detail}. ` : ""}Trying again in ${seconds} s.`);
}

// For a page that has no stream, or no more.
export function tellConnection(state) {
  byId("connection").dataset.connection = state;
  setText(byId("connection-text"), WORDS[state]);
}

// Returns what a stream reports its status to; `retry` is what the banner's button does.
export function connectionBanner(retry) {
  byId("banner-retry").addEventListener("click", () => {
    setText(byId("banner-detail"), "Trying now …");
    retryAt = null;
    retry();
  });
  setInterval(countDown, 500);
  return (told) => {
    const status = told.error?.status === 401 ? { ...told, state: "signed_out" } : told;
    shown = { ...status, detail: detail(status) };
    tellConnection(status.state);
    retryAt = status.retryAt ?? null;
    const text = BANNERS[status.state];
    byId("banner").hidden = !text;
    byId("banner").dataset.connection = status.state;
    setText(byId("banner-text"), text ?? "");
    setText(byId("banner-detail"), shown.detail);
    byId("banner-retry").hidden = retryAt === null;
    countDown();
    if (status.state !== "connecting") announce(text ?? WORDS[status.state]);
  };
}
