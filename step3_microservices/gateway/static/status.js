// The status page: asks how the service is once a second, keeps the tables up to date and draws the last minutes.

import { drawBars, drawLines } from "./chart.js";
import { History } from "./history.js";

const state = document.getElementById("state");
const history = new History();
let silentSince = null;

const round = (value, digits = 0) => (value === null ? "none" : value.toFixed(digits));
const share = (part, whole) => (whole ? part / whole : null);
const percent = (value) => (value === null ? "none" : `${round(100 * value)}%`);
const milliseconds = (value) => (value === null ? "none" : `${round(1000 * value)} ms`);

const FIGURES = {
  answered: ({ answered }) => answered,
  median: ({ latency }) => milliseconds(history.quantile(latency, 0.5)),
  slow: ({ latency }) => milliseconds(history.quantile(latency, 0.95)),
  done: ({ jobs }) => jobs.done,
  undone: ({ jobs }) => `${jobs.failed}, ${jobs.expired}, ${jobs.cancelled}`,
  recalled: ({ recalled, looked_up: all }) => percent(share(recalled, all)),
  interactive: ({ queues }) => queues.interactive.length,
  jobs: ({ queues }) => queues.jobs.length,
  oldest: ({ queues }) => `${round(Math.max(...Object.values(queues).map(({ oldest_s: age }) => age)), 1)} s`,
};

async function look() {
  let time = 0;
  try {
    const response = await fetch(document.body.dataset.status, { signal: AbortSignal.timeout(5000) });
    const reply = await response.json();
    ({ time = 0 } = reply);
    if (response.ok) show(reply);
    else tell(`${reply.detail ?? "The service does not answer."} ${reply.remedy ?? ""}`, true);
    silentSince = null;
  } catch {
    silentSince ??= new Date().toLocaleTimeString();
    tell(`The service has not answered since ${silentSince}.`, true);
  }
  draw();
  setTimeout(look, 1500 - 1000 * (time % 1)); // in the middle of the service's next second, so that none is left out
}

function show(status) {
  if (!document.getElementById("workers")) return location.reload(); // the page came when there was nothing to show
  history.add(status);
  const { length } = status.workers;
  const workers = length === 1 ? "1 worker answers" : `${length} workers answer`;
  tell(length ? `${workers} with ${status.model_version}.` : "No worker is there: nothing is answered.", !length);
  for (const cell of document.querySelectorAll("[data-figure]")) cell.textContent = FIGURES[cell.dataset.figure](status);
  fill("workers", status.workers.map((one) => [one.name, one.model_version, round(one.images_per_s, 1)]));
  fill("problems", Object.entries(status.problems).sort().map(([code, count]) => [linkTo(code), count]));
}

function draw() {
  const last = (path) => history.values((now) => now && path(now));
  drawBars("answered", [
    history.rates(({ answered }) => answered),
    history.rates(({ jobs }) => jobs.done),
    history.rates(({ problems }) => Object.values(problems).reduce((sum, count) => sum + count, 0)),
  ]);
  drawLines("latency", [0.5, 0.95].map((part) => history.overAMinute((now, before) => inMs(history.quantile(now.latency, part, before.latency)))));
  drawLines("waiting", ["interactive", "jobs"].map((queue) => last(({ queues }) => queues[queue].length)));
  drawLines("oldest", ["interactive", "jobs"].map((queue) => last(({ queues }) => queues[queue].oldest_s)), 1);
  drawLines("speed", [last(({ workers }) => workers.reduce((sum, one) => sum + one.images_per_s, 0))], 1);
  drawLines("cache", [history.overAMinute((now, before) => ofAll(now, before))]);
}

const inMs = (seconds) => (seconds === null ? null : 1000 * seconds);

function ofAll(now, before) {
  const part = share(now.recalled - before.recalled, now.looked_up - before.looked_up);
  return part === null ? null : 100 * part;
}

function tell(words, isProblem) {
  if (state.textContent.trim() !== words.trim()) state.textContent = words;
  state.classList.toggle("problem", isProblem);
}

/** Let a table have these lines, and touch none that is as it should be. */
function fill(table, lines) {
  const body = document.getElementById(table);
  const wanted = lines.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells.map((cell, index) => {
      const element = document.createElement(index ? "td" : "th");
      if (!index) element.scope = "row";
      element.append(cell);
      return element;
    }));
    return line;
  });
  wanted.forEach((line, index) => {
    const old = body.children[index];
    if (!old) body.append(line);
    else if (old.textContent.replace(/\s+/g, "") !== line.textContent.replace(/\s+/g, "")) old.replaceWith(line);
  });
  while (body.children.length > wanted.length) body.lastElementChild.remove();
}

function linkTo(code) {
  const { types } = document.getElementById("problems").dataset;
  return Object.assign(document.createElement("a"), { href: `${types}#${code}`, textContent: code });
}

document.documentElement.classList.add("script");
for (const element of document.querySelectorAll(".script-only")) element.hidden = false;
look();
