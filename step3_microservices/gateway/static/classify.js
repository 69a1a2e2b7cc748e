// One picture to the service and back. Whatever happens, this returns an answer or a problem in words for people.

const SERVICE = new URL("v1/classify", document.getElementById("form").action);
const PATIENCE_MS = 120_000;
const TRIES = 5;
const LONGEST_WAIT_S = 60;

let explain = true; // until a model says that it cannot be explained

export function isExplainable() {
  return explain;
}

/** Return {answer} or {problem}; `tell` is given words for the person who waits, and whether they are news. */
export async function classify(picture, apiKey, tell) {
  for (let attempt = 1; ; attempt += 1) {
    tell("Being looked at …", false);
    const wasExplained = explain;
    const { result, retryAfter } = await ask(picture, apiKey);
    if (result.predictions) return { answer: result };
    if (result.code === "explanation_unsupported" && wasExplained) {
      explain = false;
    } else if (retryAfter > 0 && retryAfter <= LONGEST_WAIT_S && attempt < TRIES) {
      for (let left = retryAfter; left > 0; left -= 1) {
        tell(`${result.detail} Next try in ${left} s.`, left === retryAfter);
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    } else {
      return { problem: result };
    }
  }
}

/** Return whether the same picture may be answered another time: the network, the key or the moment was wrong. */
export function mayPass({ status }) {
  return !status || [401, 408, 429].includes(status) || status >= 500;
}

async function ask(picture, apiKey) {
  const headers = { "Content-Type": "application/octet-stream" }; // the service looks at the bytes, whatever their name
  if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
  SERVICE.search = `explain=${explain}`;
  let response;
  try {
    if (/[^\x20-\x7e]/.test(apiKey ?? "")) return { result: ODD_KEY };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    response = await fetch(SERVICE, { method: "POST", body: picture, headers, signal });
  } catch (error) {
    return { result: error.name === "TimeoutError" ? LATE : (await unreadable(picture)) || UNREACHABLE };
  }
  const result = await response.json().catch(() => null);
  const isOurs = result?.predictions?.length || (result?.detail && result.remedy);
  const retryAfter = Number(response.headers.get("Retry-After"));
  return { result: isOurs ? result : unspoken(response.status), retryAfter };
}

const LATE = { detail: "No answer came in two minutes.", remedy: "Try again, with a smaller picture if this one is large." };
const UNREACHABLE = { detail: "The service cannot be reached.", remedy: "Check that you are online, then try again." };
const GONE = {
  status: 422,
  detail: "The file cannot be read.",
  remedy: "If it is a folder, open it and give the pictures in it; else it was moved or changed, so choose it again.",
};
const ODD_KEY = { status: 401, detail: "No API key has such characters.", remedy: "Copy the key again, then try again." };

/** Return a problem where it is the file, and not the network, that failed. */
async function unreadable(picture) {
  try {
    await picture.slice(0, 1).arrayBuffer();
    return null;
  } catch {
    return GONE;
  }
}

/** Return the problem where something before the service has answered in its place. */
function unspoken(status) {
  const remedy = status === 413 ? "Send a smaller copy of the picture." : "Try again in a while.";
  return { status: status === 200 ? 502 : status, detail: `The service did not answer (status ${status}).`, remedy };
}
