// What the microphone hears, measured and as samples, while it is recorded.

const RATE = 16000; // Hz, what Parakeet hears
const PATIENCE = 500; // ms for the last samples: a context that the browser has suspended has none

// Reports the level and the elapsed time ten times a second, and s16le samples with their rate as they come.
// Returns a function that ends it, after the last sample.
export async function listenTo(stream, { onLevel, onSecond, onSamples }) {
  const { context, source } = connected(stream);
  const stopMeter = meter(context, source, onLevel, onSecond);
  const stopSamples = await tap(context, source, onSamples);
  return async () => {
    stopMeter();
    await stopSamples();
    await context.close();
  };
}

// Browsers that cannot convert the microphone's rate refuse another one.
function connected(stream) {
  try {
    return connect(new AudioContext({ sampleRate: RATE }), stream);
  } catch {
    return connect(new AudioContext(), stream);
  }
}

function connect(context, stream) {
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch (error) {
    context.close();
    throw error;
  }
}

function meter(context, source, onLevel, onSecond) {
  const analyser = context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  source.connect(analyser);
  const started = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    onLevel(Math.min(1, Math.sqrt(power) * 6));
    onSecond((performance.now() - started) / 1000);
  }, 100);
  return () => {
    clearInterval(timer);
    onLevel(0);
  };
}

async function tap(context, source, onSamples) {
  try {
    await context.audioWorklet.addModule(new URL("samples-worklet.js", import.meta.url));
  } catch {
    // The recording has all of it.
    return () => {};
  }
  const node = new AudioWorkletNode(context, "samples", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  source.connect(node);
  const { promise, resolve } = Promise.withResolvers();
  node.port.onmessage = ({ data }) => (data ? onSamples(data, context.sampleRate) : resolve());
  return () => {
    node.port.postMessage("stop");
    return Promise.race([promise, new Promise((late) => setTimeout(late, PATIENCE))]);
  };
}
