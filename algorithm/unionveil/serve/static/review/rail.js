// The rail of thumbnails: only the visible ones are in the page, however many there are.

import { t } from "/static/words.js";

const MORE = 4;

export class Rail {
  #list = document.getElementById("rail-list");
  #space = document.getElementById("rail-space");
  #narrow = matchMedia("(max-width: 719px)");
  #shown = new Map();
  #photos;
  #current;
  /** Whether waiting photos get a thumbnail too; not before the first photo is shown. */
  isEager = false;

  /** @param {(number: number) => void} open */
  constructor(photos, open) {
    this.#photos = photos;
    this.#list.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.#list);
    this.#list.addEventListener("click", (event) => {
      const thumb = event.target.closest(".thumb");
      if (thumb) open(Number(thumb.dataset.number));
    });
    this.#list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const number = step && photos.beside(this.#current, step);
      if (number === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      open(number);
    });
  }

  get #step() {
    return this.#narrow.matches ? 76 : 104;
  }

  #scroll(value) {
    const side = this.#narrow.matches ? "scrollLeft" : "scrollTop";
    if (value !== undefined) this.#list[side] = value;
    return this.#list[side];
  }

  /** Marks a photo as the current one, and scrolls to it. */
  select(number) {
    this.#current = number;
    this.draw();
    const place = this.#photos.placeOf(number);
    const length = this.#narrow.matches ? this.#list.clientWidth : this.#list.clientHeight;
    const start = this.#scroll();
    if (place * this.#step < start || (place + 1) * this.#step > start + length) {
      this.#scroll(Math.max(0, (place + 0.5) * this.#step - length / 2));
    }
    this.draw();
  }

  /** Redraws after the order has changed; the current photo keeps its position on the screen. */
  settle(change) {
    const before = this.#photos.placeOf(this.#current);
    change();
    const moved = this.#photos.placeOf(this.#current) - before;
    this.draw();
    if (before >= 0 && moved) this.#scroll(this.#scroll() + moved * this.#step);
    this.draw();
  }

  draw() {
    const { order } = this.#photos;
    const narrow = this.#narrow.matches;
    const step = this.#step;
    this.#space.style.height = narrow ? "1px" : `${order.length * step}px`;
    this.#space.style.width = narrow ? `${order.length * step}px` : "1px";
    const length = narrow ? this.#list.clientWidth : this.#list.clientHeight;
    const first = Math.max(0, Math.floor(this.#scroll() / step) - MORE);
    const last = Math.min(order.length, Math.ceil((this.#scroll() + length) / step) + MORE);
    const wanted = new Set(order.slice(first, last));
    for (const [number, thumb] of this.#shown) {
      if (wanted.has(number)) continue;
      thumb.remove();
      this.#shown.delete(number);
    }
    for (let place = first; place < last; place += 1) this.#place(order[place], place, step, narrow);
    if (wanted.has(this.#current)) this.#list.setAttribute("aria-activedescendant", `thumb-${this.#current}`);
    else this.#list.removeAttribute("aria-activedescendant");
  }

  #place(number, place, step, narrow) {
    const row = this.#photos.rows.get(number);
    let thumb = this.#shown.get(number);
    if (!thumb) {
      thumb = document.createElement("div");
      thumb.className = "thumb";
      thumb.id = `thumb-${number}`;
      thumb.dataset.number = number;
      thumb.setAttribute("role", "option");
      thumb.append(document.createElement("img"), document.createElement("span"));
      thumb.firstChild.addEventListener("error", (event) => event.target.classList.add("failed"));
      this.#list.append(thumb);
      this.#shown.set(number, thumb);
    }
    const [image, badge] = thumb.children;
    thumb.style.top = narrow ? "0" : `${place * step}px`;
    thumb.style.left = narrow ? `${place * step}px` : "0";
    thumb.dataset.verdict = row.verdict;
    thumb.setAttribute("aria-selected", number === this.#current);
    thumb.setAttribute("aria-posinset", place + 1);
    thumb.setAttribute("aria-setsize", this.#photos.order.length);
    thumb.setAttribute("aria-label", `${row.name}, ${standing(row)}`);
    image.alt = "";
    image.decoding = "async";
    const isShown = row.verdict !== "rejected" && (row.verdict !== "waiting" || this.isEager);
    if (isShown && !image.src) image.src = `/api/photos/${number}/thumbnail.jpg`;
    badge.className = row.candidates && row.verdict === "unreviewed" ? "badge unsure" : "badge";
    badge.textContent = standing(row, true);
  }
}

/** A photo's status in words; `short` for the rail. */
export function standing(row, short = false) {
  const mark = { approved: "✓ ", flagged: "⚑ ", rejected: "! " }[row.verdict] ?? "";
  if (row.verdict !== "unreviewed") return (short ? mark : "") + t(`verdict.${row.verdict}`);
  if (row.candidates && short) return `◌ ${t("unsure", { n: row.candidates })}`;
  const found = ["faces", "texts", "plates"].filter((kind) => row[kind]).map((kind) => t(kind, { n: row[kind] }));
  const shown = found.join(", ") || t("no-face");
  return row.candidates ? `${shown}, ${t("unsure", { n: row.candidates })}` : shown;
}
