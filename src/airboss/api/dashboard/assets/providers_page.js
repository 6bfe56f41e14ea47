// Providers: how they are used, and the breaker of each of their models.
import { call, get, showProblem, wordsOf } from "./api.js";
import { announce, byId, element, keepingFocus, setText, term } from "./dom.js";
import { clockTime, duration, number, plural } from "./formatting.js";
import { meter } from "./meter.js";
import { coalesced, whileVisible } from "./pace.js";
import { follow, startShell } from "./shell.js";
import { badge } from "./states.js";

const TYPES = ["provider.throttled", "provider.breaker_opened", "provider.breaker_half_opened", "provider.breaker_closed", "model.called", "model.answered", "node.joined"];
const POLL_MS = 5000;
const MOST_MODELS = 200;
const models = new Map();
const throttled = new Map();
let providers = [];

startShell();

function breakerRow(breaker) {
  const again = breaker.retry_after_seconds ? `probed in ${duration(breaker.retry_after_seconds)}` : "";
  return element("tr", {},
    element("td", {}, element("code", {}, breaker.model)),
    element("td", {}, badge(breaker.state), again ? element("span", { class: "note" }, again) : ""),
    element("td", { class: "number", "data-label": "Calls" }, number(breaker.calls)),
    element("td", { class: "number", "data-label": "Failures" }, number(breaker.failures)),
    element("td", { class: "number", "data-label": "Slow" }, number(breaker.slow_calls)));
}

function breakers(provider) {
  if (!provider.breakers.length) return element("p", { class: "hint" }, "No model was called yet: a breaker comes with the first call.");
  const heads = ["Model", "Breaker", "Calls", "Failures", "Slow"];
  return element("table", { class: "stacking breakers" },
    element("caption", { class: "hidden" }, `Breakers of ${provider.name}`),
    element("thead", {}, element("tr", {}, ...heads.map((head, index) => element("th", { scope: "col", class: index > 1 ? "number" : null }, head)))),
    element("tbody", {}, ...provider.breakers.map(breakerRow)));
}

function modelList(name) {
  const known = models.get(name);
  if (!known) return "";
  if (known.isLoading) return element("p", { class: "hint" }, "Asking …");
  if (known.failure) return element("p", { class: "field-error" }, wordsOf(known.failure));
  const age = known.age_seconds === null ? "never fetched" : `fetched ${duration(known.age_seconds)} before ${clockTime(known.askedAt)}`;
  return element("div", {},
    element("p", { class: "hint" }, `${plural(known.data.length, "model")}, ${age}`),
    known.error ? element("p", { class: "field-error" }, `${known.error.message} (${known.error.code})`) : "",
    element("ul", { class: "names" }, ...known.data.slice(0, MOST_MODELS).map((model) => element("li", {}, element("code", {}, model.name)))));
}

async function loadModels(name, isRefresh) {
  models.set(name, { isLoading: true });
  draw();
  const path = `/v1/providers/${encodeURIComponent(name)}/models`;
  try {
    const { document: list } = await call(isRefresh ? `${path}/refresh` : path, { method: isRefresh ? "POST" : "GET" });
    models.set(name, { ...list, askedAt: new Date().toISOString() });
    announce(`${plural(list.data.length, "model")} of ${name}`);
  } catch (error) {
    models.set(name, { failure: error });
  }
  draw();
}

function card(provider) {
  const { limits } = provider;
  const isKnown = models.has(provider.name);
  const button = element("button", { type: "button", "data-key": `models ${provider.name}`, onclick: () => loadModels(provider.name, isKnown) }, isKnown ? "Ask for its models again" : "Show its models");
  const lately = throttled.get(provider.name);
  return element("section", { class: "panel", "aria-label": `Provider ${provider.name}` },
    element("div", { class: "section-head" }, element("h2", {}, provider.name), element("p", { class: "hint" }, `${provider.kind}, ${provider.wire}`)),
    element("dl", { class: "facts narrow" },
      term("Calls in flight", meter(limits.calls_in_flight, limits.max_concurrent_calls, `calls in flight at ${provider.name}`)),
      term("Calls waiting", number(limits.calls_waiting)),
      term("Requests a minute", limits.requests_per_minute === null ? "no limit of ours" : `at most ${number(limits.requests_per_minute)}`),
      term("Fallback", provider.fallback.length ? provider.fallback.join(", then ") : "none"),
      ...(lately ? [term("Throttled", `last at ${clockTime(lately)}`)] : [])),
    breakers(provider), element("p", {}, button), modelList(provider.name));
}

let drawnAs = "";

function draw() {
  const box = byId("providers");
  box.setAttribute("aria-busy", "false");
  const now = JSON.stringify([providers, [...models], [...throttled]]);
  if (now === drawnAs) return;
  drawnAs = now;
  keepingFocus(() => box.replaceChildren(...(providers.length ? providers.map(card) : [element("p", { class: "empty" }, "No providers are configured.")])));
}

const refresh = coalesced(async () => {
  try {
    providers = (await get("/v1/providers")).data;
    showProblem("Providers cannot be listed", null);
    setText(byId("fresh"), `As of ${clockTime(new Date().toISOString())}`);
    draw();
  } catch (error) {
    showProblem("Providers cannot be listed", error, refresh);
  }
}, 500);

const WORDS = { "provider.breaker_opened": "is open: it is left alone", "provider.breaker_half_opened": "is half open: it is probed", "provider.breaker_closed": "is closed again" };

function onEvent(type, data, event) {
  if (type === "provider.throttled") throttled.set(data.provider, event.time);
  if (WORDS[type]) announce(`The breaker of ${data.provider} / ${data.model} ${WORDS[type]}`);
  refresh();
}

follow(`/v1/events?types=${TYPES.join(",")}`, { opened: refresh, event: onEvent, reset: refresh });
whileVisible(refresh, POLL_MS);
refresh();
