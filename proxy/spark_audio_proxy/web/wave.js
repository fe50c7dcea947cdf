// The level of the microphone over the last seconds, as a wave that moves while a person talks.

import { find, svg } from "./dom.js";

const BARS = 48;
const WIDTH = 240;
const HEIGHT = 40;

export function startWave() {
  const bars = Array.from({ length: BARS }, (_, n) =>
    svg("rect", { x: n * (WIDTH / BARS) + 1, width: WIDTH / BARS - 2, rx: 1.5 }));
  find("wave").replaceChildren(...bars);
  const levels = new Array(BARS).fill(0);
  const draw = () => bars.forEach((bar, n) => {
    const height = Math.max(2, levels[n] * HEIGHT);
    bar.setAttribute("y", (HEIGHT - height) / 2);
    bar.setAttribute("height", height);
  });
  draw();
  return (level) => {
    levels.push(level);
    levels.shift();
    draw();
  };
}
