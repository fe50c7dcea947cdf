// All speakers with their emotions, to search through and to listen to.

import { find, h, say } from "./dom.js";
import { t } from "./texts.js";
import { emotionName, languageName } from "./words.js";

const PLAIN = t`No emotion`;

// `play(voice)` speaks with a voice.
export function startVoices(play) {
  let speakers = [];
  const show = () => showSpeakers(speakers, find("voice-search").value);
  find("voice-search").addEventListener("input", show);
  return (voices) => {
    speakers = grouped(voices, play);
    find("voices").hidden = !speakers.length;
    show();
  };
}

function grouped(voices, play) {
  const speakers = new Map();
  for (const voice of voices) {
    const language = voice.language ? languageName(voice.language) : t`every language`;
    const key = `${voice.speaker} ${language}`;
    if (!speakers.has(key)) speakers.set(key, { speaker: voice.speaker, language, voices: [] });
    speakers.get(key).voices.push(voice);
  }
  return [...speakers.values()]
    .sort((a, b) => a.language.localeCompare(b.language) || a.speaker.localeCompare(b.speaker))
    .map((speaker) => ({ element: row(speaker, play), words: words(speaker) }));
}

const words = ({ speaker, language, voices }) =>
  [speaker, language, ...voices.flatMap((voice) => [voice.language ?? "", voice.emotion ? emotionName(voice.emotion) : ""])]
    .join(" ").toLocaleLowerCase();

function row({ speaker, language, voices }, play) {
  const buttons = voices.map((voice) => {
    const emotion = voice.emotion ? emotionName(voice.emotion) : PLAIN;
    const button = h("button", { type: "button", class: "plain", "aria-label": t`Play ${speaker}, ${emotion}, ${language}` }, `▶ ${emotion}`);
    button.addEventListener("click", () => play(voice));
    return button;
  });
  return h("li", {}, h("p", {}, h("strong", {}, speaker), " ", h("small", {}, language)), h("div", { class: "emotions" }, ...buttons));
}

function showSpeakers(speakers, search) {
  const wanted = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = speakers.filter((speaker) => wanted.every((word) => speaker.words.includes(word)));
  find("speakers").replaceChildren(...found.map((speaker) => speaker.element));
  say(find("voices-found"), found.length === 1 ? t`1 speaker` : t`${found.length} speakers`);
}
