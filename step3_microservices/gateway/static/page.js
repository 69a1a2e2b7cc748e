// Takes pictures in, by whatever way a person brings them, and shows what becomes of each.
//
// Without this script the page is a plain form. Here each picture is asked about by itself, so that the first answer does
// not wait for the last upload, and a bad picture harms no other. Compared with step 2: one that comes alone is waited
// for, and several are left with the service as jobs.

import { arrange, inShort, makeCard, showAnswer, showProblem, showWaiting } from "./card.js";
import { CANCELLED, classify, isExplainable, leave } from "./classify.js";
import { listen } from "./intake.js";
import { Job } from "./jobs.js";
import { say, tellOutcome, tellProgress } from "./progress.js";
import { mayPass } from "./service.js";
import { Visit, reducedCopy } from "./visit.js";

const UPLOADS = 3; // at once
const MOST_IN_WORK = 32; // the service's queue is for others too
const TRIES = 3;
const UNFORESEEN = { detail: "Something went wrong on this page.", remedy: "Try again, or load the page anew." };

const form = document.getElementById("form");
const answers = document.getElementById("answers");
const visit = new Visit(reopen);

let shown = []; // entries whose cards are on the page, the latest first
let waiting = []; // those of them that nobody has asked about yet
let uploading = 0;
let inWork = 0;

function take(files) {
  if (!files.length) return;
  const batch = files.map((file) => ({ id: newId(), name: file.name, file, picture: URL.createObjectURL(file) }));
  show([...batch, ...unfinished()]);
  ask(batch);
}

function reopen(remembered) {
  const entry = { ...remembered }; // what is remembered is data, and gets no card
  show([entry, ...unfinished()]);
  say(`${entry.name}: ${inShort(entry.answer)}.`);
  entry.card.focus({ preventScroll: true });
  showAnswer(entry.card, entry.answer).then(() => reveal(entry.card));
}

/** Return what must stay on the page when something new comes: what is in work, and what may be tried again. */
function unfinished() {
  return isBusy() ? shown : shown.filter(isWorthTrying);
}

function isBusy() {
  return inWork + waiting.length > 0;
}

function isWorthTrying({ problem }) {
  return problem && problem !== CANCELLED && mayPass(problem);
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
  const isAlone = entries.length === 1 && !isBusy();
  for (const entry of entries) {
    Object.assign(entry, { isAlone, wish: new AbortController(), key: entry.key ?? newId() });
    showWaiting(entry.card, "Waiting for its turn …", () => cancel(entry));
  }
  waiting.push(...entries);
  proceed();
}

/** Go on with those that wait, as many at once as may be. */
function proceed() {
  while (waiting.length && uploading < UPLOADS && inWork < MOST_IN_WORK) answer(waiting.shift());
  if (isBusy()) tellProgress(asked());
  else tellOutcome(asked());
}

function asked() {
  return shown.filter(({ file }) => file);
}

async function answer(entry) {
  inWork += 1;
  try {
    const { answer, problem } = refusal(entry.file) ?? (await lookAt(entry));
    if (!isExplainable()) disableHeatMap();
    if (problem) fail(entry, problem);
    else await succeed(entry, answer);
  } catch {
    fail(entry, UNFORESEEN);
  }
  inWork -= 1;
  proceed();
}

/** Wait for the answer to a picture, or leave it as a job and hear what becomes of it. */
async function lookAt(entry, attempt = 1) {
  const { file, isAlone, wish } = entry;
  const apiKey = form.elements.api_key?.value.trim();
  uploading += 1;
  const sent = await (isAlone
    ? classify(file, apiKey, (...words) => tell(entry, ...words))
    : leave(file, apiKey, (...words) => tell(entry, ...words), entry.key, wish.signal));
  uploading -= 1;
  if (!sent.job) return sent;
  proceed();
  const { status, answer, problem } = await new Job(sent.job, (state) => tellState(entry, state), wish.signal).ended;
  if (answer) return { answer };
  if (status) entry.key = newId(); // this job has ended, and another try is another one
  if (status === "cancelled") return { problem: CANCELLED };
  return problem.status === 503 && status && attempt < TRIES ? lookAt(entry, attempt + 1) : { problem };
}

function tell(entry, words, isNews) {
  showWaiting(entry.card, words, !entry.isAlone && (() => cancel(entry)));
  if (isNews) say(words);
}

function tellState(entry, { status, position, words }) {
  if (status === "running") return showWaiting(entry.card, "Being looked at …");
  const queued = position > 1 ? `Queued, number ${position} in line.` : "Queued, next in line.";
  showWaiting(entry.card, words ?? queued, () => cancel(entry));
}

function cancel(entry) {
  entry.wish.abort();
  showWaiting(entry.card, "Being cancelled …");
  if (!waiting.includes(entry)) return;
  waiting = waiting.filter((other) => other !== entry);
  fail(entry, CANCELLED);
  proceed();
}

/** Cancel every picture that may still be, the last first: else one would be sent in the place of the one before. */
function cancelAll() {
  for (const { card } of [...shown].reverse()) card.querySelector(".cancel:not([hidden])")?.click();
  document.getElementById("answers-heading").focus(); // the button goes with the last of them
}

async function succeed(entry, answer) {
  const { card } = entry;
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
  const failed = pressed.problem === CANCELLED ? [pressed] : shown.filter(isWorthTrying);
  for (const entry of failed) {
    const old = entry.card;
    Object.assign(entry, { card: makeCard(entry), problem: null });
    old.replaceWith(entry.card);
  }
  pressed.card.focus();
  ask(failed);
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

/** Return a name that no other picture has, on this page or any. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}

document.documentElement.classList.add("script");
for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
listen(take);
document.getElementById("cancel-all").addEventListener("click", cancelAll);
