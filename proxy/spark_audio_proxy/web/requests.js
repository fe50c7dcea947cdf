// The last requests without their content, newest first.

import { find, h, say } from "./dom.js";
import { t } from "./texts.js";
import { clock, seconds, title } from "./words.js";

const WHAT = {
  "/v1/audio/speech": t`Text to speech`,
  "/v1/audio/speech/stream": t`Text to speech, live`,
  "/v1/audio/transcriptions": t`Speech to text`,
  "/v1/realtime": t`Speech to text, live`,
};

const OUTCOMES = {
  ok: { label: t`Answered`, tone: "good" },
  rejected: { label: t`Refused`, tone: "warn" },
  busy: { label: t`Too busy`, tone: "warn" },
  failed: { label: t`Failed`, tone: "bad" },
  cut: { label: t`Broke off`, tone: "bad" },
  gone: { label: t`The client left`, tone: "quiet" },
};

const OFF = t`The list is off. To switch it on, set ${"SPARK_AUDIO_REQUEST_HISTORY=100"} and restart the proxy.`;

let kept = 0;

// Without the right to see the status there is nothing to tell.
export function showRequests(on) {
  find("requests").hidden = !on;
}

// Shows the document of `GET /api/requests`; null where the proxy keeps none.
export function listRequests(document_) {
  kept = document_ ? document_.kept : 0;
  find("requests-rows").replaceChildren(...(document_ ? document_.requests.map(row) : []));
  showCount();
}

export function addRequest(request) {
  const rows = find("requests-rows");
  rows.prepend(row(request));
  while (rows.childElementCount > kept) rows.lastElementChild.remove();
  showCount();
}

function showCount() {
  const count = find("requests-rows").childElementCount;
  say(find("requests-count"), kept ? `(${count})` : "");
  say(find("requests-empty"), kept ? t`No request yet.` : OFF);
  find("requests-empty").hidden = count > 0;
  find("requests-rows").closest(".scroll").hidden = count === 0;
}

function row({ at, endpoint, seconds: took, audio_seconds: audio, characters, outcome, status, code, server }) {
  const { label, tone } = OUTCOMES[outcome] ?? { label: outcome, tone: "quiet" };
  const reason = [outcome === "ok" ? null : status, code].filter(Boolean).join(" ");
  const result = h("span", { class: "result", "data-tone": tone }, label);
  return h("tr", {},
    h("td", {}, h("time", { datetime: at }, clock(at))),
    h("td", {}, WHAT[endpoint] ?? h("code", {}, endpoint)),
    h("td", {}, result, reason ? h("small", {}, h("code", {}, reason)) : null),
    h("td", {}, amount(audio, characters)),
    h("td", {}, seconds(took)),
    h("td", {}, server ? title(server) : "–"));
}

function amount(audio, characters) {
  const parts = [audio === null ? null : seconds(audio), characters === null ? null : t`${characters} letters`];
  return parts.filter(Boolean).join(", ") || "–";
}
