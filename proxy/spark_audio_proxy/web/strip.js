// The last day as a strip: a mark for each half hour, taller and greener the more of it the server could be used.

import { svg } from "./dom.js";
import { locale, t } from "./texts.js";
import { clock, duration } from "./words.js";

const WIDTH = 480;
const HEIGHT = 28;

export function drawStrip(picture, caption, availability) {
  const { bucket, buckets, ratio } = availability;
  const step = WIDTH / buckets.length;
  picture.replaceChildren(...buckets.map((part, index) => mark(part, index * step, step, began(bucket, buckets.length - index - 1))));
  const text = summary(availability);
  picture.setAttribute("aria-label", ratio === null ? text : t`Usable: ${text}`);
  caption.textContent = text;
}

function began(bucket, ago) {
  const seconds = Math.floor(Date.now() / 1000 / bucket - ago) * bucket;
  return new Date(seconds * 1000);
}

function mark(part, x, step, at) {
  const look = part === null ? "none" : part >= 0.999 ? "good" : part >= 0.5 ? "warn" : "bad";
  const height = { none: 6, good: HEIGHT, warn: HEIGHT * 0.7, bad: HEIGHT * 0.45 }[look];
  const tip = part === null ? t`not known` : t`usable for ${percent(part)}`;
  return svg("g", { class: `mark mark-${look}` }, svg("title", {}, t`From ${clock(at)}: ${tip}`),
    svg("rect", { x: x + 1, y: HEIGHT - height, width: step - 2, height, rx: 2 }));
}

function summary({ since, bucket, buckets, ratio }) {
  if (ratio === null) return t`Nothing is known yet.`;
  const whole = bucket * buckets.length;
  const began = new Date(since * 1000);
  return `${percent(ratio)} ${Date.now() - began > whole * 1000 ? t`of the last ${duration(whole)}` : t`since ${clock(began)}`}`;
}

// Never rounded up to 100 %: an outage of seconds counts.
const percent = (part) => (part === 1 ? "100 %" : `${Math.min(99.99, Math.floor(part * 10000) / 100).toLocaleString(locale)} %`);
