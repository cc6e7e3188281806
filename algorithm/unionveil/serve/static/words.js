// The page's language: words/common.LANG.json, and words/PAGE.LANG.json over it.
//
// A value is a text with {names}, or an object of texts by plural category ("one", "other") for {n}.
// In HTML: <p data-t="key"></p>, and data-t-ATTRIBUTE="key" for aria-label, title, alt, placeholder.

export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

const KEY = "unionveil-language";
const ATTRIBUTES = ["aria-label", "title", "alt", "placeholder"];

let words = {};
let plurals = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");

function preferred() {
  try {
    const stored = localStorage.getItem(KEY);
    if (stored in LANGUAGES) return stored;
  } catch {
    // Storage is blocked; the browser's languages decide.
  }
  const codes = navigator.languages.map((code) => code.slice(0, 2).toLowerCase());
  return codes.find((code) => code in LANGUAGES) ?? "en";
}

async function read(name) {
  const response = await fetch(`/static/words/${name}.json`);
  if (!response.ok) throw new Error(`words/${name}.json: ${response.status}`);
  return response.json();
}

/** Loads a page's words in the reader's language and fills the document. */
export async function loadWords(page, language = preferred()) {
  const [common, own] = await Promise.all([read(`common.${language}`), read(`${page}.${language}`)]);
  words = { ...common, ...own };
  plurals = new Intl.PluralRules(language);
  numbers = new Intl.NumberFormat(language);
  document.documentElement.lang = language;
  translate(document);
}

/** A text by its key; numbers are formatted for the language. */
export function t(key, values = {}) {
  const entry = words[key] ?? key;
  const text = typeof entry === "string" ? entry : (entry[plurals.select(values.n)] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    if (!(name in values)) return whole;
    return typeof values[name] === "number" ? numbers.format(values[name]) : values[name];
  });
}

/** Fills every element below `root` that names a key. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const attribute of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[data-t-${attribute}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`)));
    }
  }
}

/** Fills a <select> with the languages; `onChange` runs after the words have changed. */
export function languageSwitch(control, page, onChange = () => {}) {
  for (const [code, name] of Object.entries(LANGUAGES)) control.add(new Option(name, code));
  control.value = document.documentElement.lang;
  control.addEventListener("change", async () => {
    try {
      localStorage.setItem(KEY, control.value);
    } catch {
      // The choice applies to this page only.
    }
    await loadWords(page, control.value);
    onChange();
  });
}
