// The words for numbers, times and states.

import { locale, t } from "./texts.js";

export const STATES = {
  unknown: { label: t`Unknown`, tone: "quiet", sentence: t`Nothing is known about it yet.` },
  starting: { label: t`Starting`, tone: "busy", sentence: t`It is loading its model, and answers once that is done.` },
  healthy: { label: t`Healthy`, tone: "good", sentence: t`It works.` },
  asleep: { label: t`Asleep`, tone: "quiet", sentence: t`It has unloaded its model. The next request loads it again, which takes a while.` },
  suspect: { label: t`Suspect`, tone: "warn", sentence: t`Something failed. A canary is finding out whether it still works.` },
  out_of_memory: { label: t`Out of memory`, tone: "bad", sentence: t`The GPU's memory is full: another program has taken it. It works again once there is room.` },
  wedged: { label: t`Stuck`, tone: "bad", sentence: t`It answers, but no request succeeds any more. Only a restart helps.` },
  restarting: { label: t`Restarting`, tone: "busy", sentence: t`It is being restarted.` },
  unreachable: { label: t`Unreachable`, tone: "bad", sentence: t`There is no connection to it: it is off, or still starting, or the address is wrong.` },
  wrong_server: { label: t`Wrong server`, tone: "bad", sentence: t`Something else answers at its address.` },
  gave_up: { label: t`Gave up`, tone: "bad", sentence: t`It is not restarted any more. A person has to look at it.` },
};

export const TARGETS = {
  hook: t`HTTP hook`, docker: "Docker", command: t`Command`, ssh: "SSH", home_assistant: "Home Assistant",
};

export const stateOf = (name) => STATES[name] ?? STATES.unknown;

export function number(value, digits) {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const seconds = (value) => `${number(value, value < 10 ? 2 : 1)} s`;

export function duration(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

const joined = (big, bigUnit, small, smallUnit) => `${big} ${bigUnit}${small ? ` ${small} ${smallUnit}` : ""}`;

const TIME = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export function clock(moment) {
  const date = new Date(moment);
  return Date.now() - date < 12 * 3600e3 ? TIME.format(date) : DAY_AND_TIME.format(date);
}

// "parakeet-2" is "Parakeet 2".
export function title(name) {
  const [service, number] = name.split("-");
  return service.charAt(0).toUpperCase() + service.slice(1) + (number ? ` ${number}` : "");
}

const NAMES = new Intl.DisplayNames(locale, { type: "language" });

export function emotionName(emotion) {
  const words = emotion.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words[0].toUpperCase() + words.slice(1);
}

export function languageName(tag) {
  try {
    return NAMES.of(tag) ?? tag;
  } catch {
    return tag;
  }
}
