// The review page: opens photos, makes edits and shows where the review stands.

import { enter } from "/static/session.js";
import { languageSwitch, loadWords, t } from "/static/words.js";
import { Api } from "./api.js";
import { describe, listen } from "./keys.js";
import { banner, english, figures, hush, panel, say, text, toast } from "./messages.js";
import { Photos, Pictures } from "./photos.js";
import { Rail, standing } from "./rail.js";
import { Stage } from "./stage.js";

const SKELETON_MS = 300;
const NUDGE_MS = 350;
/** What a box may be, in the order of the key that turns it. */
const KINDS = ["face", "head", "text", "plate"];
const SINGLE_KEYS = "unionveil-single-keys";

const part = (id) => document.getElementById(id);
const photos = new Photos();
const pictures = new Pictures();
const known = new Map();
const api = new Api({ gone, conflict, locked, changes });
const rail = new Rail(photos, (number) => open(number));
const stage = new Stage({ focus: announce, put: (box) => put(box), add, zoom: sharpen });

let about;
let news;
let photo = null;
let frame = 0;
let view = "photo"; // or "done", "empty", "stopped"
let nudged = null;
let nudge = 0;
let covering = 0;

// Opening photos

/** What the stage shows: compare it again after waiting, since another photo or page may be shown by then. */
const shown = () => `${photo?.number} ${frame}`;
const path = (number, size, more = "") => `/api/photos/${number}/${size}.jpg?frame=${frame}${more}`;

function open(number) {
  flush();
  if (view === "stopped") return;
  view = "photo";
  hush();
  photos.visit(number);
  rail.select(number);
  frame = 0;
  photo = known.get(number) ?? { ...photos.rows.get(number), sizes: [], boxes: [], note: "", isStub: true };
  stage.open(photo, frame);
  show();
  showPhoto(number);
  return settled(number);
}

async function settled(number) {
  if (photo.isStub) await refresh(number);
  if (photo?.number !== number) return;
  announceState();
  prefetch(number);
}

/** A photo from the server, with all edits in it: an answer that they overtook is asked for again. */
async function fetched(number) {
  for (;;) {
    await api.settled();
    const { revision } = api;
    const fresh = await api.get(`/api/photos/${number}`).catch(() => null);
    if (!fresh || (!api.pending && api.revision === revision)) return fresh;
  }
}

async function refresh(number) {
  const fresh = await fetched(number);
  if (!fresh) return;
  known.set(number, fresh);
  if (photo?.number !== number || nudged) return;
  // Until the detector has seen the photo, the size of the displayed image is used.
  if (!fresh.sizes.length) fresh.sizes = photo.sizes;
  const isResized = String(photo.sizes) !== String(fresh.sizes);
  photo = fresh;
  if (isResized) stage.open(photo, frame, true);
  show();
  drawCovered();
}

async function showPhoto(number) {
  if (photos.rows.get(number).verdict === "rejected") return;
  const here = shown();
  const late = setTimeout(() => part("skeleton").classList.add("late"), SKELETON_MS);
  try {
    const image = await pictures.get(path(number, "screen"));
    if (here !== shown()) return;
    if (!photo.sizes.length) {
      photo.sizes = [[image.naturalWidth, image.naturalHeight]];
      stage.open(photo, frame);
    }
    part("photo").setAttribute("href", image.src);
    if (!rail.isEager) {
      rail.isEager = true;
      rail.draw();
    }
    drawCovered();
  } catch (error) {
    if (here === shown() && photos.rows.get(number).verdict !== "waiting") toast(english(error.message));
  } finally {
    clearTimeout(late);
  }
}

/** The photo at full resolution, once it is zoomed beyond the screen copy. */
async function sharpen(scale) {
  if (!photo?.sizes.length || !part("photo").getAttribute("href")) return;
  const here = shown();
  const image = await pictures.get(path(photo.number, "screen")).catch(() => null);
  if (!image || here !== shown()) return;
  if ((scale * stage.size[0] * devicePixelRatio) / image.naturalWidth < 1.5) return;
  if (image.naturalWidth >= stage.size[0]) return;
  const full = await pictures.get(path(photo.number, "full")).catch(() => null);
  if (full && here === shown()) part("photo").setAttribute("href", full.src);
}

