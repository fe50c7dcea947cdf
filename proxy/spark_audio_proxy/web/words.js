// The words for numbers, times and states.

export const STATES = {
  unknown: { label: "Unknown", tone: "quiet" },
  starting: { label: "Starting", tone: "busy" },
  healthy: { label: "Healthy", tone: "good" },
  suspect: { label: "Suspect", tone: "warn" },
  wedged: { label: "Wedged", tone: "bad" },
  restarting: { label: "Restarting", tone: "busy" },
  unreachable: { label: "Unreachable", tone: "bad" },
  gave_up: { label: "Gave up", tone: "bad" },
};

export const TARGETS = {
  hook: "HTTP hook", docker: "Docker", command: "Command", ssh: "SSH", home_assistant: "Home Assistant",
};

export const stateOf = (name) => STATES[name] ?? STATES.unknown;

export const seconds = (value) => (value < 10 ? `${value.toFixed(2)} s` : `${value.toFixed(1)} s`);

export function duration(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

const joined = (big, bigUnit, small, smallUnit) => `${big} ${bigUnit}${small ? ` ${small} ${smallUnit}` : ""}`;

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function clock(moment) {
  const date = new Date(moment);
  return Date.now() - date < 12 * 3600e3 ? TIME.format(date) : DAY_AND_TIME.format(date);
}

// "parakeet-2" is "Parakeet 2".
export function title(name) {
  const [service, number] = name.split("-");
  return service.charAt(0).toUpperCase() + service.slice(1) + (number ? ` ${number}` : "");
}

const NAMES = new Intl.DisplayNames(undefined, { type: "language" });

export function languageName(tag) {
  try {
    return NAMES.of(tag) ?? tag;
  } catch {
    return tag;
  }
}
