// How other programs use this proxy: lines to copy, with this page's own address in them.

import { copyButton } from "./copy.js";
import { find, h } from "./dom.js";
import { t } from "./texts.js";

const KEY = "YOUR_KEY";
const TRANSLATED = ["Home Assistant"];

const SNIPPETS = [
  ["curl", (base) => `curl ${base}/audio/transcriptions \\
  -H "Authorization: Bearer ${KEY}" -F file=@recording.wav

curl ${base}/audio/speech -o speech.mp3 \\
  -H "Authorization: Bearer ${KEY}" -H "Content-Type: application/json" \\
  -d '{"input": "Turn on the kitchen light.", "voice": "alloy"}'`],
  ["Python", (base) => `from openai import OpenAI

client = OpenAI(base_url="${base}", api_key="${KEY}")
with open("recording.wav", "rb") as recording:
    print(client.audio.transcriptions.create(model="parakeet", file=recording).text)`],
  ["Open WebUI", (base) => `Settings > Audio, below Admin

Speech-to-Text Engine: OpenAI
  API Base URL: ${base}
  API Key: ${KEY}
  STT Model: parakeet
Text-to-Speech Engine: OpenAI
  API Base URL: ${base}
  API Key: ${KEY}
  TTS Voice: alloy
  TTS Model: magpie`],
  ["Home Assistant", (base) => [
    t`Settings > Devices & services > Add integration > Spark Audio`,
    t`Through the proxy: URL ${base.replace(/\/v1$/, "")}, API key ${KEY}`,
    t`Then choose it under Settings > Voice assistants.`,
  ].join("\n")],
];

export function showSnippets(base) {
  find("base-url").textContent = base;
  find("base-url").after(copyButton(() => base, t`the base URL`));
  find("snippets").replaceChildren(
    ...SNIPPETS.map(([name, write]) => {
      const text = write(base);
      const code = h("pre", { tabindex: "0", "aria-label": name, lang: TRANSLATED.includes(name) ? null : "en" }, h("code", {}, text));
      return h("details", { class: "snippet" }, h("summary", {}, name), code, copyButton(() => text, t`the lines for ${name}`));
    }),
  );
}
