// One server's card: built once, then only its contents change, so that keyboard focus stays where it is.

import { ask } from "./api.js";
import { drawChart } from "./chart.js";
import { find, h, say, showProblem, svg } from "./dom.js";
import { onKey } from "./key.js";
import { Problem } from "./problems.js";
import { shape } from "./shapes.js";
import { drawStrip } from "./strip.js";
import { t } from "./texts.js";
import { TARGETS, clock, duration, stateOf, title } from "./words.js";

const PURPOSE = { parakeet: t`Speech to text`, magpie: t`Text to speech` };
const RECENT = 4;
const UNDER_WAY = ["wedged", "restarting", "starting", "suspect", "unreachable", "unknown"];

export function createCard(name) {
  const id = `service-${name}`;
  const part = {
    badge: h("div", { class: "badge" }),
    since: h("p", { class: "since" }),
    headline: h("p", { class: "headline" }),
    evidence: h("p", { class: "evidence", lang: "en" }),
    strip: svg("svg", { viewBox: "0 0 480 28", class: "strip", role: "img" }),
    uptime: h("figcaption"),
    progress: h("p", { class: "progress", role: "status" }),
    chart: svg("svg", { viewBox: "0 0 480 64", class: "chart", role: "img" }),
    caption: h("figcaption"),
    pips: h("span", { class: "pips", "aria-hidden": "true" }),
    restarts: h("span"),
    facts: h("dl", { class: "facts" }),
    recent: h("ol", { class: "timeline" }),
    older: h("ol", { class: "timeline" }),
    problem: h("p", { class: "problem", role: "alert", hidden: true }),
    check: h("button", { type: "button", "aria-describedby": id }, t`Check now`),
    restart: h("button", { type: "button", "aria-describedby": id }, t`Restart…`),
  };
  part.more = h("details", { class: "more" }, h("summary", {}, t`Earlier`), part.older);
  part.facts.classList.add("in-details");
  part.usable = h("figure", {}, h("div", { class: "label" }, t`Usable`), part.strip, part.uptime);
  part.overview = h(
    "div",
    { class: "details" },
    part.usable,
    h("div", { class: "budget" }, h("div", { class: "label" }, t`Automatic restarts left`), h("p", {}, part.pips, part.restarts)),
  );
  part.watched = h(
    "div",
    { class: "details" },
    h("figure", {}, h("div", { class: "label" }, t`Latency of canaries (test requests)`), part.chart, part.caption),
    h("div", {}, h("div", { class: "label" }, t`History`), part.recent, part.more),
    part.facts,
  );
  part.reason = h("details", { class: "more" }, h("summary", {}, t`Details`), part.evidence, part.watched);
  const heading = h("div", {}, h("h3", { id }, title(name)), h("p", { class: "purpose" }, PURPOSE[name.split("-")[0]] ?? ""));
  const element = h(
    "article",
    { class: "card service", "aria-labelledby": id, "data-name": name },
    h("div", { class: "card-head" }, heading, h("div", { class: "condition" }, part.badge, part.since)),
    part.headline,
    part.overview,
    part.reason,
    h("div", { class: "actions" }, part.check, part.restart),
    part.progress,
    part.problem,
  );
  part.check.addEventListener("click", () => act(part.check, part.problem, `api/services/${name}/check`));
  part.restart.addEventListener("click", () => restart(name, part));
  onKey(() => showProblem(part.problem, null));
  return { element, update: (service, all) => update(element, part, service, all), tick: () => tick(part) };
}

function update(element, part, service, all) {
  const state = service.state ?? "unknown";
  const { label, tone } = stateOf(state);
  if (element.dataset.state !== state) {
    if (state === "healthy") showProblem(part.problem, null);
    element.dataset.state = state;
    element.dataset.tone = tone;
    part.badge.replaceChildren(shape(state), h("span", {}, label));
  }
  part.sinceMoment = service.since;
  part.state = state;
  tick(part);
  const watched = service.history !== undefined;
  say(part.headline, all && !watched ? t`This proxy does not monitor this server.` : stateOf(state).sentence);
  const evidence = service.server_error ?? service.evidence ?? "";
  say(part.evidence, evidence);
  part.reason.hidden = !evidence && !all;
  part.overview.hidden = part.watched.hidden = !all;
  part.check.disabled = Boolean(all) && !watched;
  part.restart.disabled = Boolean(all) && (!watched || !service.restart_target);
  if (!all) return;
  part.usable.hidden = !service.availability;
  if (service.availability) drawStrip(part.strip, part.uptime, service.availability);
  drawChart(part.chart, part.caption, service.canaries ?? []);
  showBudget(part, service, all);
  showHistory(part, service.history ?? []);
  part.facts.replaceChildren(...facts(service));
}

