// Puts the page together.

import { find, h, say, showProblem } from "./dom.js";
import { askForKey, onKey } from "./key.js";
import { startListening } from "./listen.js";
import { follow } from "./live.js";
import { createCard } from "./service.js";
import { Problem } from "./problems.js";
import { addRequest, listRequests, showRequests } from "./requests.js";
import { shape } from "./shapes.js";
import { showSnippets } from "./snippets.js";
import { startSpeaking } from "./speak.js";
import { language, t, translatePage } from "./texts.js";
import { stateOf, title } from "./words.js";

const LINKS = {
  connecting: t`Connecting`, live: t`Live`, lost: t`No connection, trying again`, locked: t`Locked`, refused: t`States only`,
};
const WORST_FIRST = [
  "gave_up", "wrong_server", "wedged", "out_of_memory", "unreachable", "restarting", "starting", "suspect", "unknown", "asleep", "healthy",
];

translatePage();

const cards = new Map();
const playground = startSpeaking();

function showServices(services, all) {
  const names = services.map((service) => service.name);
  for (const [name, card] of cards) {
    if (!names.includes(name)) {
      card.element.remove();
      cards.delete(name);
    }
  }
  for (const service of services) {
    if (!cards.has(service.name)) {
      cards.set(service.name, createCard(service.name));
      find("services").append(cards.get(service.name).element);
    }
    cards.get(service.name).update(service, all);
  }
  showOverall(services);
  playground.statesChanged(services);
}

function showOverall(services) {
  const worst = services.toSorted((a, b) => rank(a) - rank(b))[0];
  if (!worst) return;
  const state = worst.state ?? "unknown";
  const text = state === "healthy" || state === "asleep" ? t`Everything works` : t`${title(worst.name)}: ${lower(stateOf(state).label)}`;
  const line = find("overall");
  if (line.textContent === text) return;
  line.dataset.tone = stateOf(state).tone;
  line.replaceChildren(shape(state), h("span", {}, text));
}

const lower = (label) => (language === "en" ? label.toLowerCase() : label);
const rank = (service) => WORST_FIRST.indexOf(service.state ?? "unknown");

function showLink(how, problem) {
  if (how === "live") listRequests(null);
  if (how !== "connecting" && how !== "lost") showRequests(how === "live");
  find("link").dataset.link = how;
  say(find("link"), LINKS[how]);
  const locked = new Problem(t`Enter the API key to see details, history and canary results.`);
  showProblem(find("services-note"), how === "locked" ? locked : problem);
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
find("key-button").addEventListener("click", () => askForKey(t`The key stays in this tab until you close it.`));
showSnippets(new URL("v1", document.baseURI).href);
setInterval(() => cards.forEach((card) => card.tick()), 1000);
onKey(() => playground.keyChanged());
startListening();
follow({
  status: (document_) => showServices(document_.services, document_),
  states: (states) => showServices(Object.entries(states).map(([name, state]) => ({ name, state })), null),
  requests: listRequests,
  request: addRequest,
  link: showLink,
});
