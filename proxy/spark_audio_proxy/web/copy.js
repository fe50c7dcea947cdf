// Copying, also on pages without https, where the clipboard's own interface is missing.

import { h, say } from "./dom.js";
import { t } from "./texts.js";

const SHOWN = 2000; // ms

// Returns a button that copies what `text` returns. `what` tells a screen reader what that is.
export function copyButton(text, what) {
  const button = h("button", { type: "button", class: "plain copy", "aria-label": t`Copy ${what}` }, t`Copy`);
  button.addEventListener("click", async () => {
    const done = await copy(text(), button);
    say(button, done ? t`Copied` : t`Not copied`);
    button.setAttribute("aria-label", done ? t`Copied ${what}` : t`The browser does not allow copying ${what}`);
    setTimeout(() => {
      say(button, t`Copy`);
      button.setAttribute("aria-label", t`Copy ${what}`);
    }, SHOWN);
  });
  return button;
}

async function copy(text, beside) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text, beside);
  }
}

function copySelected(text, beside) {
  const field = h("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  field.value = text;
  beside.after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  beside.focus();
  return done;
}
