// What the page says: the panel in place of a photo, the banner, the toast, and the voice for screen readers.

import { t } from "/static/words.js";

const TOAST_MS = 6000;
const part = (id) => document.getElementById(id);
let toastTimer = 0;

function element(name, text, className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

function button(text, act, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** Says something to a screen reader. */
export function say(text) {
  part("live").textContent = text;
}

/** A message that passes, with a way back. */
export function toast(text, undo) {
  const box = element("div", "");
  box.append(element("span", text));
  if (undo) box.append(button(t("undo"), undo));
  part("toast").replaceChildren(box);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => part("toast").replaceChildren(), TOAST_MS);
}

/** The photo that it spoke of is gone. */
export const hush = () => part("toast").replaceChildren();

/** A message that stays for as long as it is true; null takes it away. */
export function banner(text, action) {
  const place = part("banner");
  place.hidden = !text;
  place.replaceChildren();
  if (!text) return;
  place.append(element("span", text));
  if (action) place.append(button(...action));
}

/**
 * A panel in place of the photo; null shows the photo.
 * @param {{title: string, body: Node[], actions: [string, () => void, string?][]} | null} content
 */
export function panel(content) {
  const place = part("panel");
  const wasHidden = place.hidden;
  place.hidden = !content;
  document.body.classList.toggle("with-panel", Boolean(content));
  if (!content) return;
  const hadFocus = place.contains(document.activeElement);
  part("panel-title").textContent = content.title;
  part("panel-body").replaceChildren(...content.body);
  part("panel-actions").replaceChildren(...content.actions.map((action) => button(...action)));
  // The section's name is read out with whatever in it gets the focus.
  if (wasHidden || hadFocus) (part("panel-actions").querySelector("button") ?? part("panel-title")).focus();
}

export const text = (value, className) => element("p", value, className);

/** Names and figures, as a list. */
export function figures(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
  return list;
}
