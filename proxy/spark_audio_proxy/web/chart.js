// The latencies of the last canaries as bars; a failed one carries a cross.

import { svg } from "./dom.js";
import { t } from "./texts.js";
import { clock, seconds } from "./words.js";

const WIDTH = 480;
const HEIGHT = 64;
const BAR = 6;
const MOST = WIDTH / BAR;

export function drawChart(picture, caption, canaries) {
  const shown = canaries.slice(-MOST);
  const top = Math.max(0.05, ...shown.map((canary) => canary.latency));
  picture.replaceChildren(
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" }),
    ...shown.map((canary, index) => bar(canary, WIDTH - (shown.length - index) * BAR, top)),
  );
  const text = summary(shown, top);
  picture.setAttribute("aria-label", t`Canary latencies. ${text}`);
  caption.textContent = text;
}

function bar(canary, x, top) {
  const failed = canary.outcome !== "success";
  const height = Math.max(2, (canary.latency / top) * (HEIGHT - 14));
  const y = HEIGHT - 1 - height;
  const middle = x + BAR / 2;
  const cross = failed && svg("path", { d: `M${middle - 2} 3l4 4m0-4l-4 4`, class: "cross" });
  const band = failed && svg("rect", { x, y: 0, width: BAR, height: HEIGHT, class: "band" });
  const tip = svg("title", { lang: "en" }, `${clock(canary.at)}: ${seconds(canary.latency)}. ${canary.detail}`);
  const box = svg("rect", { x: x + 1, y, width: BAR - 2, height, rx: 1.5 });
  return svg("g", { class: failed ? "bar failed" : "bar" }, tip, band || null, box, cross || null);
}

function summary(shown, top) {
  if (!shown.length) return t`No canary has run yet.`;
  const sorted = shown.map((canary) => canary.latency).sort((a, b) => a - b);
  const failed = shown.filter((canary) => canary.outcome !== "success").length;
  const parts = [
    t`last ${seconds(shown.at(-1).latency)}`,
    t`median ${seconds(sorted[Math.floor(sorted.length / 2)])}`,
    t`highest ${seconds(top)}`,
  ];
  if (failed) parts.push(t`${failed} of ${shown.length} failed`);
  return parts.join(" · ");
}
