// The caller's token, for this tab only.
import { tabStorage } from "./browser_storage.js";
const KEY = "airboss.token";

export const token = () => tabStorage.getItem(KEY);
export const keepToken = (text) => tabStorage.setItem(KEY, text);
export const forgetToken = () => tabStorage.removeItem(KEY);

export function authorization() {
  const kept = token();
  return kept ? { Authorization: `Bearer ${kept}` } : {};
}