/** Fetches and decodes the next photo while this one is on screen. */
async function prefetch(number) {
  const next = photos.next(number);
  if (next === undefined || photo?.number !== number) return;
  if (!known.has(next)) {
    const fresh = await fetched(next);
    if (fresh?.sizes.length) known.set(next, fresh);
  }
  if (photos.rows.get(next).verdict !== "rejected") {
    await pictures.get(`/api/photos/${next}/screen.jpg?frame=0`).catch(() => {});
  }
}

// Covers drawn by the server: side by side, and for all methods except a plain colour.

async function drawCovered() {
  const isSide = document.body.classList.contains("side");
  if (!photo?.boxes.length && !isSide) return;
  if (!photo.sizes.length || photo.isStub || photo.rejected || (about.color && !isSide)) return;
  const here = shown();
  const latest = (covering += 1);
  const isCurrent = () => here === shown() && latest === covering;
  await flush();
  if (!isCurrent()) return;
  const image = await pictures.get(path(photo.number, "screen", `&covered=${api.revision}-${photo.boxes.length}`)).catch(() => null);
  if (!image || !isCurrent()) return;
  for (const id of about.color ? ["twin-photo"] : ["twin-photo", "covered"]) part(id).setAttribute("href", image.src);
}

// Edits: applied at once on the page, stored by the server a moment later

function send(edit) {
  flush();
  const { number } = photo;
  known.delete(number);
  const sent = api.edit(number, edit);
  sent.then((fresh) => settle(fresh), (error) => refused(error, number));
  redraw();
  return sent;
}

function settle(fresh) {
  if (fresh.number === null || api.pending) return; // the answer to the last edit has them all
  known.set(fresh.number, fresh);
  photos.update([fresh]);
  if (photo?.number === fresh.number && !nudged) {
    photo = Object.assign(photo, fresh);
    redraw();
    drawCovered();
  }
}

function refused(error, number) {
  if (error.status === 409) return;
  toast(english(error.message));
  known.delete(number);
  if (photo?.number === number) refresh(number);
}

function asPut({ id, frame: page, xyxy, covered, kind }) {
  return { id, frame: page, xyxy, covered, kind };
}

function changed() {
  photo.verdict = "unreviewed";
}

function put(box) {
  if (nudged === box) calm(); // its move is part of this edit
  changed();
  return send({ put: [asPut(box)] });
}

function add(xyxy) {
  setAdding(false);
  if (!photo?.boxes || photo.isStub) return toast(t("still-looking"));
  const box = { id: `p${crypto.randomUUID().slice(0, 13)}`, frame, xyxy, covered: true, kind: KINDS[0], score: null, origin: "person" };
  photo.boxes = [...photo.boxes, box];
  changed();
  stage.draw();
  put(box);
  stage.focus(box.id);
  return say(t("added"));
}

function remove() {
  const box = focused();
  if (!box) return;
  const here = stage.here;
  const next = here[here.indexOf(box) + 1] ?? here[here.indexOf(box) - 1];
  photo.boxes = photo.boxes.filter((other) => other !== box);
  changed();
  send({ drop: [box.id] });
  stage.focus(next?.id ?? null);
  toast(t("removed"), () => undo());
}

function accept() {
  if (stage.adding) return add(stage.boxAround());
  const box = focused();
  if (!box) return stage.step(1);
  if (box.covered) return undefined;
  box.covered = true;
  put(box);
  stage.focus(box.id);
  part("accept").hidden = true;
  return say(t("accepted"));
}

/** What a box is decides its margin and, for text, its method. */
function turn() {
  const box = focused();
  if (!box) return undefined;
  box.kind = KINDS[(KINDS.indexOf(box.kind) + 1) % KINDS.length];
  put(box);
  stage.focus(box.id);
  showTools(box);
  return say(t(`kind.${box.kind}`));
}

function showTools(box) {
  part("box-tools").hidden = !box;
  part("accept").hidden = !box || box.covered;
  if (box) part("kind-name").textContent = t(`kind.${box.kind}`);
}

