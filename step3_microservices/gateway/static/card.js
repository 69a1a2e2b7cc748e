// How one picture and what became of it are drawn: as a card, filled in when the answer comes.

import { drawHeatMap, whereInWords } from "./heat_map.js";

const percent = (probability) => `${(100 * probability).toFixed(1)}%`;
const milliseconds = (duration) => `${duration.toFixed(duration < 10 ? 1 : 0)} ms`;

/** Return an empty card of an entry, the picture itself already in it. */
export function makeCard({ name, picture }) {
  const card = copyOf("card");
  const image = card.querySelector(".picture");
  card.tabIndex = -1; // so that the focus can be put here when the button under it goes
  card.querySelector(".name").textContent = name;
  card.querySelector(".cancel").setAttribute("aria-label", `Cancel: ${name}`);
  if (picture) {
    image.onerror = () => {
      image.hidden = true;
      card.querySelector(".unseen").hidden = !card.querySelector(".problem").hidden; // then the browser was right
    };
    image.alt = `The picture ${name}`;
    image.src = picture;
    image.hidden = false;
  } else {
    card.querySelector(".unseen").hidden = false;
  }
  return card;
}

/** Say what the picture waits for; `cancel` is called where a person does not want to, and may say so. */
export function showWaiting(card, words, cancel) {
  const waiting = card.querySelector(".waiting");
  waiting.hidden = !words;
  waiting.textContent = words;
  const button = card.querySelector(".cancel");
  if (!cancel && document.activeElement === button) card.focus({ preventScroll: true }); // the button goes
  button.hidden = !cancel;
  button.onclick = cancel || null;
}

/** Show an answer, and return once the picture is drawn as well. */
export async function showAnswer(card, answer) {
  card.querySelector(".predictions").replaceChildren(...answer.predictions.map(bar));
  showFacts(card.querySelector(".facts"), answer);
  const image = card.querySelector(".picture");
  await image.decode().catch(() => null);
  if (!answer.explanation) return;
  const label = answer.predictions[0].label;
  const words = whereInWords(answer.explanation);
  card.querySelector(".where").textContent = `What spoke for ${label} most is ${words}.`;
  card.querySelector(".where").hidden = false;
  if (isShownAsMeant(image, answer.image)) {
    const canvas = drawHeatMap(answer.explanation);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Heat map: what spoke for ${label} is ${words}.`);
    image.after(canvas);
  }
}

/** Return whether the browser shows the picture as the service has seen it: not all turn every type upright. */
function isShownAsMeant({ naturalWidth, naturalHeight }, { width, height }) {
  return naturalWidth > 0 && Math.abs((naturalWidth * height) / (naturalHeight * width) - 1) < 0.05;
}

export function showProblem(card, name, problem, tryAgain) {
  card.querySelector(".unseen").hidden = true;
  card.classList.toggle("cancelled", problem.code === "cancelled"); // which is no failure
  card.querySelector(".detail").textContent = problem.detail;
  card.querySelector(".remedy").textContent = problem.remedy;
  if (problem.status >= 500 && problem.trace_id) {
    card.querySelector(".trace").textContent = `Trace id: ${problem.trace_id}`;
    card.querySelector(".trace").hidden = false;
  }
  card.querySelector(".problem").hidden = false;
  const again = card.querySelector(".again");
  again.setAttribute("aria-label", `Try again: ${name}`);
  again.hidden = !tryAgain;
  again.onclick = tryAgain;
}

/** Return the best label in words. */
export function inShort({ predictions: [best] }) {
  return `${best.label}, ${percent(best.probability)}`;
}

/** Let a parent have these children and no others; what stays is not moved, and keeps the focus. */
export function arrange(parent, wanted) {
  for (const old of [...parent.children]) if (!wanted.includes(old)) old.remove();
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

function bar({ label, probability }) {
  const line = copyOf("prediction");
  line.querySelector(".label").textContent = label;
  line.querySelector(".percent").textContent = percent(probability);
  line.querySelector("rect").setAttribute("width", percent(probability));
  return line;
}

function showFacts(facts, { model_version: version, image, timings_ms: timings }) {
  const total = Object.values(timings).reduce((sum, duration) => sum + duration, 0);
  facts.querySelector("summary").textContent = `${version.split("/")[0]}, ${Math.round(total)} ms`;
  const size = `${image.width} x ${image.height} ${image.format}, ${Math.ceil(image.bytes / 1024)} KiB`;
  const stages = Object.entries(timings).map(([stage, duration]) => [stage, milliseconds(duration)]);
  const lines = [["model", version], ["picture", size], ...stages];
  facts.querySelector("dl").replaceChildren(
    ...lines.flatMap(([name, value]) => [element("dt", name), element("dd", value)]),
  );
  facts.hidden = false;
}

export function copyOf(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
