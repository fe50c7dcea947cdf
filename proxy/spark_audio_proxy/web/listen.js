// Speech to text: a recording from the microphone or a file, and its transcript.

import { ask } from "./api.js";
import { copyButton } from "./copy.js";
import { find, h, say, showProblem } from "./dom.js";
import { LiveTurn } from "./live-turn.js";
import { Recorder } from "./recorder.js";
import { t } from "./texts.js";
import { startWave } from "./wave.js";
import { number, seconds } from "./words.js";

const HOLD = 350; // ms; a shorter press begins a recording that the next press ends

let recorder = null;
let pressedAt = 0;
let recording = null;
let times = [];
let findTimes = null;
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
  find("times-find").addEventListener("click", showFoundTimes);
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
  find("heard").hidden = true;
  const turn = new LiveTurn((text) => say(find("live-words"), text));
  const mine = (recorder = new Recorder({
    onLevel: showLevel,
    onSecond: (elapsed) => say(find("talk-time"), `${elapsed.toFixed(0)} s`),
    onSamples: (samples, rate) => turn.add(samples, rate),
  }));
  showTalking(true);
  try {
    const { blob, name } = await mine.record();
    showTalking(false);
    if (blob) await transcribe(blob, name, turn);
  } catch (problem) {
    showTalking(false);
    showProblem(find("listen-problem"), problem);
  } finally {
    turn.cancel();
    say(find("live-words"), "");
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
  wave = startWave();
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

// `turn` has heard the recording already, if it was spoken here; where that failed, it is sent.
async function transcribe(blob, name, turn = null) {
  showProblem(find("listen-problem"), null);
  find("heard").hidden = true;
  say(find("listen-measured"), t`Transcribing…`);
  const started = performance.now();
  try {
    const heard = (await turn?.finish()) ?? (await hear(blob, name));
    const took = (performance.now() - started) / 1000;
    say(find("listen-measured"), t`${seconds(heard.duration)} of audio, transcribed in ${seconds(took)}.`);
    say(find("live-words"), "");
    show(heard, blob);
    findTimes = turn && heard.text ? () => hear(blob, name) : null;
    find("times-find").hidden = !findTimes || times.length > 0;
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
  showTimes(heard);
  find("heard").hidden = false;
}

// What was heard live has no times: the recording is sent for them.
async function showFoundTimes() {
  const button = find("times-find");
  button.disabled = true;
  showProblem(find("listen-problem"), null);
  try {
    showTimes(await findTimes());
    button.hidden = true;
    find("times").focus();
  } catch (problem) {
    showProblem(find("listen-problem"), problem);
  } finally {
    button.disabled = false;
  }
}

function showTimes(heard) {
  times = heard.words?.length ? heard.words : (heard.segments ?? []);
  say(find("times-title"), heard.words?.length ? t`Words, in seconds` : t`Segments, in seconds`);
  find("times-title").hidden = !times.length;
  find("times").replaceChildren(...times.map((item) =>
    h("li", {}, h("span", {}, item.word ?? item.text), h("small", {}, `${number(item.start, 2)}–${number(item.end, 2)}`))));
}

function markCurrent(event) {
  const now = event.target.currentTime;
  [...find("times").children].forEach((item, n) => {
    const { start: begins, end } = times[n];
    item.toggleAttribute("data-now", now >= begins && now < end);
  });
}
