// Elements are built, never parsed: a server's answer is always shown as text.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Changes the text only if it differs: a screen reader reads a live region again on every change.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A Problem; the server's own words are marked as English, so that a screen reader reads them as that.
export function showProblem(element, problem) {
  element.hidden = !problem;
  const { message = "", words = null } = problem ?? {};
  if (element.textContent === (words ? `${message} ${words}` : message)) return;
  element.replaceChildren(message, ...(words ? [" ", h("span", { lang: "en" }, words)] : []));
}
