// Keyboard shortcuts. Single letters can be switched off, for users of speech input.

import { t } from "/static/words.js";

/** Keys, their actions, and whether the key is a single character, in the order of the help. */
const KEYS = [
  [["a"], "approve"],
  [["f"], "flag"],
  [["n", "N"], "next-box"],
  [["b"], "add-box"],
  [["Enter"], "accept"],
  [["t"], "kind"],
  [["Delete", "Backspace"], "remove"],
  [["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"], "move"],
  [["c"], "centre"],
  [["h"], "hide"],
  [["s"], "side"],
  [["z"], "undo"],
  [["Z", "y"], "redo"],
  [["PageDown", "j"], "next-photo"],
  [["PageUp", "k"], "previous-photo"],
  [[",", "."], "page"],
  [["+", "=", "-", "0"], "zoom"],
  [[" "], "pan"],
  [["w"], "write"],
  [["Escape"], "leave"],
  [["?"], "help"],
];

const SHOWN = {
  " ": "␣",
  ArrowLeft: "←",
  ArrowUp: "↑",
  ArrowRight: "→",
  ArrowDown: "↓",
  Delete: "Del",
  Backspace: "⌫",
  PageDown: "Page ↓",
  PageUp: "Page ↑",
  Escape: "Esc",
  N: "⇧N",
  Z: "⇧Z",
};
const REPEATED = new Set(["move", "next-box", "next-photo", "previous-photo", "zoom"]);
const QUIET = new Set(["=", "ArrowUp", "ArrowDown"]);

/** The key without Caps Lock, which turns z into Z, and Z into z. */
function keyOf({ key, shiftKey }) {
  if (!/^\p{L}$/u.test(key)) return key;
  return shiftKey ? key.toUpperCase() : key.toLowerCase();
}

const isSingle = (key) => key.length === 1 && key !== " ";

/**
 * @param {Record<string, (event: KeyboardEvent) => void>} act actions by the names above
 * @param {() => boolean} singles whether single characters count
 */
export function listen(act, singles) {
  const names = new Map(KEYS.flatMap(([keys, name]) => keys.map((key) => [key, name])));
  const find = (event) => {
    const isTyping = event.target.closest("input, textarea, select, dialog");
    const isPressed = event.target.closest("button") && (event.key === "Enter" || event.key === " ");
    const isCommand = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() !== "z";
    if (isTyping || isPressed || isCommand || (isSingle(event.key) && !event.ctrlKey && !singles())) return undefined;
    const name = names.get(keyOf(event)) ?? names.get(event.key.toLowerCase());
    // Holding a key does not approve one photo after the other.
    return event.repeat && !REPEATED.has(name) ? undefined : act[name];
  };
  addEventListener("keydown", (event) => {
    const does = find(event);
    if (!does) return;
    event.preventDefault();
    does(event);
  });
}

/** Fills the help with all keys. */
export function describe(list) {
  const extra = [["⇧ ←", "move-far"], ["Alt ←", "resize"]];
  const rows = KEYS.map(([keys, name]) => [keys.filter((key) => !QUIET.has(key)).map((key) => SHOWN[key] ?? key.toUpperCase()), name]);
  rows.splice(8, 0, ...extra.map(([key, name]) => [[key], name]));
  list.replaceChildren(
    ...rows.map(([keys, name]) => {
      const row = document.createElement("div");
      const text = document.createElement("span");
      text.textContent = t(`key.${name}`);
      const shown = document.createElement("span");
      keys.forEach((key) => shown.append(Object.assign(document.createElement("kbd"), { textContent: key }), " "));
      row.append(text, shown);
      return row;
    }),
  );
}
