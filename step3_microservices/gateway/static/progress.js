// How far a person's pictures are: in words, as a bar, and aloud for those who listen, who are not told every step.

import { inShort } from "./card.js";

const ALOUD_EVERY_MS = 10_000;

const status = document.getElementById("status");
const progress = document.getElementById("progress");
let aloudAt = 0;

/** Say something that is news, on the page and aloud. */
export function say(words) {
  if (status.textContent !== words) status.textContent = words; // or it might be said again
  aloudAt = Date.now();
}

export function tellProgress(entries) {
  const [answered, failed, all] = counted(entries);
  show(all > 1);
  if (all === 1) return say(`${entries[0].name} is being looked at.`);
  const words = `${answered} of ${all} pictures answered${failed ? `, ${failed} not` : ""}.`;
  progress.querySelector("p").textContent = words;
  Object.assign(progress.querySelector("progress"), { max: all, value: answered + failed });
  if (Date.now() - aloudAt > ALOUD_EVERY_MS) say(words);
}

export function tellOutcome(entries) {
  const [answered, failed, all] = counted(entries);
  show(false);
  const [only] = entries;
  if (all > 1) say(`${all} pictures: ${answered} answered${failed ? `, ${failed} not` : ""}.`);
  else say(only.answer ? `${only.name}: ${inShort(only.answer)}.` : `${only.name} was not answered.`);
}

function counted(entries) {
  const answered = entries.filter(({ answer }) => answer).length;
  const failed = entries.filter(({ problem }) => problem).length;
  return [answered, failed, entries.length];
}

/** Show the bar, or else the line below it: each says what the other does. */
function show(isLong) {
  progress.hidden = !isLong;
  status.classList.toggle("unseen-heading", isLong);
}
