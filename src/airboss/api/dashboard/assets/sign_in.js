// Asks for a token where the server wants one, and forgets it on request.
import { SIGN_IN_NEEDED } from "./api.js";
import { byId, setText } from "./dom.js";
import { forgetToken, keepToken, token } from "./session.js";

export function startSignIn() {
  const dialog = byId("sign-in");
  byId("sign-out").hidden = !token();
  byId("sign-out").addEventListener("click", () => {
    forgetToken();
    location.reload();
  });
  document.addEventListener(SIGN_IN_NEEDED, ({ detail }) => {
    const refused = token() ? "The server does not take the token of this tab" : "This server needs a token";
    setText(byId("sign-in-why"), `${refused}: ${detail.message}.`);
    if (!dialog.open) dialog.showModal();
  });
  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = byId("sign-in-token").value.trim();
    if (!given) return;
    keepToken(given);
    // The page starts anew: every request and the stream then carry the token.
    location.reload();
  });
}
