// The photos in order, and images of the current and next ones.

const KEPT = 8;

/** Photos by number. Visited photos keep their place; the others are sorted as the detector sees them. */
export class Photos {
  rows = new Map();
  order = [];
  #visited = [];
  #places = new Map();

  update(rows) {
    for (const row of rows) this.rows.set(row.number, row);
    if (rows.length) this.#sort();
  }

  visit(number) {
    if (this.#visited.includes(number)) return;
    this.#visited.push(number);
    this.#sort();
  }

  #sort() {
    const visited = new Set(this.#visited);
    const rest = [...this.rows.values()].filter((row) => !visited.has(row.number));
    rest.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1] || a.place[2] - b.place[2]);
    this.order = [...this.#visited, ...rest.map((row) => row.number)];
    this.#places = new Map(this.order.map((number, place) => [number, place]));
  }

  placeOf(number) {
    return this.#places.get(number) ?? -1;
  }

  /** The photo at an offset in the order, or undefined. */
  beside(number, step) {
    return this.order[this.placeOf(number) + step];
  }

  /** The next photo without a verdict, wrapping around; undefined when all are reviewed. */
  next(number) {
    const place = this.placeOf(number);
    const around = [...this.order.slice(place + 1), ...this.order.slice(0, Math.max(0, place))];
    return around.find((other) => this.#needsPerson(other));
  }

  #needsPerson(number) {
    const { verdict } = this.rows.get(number);
    const isNews = verdict === "rejected" && !this.#visited.includes(number);
    return isNews || verdict === "unreviewed" || verdict === "waiting";
  }
}

/** Images as object URLs; the latest few are cached, and decoded before use, so that they appear at once. */
export class Pictures {
  #kept = new Map();

  get(path) {
    let found = this.#kept.get(path);
    if (found) this.#kept.delete(path);
    else found = this.#load(path);
    this.#kept.set(path, found);
    for (const old of [...this.#kept.keys()].slice(0, -KEPT)) this.#drop(old);
    return found;
  }

  async #load(path) {
    try {
      const response = await fetch(path);
      if (!response.ok) throw new Error((await response.json()).detail);
      const image = new Image();
      image.src = URL.createObjectURL(await response.blob());
      await image.decode();
      return image;
    } catch (error) {
      this.#kept.delete(path);
      throw error;
    }
  }

  #drop(path) {
    const found = this.#kept.get(path);
    this.#kept.delete(path);
    found.then((image) => URL.revokeObjectURL(image.src)).catch(() => {});
  }
}
