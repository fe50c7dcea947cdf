// Records the microphone in a format that the browser can write; the proxy reads all of them.

import { listenTo } from "./microphone.js";
import { Problem } from "./problems.js";
import { t } from "./texts.js";

const KINDS = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];

const REFUSED = {
  NotAllowedError: t`Microphone access was denied.`,
  NotFoundError: t`No microphone was found.`,
  NotReadableError: t`The microphone is in use by another program.`,
};

export class Recorder {
  #stopped = false;
  #onStop = () => {};

  // `heard` has what `listenTo` calls.
  constructor(heard) {
    this.heard = heard;
  }

  static possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);
  }

  stop() {
    this.#stopped = true;
    this.#onStop();
  }

  // Resolves to the recording once it is stopped; without a blob if that was before the microphone opened.
  async record() {
    const stream = await open();
    const [type, ending] = KINDS.find(([kind]) => MediaRecorder.isTypeSupported(kind)) ?? [undefined, "webm"];
    const listening = listenTo(stream, this.heard);
    try {
      if (this.#stopped) return { blob: null };
      return { blob: await recorded(stream, type, (stop) => (this.#onStop = stop)), name: `recording.${ending}` };
    } finally {
      await (await listening)();
      for (const track of stream.getTracks()) track.stop();
    }
  }
}

async function open() {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true } });
  } catch (error) {
    throw new Problem(REFUSED[error.name] ?? t`The microphone cannot be used.`);
  }
}

function recorded(stream, type, giveStop) {
  return new Promise((resolve, reject) => {
    const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    const pieces = [];
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => resolve(new Blob(pieces, { type: recorder.mimeType }));
    recorder.onerror = () => reject(new Problem(t`The recording failed.`));
    recorder.start();
    giveStop(() => recorder.state !== "inactive" && recorder.stop());
  });
}
