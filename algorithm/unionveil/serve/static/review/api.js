// Talks to the server: sends edits in order, each once; receives changes, and conflicts with other tabs.

const RETRY_MS = 1000;
const WAIT_S = 15;
const CALM_MS = 200;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** An unsuccessful response; `status` is its HTTP status. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answer(response) {
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.detail ?? response.statusText);
}

/** @param {object} on `gone(isGone)`, `conflict()`, `locked()`, `changes(answer)`: callbacks. */
export class Api {
  revision = 0;
  pending = 0;
  #event = 0;
  #line = Promise.resolve();
  #isGone = false;
  #on;

  constructor(on) {
    this.#on = on;
  }

  async get(path) {
    return answer(await fetch(path));
  }

  /** Sends an edit once all earlier ones have been answered. Resolves with the resulting photo. */
  edit(number, edit) {
    return this.#send(`/api/photos/${number}/edits`, { edit });
  }

  /** Resolves once everything sent so far has been answered. */
  settled() {
    return this.#line;
  }

  undo() {
    return this.#send("/api/undo", {});
  }

  redo() {
    return this.#send("/api/redo", {});
  }

  write() {
    return this.#send("/api/outputs", null);
  }

  #send(path, body) {
    this.pending += 1;
    const id = crypto.randomUUID();
    const sent = this.#line.then(() => this.#post(path, body, id)).finally(() => (this.pending -= 1));
    this.#line = sent.catch(() => {});
    return sent;
  }

  /** An id that is sent twice counts once, so a request can be repeated until the server is back. */
  async #post(path, body, id) {
    for (;;) {
      try {
        const text = body && JSON.stringify({ ...body, id, revision: this.revision });
        const result = await answer(await fetch(path, { method: "POST", body: text }));
        this.#gone(false);
        this.revision = result.revision > this.revision ? result.revision : this.revision;
        return result;
      } catch (error) {
        if (error instanceof Refused) {
          if (error.status === 409) this.#on.conflict();
          throw error;
        }
        this.#gone(true);
        await pause(RETRY_MS);
      }
    }
  }

  /** Receives changes while the page is open. */
  async listen() {
    for (let wait = 0; ; wait = WAIT_S) {
      try {
        const news = await this.get(`/api/changes?since=${this.#event}&wait=${wait}`);
        this.#gone(false);
        this.#event = news.event;
        if (!wait) this.revision = news.revision;
        else if (!this.pending && news.revision > this.revision) this.#on.conflict();
        this.#on.changes(news);
        await pause(CALM_MS);
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return this.#on.locked();
        this.#gone(true);
        await pause(RETRY_MS);
      }
    }
  }

  #gone(isGone) {
    if (isGone !== this.#isGone) this.#on.gone((this.#isGone = isGone));
  }
}
