// The status as it changes: server-sent events over fetch, because EventSource cannot send a key.

import { ask } from "./api.js";
import { onKey } from "./key.js";

const SILENCE = 40_000; // ms; the proxy sends something every 15 s
const POLL = 5_000;
const LONGEST_WAIT = 10_000;

let wake = () => {};

// Calls `shown.status(document)`, `shown.states({name: state})` if the key is missing, `shown.link(how, problem)`;
// `shown.requests(document)` once and `shown.request(item)` for each new one, if the proxy keeps the last requests.
export async function follow(shown) {
  onKey(() => wake());
  for (let failed = 0; ; ) {
    try {
      await stream(shown, () => (failed = 0));
      shown.link("lost", null);
    } catch (problem) {
      if (problem.status === 401 || problem.status === 403) {
        shown.link(problem.status === 401 ? "locked" : "refused", problem);
        await showStates(shown);
        await pause(POLL);
        continue;
      }
      shown.link("lost", problem);
    }
    failed += 1;
    await pause(Math.min(LONGEST_WAIT, 500 * 2 ** failed));
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, milliseconds);
  });
}

async function showStates(shown) {
  try {
    shown.states((await readiness()).services);
  } catch {
    // The next round shows the error.
  }
}

// Readiness needs no key; 503 is an answer as well.
async function readiness() {
  const response = await fetch("readyz", { cache: "no-store", credentials: "omit" });
  return response.json();
}

async function stream(shown, onAlive) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  try {
    const response = await ask("api/events", { signal: silence.signal }, { quiet: true });
    shown.link("live", null);
    onAlive();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) read(event, shown);
    }
  } finally {
    clearTimeout(timer);
  }
}

function read(event, shown) {
  const [, name, data] = event.match(/^event: (\w+)\ndata: (.*)$/) ?? [];
  if (["status", "requests", "request"].includes(name)) shown[name](JSON.parse(data));
}