function tick(part) {
  showSince(part);
  if (part.restartedAt) showRestart(part);
}

// A restart that was asked for here: how long it takes, and how it ended.
function showRestart(part) {
  const took = duration((Date.now() - part.restartedAt) / 1000);
  if (UNDER_WAY.includes(part.state)) {
    say(part.progress, t`Restarting for ${took}. Loading a model takes a minute or more.`);
    return;
  }
  part.restartedAt = null;
  const ends = { healthy: t`Restarted. It works again after ${took}.`, asleep: t`Restarted after ${took}; its model is not loaded yet.` };
  say(part.progress, ends[part.state] ?? t`The restart has not helped: ${stateOf(part.state).sentence}`);
}

function showSince(part) {
  say(part.since, part.sinceMoment ? t`for ${duration((Date.now() - new Date(part.sinceMoment)) / 1000)}` : "");
}

function showBudget(part, service, all) {
  const left = service.restarts_left ?? 0;
  const limit = all.restart_limit;
  part.pips.hidden = !service.restart_target || Boolean(service.restart_problem);
  part.pips.replaceChildren(...Array.from({ length: Math.min(limit, 12) }, (_, n) => h("i", { class: n < left ? "pip" : "pip spent" })));
  const span = duration(all.restart_window);
  if (service.restart_problem) {
    showProblem(part.restarts, new Problem(t`No restart is possible now.`, { words: service.restart_problem }));
  } else if (!service.restart_target) say(part.restarts, t`No restart target is set.`);
  else if (!all.automatic_restarts) say(part.restarts, t`Automatic restarts are off.`);
  else say(part.restarts, t`${left} of ${limit} within ${span}`);
}

function showHistory(part, history) {
  const items = history.toReversed().map((change) =>
    h(
      "li",
      { "data-tone": stateOf(change.to).tone },
      shape(change.to),
      h("div", {}, h("span", { class: "what" }, step(change)), h("time", { datetime: change.at }, clock(change.at)),
        change.evidence ? h("p", { title: change.evidence, lang: "en" }, change.evidence) : null),
    ),
  );
  part.recent.replaceChildren(...(items.length ? items.slice(0, RECENT) : [h("li", { class: "none" }, t`Nothing yet.`)]));
  part.older.replaceChildren(...items.slice(RECENT));
  part.more.hidden = items.length <= RECENT;
}

function step(change) {
  if (change.refused) return t`Restart refused`;
  return change.by_hand ? t`Restarting, by hand` : stateOf(change.to).label;
}

function facts(service) {
  const known = [
    [t`Server`, service.dialect],
    [t`Model`, service.model],
    [t`Voices`, service.voices],
    [t`Address`, service.url],
    [t`Restart target`, service.restart_target && (TARGETS[service.restart_target] ?? service.restart_target)],
  ];
  return known.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))));
}

async function act(button, problem, path) {
  button.disabled = true;
  showProblem(problem, null);
  try {
    await ask(path, { method: "POST" });
    return true;
  } catch (error) {
    showProblem(problem, error);
    return false;
  } finally {
    button.disabled = false;
  }
}

async function restart(name, part) {
  if (!(await confirmed(name))) return;
  say(part.progress, "");
  if (await act(part.restart, part.problem, `api/services/${name}/restart`)) {
    part.restartedAt = Date.now();
    part.state = "restarting";
    showRestart(part);
  }
}

function confirmed(name) {
  const dialog = find("restart-dialog");
  const form = find("restart-form");
  say(find("restart-title"), t`Restart ${title(name)}?`);
  return new Promise((resolve) => {
    let yes = false;
    const submit = (event) => {
      event.preventDefault();
      yes = true;
      dialog.close();
    };
    form.addEventListener("submit", submit);
    dialog.addEventListener("close", () => {
      form.removeEventListener("submit", submit);
      resolve(yes);
    }, { once: true });
    dialog.showModal();
  });
}
