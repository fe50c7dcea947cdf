// Speech to text: a recording from the microphone or a file, and its transcript.

import { ask } from "./api.js";
import { copyButton } from "./copy.js";
import { find, h, say, showProblem } from "./dom.js";
import { Recorder } from "./recorder.js";
import { t } from "./texts.js";
import { startWave } from "./wave.js";
import { seconds } from "./words.js";

const HOLD = 350; // ms; a shorter press begins a recording that the next press ends

let recorder = null;
let pressedAt = 0;
let recording = null;
let times = [];
let wave = () => {};

export function startListening() {
  const talk = find("talk");
  talk.addEventListener("pointerdown", (event) => press(event));
  talk.addEventListener("pointerup", release);
  talk.addEventListener("pointercancel", release);
  // A keyboard or a screen reader clicks without a pointer.
  talk.addEventListener("click", (event) => event.detail === 0 && toggle());
  talk.addEventListener("contextmenu", (event) => event.preventDefault());
  find("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) transcribe(file, file.name);
    event.target.value = "";
  });
  acceptDrops(find("listen"));
  find("heard-audio").addEventListener("timeupdate", markCurrent);
  find("transcript-copy").append(copyButton(() => find("transcript").textContent, t`the transcript`));
  wave = startWave();
  if (!Recorder.possible()) {
    talk.disabled = true;
    say(find("talk-hint"), noMicrophone());
  }
}

function press(event) {
  if (event.button !== 0) return;
  pressedAt = event.timeStamp;
  if (recorder) {
    pressedAt = 0;
    stop();
  } else {
    find("talk").setPointerCapture(event.pointerId);
    start();
  }
}

function release(event) {
  if (pressedAt && event.timeStamp - pressedAt > HOLD) stop();
  pressedAt = 0;
}

function toggle() {
  if (recorder) stop();
  else start();
}

async function start() {
  showProblem(find("listen-problem"), null);
  const mine = (recorder = new Recorder(showLevel));
  showTalking(true);
  try {
    const { blob, name } = await mine.record((elapsed) => say(find("talk-time"), `${elapsed.toFixed(0)} s`));
    showTalking(false);
    if (blob) await transcribe(blob, name);
  } catch (problem) {
    showTalking(false);
    showProblem(find("listen-problem"), problem);
  }
}

function showLevel(level) {
  find("talk").style.setProperty("--level", level.toFixed(3));
  wave(level);
}

function noMicrophone() {
  if (window.isSecureContext) return t`This browser cannot record. You can still choose a file.`;
  const port = location.port || "80";
  const tunnel = `ssh -L ${port}:localhost:${port} ${location.hostname}, localhost:${port}`;
  return t`Browsers allow the microphone only on https pages and on localhost. Put the proxy behind https, or open a tunnel: ${tunnel}. You can still choose a file.`;
}

function stop() {
  recorder?.stop();
  recorder = null;
}

function showTalking(on) {
  if (!on) recorder = null;
  find("talk").setAttribute("aria-pressed", String(on));
  say(find("talk-label"), on ? t`Recording` : t`Hold to talk`);
  say(find("talk-time"), "");
  if (on) say(find("listen-measured"), "");
}

function acceptDrops(card) {
  const mark = (on) => find("drop").toggleAttribute("data-over", on);
  card.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  card.addEventListener("dragleave", () => mark(false));
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    const [file] = event.dataTransfer.files;
    if (file) transcribe(file, file.name);
  });
}

async function transcribe(blob, name) {
  showProblem(find("listen-problem"), null);
  find("heard").hidden = true;
  say(find("listen-measured"), t`Transcribing…`);
  const started = performance.now();
  try {
    const heard = await hear(blob, name);
    const took = (performance.now() - started) / 1000;
    say(find("listen-measured"), t`${seconds(heard.duration)} of audio, transcribed in ${seconds(took)}.`);
    show(heard, blob);
  } catch (problem) {
    say(find("listen-measured"), "");
    showProblem(find("listen-problem"), problem);
  }
}

// With word times; with segment times if the server has no word times.
async function hear(blob, name) {
  try {
    return await post(blob, name, ["word", "segment"]);
  } catch (problem) {
    if (problem.code !== "unsupported") throw problem;
    return post(blob, name, ["segment"]);
  }
}

async function post(blob, name, granularities) {
  const form = new FormData();
  form.append("response_format", "verbose_json");
  for (const granularity of granularities) form.append("timestamp_granularities[]", granularity);
  form.append("file", blob, name);
  return (await ask("v1/audio/transcriptions", { method: "POST", body: form })).json();
}

function show(heard, blob) {
  if (recording) URL.revokeObjectURL(recording);
  recording = URL.createObjectURL(blob);
  find("heard-audio").src = recording;
  const text = find("transcript");
  say(text, heard.text || t`No speech was detected.`);
  text.toggleAttribute("data-empty", !heard.text);
  find("transcript-copy").hidden = !heard.text;
  times = heard.words?.length ? heard.words : (heard.segments ?? []);
  say(find("times-title"), heard.words?.length ? t`Words, in seconds` : t`Segments, in seconds`);
  find("times-title").hidden = !times.length;
  find("times").replaceChildren(...times.map((item) =>
    h("li", {}, h("span", {}, item.word ?? item.text), h("small", {}, `${item.start.toFixed(2)}–${item.end.toFixed(2)}`))));
  find("heard").hidden = false;
}

function markCurrent(event) {
  const now = event.target.currentTime;
  [...find("times").children].forEach((item, n) => {
    const { start: begins, end } = times[n];
    item.toggleAttribute("data-now", now >= begins && now < end);
  });
}
