// A shape for each state: they differ in form as well as in colour.

import { svg } from "./dom.js";

const LINE = { fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" };

const SHAPES = {
  healthy: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z", "m8 12.2 2.8 2.8L16 9.6"],
  suspect: ["M12 3.5 21.5 20h-19Z", "M12 10v4.5M12 17.2v.1"],
  wedged: ["M5 3.5h14a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 19V5A1.5 1.5 0 0 1 5 3.5Z", "m9 9 6 6m0-6-6 6"],
  restarting: ["M20 12a8 8 0 1 1-2.6-5.9", "M20.5 3v4.5H16"],
  starting: ["M7 3h10M7 21h10M8 3v3.5l4 5.5 4-5.5V3M8 21v-3.5l4-5.5 4 5.5V21"],
  unreachable: ["M9 15l6-6M10.5 6.8 12 5.3a4.7 4.7 0 0 1 6.7 6.7l-1.5 1.5M13.5 17.2 12 18.7a4.7 4.7 0 0 1-6.7-6.7l1.5-1.5", "M4 4l16 16"],
  asleep: ["M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z"],
  out_of_memory: ["M6.5 6.5h11v11h-11Z", "M10 3v3.5M14 3v3.5M10 17.5V21M14 17.5V21M3 10h3.5M3 14h3.5M17.5 10H21M17.5 14H21"],
  wrong_server: ["M4 8.5h15M15.5 5 19 8.5 15.5 12", "M20 15.5H5M8.5 12 5 15.5 8.5 19"],
  gave_up: ["M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3Z", "M12 7.5V13M12 16.2v.1"],
  unknown: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z", "M9.7 9.5a2.4 2.4 0 1 1 3.3 2.3c-.7.3-1 .8-1 1.7M12 16.6v.1"],
};

export function shape(state) {
  const paths = (SHAPES[state] ?? SHAPES.unknown).map((d) => svg("path", { d, ...LINE }));
  return svg("svg", { viewBox: "0 0 24 24", class: `shape shape-${state}`, "aria-hidden": "true" }, ...paths);
}
