// Takes pictures in, by whatever way a person brings them, and shows what becomes of each.
//
// Without this script the page is a plain form. Here each picture is asked about by itself, some at a time, so that
// the first answer does not wait for the last upload, and a bad picture harms no other.

import { photograph } from "./camera.js";
import { arrange, inShort, makeCard, showAnswer, showProblem, showWaiting } from "./card.js";
import { classify, isExplainable, mayPass } from "./classify.js";
import { Visit, reducedCopy } from "./visit.js";

const AT_ONCE = 3;
const UNFORESEEN = { detail: "Something went wrong on this page.", remedy: "Try again, or load the page anew." };

const form = document.getElementById("form");
const answers = document.getElementById("answers");
const status = document.getElementById("status");
const visit = new Visit(reopen);

let shown = []; // entries whose cards are on the page, the latest first
let waiting = []; // those of them that nobody has asked about yet
let asking = 0;
let count = 0;

function take(files) {
  if (!files.length) return;
  const batch = files.map((file) => ({ id: newId(), name: file.name, file, picture: URL.createObjectURL(file) }));
  show([...batch, ...unfinished()]);
  ask(batch);
}

function reopen(remembered) {
  const entry = { ...remembered }; // what is remembered is data, and gets no card
  show([entry, ...unfinished()]);
  status.textContent = `${entry.name}: ${inShort(entry.answer)}.`;
  entry.card.focus({ preventScroll: true });
  showAnswer(entry.card, entry.answer).then(() => reveal(entry.card));
}

/** Return what must stay on the page when something new comes: what is in work, and what may be tried again. */
function unfinished() {
  return asking > 0 ? shown : shown.filter(isWorthTrying);
}

function isWorthTrying({ problem }) {
  return problem && mayPass(problem);
}

/** Let these entries, and no others, have cards. */
function show(entries) {
  for (const old of shown.filter((entry) => !entries.includes(entry))) {
    if (old.file) URL.revokeObjectURL(old.picture);
  }
  shown = entries;
  for (const entry of entries) entry.card ??= makeCard(entry);
  arrange(answers.querySelector(".cards"), entries.map(({ card }) => card));
  answers.hidden = false;
  document.getElementById("answers-heading").textContent = "Answers";
  reveal(answers);
  visit.showLarge(entries.map(({ id }) => id));
}

function reveal(element) {
  element.scrollIntoView({ block: "nearest" });
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
    const entry = waiting.shift();
    await answer(entry).catch(() => fail(entry, UNFORESEEN));
  }
  asking -= 1;
  if (asking === 0) tellOutcome();
}

async function answer(entry) {
  const { card, file } = entry;
  const tell = (words, isNews) => {
    showWaiting(card, words);
    if (isNews) status.textContent = words;
  };
  const { answer, problem } = refusal(file) ?? (await classify(file, form.elements.api_key?.value.trim(), tell));
  if (!isExplainable()) disableHeatMap();
  if (problem) return fail(entry, problem);
  showWaiting(card, "");
  entry.answer = answer;
  await showAnswer(card, answer);
  if (shown.length === 1) reveal(card);
  const picture = reducedCopy(card.querySelector(".picture"));
  visit.add({ id: entry.id, name: entry.name, answer, picture });
}

function fail(entry, problem) {
  showWaiting(entry.card, "");
  entry.problem = problem;
  showProblem(entry.card, entry.name, problem, mayPass(problem) && (() => askAgain(entry)));
}

/** Ask again about every picture that failed for a reason that may have passed: most often it is the same for all. */
function askAgain(pressed) {
  const failed = shown.filter(isWorthTrying);
  for (const entry of failed) {
    const old = entry.card;
    Object.assign(entry, { card: makeCard(entry), problem: null });
    old.replaceWith(entry.card);
  }
  pressed.card.focus();
  ask(failed);
}

function tellProgress() {
  const asked = shown.filter(({ file }) => file);
  const done = asked.filter(({ answer, problem }) => answer || problem).length;
  status.textContent = asked.length > 1 ? `${done} of ${asked.length} pictures done.` : `${asked[0].name} is being looked at.`;
}

function tellOutcome() {
  const asked = shown.filter(({ file }) => file);
  const failed = asked.filter(({ problem }) => problem).length;
  const [only] = asked;
  if (asked.length > 1) {
    status.textContent = `${asked.length} pictures: ${asked.length - failed} answered${failed ? `, ${failed} not` : ""}.`;
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
  const megabytes = (bytes, round) => `${(round((10 * bytes) / 2 ** 20) / 10).toFixed(1)} MiB`;
  if (size > limit) {
    const detail = `The file has ${megabytes(size, Math.ceil)}; the limit is ${megabytes(limit, Math.floor)}.`;
    return { problem: { status: 413, detail, remedy: "Send a smaller copy of the picture." } };
  }
  return size ? null : { problem: { status: 422, detail: "The file is empty.", remedy: "Choose another one." } };
}

function newId() {
  count += 1;
  return `${Date.now()}-${count}`;
}

async function takeSample({ value: name, firstElementChild: image }) {
  try {
    const response = await fetch(image.src);
    if (!response.ok) throw new Error(response.statusText);
    take([new File([await response.blob()], name)]);
  } catch {
    status.textContent = "The sample cannot be fetched. Check that you are online, then try again.";
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
    if (event.submitter?.name === "sample") takeSample(event.submitter);
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
