// Messages: the panel in place of a photo, the banner, the toast, and announcements for screen readers.

import { t } from "/static/words.js";

const TOAST_MS = 6000;
const part = (id) => document.getElementById(id);
let toastTimer = 0;

/** An element around a text or a node. */
function element(name, content, className = "") {
  const made = Object.assign(document.createElement(name), { className });
  made.append(content);
  return made;
}

/** A sentence of the server: it is English in every language of the page. */
export const english = (sentence) => Object.assign(element("span", sentence), { lang: "en" });

function button(text, act, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** Announces a message to screen readers. */
export function say(text) {
  part("live").textContent = text;
}

/** A temporary message with an undo button. */
export function toast(text, undo) {
  const box = element("div", "");
  box.append(element("span", text));
  if (undo) box.append(button(t("undo"), undo));
  part("toast").replaceChildren(box);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => part("toast").replaceChildren(), TOAST_MS);
}

/** Hides the message; its photo is no longer shown. */
export const hush = () => part("toast").replaceChildren();

/** A message that stays while it is true; null removes it. */
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
  // Screen readers announce the section's name with the focused element in it.
  if (wasHidden || hadFocus) (part("panel-actions").querySelector("button") ?? part("panel-title")).focus();
}

export const text = (value, className) => element("p", value, className);

/** Names and figures as a list. */
export function figures(rows) {
  const list = document.createElement("dl");
  for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
  return list;
}
