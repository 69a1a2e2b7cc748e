// Takes pictures in, by whatever way a person brings them, and shows what becomes of each.
//
// Without this script the page is a plain form. Here each picture is asked about by itself, some at a time, so that
// the first answer does not wait for the last upload, and a bad picture harms no other.

import { photograph } from "./camera.js";
import { inShort, makeCard, showAnswer, showProblem, showWaiting } from "./card.js";
import { classify, isExplainable } from "./classify.js";
import { Visit, reducedCopy } from "./visit.js";

const AT_ONCE = 3;

const form = document.getElementById("form");
const answers = document.getElementById("answers");
const cards = answers.querySelector(".cards");
const status = document.getElementById("status");
const visit = new Visit(reopen);

let shown = []; // entries whose cards are on the page, the latest batch first
let waiting = []; // those of them that nobody has asked about yet
let asking = 0;

function take(files) {
  if (!files.length) return;
  const batch = files.map((file) => ({ id: newId(), name: file.name, file, picture: URL.createObjectURL(file) }));
  show(isBusy() ? [...batch, ...shown] : batch);
  answers.scrollIntoView({ block: "nearest" });
  ask(batch);
}

function reopen(remembered) {
  const entry = { ...remembered }; // what is remembered is data, and gets no card
  show([entry, ...(isBusy() ? shown : [])]);
  showAnswer(entry.card, entry.answer);
  status.textContent = `${entry.name}: ${inShort(entry.answer)}.`;
  answers.scrollIntoView({ block: "nearest" });
}

/** Let these entries, and no others, have cards. */
function show(entries) {
  for (const old of shown.filter((entry) => !entries.includes(entry))) {
    if (old.file) URL.revokeObjectURL(old.picture);
  }
  shown = entries;
  for (const entry of entries) entry.card ??= makeCard(entry);
  cards.replaceChildren(...entries.map(({ card }) => card));
  answers.hidden = false;
  document.getElementById("answers-heading").textContent = "Answers";
  visit.showLarge(entries.map(({ id }) => id));
}

function ask(entries) {
  waiting.push(...entries);
  for (const { card } of entries) showWaiting(card, "Waiting for its turn …");
  while (asking < AT_ONCE && waiting.length) {
    asking += 1;
    askNext();
  }
}

async function askNext() {
  while (waiting.length) {
    tellProgress();
    await answer(waiting.shift());
  }
  asking -= 1;
  if (!isBusy()) tellOutcome();
}

async function answer(entry) {
  const { card, file } = entry;
  const { answer, problem } =
    refusal(file) ?? (await classify(file, form.elements.api_key?.value, (words) => showWaiting(card, words)));
  showWaiting(card, "");
  Object.assign(entry, { answer, problem });
  if (answer) {
    showAnswer(card, answer);
    const image = card.querySelector(".picture");
    await image.decode().catch(() => null);
    visit.add({ id: entry.id, name: entry.name, answer, picture: reducedCopy(image) });
  } else {
    showProblem(card, problem, () => askAgain(entry));
  }
  if (!isExplainable()) disableHeatMap();
}

function askAgain(entry) {
  const card = makeCard(entry);
  entry.card.replaceWith(card);
  Object.assign(entry, { card, problem: null });
  ask([entry]);
}

function isBusy() {
  return asking > 0;
}

function tellProgress() {
  const done = shown.filter(({ answer, problem }) => answer || problem).length;
  if (shown.length > 1) status.textContent = `${done} of ${shown.length} pictures done.`;
}

function tellOutcome() {
  const failed = shown.filter(({ problem }) => problem).length;
  const [only] = shown;
  if (shown.length > 1) {
    status.textContent = `${shown.length} pictures: ${shown.length - failed} answered${failed ? `, ${failed} not` : ""}.`;
  } else {
    status.textContent = only.answer ? `${only.name}: ${inShort(only.answer)}.` : `${only.name} was not answered.`;
  }
}

function disableHeatMap() {
  const heatMap = form.elements.explain;
  heatMap.checked = false;
  heatMap.disabled = true;
  heatMap.labels[0].textContent = "Heat map: not possible with this model";
}

/** Return the problem of a file that need not be sent for it. */
function refusal({ size }) {
  const limit = Number(document.body.dataset.maxImageBytes);
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (size > limit) {
    const detail = `The file has ${megabytes(size)}; the limit is ${megabytes(limit)}.`;
    return { problem: { status: 413, detail, remedy: "Send a smaller copy of the picture." } };
  }
  return size ? null : { problem: { status: 422, detail: "The file is empty.", remedy: "Choose another one." } };
}

let count = 0;
function newId() {
  count += 1;
  return `${Date.now()}-${count}`;
}

async function takeSample(name) {
  try {
    const response = await fetch(`samples/${name}`);
    take([new File([await response.blob()], name)]);
  } catch {
    status.textContent = "The service cannot be reached. Check that you are online, then try again.";
  }
}

function listen() {
  const file = form.elements.image;
  file.addEventListener("change", () => {
    take([...file.files]);
    file.value = ""; // so that the same one may be chosen again
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "sample") takeSample(event.submitter.value);
  });
  document.getElementById("photograph").addEventListener("click", () => photograph(take));
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) take(files);
    else if (event.target.tagName !== "INPUT") status.textContent = "There is no picture on the clipboard.";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // without it the browser would open the file
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (event.target.matches?.("input[type=password]")) return; // a key
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
    else status.textContent = "What was dropped is no file. Save the picture first, then drop the file.";
  });
}

document.documentElement.classList.add("script");
for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
listen();
