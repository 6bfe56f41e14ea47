// What every page has: theme, sign-in, shortcuts, times that go on, and one event stream.
import { SIGN_IN_NEEDED } from "./api.js";
import { connectionBanner, tellConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { tickAll } from "./formatting.js";
import { whileVisible } from "./pace.js";
import { shortcut, startShortcuts } from "./shortcuts.js";
import { startSignIn } from "./sign_in.js";
import { startTheme } from "./theme.js";
import { startTimeZone } from "./time_zone.js";

export function startShell() {
  startTheme();
  startTimeZone(tickAll);
  startSignIn();
  document.addEventListener(SIGN_IN_NEEDED, () => tellConnection("signed_out"));
  startShortcuts();
  whileVisible(tickAll, 1000);
}

// Opens the page's one stream.
export function follow(path, handlers, options) {
  let stream = null;
  const show = connectionBanner(() => stream.retryNow());
  const status = (told) => {
    show(told);
    handlers.status?.(told);
  };
  stream = new EventStream(path, { ...handlers, status }, options).start();
  return stream;
}

export { shortcut, tellConnection };
