// Plays a WAV while it is still arriving: Web Audio does that in every browser, MediaSource does not.

import { Problem } from "./problems.js";
import { t } from "./texts.js";

const HEADER = 44; // bytes; the proxy writes no other chunks before the samples
const NATIVE_RATE = 22_050; // Hz; a context at the server's own rate needs no resampling at the seams
const LEAD = 0.08; // s to wait before the first sample

export class StreamPlayer {
  #abort = new AbortController();
  #context = createContext();
  #pieces = [];
  #rate = NATIVE_RATE;
  #next = 0;
  #last = null;
  seconds = 0;
  finished = Promise.resolve();

  get signal() {
    return this.#abort.signal;
  }

  stop() {
    this.#abort.abort();
    if (this.#context.state !== "closed") this.#context.close();
  }

  // Resolves when all audio has arrived; `finished` resolves when all of it has played. Rejects with AbortError if stopped.
  async play(response, onFirst) {
    const reader = response.body.getReader();
    let rest = new Uint8Array(0);
    let header = null;
    for (;;) {
      const { done, value } = await read(reader);
      if (done) break;
      rest = joined(rest, value);
      if (!header) {
        if (rest.length <= HEADER) continue;
        header = rest.slice(0, HEADER);
        this.#rate = new DataView(header.buffer).getUint32(24, true);
        rest = rest.slice(HEADER);
        onFirst();
      }
      const whole = rest.length - (rest.length % 2);
      if (whole) this.#schedule(rest.slice(0, whole));
      rest = rest.slice(whole);
    }
    if (!this.#last) throw new Problem(t`The response contains no audio.`);
    this.finished = new Promise((resolve) => {
      this.#last.onended = resolve;
      this.signal.addEventListener("abort", resolve);
    }).then(() => this.#context.state !== "closed" && this.#context.close());
  }

  // All audio that arrived, as a file with true sizes.
  wav() {
    const size = this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
    const header = new DataView(new ArrayBuffer(HEADER));
    const text = (at, letters) => [...letters].forEach((letter, n) => header.setUint8(at + n, letter.charCodeAt(0)));
    text(0, "RIFF");
    header.setUint32(4, 36 + size, true);
    text(8, "WAVEfmt ");
    header.setUint32(16, 16, true);
    header.setUint16(20, 1, true);
    header.setUint16(22, 1, true);
    header.setUint32(24, this.#rate, true);
    header.setUint32(28, this.#rate * 2, true);
    header.setUint16(32, 2, true);
    header.setUint16(34, 16, true);
    text(36, "data");
    header.setUint32(40, size, true);
    return new Blob([header, ...this.#pieces], { type: "audio/wav" });
  }

  #schedule(bytes) {
    this.#pieces.push(bytes);
    const samples = new DataView(bytes.buffer);
    const buffer = this.#context.createBuffer(1, bytes.length / 2, this.#rate);
    const channel = buffer.getChannelData(0);
    for (let n = 0; n < channel.length; n += 1) channel[n] = samples.getInt16(n * 2, true) / 32768;
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#context.destination);
    this.#next = Math.max(this.#next, this.#context.currentTime + (this.#last ? 0 : LEAD));
    source.start(this.#next);
    this.#next += buffer.duration;
    this.seconds += buffer.duration;
    this.#last = source;
  }
}

// Within the click: Safari lets a page make sound only from there.
function createContext() {
  let context;
  try {
    context = new AudioContext({ sampleRate: NATIVE_RATE });
  } catch {
    context = new AudioContext();
  }
  context.resume();
  return context;
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(t`The speech stopped early: the proxy lost its connection to Magpie.`);
  }
}

function joined(first, second) {
  if (!first.length) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