function move(event) {
  const step = event.shiftKey ? 10 : 1;
  const [dx, dy] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  const box = focused();
  if (nudged !== box) flush();
  if (!box) return stage.pan(-dx * 40, -dy * 40);
  // Many key presses are one edit, sent after a pause or before any other action.
  clearTimeout(nudge);
  nudged = box;
  stage.nudge(dx, dy, event.altKey);
  nudge = setTimeout(flush, NUDGE_MS);
  return changed();
}

function calm() {
  clearTimeout(nudge);
  nudged = null;
}

/** Sends the move of a box now. Resolves with false if the server refused it. */
async function flush() {
  return !nudged || put(nudged).then(() => true, () => false);
}

/** As `flush`; false too if another photo is on the stage then. */
async function flushed() {
  const { number } = photo;
  return (await flush()) && photo?.number === number;
}

async function approve() {
  if (view !== "photo" || !photo) return;
  if (photo.rejected) return goOn();
  if (photo.isStub || photo.verdict === "waiting") return toast(t("still-looking"));
  // A photo cannot be approved before it was shown.
  if (!part("photo").hasAttribute("href")) return toast(t("still-loading"));
  if (!(await flushed())) return undefined;
  photo.verdict = "approved";
  send({ verdict: "approved" });
  photos.update([{ ...photos.rows.get(photo.number), verdict: "approved" }]);
  return goOn();
}

function goOn() {
  const next = photos.next(photo.number);
  if (next === undefined) finish();
  else open(next);
}

function flag() {
  if (!photo || photo.rejected || photo.isStub || view !== "photo") return;
  const { number } = photo;
  const dialog = part("flag-dialog");
  part("note").value = photo.note;
  dialog.returnValue = "";
  dialog.showModal();
  dialog.addEventListener("close", () => {
    stage.focus(stage.focused);
    if (dialog.returnValue !== "flag" || photo?.number !== number) return;
    flush();
    photo.verdict = "flagged";
    photo.note = part("note").value;
    send({ verdict: "flagged", note: photo.note });
    photos.update([{ ...photos.rows.get(photo.number), verdict: "flagged" }]);
    rail.draw();
    toast(t("flagged"), () => undo());
  }, { once: true });
}

async function undo(redo = false) {
  if (!(await flush())) return undefined;
  const fresh = await (redo ? api.redo() : api.undo()).catch((error) => refused(error, photo?.number));
  if (!fresh) return undefined;
  if (fresh.number === null) return toast(t(redo ? "nothing-to-redo" : "nothing-to-undo"));
  known.set(fresh.number, fresh);
  photos.update([fresh]);
  if (photo?.number !== fresh.number || view !== "photo") await open(fresh.number);
  else {
    photo = Object.assign(photo, fresh);
    redraw();
    drawCovered();
  }
  return toast(t(redo ? "redone" : "undone"));
}

const focused = () => photo?.boxes.find((box) => box.id === stage.focused);

// Rendering

function show() {
  if (view === "stopped") return;
  part("panes").toggleAttribute("inert", view !== "photo" || Boolean(photo?.rejected));
  if (view === "done") showDone();
  else if (view === "empty") panel({ title: t("empty.title"), body: [text(t("empty.text"))], actions: [] });
  else if (photo?.rejected) showRejected();
  else panel(null);
  redraw();
}

function redraw() {
  if (view === "photo" && photo) {
    stage.draw(photo);
    part("name").textContent = photo.name;
    const covered = photo.boxes.filter((box) => box.covered);
    const count = (...kinds) => covered.filter((box) => kinds.includes(box.kind)).length;
    const counts = { faces: count("face", "head"), texts: count("text"), plates: count("plate") };
    const row = { ...photo, ...counts, candidates: photo.boxes.length - covered.length };
    part("state").textContent = photo.rejected ? t("verdict.rejected") : standing({ ...row, verdict: photo.verdict ?? "waiting" });
    if (photo.verdict === "flagged" && photo.note) part("state").textContent += `: ${photo.note}`;
    part("state").classList.toggle("warn", Boolean(photo.rejected) || photo.verdict === "flagged" || (row.candidates > 0 && photo.verdict === "unreviewed"));
  } else {
    part("name").textContent = "";
    part("state").textContent = "";
  }
  part("pages").hidden = view !== "photo" || !(photo?.sizes.length > 1);
  part("page").textContent = t("page", { n: frame + 1, all: photo?.sizes.length ?? 1 });
  const isPhoto = view === "photo" && photo && !photo.rejected;
  for (const id of ["add", "side", "flag"]) part(id).disabled = !isPhoto;
  part("approve").disabled = !isPhoto;
  showStanding();
}

