// The drop page: photos in, covered photos out. Everything is in this page's memory.

import { enter } from "./session.js";
import { languageSwitch, loadWords, t } from "./words.js";
import { zip } from "./zip.js";

const METHODS = ["fill", "pixelate", "gaussian", "overlay"];
const DETAILS = ["fast", "standard", "crowd"];
const SENSITIVITIES = { usual: 1, high: 0.5, highest: 0.25 }; // shares of the least score of a face
const AT_ONCE = 2;
const QUIET_MS = 300; // a wait is not announced before this
const EXTENSIONS = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
  "image/tiff": "tif",
  "image/bmp": "bmp",
  "image/gif": "gif",
  "image/heic": "heic",
  "image/avif": "avif",
};
const KNOWN_REASONS = ["unreadable", "unsupported", "too-large", "crashed", "timeout", "memory"];

const $ = (id) => document.getElementById(id);
const photos = []; // {file, url, state: waiting|working|done|failed, result, counts, failure}
let current = null;
let threshold = 0.5;
let running = 0;
let version = 0; // incremented with every change of the choices

// --- requests ---------------------------------------------------------------------------------------------

function query() {
  const settings = new URLSearchParams({ method: $("method").value, detail: $("detail").value });
  const share = SENSITIVITIES[$("sensitivity").value];
  if (share !== 1) settings.set("threshold", (threshold * share).toFixed(3));
  return settings;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function redact(file) {
  for (;;) {
    const response = await fetch(`/v1/redact?${query()}`, { method: "POST", body: file });
    const retryAfter = response.headers.get("retry-after");
    if ((response.status !== 503 && response.status !== 429) || !retryAfter) return response;
    await pause(Number(retryAfter));
  }
}

async function work(photo) {
  const started = version;
  photo.state = "working";
  show();
  try {
    const response = await redact(photo.file);
    if (started !== version || !photos.includes(photo)) return;
    if (response.ok) succeed(photo, await response.blob(), response);
    else fail(photo, await response.json());
  } catch {
    if (started === version) fail(photo, { detail: t("server-gone"), reason: "server" });
  }
}

function succeed(photo, blob, response) {
  forgetResult(photo);
  photo.state = "done";
  photo.counts = JSON.parse(response.headers.get("x-unionveil-record"));
  photo.result = { blob, url: URL.createObjectURL(blob), type: response.headers.get("content-type") };
}

function fail(photo, problem) {
  forgetResult(photo);
  photo.state = "failed";
  photo.failure = problem;
}

function forgetResult(photo) {
  if (photo.result) URL.revokeObjectURL(photo.result.url);
  photo.result = null;
  photo.failure = null;
}

function pump() {
  while (running < AT_ONCE) {
    const next = photos.find((photo) => photo.state === "waiting");
    if (!next) break;
    running += 1;
    work(next).finally(() => {
      running -= 1;
      show();
      pump();
    });
  }
}

// --- photos -----------------------------------------------------------------------------------------------

function add(files) {
  for (const file of files) {
    photos.push({ file, url: URL.createObjectURL(file), state: "waiting", result: null, failure: null });
  }
  current ??= photos[0] ?? null;
  show();
  pump();
}

function clear() {
  for (const photo of photos) {
    URL.revokeObjectURL(photo.url);
    forgetResult(photo);
  }
  photos.length = 0;
  current = null;
  version += 1;
  show();
  $("files").focus();
}

function again() {
  version += 1;
  for (const photo of photos) photo.state = "waiting";
  describeChoices();
  show();
  pump();
}

// While a photo is covered anew, its earlier result is shown but not offered.
const isDone = (photo) => photo.state === "done";

function outputName(photo, taken = new Set()) {
  const stem = photo.file.name.replace(/\.[^.]*$/, "") || "photo";
  const extension = EXTENSIONS[photo.result.type] ?? "bin";
  for (let n = 1; ; n++) {
    const name = `${stem}-${t("suffix")}${n > 1 ? `-${n}` : ""}.${extension}`;
    if (!taken.has(name)) {
      taken.add(name);
      return name;
    }
  }
}

async function downloadAll() {
  const taken = new Set();
  const done = photos.filter(isDone);
  const archive = await zip(done.map((photo) => ({ name: outputName(photo, taken), blob: photo.result.blob })));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(archive);
  link.download = `${t("suffix")}.zip`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// --- rendering -------------------------------------------------------------------------------------------

function covered(counts) {
  const numbers = { covered: counts.face_count, "covered.texts": counts.text_count, "covered.plates": counts.plate_count };
  const parts = Object.entries(numbers).filter(([, n]) => n);
  const all = parts.map(([key, n]) => t(key, { n })).join(", ");
  if (counts.face_count) return all;
  return all ? `${all}. ${t("no-face")}` : t("no-face");
}

function sentence(photo) {
  if (photo.state === "done") return covered(photo.counts);
  if (photo.state === "failed") return t("failed");
  return t("working");
}

let waitTimer = null;

function showState() {
  clearTimeout(waitTimer);
  const say = () => {
    $("state").textContent = current ? sentence(current) : "";
  };
  if (current && (current.state === "waiting" || current.state === "working")) waitTimer = setTimeout(say, QUIET_MS);
  else say();
}

function setImage(image, url, alt) {
  if (image.getAttribute("src") !== url) {
    if (url) image.src = url;
    else image.removeAttribute("src");
  }
  image.alt = alt;
}

function showPhoto() {
  const hasCover = current.state === "done" || (current.result && current.state !== "failed");
  $("stage").classList.toggle("waiting", !hasCover);
  $("stage").hidden = current.state === "failed" || current.isUnseen;
  $("unseen").hidden = !current.isUnseen || current.state === "failed";
  setImage($("before"), current.url, t("before-alt", { name: current.file.name }));
  setImage($("after"), hasCover ? current.result.url : "", hasCover ? t("after-alt", { name: current.file.name }) : "");
  $("failure").hidden = current.state !== "failed";
  if (current.state === "failed") {
    const reason = KNOWN_REASONS.includes(current.failure.reason) ? current.failure.reason : "other";
    $("failure-title").textContent = t(`failed.${reason}`, { name: current.file.name });
    $("failure-detail").textContent = current.failure.detail ?? "";
  }
  $("download").hidden = current.state !== "done";
  if (current.result) {
    $("download").href = current.result.url;
    $("download").download = outputName(current);
    $("download").textContent = t("download");
  }
}

function showStrip() {
  $("strip").hidden = photos.length < 2;
  const entries = $("strip").children;
  while (entries.length > photos.length) entries[entries.length - 1].remove();
  photos.forEach((photo, n) => {
    if (!entries[n]) $("strip").append(stripEntry());
    const button = entries[n].firstElementChild;
    const [image, label] = button.children;
    setImage(image, photo.isUnseen ? "" : photo.url, "");
    label.textContent = { done: "✓ ", failed: "⚠ " }[photo.state] ?? "… ";
    label.textContent += photo.file.name;
    button.setAttribute("aria-label", `${photo.file.name}: ${sentence(photo)}`);
    button.setAttribute("aria-current", String(photo === current));
    button.onclick = () => {
      current = photo;
      show();
    };
  });
}

function stripEntry() {
  const entry = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.append(document.createElement("img"), document.createElement("span"));
  entry.append(button);
  return entry;
}

function show() {
  document.body.classList.toggle("empty", !photos.length);
  document.querySelector(".work").hidden = !photos.length;
  showStrip();
  showState();
  if (!current) return;
  showPhoto();
  const done = photos.filter(isDone).length;
  $("zip").hidden = photos.length < 2 || !done;
  $("zip").textContent = t("zip", { n: done });
}

function describeChoices() {
  for (const id of ["method", "detail", "sensitivity"]) {
    $(`${id}-cost`).textContent = t(`${id}.${$(id).value}.cost`);
  }
}

function fillChoices() {
  for (const [id, values, usual] of [
    ["method", METHODS, "fill"],
    ["detail", DETAILS, "standard"],
    ["sensitivity", Object.keys(SENSITIVITIES), "usual"],
  ]) {
    const kept = $(id).value || usual;
    $(id).replaceChildren(...values.map((value) => new Option(t(`${id}.${value}`), value)));
    $(id).value = kept;
  }
  describeChoices();
}

function alertWith(key) {
  $("alert").textContent = t(key);
  $("alert").hidden = false;
}

// --- events -----------------------------------------------------------------------------------------------

function listen() {
  $("files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  for (const id of ["method", "detail", "sensitivity"]) $(id).addEventListener("change", again);
  $("split").addEventListener("input", (event) => {
    $("stage").style.setProperty("--split", `${event.target.value}%`);
  });
  $("before").addEventListener("error", () => {
    if (!current || $("before").getAttribute("src") !== current.url) return;
    current.isUnseen = true;
    show();
  });
  $("zip").addEventListener("click", downloadAll);
  $("clear").addEventListener("click", clear);
  addEventListener("paste", (event) => add(event.clipboardData.files));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    add(event.dataTransfer.files);
  });
}

async function start() {
  const entered = await enter();
  await loadWords("drop");
  languageSwitch($("language"), "drop", () => {
    fillChoices();
    show();
  });
  fillChoices();
  listen();
  document.body.dataset.ready = "yes"; // tests wait for it
  if (!entered) return alertWith("link-used");
  try {
    const response = await fetch("/v1/parameters");
    if (response.status === 401) return alertWith("no-token");
    const settings = await response.json();
    threshold = Number(settings.find((setting) => setting.name === "threshold").default);
  } catch {
    alertWith("server-gone");
  }
}

start();
