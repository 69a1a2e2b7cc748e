// One picture to the service and back. Whatever happens, this returns an answer or a problem in words for people.

const PATIENCE_MS = 120_000;
const TRIES = 5;
const LONGEST_WAIT_S = 60;

let explain = true; // until a model says that it cannot be explained

export function isExplainable() {
  return explain;
}

/** Return {answer} or {problem}; `tell` is given words for the person who waits. */
export async function classify(picture, apiKey, tell) {
  for (let attempt = 1; ; attempt += 1) {
    tell("Being looked at …");
    const wasExplained = explain;
    const { result, retryAfter } = await ask(picture, apiKey);
    if (result.predictions) return { answer: result };
    if (result.code === "explanation_unsupported" && wasExplained) {
      explain = false;
    } else if (retryAfter > 0 && retryAfter <= LONGEST_WAIT_S && attempt < TRIES) {
      await countDown(retryAfter, (seconds) => tell(`${result.detail} Next try in ${seconds} s.`));
    } else {
      return { problem: result };
    }
  }
}

async function ask(picture, apiKey) {
  const headers = { "Content-Type": "application/octet-stream" }; // the service looks at the bytes, whatever their name
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(`v1/classify?explain=${explain}`, { method: "POST", body: picture, headers, signal });
    const isJson = /[/+]json/.test(response.headers.get("Content-Type"));
    const result = isJson ? await response.json() : unspoken(response.status);
    return { result, retryAfter: Number(response.headers.get("Retry-After")) };
  } catch (error) {
    return { result: error.name === "TimeoutError" ? LATE : (await unreadable(picture)) || UNREACHABLE, retryAfter: 0 };
  }
}

const LATE = { detail: "No answer came in two minutes.", remedy: "Try again, with a smaller picture if this one is large." };
const UNREACHABLE = { detail: "The service cannot be reached.", remedy: "Check that you are online, then try again." };
const GONE = { detail: "The file cannot be read.", remedy: "It may have been moved or changed: choose it again." };

/** Return a problem where it is the file, and not the network, that failed. */
async function unreadable(picture) {
  try {
    await picture.slice(0, 1).arrayBuffer();
    return null;
  } catch {
    return GONE;
  }
}

function unspoken(status) {
  return { detail: `The service, or something before it, answered with status ${status}.`, remedy: "Try again in a while." };
}

async function countDown(seconds, tell) {
  for (let left = seconds; left > 0; left -= 1) {
    tell(left);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
