// The photo with its boxes: SVG that can be focused, dragged, resized and zoomed, by mouse, touch and keyboard.

const SVG = "http://www.w3.org/2000/svg";
const LEAST_PX = 8;
const HANDLE_PX = 24;
const KNOB_PX = 10;
const SIDES = [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]];
const CURSORS = ["nwse", "ns", "nesw", "ew", "nwse", "ns", "nesw", "ew"];

const part = (id) => document.getElementById(id);

function set(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
  return node;
}

function make(name, values, parent) {
  const node = set(document.createElementNS(SVG, name), values);
  parent.append(node);
  return node;
}

const rectOf = ([x0, y0, x1, y1]) => ({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 });

/** `xyxy` inside a photo of width w and height h, moved there as a whole. */
function inside([x0, y0, x1, y1], [w, h]) {
  const dx = Math.max(LEAST_PX - x1, Math.min(0, w - LEAST_PX - x0));
  const dy = Math.max(LEAST_PX - y1, Math.min(0, h - LEAST_PX - y0));
  return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
}

/**
 * @param {object} on `focus(id)`, `put(box)`, `add(xyxy)` and `zoom(scale)` report user actions.
 */
export class Stage {
  svg = part("stage");
  focused = null;
  adding = false;
  #world = part("world");
  #boxes = new Map();
  #covers = new Map();
  /** The state of each node, so that only changed ones are redrawn. */
  #shown = new WeakMap();
  #photo = null;
  #frame = 0;
  #view = { x: 0, y: 0, scale: 1 };
  #fitted = true;
  #pointers = new Map();
  #drag = null;
  #look = { color: null, shape: "box", margins: [0, 0, 0, 0], textMargin: 0 };
  #label = () => "";
  #on;

