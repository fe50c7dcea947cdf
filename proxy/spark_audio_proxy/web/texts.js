// The page's words in the reader's language. English is in the code; a translation replaces each `{}` in order.

const TRANSLATED = ["de", "es", "fr", "it"];

const base = (tag) => tag.split("-")[0];

// The reader's own tag, for numbers and dates: `de-AT`.
export const locale = navigator.languages.find((tag) => ["en", ...TRANSLATED].includes(base(tag))) ?? "en";
export const language = base(locale);

const texts = language === "en" ? {} : (await import(`./texts-${language}.js`)).TEXTS;

// A template literal's tag: t`for ${duration}`.
export function t(parts, ...values) {
  return (texts[parts.join("{}")] ?? parts.join("{}")).replace(/\{\}/g, () => values.shift());
}

// Translates what is written in the page itself.
export function translatePage() {
  document.documentElement.lang = language;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim().replace(/\s+/g, " ");
    if (text in texts) walker.currentNode.data = walker.currentNode.data.replace(/\S[^]*\S|\S/, texts[text]);
  }
  for (const name of ["aria-label", "placeholder"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      const text = element.getAttribute(name);
      if (text in texts) element.setAttribute(name, texts[text]);
    }
  }
}
