// The proxy's key: entered once, kept for this tab.

import { find, say, showProblem } from "./dom.js";
import { problemIn } from "./problems.js";
import { t } from "./texts.js";

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
  let right = null;
  say(find("key-why"), why);
  showProblem(find("key-problem"), null);
  const submit = async (event) => {
    event.preventDefault();
    const typed = field.value.trim();
    const refused = await refusal(typed);
    showProblem(find("key-problem"), refused);
    if (refused) return field.select();
    right = typed;
    dialog.close();
  };
  const close = () => {
    form.removeEventListener("submit", submit);
    field.value = "";
    if (right) keep(right);
    resolve(right);
  };
  form.addEventListener("submit", submit);
  dialog.addEventListener("close", close, { once: true });
  dialog.showModal();
}

// Returns the Problem why the proxy refuses the key, null where it takes it, or where that cannot be told now.
async function refusal(typed) {
  try {
    const headers = { Authorization: `Bearer ${typed}` };
    const response = await fetch("api/status", { headers, cache: "no-store", credentials: "omit" });
    return response.status === 401 ? await problemIn(response) : null;
  } catch {
    return null;
  }
}

function keep(value) {
  key = value;
  say(find("key-state"), t`Key accepted`);
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
