// Text to speech as it streams, and the voices to choose from.

import { ask } from "./api.js";
import { find, h, say, showProblem } from "./dom.js";
import { StreamPlayer } from "./player.js";
import { isSample, sample } from "./samples.js";
import { Problem } from "./problems.js";
import { locale, t } from "./texts.js";
import { startVoices } from "./voices.js";
import { emotionName, languageName, seconds } from "./words.js";

const PLAIN = t`No particular emotion`;

let voices = [];
let loading = false;
let player = null;
let saved = null;
let listVoices = () => {};

export function startSpeaking() {
  find("speak").addEventListener("submit", (event) => {
    event.preventDefault();
    speak();
  });
  find("speak-stop").addEventListener("click", () => player?.stop());
  find("language").addEventListener("change", showVoices);
  find("speed").addEventListener("input", showSpeed);
  listVoices = startVoices(speakAs);
  showSpeed();
  loadVoices();
  return { keyChanged: loadVoices, statesChanged: (services) => loadMissing(services) };
}

function loadMissing(services) {
  const speaks = services.some((service) => service.name.startsWith("magpie") && service.state !== "unreachable");
  if (!voices.length && speaks) loadVoices();
}

async function loadVoices() {
  if (loading) return;
  loading = true;
  const note = find("voices-note");
  try {
    const { voices: listed } = await (await ask("v1/audio/voices", {}, { quiet: true })).json();
    voices = listed.filter((voice) => !voice.alias_of);
    say(note, voices.length ? "" : t`This proxy has no Magpie, or Magpie lists no voices yet.`);
    showLanguages();
    listVoices(voices);
  } catch (problem) {
    showProblem(note, new Problem(t`The list of voices is not available yet. ${problem.message}`, problem));
  }
  note.hidden = !note.textContent;
  loading = false;
}

function showLanguages() {
  const tags = [...new Set(voices.map((voice) => voice.language).filter(Boolean))];
  const named = tags.map((tag) => [tag, languageName(tag)]).sort((a, b) => a[1].localeCompare(b[1]));
  const field = find("language");
  const chosen = field.value || best(tags);
  field.replaceChildren(h("option", { value: "" }, t`Any`), ...named.map(([tag, name]) => h("option", { value: tag }, name)));
  field.value = tags.includes(chosen) ? chosen : "";
  showVoices();
}

function best(tags) {
  const wanted = navigator.languages.flatMap((tag) => [tag, tag.split("-")[0]]);
  return wanted.map((want) => tags.find((tag) => tag === want || tag.split("-")[0] === want)).find(Boolean) ?? "";
}

function showVoices() {
  const language = find("language").value;
  const text = find("text");
  if (isSample(text.value)) text.value = sample(language);
  const fitting = voices.filter((voice) => !language || !voice.language || voice.language === language);
  const groups = grouped(fitting);
  const order = [...groups.keys()].sort((a, b) => (a === PLAIN ? -1 : b === PLAIN ? 1 : a.localeCompare(b)));
  const field = find("voice");
  const chosen = field.value;
  field.replaceChildren(
    h("option", { value: "" }, t`Default voice`),
    ...order.map((emotion) => h("optgroup", { label: emotion }, ...groups.get(emotion).map((voice) => option(voice, language)))),
  );
  field.value = fitting.some((voice) => voice.id === chosen) ? chosen : "";
}

function grouped(items) {
  const groups = new Map();
  for (const item of items) {
    const emotion = item.emotion ? emotionName(item.emotion) : PLAIN;
    groups.set(emotion, [...(groups.get(emotion) ?? []), item]);
  }
  return groups;
}

function option(voice, language) {
  const here = language && voice.language === language;
  return h("option", { value: voice.id }, here ? voice.name.replace(/ \([^(]*\)$/, "") : voice.name);
}

function showSpeed() {
  say(find("speed-shown"), `${Number(find("speed").value).toLocaleString(locale)}×`);
}

// With this voice, in its language: chosen in the form as well, so that it is plain what spoke.
function speakAs(voice) {
  find("language").value = voice.language ?? "";
  showVoices();
  find("voice").value = voice.id;
  speak();
}

async function speak() {
  player?.stop();
  const mine = (player = new StreamPlayer());
  find("speak-stop").disabled = false;
  showProblem(find("speak-problem"), null);
  say(find("speak-measured"), t`Waiting for the first audio…`);
  find("replay").hidden = true;
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  try {
    const response = await ask("v1/audio/speech", request(mine.signal));
    let first = null;
    await mine.play(response, () => {
      first = since();
      say(find("speak-measured"), t`First audio after ${seconds(first)}.`);
    });
    showReplay(mine);
    say(find("speak-measured"), t`First audio after ${seconds(first)}. ${seconds(mine.seconds)} of speech, complete after ${seconds(since())}.`);
    await mine.finished;
  } catch (problem) {
    if (mine === player) ended(mine, problem);
  } finally {
    if (mine === player) find("speak-stop").disabled = true;
  }
}

function ended(mine, problem) {
  const stopped = problem.name === "AbortError";
  mine.stop();
  say(find("speak-measured"), stopped ? t`Stopped.` : "");
  showProblem(find("speak-problem"), stopped ? null : problem);
}

function request(signal) {
  const body = {
    input: find("text").value,
    voice: find("voice").value || null,
    language: find("language").value || null,
    speed: Number(find("speed").value),
    response_format: "wav",
  };
  return { method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

function showReplay(mine) {
  if (saved) URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(mine.wav());
  find("replay-audio").src = saved;
  find("replay-save").href = saved;
  find("replay").hidden = false;
}
