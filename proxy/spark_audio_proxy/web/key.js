// The proxy's key: entered once, kept for this tab.

import { find, say } from "./dom.js";

const PLACE = "spark-audio-key";
const listeners = [];
let key = stored();
let asking = null;

export const currentKey = () => key;

export function onKey(listener) {
  listeners.push(listener);
}

// Returns the key that was entered, null if the user cancels.
export function askForKey(why) {
  asking ??= new Promise((resolve) => open(why, resolve)).finally(() => (asking = null));
  return asking;
}

function open(why, resolve) {
  const dialog = find("key-dialog");
  const form = find("key-form");
  const field = find("key");
  let typed = null;
  say(find("key-why"), why);
  const submit = (event) => {
    event.preventDefault();
    typed = field.value.trim();
    dialog.close();
  };
  const close = () => {
    form.removeEventListener("submit", submit);
    field.value = "";
    if (typed) keep(typed);
    resolve(typed || null);
  };
  form.addEventListener("submit", submit);
  dialog.addEventListener("close", close, { once: true });
  dialog.showModal();
}

function keep(value) {
  key = value;
  try {
    sessionStorage.setItem(PLACE, value);
  } catch {
    // Storage is off: the key lasts as long as the page stays open.
  }
  for (const listener of listeners) listener();
}

function stored() {
  try {
    return sessionStorage.getItem(PLACE) ?? "";
  } catch {
    return "";
  }
}
