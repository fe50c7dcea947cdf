// Runs in the browser's audio thread: passes on what the microphone hears, as s16le.

const BLOCK = Math.round(sampleRate / 25); // 40 ms

class Samples extends AudioWorkletProcessor {
  #block = new Int16Array(BLOCK);
  #filled = 0;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#pass();
      this.port.postMessage(null);
    };
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.#block[this.#filled] = Math.max(-1, Math.min(1, sample)) * 32767;
      this.#filled += 1;
      if (this.#filled === BLOCK) this.#pass();
    }
    return true;
  }

  #pass() {
    this.port.postMessage(this.#block.slice(0, this.#filled));
    this.#filled = 0;
  }
}

registerProcessor("samples", Samples);