function showStanding() {
  if (!news) return;
  const { counts, writing } = news;
  const all = counts.photos - counts.rejected;
  const done = counts.approved + counts.flagged;
  part("progress").textContent = counts.listed ? t("progress.done", { done, all }) : t("scanning", { n: counts.photos });
  part("looking").textContent = counts.waiting ? t("looking", { n: counts.waiting }) : "";
  Object.assign(part("meter"), { max: Math.max(1, all), value: done });
  part("write").disabled = writing.status === "writing" || !(counts.approved || about.keepUnreviewed);
  document.title = `${done}/${all} · ${about.name}`;
}

function showRejected() {
  const [reason, detail] = photo.rejected;
  const way = ["too-large", "timeout", "archive", "link"].includes(reason) ? `way.${reason}` : "way.other";
  panel({
    title: t("rejected.title"),
    body: [text(photo.name, "name"), text(english(detail)), text(t(way), "quiet")],
    actions: [[t("go-on"), goOn, "primary"]],
  });
}

function finish() {
  view = "done";
  photo = null;
  show();
  say(t("done.title"));
}

function showDone() {
  const { counts, writing } = news;
  const isCurrent = writing.status === "written" && writing.revision === api.revision;
  const body = [];
  if (counts.waiting) body.push(text(t("done.waiting", { n: counts.waiting })));
  body.push(figures([
    [t("verdict.approved"), t("photos", { n: counts.approved })],
    [t("verdict.flagged"), t("photos", { n: counts.flagged })],
    [t("verdict.unreviewed"), t("photos", { n: counts.unreviewed + counts.waiting })],
    [t("verdict.rejected"), t("photos", { n: counts.rejected })],
  ]));
  if (writing.status === "writing") body.push(text(t("writing", { n: writing.done, all: counts.photos })));
  else if (writing.status === "failed") body.push(text(english(writing.problem), "notice danger"));
  else if (isCurrent) {
    const written = writing.counts.redacted + writing.counts.without_face;
    body.push(text(t("written", { n: written, folder: about.outputs }), "notice"));
    body.push(text(t("withheld", { n: writing.counts.inputs - written }), "quiet"));
  } else body.push(text(t("to-write", { n: counts.approved, folder: about.outputs })));
  const actions = [[t("write"), write, isCurrent ? "" : "primary"]];
  if (isCurrent || writing.status === "writing" || !(counts.approved || about.keepUnreviewed)) actions.shift();
  actions.push([t("look-again"), () => open(photos.order[0])]);
  const isDone = !counts.unreviewed && !counts.waiting;
  panel({ title: t(isDone ? "done.title" : "standing"), body, actions });
}

async function write() {
  if (!(await flush())) return;
  view = "done";
  photo = null;
  news.writing = (await api.write().catch((error) => toast(english(error.message)))) ?? news.writing;
  show();
}

function announce(id) {
  const box = photo?.boxes.find((other) => other.id === id);
  showTools(box);
  if (!box) return;
  const here = stage.here;
  say(label(box, here.indexOf(box) + 1, here.length) + (box.covered ? "" : `. ${t("enter-accepts")}`));
}

function announceState() {
  if (photo) say(`${photo.name}. ${part("state").textContent}`);
}

function label(box, n, all) {
  const name = t(box.covered ? `box.${box.kind}` : "box.unsure", { n, all });
  if (box.origin === "person") return `${name}, ${t("box.by-hand")}`;
  return box.score === null ? `${name}, ${t("box.from-file")}` : `${name}, ${t("box.score", { score: box.score.toFixed(2) })}`;
}

// Changes from the server

function changes(latest) {
  if (view === "stopped") return;
  const isFirst = !news;
  news = latest;
  for (const { number } of latest.photos) if (!api.pending) known.delete(number);
  rail.settle(() => photos.update(latest.photos));
  if (latest.failure) banner(english(latest.failure));
  if (view === "empty" && photos.order.length) view = "photo";
  const isMine = latest.photos.some((row) => row.number === photo?.number);
  if (photo && isMine && !api.pending && !nudged) refresh(photo.number);
  if (view === "photo" && !photo && photos.order.length) begin();
  else if (!photos.order.length && latest.counts.listed) {
    view = "empty";
    show();
  } else if (view === "done") showDone();
  else if (photo) prefetch(photo.number);
  if (isFirst) redraw();
  showStanding();
}

