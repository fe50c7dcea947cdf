// Words while they are spoken: one turn of OpenAI's realtime transcription, over a WebSocket of the proxy.

import { currentKey } from "./key.js";
import { problemOf } from "./problems.js";

const PATH = "v1/realtime?intent=transcription";
const RATES = [8000, 16000, 24000, 48000]; // Hz that the proxy takes
const TRANSCRIPTION = "conversation.item.input_audio_transcription";
const PATIENCE = 3000; // ms that the connection may take after the end of the turn

export class LiveTurn {
  #socket = open();
  #unsent = [];
  #rate = 0;
  #text = "";
  #ended = Promise.withResolvers();

  // `onWords` gets all words so far.
  constructor(onWords) {
    this.onWords = onWords;
    // It may fail before anyone waits for it.
    this.#ended.promise.catch(() => {});
    if (!this.#socket) return this.#giveUp();
    this.#socket.onopen = () => {
      for (const event of this.#unsent.splice(0)) this.#socket.send(event);
    };
    this.#socket.onmessage = ({ data }) => this.#read(JSON.parse(data));
    this.#socket.onclose = () => this.#giveUp();
  }

  // Takes samples as s16le, and their rate in Hz.
  add(samples, rate) {
    if (!this.#rate) this.#begin(rate);
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    this.#send("input_audio_buffer.append", { audio: btoa(String.fromCharCode(...bytes)) });
  }

  // Resolves to what was heard; to null where that can be found out in the plain way only. Throws a Problem.
  async finish() {
    if (!this.#rate) this.#giveUp();
    this.#send("input_audio_buffer.commit");
    const late = setTimeout(() => this.#socket?.readyState === WebSocket.CONNECTING && this.#giveUp(), PATIENCE);
    try {
      return await this.#ended.promise;
    } finally {
      clearTimeout(late);
      this.#socket?.close();
    }
  }

  cancel() {
    this.#giveUp();
  }

  #begin(rate) {
    this.#rate = rate;
    if (!RATES.includes(rate)) return this.#giveUp();
    const input = { format: { type: "audio/pcm", rate }, turn_detection: null };
    this.#send("session.update", { session: { type: "transcription", audio: { input } } });
  }

  #send(type, fields = {}) {
    const event = JSON.stringify({ type, ...fields });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(event);
    else if (this.#socket?.readyState === WebSocket.CONNECTING) this.#unsent.push(event);
  }

  #read(event) {
    switch (event.type) {
      case `${TRANSCRIPTION}.delta`:
        this.#text += event.delta;
        this.onWords(this.#text);
        break;
      case `${TRANSCRIPTION}.completed`:
        this.#ended.resolve({ text: event.transcript, duration: event.usage.seconds });
        break;
      case `${TRANSCRIPTION}.failed`:
        this.#ended.reject(problemOf(event.error));
        break;
      case "error":
        this.#giveUp();
    }
  }

  #giveUp() {
    this.#ended.resolve(null);
    this.#unsent = [];
    this.#socket?.close();
  }
}

// A browser's WebSocket can send the key in no header but this one; null for a key that may not be in it.
function open() {
  const url = new URL(PATH, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  const key = currentKey();
  try {
    return new WebSocket(url, ["realtime", ...(key ? [`openai-insecure-api-key.${key}`] : [])]);
  } catch {
    return null;
  }
}
