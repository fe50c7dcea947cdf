// A turn over the realtime protocol, with OpenAI's own Node client; prints one JSON document with what it got.
import fs from 'node:fs';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const [baseURL, pcm] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'first', maxRetries: 0 });
// The client asks for TLS always; the test's certificate is its own.
const options = { rejectUnauthorized: false };
const realtime = new OpenAIRealtimeWS({ model: 'gpt-4o-transcribe', options }, client);
const seen = { events: [], deltas: '' };

const input = {
  format: { type: 'audio/pcm', rate: 24000 },
  transcription: { model: 'gpt-4o-transcribe', language: 'en' },
  turn_detection: { type: 'server_vad', silence_duration_ms: 300 },
};
realtime.on('event', (event) => seen.events.push(event.type));
realtime.on('session.created', () =>
  realtime.send({ type: 'session.update', session: { type: 'transcription', audio: { input } } }),
);
realtime.on('session.updated', () => {
  const audio = fs.readFileSync(pcm);
  for (let at = 0; at < audio.length; at += 4800) {
    realtime.send({ type: 'input_audio_buffer.append', audio: audio.subarray(at, at + 4800).toString('base64') });
  }
});
realtime.on('conversation.item.input_audio_transcription.delta', (event) => (seen.deltas += event.delta));
realtime.on('conversation.item.input_audio_transcription.completed', (event) => {
  seen.transcript = event.transcript;
  // A wrong setting comes back as the client's own error.
  realtime.send({ type: 'session.update', session: { type: 'transcription', audio: { input: { format: 7 } } } });
});
realtime.on('error', (error) => {
  seen.error = error.error?.param ?? error.message;
  console.log(JSON.stringify(seen));
  realtime.close();
});
