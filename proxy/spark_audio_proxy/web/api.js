// Every request of this page: with the key if there is one, and with errors as sentences.

import { askForKey, currentKey } from "./key.js";
import { Problem, problemIn } from "./problems.js";
import { t } from "./texts.js";

// Returns the response if its status is below 400, else throws a Problem. `quiet` never asks for the key.
export async function ask(path, options = {}, { quiet = false } = {}) {
  const response = await send(path, options);
  if (response.ok) return response;
  const problem = await problemIn(response);
  const wantsKey = problem.status === 401 || problem.code === "admin_key_required";
  if (!wantsKey || quiet) throw problem;
  const why = currentKey() ? problem.message : t`This needs the proxy's API key. The key stays in this tab until you close it.`;
  if ((await askForKey(why)) === null) throw problem;
  return ask(path, options);
}

async function send(path, options) {
  const headers = new Headers(options.headers);
  if (currentKey()) headers.set("Authorization", `Bearer ${currentKey()}`);
  try {
    return await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", referrerPolicy: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(t`The proxy cannot be reached. Is it still running?`);
  }
}
