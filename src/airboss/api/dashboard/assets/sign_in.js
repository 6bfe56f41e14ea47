// Asks for a token where the server wants one, and forgets it on request.
import { SIGN_IN_NEEDED } from "./api.js";
import { byId, setText } from "./dom.js";
import { forgetToken, keepToken, token } from "./session.js";

// Before the page starts anew: what must outlive that is kept now.
export const SIGNING_IN = "airboss:signing-in";
// What the server can read in the header; of other characters the browser makes no request at all.
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const SCHEME = /^bearer\s+/i;

function why(refusal) {
  if (!token()) return "This server needs a token.";
  if (refusal.code === "token_expired") return "Your token has expired. Sign in with a new one.";
  return `${refusal.message.charAt(0).toUpperCase()}${refusal.message.slice(1)}.`;
}

export function startSignIn() {
  const dialog = byId("sign-in");
  const ask = () => {
    if (!dialog.open) dialog.showModal();
  };
  byId("sign-out").hidden = !token();
  byId("sign-out").addEventListener("click", () => {
    forgetToken();
    location.reload();
  });
  byId("sign-in-again").addEventListener("click", ask);
  document.addEventListener(SIGN_IN_NEEDED, ({ detail }) => {
    setText(byId("sign-in-why"), why(detail));
    byId("sign-in-again").hidden = false;
    ask();
  });
  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = byId("sign-in-token").value.trim().replace(SCHEME, "");
    if (!TOKEN.test(given)) {
      setText(byId("sign-in-why"), "This cannot be a token: one has letters, digits and . _ - only, and no spaces.");
      return;
    }
    keepToken(given);
    document.dispatchEvent(new CustomEvent(SIGNING_IN));
    // The page starts anew: every request and the stream then carry the token.
    location.reload();
  });
}