  constructor(on) {
    this.#on = on;
    this.svg.addEventListener("pointerdown", (event) => this.#down(event));
    this.svg.addEventListener("pointermove", (event) => this.#move(event));
    this.svg.addEventListener("pointerup", (event) => this.#up(event));
    this.svg.addEventListener("pointercancel", () => this.#cancel());
    this.svg.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.svg.addEventListener("focusin", (event) => this.#focusIn(event.target));
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#apply())).observe(this.svg);
  }

  /** The look of covers, and the names of boxes. */
  configure({ color, shape, margins, textMargin }, label) {
    this.#look = { color, shape, margins, textMargin };
    this.#label = label;
  }

  get size() {
    return this.#photo?.sizes[this.#frame] ?? [1, 1];
  }

  /** Boxes of the current page. */
  get here() {
    return (this.#photo?.boxes ?? []).filter((box) => box.frame === this.#frame);
  }

  get #current() {
    return this.#photo?.boxes.find((box) => box.id === this.focused);
  }

  /** Another photo, or another page of it: fitted, nothing focused. `same` keeps its picture. */
  open(photo, frame = 0, same = false) {
    this.#photo = photo;
    this.#frame = frame;
    this.#on.focus((this.focused = null));
    if (!same) for (const id of ["photo", "covered", "twin-photo"]) part(id).removeAttribute("href");
    for (const nodes of [this.#boxes, this.#covers]) {
      for (const node of nodes.values()) node.remove();
      nodes.clear();
    }
    const [width, height] = this.size;
    for (const id of ["photo", "covered", "twin-photo", "skeleton"]) set(part(id), { width, height });
    if (!same) part("skeleton").classList.remove("late");
    this.fit();
    this.draw();
  }

  /** Redraws the boxes; `photo` is the same photo with new state. */
  draw(photo = this.#photo) {
    this.#photo = photo;
    const here = this.here;
    const ids = new Set(here.map((box) => box.id));
    for (const nodes of [this.#boxes, this.#covers]) {
      for (const [id, node] of nodes) {
        if (ids.has(id)) continue;
        node.remove();
        nodes.delete(id);
      }
    }
    here.forEach((box, place) => this.#drawBox(box, place, here.length));
    if (this.#look.color === null) {
      part("cover-clip").replaceChildren(...[...this.#covers.values()].map((node) => node.cloneNode()));
    }
    if (this.focused && !ids.has(this.focused)) this.#on.focus((this.focused = null));
    this.#drawHandles();
  }

  #drawBox(box, place, count) {
    let node = this.#boxes.get(box.id);
    if (!node) {
      node = make("rect", { id: `box-${box.id}`, role: "button", tabindex: -1 }, part("boxes"));
      node.dataset.id = box.id;
      this.#boxes.set(box.id, node);
    }
    // Tab reaches one box, and N moves on from there: a thousand boxes are one tab stop.
    const isStop = box.id === this.focused || (!this.focused && !place);
    const drawn = [box.xyxy, box.covered, box.kind, place, count, isStop, this.focused === box.id, document.documentElement.lang].join();
    if (this.#shown.get(node) === drawn) return;
    this.#shown.set(node, drawn);
    set(node, { ...rectOf(box.xyxy), "aria-label": this.#label(box, place + 1, count), tabindex: isStop ? 0 : -1 });
    node.classList.value = `box ${box.kind}${box.covered ? "" : " candidate"}${box.id === this.focused ? " current" : ""}`;
    this.#drawCover(box);
  }

  #drawCover(box) {
    let node = this.#covers.get(box.id);
    if (!box.covered) {
      node?.remove();
      this.#covers.delete(box.id);
      return;
    }
    const { margins, textMargin, color } = this.#look;
    // Text and plates are covered by boxes alone, and their margin is a share of the shorter side.
    const isText = box.kind === "text" || box.kind === "plate";
    const shape = this.#look.shape === "ellipse" && !isText ? "ellipse" : "rect";
    if (node?.tagName !== shape) {
      node?.remove();
      node = make(shape, { fill: color ?? "#7a7a7a" }, part("covers"));
      this.#covers.set(box.id, node);
    }
    const [x0, y0, x1, y1] = box.xyxy;
    const wh = [x1 - x0, y1 - y0];
    const by = textMargin * Math.min(...wh);
    const grown = box.xyxy.map((at, side) => at + (isText ? (side < 2 ? -by : by) : margins[side] * wh[side % 2]));
    if (shape === "ellipse") {
      const [rx, ry] = [(grown[2] - grown[0]) / Math.SQRT2, (grown[3] - grown[1]) / Math.SQRT2];
      set(node, { cx: (grown[0] + grown[2]) / 2, cy: (grown[1] + grown[3]) / 2, rx, ry });
    } else {
      const [w, h] = this.size;
      const low = (v) => Math.max(0, Math.floor(v));
      const pixels = [low(grown[0]), low(grown[1]), Math.min(w, Math.ceil(grown[2])), Math.min(h, Math.ceil(grown[3]))];
      set(node, rectOf([pixels[0], pixels[1], Math.max(pixels[0], pixels[2]), Math.max(pixels[1], pixels[3])]));
    }
  }

  /** Handles of the focused box; they are outside a small one, so that it can still be moved. */
  #drawHandles() {
    const group = part("handles");
    const box = this.#current;
    part("halo").toggleAttribute("hidden", !box);
    if (!box) return group.replaceChildren();
    const { scale } = this.#view;
    const out = Math.max(0, (2.6 * HANDLE_PX - Math.min(box.xyxy[2] - box.xyxy[0], box.xyxy[3] - box.xyxy[1]) * scale) / 2);
    const grow = out / scale;
    const [x0, y0, x1, y1] = [box.xyxy[0] - grow, box.xyxy[1] - grow, box.xyxy[2] + grow, box.xyxy[3] + grow];
    if (!group.childElementCount) {
      make("rect", { class: "ring" }, group);
      SIDES.forEach((_, n) => {
        const handle = make("rect", { class: "handle" }, group);
        handle.dataset.side = n;
        handle.style.cursor = `${CURSORS[n]}-resize`;
        make("rect", { class: "knob", rx: 1 }, group);
      });
    }
    const [ring, ...parts] = group.children;
    set(ring, rectOf([x0, y0, x1, y1]));
    set(part("halo"), { ...rectOf(box.xyxy), class: box.covered ? "" : "candidate" });
    SIDES.forEach(([sx, sy], n) => {
      const [x, y] = [x0 + sx * (x1 - x0), y0 + sy * (y1 - y0)];
      const around = (px) => ({ x: x - px / scale / 2, y: y - px / scale / 2, width: px / scale, height: px / scale });
      set(parts[2 * n], around(HANDLE_PX));
      set(parts[2 * n + 1], around(KNOB_PX));
    });
    // The box itself is on top of the dark line around it.
    const node = this.#boxes.get(box.id);
    if (node !== part("boxes").lastChild) part("boxes").append(node);
    return undefined;
  }

  /** Focuses a box, or the stage. */
  focus(id) {
    const node = id && this.#boxes.get(id);
    if (node) node.focus({ preventScroll: true });
    else {
      this.#focusIn(this.svg);
      this.svg.focus({ preventScroll: true });
    }
  }

  #focusIn(target) {
    const id = target.dataset?.id ?? null;
    if (id === this.focused) return;
    const before = this.#boxes.get(this.focused);
    this.focused = id;
    before?.classList.remove("current");
    before?.setAttribute("tabindex", -1);
    this.#shown.delete(before);
    const node = this.#boxes.get(id);
    node?.classList.add("current");
    node?.setAttribute("tabindex", 0);
    this.#shown.delete(node);
    this.#drawHandles();
    // Moving a node within the page removes its focus.
    if (node && document.activeElement !== node) node.focus({ preventScroll: true });
    this.#on.focus(id);
  }

  /** The next box in the order of the list, including uncertain ones. */
  step(step) {
    const here = this.here;
    if (!here.length) return;
    const place = here.findIndex((box) => box.id === this.focused);
    const next = here[place < 0 ? (step > 0 ? 0 : here.length - 1) : (place + step + here.length) % here.length];
    this.focus(next.id);
    this.#reveal(next);
  }

  /** Moves or resizes the focused box by a number of pixels; `put` is not called. */
  nudge(dx, dy, resize) {
    const box = this.#current;
    if (!box) return false;
    const [x0, y0, x1, y1] = box.xyxy;
    const grown = [x0, y0, Math.max(x0 + LEAST_PX, x1 + dx), Math.max(y0 + LEAST_PX, y1 + dy)];
    this.#put(box, resize ? grown : [x0 + dx, y0 + dy, x1 + dx, y1 + dy]);
    return true;
  }

  #put(box, xyxy) {
    box.xyxy = inside(xyxy, this.size);
    const here = this.here;
    this.#drawBox(box, here.indexOf(box), here.length);
    this.#drawHandles();
    if (this.#look.color === null) part("covered").removeAttribute("href");
  }

  /** The place of a new box without a drag: as large as the others, around a point of the photo. */
  boxAround([x, y] = this.#middle()) {
    const [w, h] = this.size;
    const sides = this.#photo.boxes.map((box) => box.xyxy[3] - box.xyxy[1]).sort((a, b) => a - b);
    const side = Math.max(LEAST_PX, sides[sides.length >> 1] ?? Math.min(w, h) / 10);
    const [rx, ry] = [side * 0.4, side / 2];
    return inside([x - rx, y - ry, x + rx, y + ry], this.size);
  }

  #middle() {
    const { width, height } = this.svg.getBoundingClientRect();
    return this.#toPhoto(width / 2, height / 2);
  }

  // Zoom and pan

  #apply() {
    const { x, y, scale } = this.#view;
    const transform = `translate(${x} ${y}) scale(${scale})`;
    this.#world.setAttribute("transform", transform);
    part("twin-world").setAttribute("transform", transform);
    this.#drawHandles();
    this.#on.zoom(scale);
  }

  fit() {
    const { width, height } = this.svg.getBoundingClientRect();
    const [w, h] = this.size;
    const edge = Math.min(16, width / 20);
    const scale = Math.min((width - 2 * edge) / w, (height - 2 * edge) / h, 4);
    this.#view = { scale, x: (width - w * scale) / 2, y: (height - h * scale) / 2 };
    this.#fitted = true;
    this.#apply();
  }

  zoom(factor, at) {
    const { width, height } = this.svg.getBoundingClientRect();
    const [cx, cy] = at ?? [width / 2, height / 2];
    const scale = Math.max(0.01, Math.min(32, this.#view.scale * factor));
    const real = scale / this.#view.scale;
    this.#view = { scale, x: cx - (cx - this.#view.x) * real, y: cy - (cy - this.#view.y) * real };
    this.#fitted = false;
    this.#apply();
  }

  pan(dx, dy) {
    this.#view.x += dx;
    this.#view.y += dy;
    this.#fitted = false;
    this.#apply();
  }

  /** Centres the focused box, large enough to be judged. */
  centre() {
    const box = this.#current;
    if (!box) return this.fit();
    const { width, height } = this.svg.getBoundingClientRect();
    const [x0, y0, x1, y1] = box.xyxy;
    const scale = Math.min(16, (0.4 * width) / (x1 - x0), (0.4 * height) / (y1 - y0));
    this.#view = { scale, x: width / 2 - ((x0 + x1) / 2) * scale, y: height / 2 - ((y0 + y1) / 2) * scale };
    this.#fitted = false;
    return this.#apply();
  }

  #reveal({ xyxy }) {
    const { width, height } = this.svg.getBoundingClientRect();
    const { x, y, scale } = this.#view;
    const [left, top, right, bottom] = [xyxy[0] * scale + x, xyxy[1] * scale + y, xyxy[2] * scale + x, xyxy[3] * scale + y];
    const dx = left < 0 ? 24 - left : right > width ? width - right - 24 : 0;
    const dy = top < 0 ? 24 - top : bottom > height ? height - bottom - 24 : 0;
    if (dx || dy) this.pan(dx, dy);
  }

  // Pointers

  #toPhoto(x, y) {
    return [(x - this.#view.x) / this.#view.scale, (y - this.#view.y) / this.#view.scale];
  }

  #at(event) {
    const { left, top } = this.svg.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #down(event) {
    if (!this.#photo?.sizes.length || event.button > 1) return;
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size === 2) return this.#cancelDrag();
    const { side, id } = event.target.dataset;
    const start = this.#toPhoto(...at);
    if (event.button === 1 || this.panning) this.#drag = { kind: "pan" };
    else if (side !== undefined) this.#drag = { kind: "resize", box: this.#current, side: SIDES[side] };
    else if (id !== undefined && !this.adding) this.#drag = { kind: "move", box: this.#photo.boxes.find((box) => box.id === id) };
    else this.#drag = { kind: "draw" };
    Object.assign(this.#drag, { start, at, before: this.#drag.box?.xyxy, moved: false });
    if (this.#drag.kind === "move") this.focus(id);
    if (this.#drag.kind === "pan") this.svg.classList.add("panning");
    return undefined;
  }

  #move(event) {
    if (!this.#pointers.has(event.pointerId)) return;
    const at = this.#at(event);
    const last = this.#pointers.get(event.pointerId);
    if (this.#pointers.size === 2) return this.#pinch(event.pointerId, last, at);
    this.#pointers.set(event.pointerId, at);
    const drag = this.#drag;
    if (!drag) return;
    // A trembling hand does not drag.
    drag.moved ||= Math.hypot(at[0] - drag.at[0], at[1] - drag.at[1]) > 3;
    if (!drag.moved) return;
    if (drag.kind === "pan") this.pan(at[0] - last[0], at[1] - last[1]);
    else if (drag.kind === "draw") this.#draft(this.#drawn(drag, at));
    else this.#put(drag.box, this.#dragged(drag, at));
  }

  #dragged({ kind, side, before, start }, at) {
    const now = this.#toPhoto(...at);
    const [dx, dy] = [now[0] - start[0], now[1] - start[1]];
    const [x0, y0, x1, y1] = before;
    if (kind === "move") return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
    const [sx, sy] = side;
    return [
      sx === 0 ? Math.min(x0 + dx, x1 - LEAST_PX) : x0,
      sy === 0 ? Math.min(y0 + dy, y1 - LEAST_PX) : y0,
      sx === 1 ? Math.max(x1 + dx, x0 + LEAST_PX) : x1,
      sy === 1 ? Math.max(y1 + dy, y0 + LEAST_PX) : y1,
    ];
  }

  #drawn({ start }, at) {
    const now = this.#toPhoto(...at);
    const [w, h] = this.size;
    const clip = (v, most) => Math.max(0, Math.min(most, v));
    const [x0, x1] = [start[0], now[0]].map((v) => clip(v, w)).sort((a, b) => a - b);
    const [y0, y1] = [start[1], now[1]].map((v) => clip(v, h)).sort((a, b) => a - b);
    return inside([x0, y0, Math.max(x1, x0 + LEAST_PX), Math.max(y1, y0 + LEAST_PX)], this.size);
  }

  #draft(xyxy) {
    part("draft").toggleAttribute("hidden", !xyxy);
    if (xyxy) set(part("draft"), rectOf(xyxy));
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    this.svg.classList.remove("panning");
    const drag = this.#drag;
    this.#drag = null;
    this.#draft(null);
    if (!drag) return;
    if (drag.kind === "draw") {
      if (drag.moved) this.#on.add(this.#drawn(drag, this.#at(event)));
      else if (this.adding) this.#on.add(this.boxAround(drag.start));
      else this.focus(null);
    } else if (drag.moved && drag.box) this.#on.put(drag.box);
  }

  #pinch(id, last, at) {
    const [other] = [...this.#pointers].find(([key]) => key !== id).slice(1);
    this.#pointers.set(id, at);
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
    this.zoom(Math.hypot(at[0] - other[0], at[1] - other[1]) / Math.max(1, before), middle);
    this.pan((at[0] - last[0]) / 2, (at[1] - last[1]) / 2);
  }

  #cancelDrag() {
    const drag = this.#drag;
    this.#drag = null;
    this.#draft(null);
    if (drag?.box && drag.moved) this.#put(drag.box, drag.before);
  }

  #cancel() {
    this.#pointers.clear();
    this.#cancelDrag();
  }

  #wheel(event) {
    event.preventDefault();
    if (event.shiftKey) this.pan(-event.deltaY - event.deltaX, 0);
    else this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), this.#at(event));
  }
}