function begin() {
  const first = photos.next(-1);
  if (first === undefined) finish();
  else open(first);
}

function gone(isGone) {
  banner(isGone ? t(api.pending ? "gone.pending" : "gone") : null);
  if (!isGone) say(t("back"));
}

function conflict() {
  const reload = [t("reload"), () => location.reload(), "primary"];
  stop({ title: t("elsewhere.title"), body: [text(t("elsewhere.text"))], actions: [reload] });
}

/** Another server answers, or this browser has no session with it. */
function locked() {
  stop({ title: t("title"), body: [text(t("link-used"))], actions: [] });
}

function stop(content) {
  view = "stopped";
  panel(content);
  for (const key of Object.keys(act)) delete act[key];
  for (const id of ["panes", "bar", "rail"]) part(id).toggleAttribute("inert", true);
}

// Keys and buttons

function setAdding(on) {
  stage.adding = on;
  part("add").setAttribute("aria-pressed", on);
  part("adding").hidden = !on;
  if (on) {
    say(t("adding"));
    stage.focus(null);
  }
}

function setSide(on) {
  document.body.classList.toggle("side", on);
  part("twin").toggleAttribute("hidden", !on);
  part("side").setAttribute("aria-pressed", on);
  drawCovered();
}

function turnPage(step) {
  const next = frame + step;
  if (!photo?.sizes[next]) return;
  flush();
  frame = next;
  stage.open(photo, frame);
  redraw();
  showPhoto(photo.number);
}

function besidePhoto(step) {
  const other = photos.beside(photo?.number ?? photos.order[0], photo ? step : 0);
  if (other !== undefined) open(other);
}

const act = {
  approve,
  flag,
  "next-box": (event) => stage.step(event.shiftKey ? -1 : 1),
  "add-box": () => setAdding(!stage.adding),
  accept,
  kind: turn,
  remove,
  move,
  centre: () => stage.centre(),
  hide: () => document.body.classList.add("hide-covers"),
  side: () => setSide(!document.body.classList.contains("side")),
  undo: () => undo(),
  redo: () => undo(true),
  "next-photo": () => besidePhoto(1),
  "previous-photo": () => besidePhoto(-1),
  page: (event) => turnPage(event.key === "." ? 1 : -1),
  zoom: ({ key }) => (key === "0" ? stage.fit() : stage.zoom(key === "-" ? 1 / 1.25 : 1.25)),
  pan: () => (stage.panning = true),
  write: () => !part("write").disabled && write(),
  leave: () => (stage.adding ? setAdding(false) : stage.focus(null)),
  help: () => part("help-dialog").showModal(),
};

function release() {
  stage.panning = false;
  document.body.classList.remove("hide-covers");
}

function connect() {
  listen(act, () => part("single-keys").checked);
  addEventListener("keyup", (event) => ["h", "H", " "].includes(event.key) && release());
  addEventListener("blur", release);
  const buttons = { undo: () => undo(), add: act["add-box"], side: act.side, flag, approve, write, help: act.help, accept, kind: turn, remove, centre: act.centre };
  for (const [id, does] of Object.entries(buttons)) part(id).addEventListener("click", does);
  part("page-back").addEventListener("click", () => turnPage(-1));
  part("page-on").addEventListener("click", () => turnPage(1));
  const singles = part("single-keys");
  singles.checked = localStorage.getItem(SINGLE_KEYS) !== "no";
  singles.addEventListener("change", () => localStorage.setItem(SINGLE_KEYS, singles.checked ? "yes" : "no"));
}

async function start() {
  // A link that was used already is fine in the browser that used it: the session decides.
  await enter();
  await loadWords("review");
  languageSwitch(part("language"), "review", () => {
    describe(part("help-keys"));
    rail.draw();
    show();
  });
  describe(part("help-keys"));
  about = await api.get("/api/review").catch(() => null);
  if (!about) return locked();
  stage.configure(about, label);
  connect();
  return api.listen();
}

start();
