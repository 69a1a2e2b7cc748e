// How one picture and what became of it are drawn: as a card, filled in when the answer comes.

import { drawHeatMap, whereInWords } from "./heat_map.js";

const percent = (probability) => `${(100 * probability).toFixed(1)}%`;
const milliseconds = (duration) => `${duration.toFixed(duration < 10 ? 1 : 0)} ms`;

/** Return an empty card of an entry, the picture itself already in it. */
export function makeCard(entry) {
  const card = copyOf("card");
  const image = card.querySelector(".picture");
  card.querySelector(".name").textContent = entry.name;
  card.querySelector(".name").title = entry.name;
  if (entry.picture) {
    image.onerror = () => {
      image.hidden = true;
      card.querySelector(".unseen").hidden = !card.querySelector(".problem").hidden; // then the browser was right
    };
    image.alt = `The picture ${entry.name}`;
    image.src = entry.picture;
    image.hidden = false;
  } else {
    card.querySelector(".unseen").hidden = false;
  }
  return card;
}

export function showWaiting(card, words) {
  const waiting = card.querySelector(".waiting");
  waiting.hidden = !words;
  waiting.textContent = words;
}

export function showAnswer(card, answer) {
  card.querySelector(".predictions").replaceChildren(...answer.predictions.map(bar));
  showFacts(card.querySelector(".facts"), answer);
  if (answer.explanation) {
    const label = answer.predictions[0].label;
    const words = whereInWords(answer.explanation);
    const canvas = drawHeatMap(answer.explanation);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Heat map: what spoke for ${label} is ${words}.`);
    card.querySelector(".picture").after(canvas);
    card.querySelector(".where").textContent = `What spoke for ${label} most is ${words}.`;
    card.querySelector(".where").hidden = false;
  }
}

export function showProblem(card, problem, tryAgain) {
  card.querySelector(".detail").textContent = problem.detail;
  card.querySelector(".remedy").textContent = problem.remedy;
  card.querySelector(".problem").hidden = false;
  card.querySelector(".unseen").hidden = true;
  const again = card.querySelector(".again");
  again.hidden = !mayPass(problem);
  again.onclick = tryAgain;
}

/** Return whether the same picture may be answered another time: the network, the key or the moment was wrong. */
function mayPass({ status }) {
  return !status || [401, 408, 429].includes(status) || status >= 500;
}

/** Return the best label in words. */
export function inShort({ predictions: [best] }) {
  return `${best.label}, ${percent(best.probability)}`;
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
