// Every endpoint through OpenAI's own Node client; prints one JSON document with what it got.
import fs from 'node:fs';
import OpenAI, { toFile } from 'openai';

const [baseURL, wav] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'first', maxRetries: 0 });
const recording = () => fs.createReadStream(wav);
const seen = {};

seen.models = (await client.models.list()).data.map((model) => model.id);
seen.model = (await client.models.retrieve('Magpie-Multilingual')).id;

const input = 'Good morning.';
const speech = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input, response_format: 'wav' });
seen.speech = Buffer.from(await speech.arrayBuffer()).length;

seen.json = (await client.audio.transcriptions.create({ model: 'whisper-1', file: recording() })).text;
seen.text = await client.audio.transcriptions.create({ model: 'w', file: recording(), response_format: 'text' });
const verbose = await client.audio.transcriptions.create({
  model: 'whisper-1',
  file: recording(),
  response_format: 'verbose_json',
  timestamp_granularities: ['segment'],
});
seen.segments = verbose.segments.length;

seen.events = [];
const stream = await client.audio.transcriptions.create({ model: 'w', file: recording(), stream: true });
for await (const event of stream) seen.events.push(event.type);

seen.errors = {};
const failing = {
  speed: () => client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input, speed: 9 }),
  audio: async () =>
    client.audio.transcriptions.create({ model: 'w', file: await toFile(Buffer.from('no audio'), 'a.wav') }),
  translation: () => client.audio.translations.create({ model: 'w', file: recording() }),
  key: () => new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 }).audio.speech.create({ model: 't', voice: 'alloy', input }),
};
for (const [name, call] of Object.entries(failing)) {
  try {
    await call();
  } catch (error) {
    seen.errors[name] = [error.constructor.name, error.status, error.param, error.requestID != null];
  }
}
console.log(JSON.stringify(seen));
