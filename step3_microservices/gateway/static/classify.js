// One picture to the service: to wait for its answer, or to leave it there as a job.
//
// Compared with step 2 a picture may be left, under a key: sent again with the same one, it is still the same job.

import { ask, door, pause } from "./service.js";

const TRIES = 5;
const LONGEST_WAIT_S = 60;
export const CANCELLED = { code: "cancelled", detail: "Cancelled.", remedy: "Nobody looks at this picture unless you ask again." };

let explain = true; // until a model says that it cannot be explained

export function isExplainable() {
  return explain;
}

/** Return {answer} or {problem}; `tell` is given words for the person who waits, and whether they are news. */
export async function classify(picture, apiKey, tell) {
  const { problem, result } = await send("v1/classify", picture, apiKey, tell);
  return problem ? { problem } : { answer: result };
}

/** Return {job} or {problem}; the signal says that the person has thought better of it. */
export async function leave(picture, apiKey, tell, key, signal) {
  const { problem, result } = await send("v1/jobs", picture, apiKey, tell, key, signal);
  return problem ? { problem } : { job: result };
}

async function send(path, picture, apiKey, tell, key, signal) {
  if (/[^\x20-\x7e]/.test(apiKey ?? "")) return { problem: ODD_KEY };
  for (let attempt = 1; ; attempt += 1) {
    tell(key ? "On its way …" : "Being looked at …", false);
    const wasExplained = explain;
    const { result, retryAfter, isLost } = await ask(addressed(path), asked(picture, apiKey, key));
    if (!result.detail) return { result };
    const isFull = key && result.code === "queue_full"; // then there is no hurry, and a place sooner or later
    if (signal?.aborted && !isLost) {
      return { problem: CANCELLED };
    } else if (result.code === "explanation_unsupported" && wasExplained) {
      explain = false;
    } else if (key && isLost && attempt === 1) {
      await pause(1000);
    } else if (retryAfter > 0 && retryAfter <= LONGEST_WAIT_S && (attempt < TRIES || isFull)) {
      await countDown(result, retryAfter, tell, signal);
      if (signal?.aborted) return { problem: CANCELLED };
    } else {
      return { problem: result };
    }
  }
}

function addressed(path) {
  const address = door(path);
  address.search = `explain=${explain}`;
  return address;
}

function asked(picture, apiKey, key) {
  const headers = { "Content-Type": "application/octet-stream" }; // the service looks at the bytes, whatever their name
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  if (key) headers["Idempotency-Key"] = `${key}-${explain}`; // another question is another job
  return { method: "POST", body: picture, headers };
}

async function countDown({ detail }, seconds, tell, signal) {
  for (let left = seconds; left > 0 && !signal?.aborted; left -= 1) {
    tell(`${detail} Next try in ${left} s.`, left === seconds);
    await pause(1000, signal);
  }
}

const ODD_KEY = { status: 401, detail: "No API key has such characters.", remedy: "Copy the key again, then try again." };
