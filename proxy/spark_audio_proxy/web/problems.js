// What the proxy's errors mean, in the reader's language: the proxy itself writes English.

import { language, t } from "./texts.js";

// `message` is in the reader's language; `words` are the server's own, in English, where they say more.
export class Problem extends Error {
  constructor(message, { status = 0, code = null, words = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.words = words;
  }
}

// By the code of the error object. What these say is all that there is to say.
const WHOLE = {
  admin_key_required: t`This key may not restart a service; an admin key may.`,
  audio_too_short: t`The recording is too short.`,
  foreign_host: t`Without a key, the proxy is not served under this name.`,
  foreign_origin: t`Without a key, pages of other addresses may not ask for this.`,
  invalid_api_key: t`This key is not right.`,
  loopback_only: t`Without a key, the proxy shows this only on its own machine.`,
  model_not_found: t`This proxy has no server for this.`,
  no_restart_target: t`No restart target is set.`,
  queue_full: t`Too many requests are waiting.`,
  restart_under_way: t`It is being restarted already.`,
  sessions_full: t`Too many listeners are connected.`,
  turns_full: t`Too many requests are waiting.`,
  unknown_service: t`The proxy does not have this service any more.`,
  upload_timeout: t`The upload took too long.`,
  uploads_full: t`Too many requests are waiting.`,
};

// The server's own words follow these.
const BEGINNINGS = {
  busy: t`The server is busy or still loading.`,
  invalid_audio: t`This recording cannot be read.`,
  missing_required_parameter: t`Something is missing in the request.`,
  no_record: t`The restart was not sent.`,
  out_of_memory: t`The GPU's memory is full.`,
  restart_refused: t`The restart target has refused.`,
  service_held: t`The service does not work at the moment.`,
  string_too_long: t`The text is too long.`,
  unsupported: t`The server cannot do this.`,
  upstream_fault: t`The server has failed.`,
  upstream_timeout: t`The server did not answer in time.`,
  upstream_unauthorized: t`The server refuses the proxy's key.`,
  upstream_unreachable: t`The server cannot be reached.`,
  voice_not_found: t`This voice is not known.`,
  wrong_server: t`Something else answers at its address.`,
  wrong_upstream: t`This is not the right kind of server.`,
};

// Returns the Problem that an error object tells.
export function problemOf({ message, code = null }, status = 0) {
  if (language === "en") return new Problem(message, { status, code });
  if (code in WHOLE) return new Problem(WHOLE[code], { status, code });
  return new Problem(BEGINNINGS[code] ?? t`The proxy says:`, { status, code, words: message });
}

// Returns the Problem of a response that is one.
export async function problemIn(response) {
  let error = null;
  try {
    ({ error } = await response.json());
  } catch {
    // A server between the page and the proxy answered, without an error object.
  }
  const { status, statusText } = response;
  const problem = error?.message ? problemOf(error, status) : new Problem(t`The proxy answered ${status} ${statusText}.`, { status });
  const wait = Number(response.headers.get("Retry-After"));
  if (wait) problem.message = t`${problem.message} Try again in about ${wait} s.`;
  return problem;
}
