// Asks the service. Whatever happens, there is a result: what was asked for, or a problem in words for people.

const SERVICE = document.getElementById("form").action;
const PATIENCE_MS = 120_000;

/** Return the address of one of the service's doors. */
export function door(path) {
  return new URL(path, SERVICE);
}

/** Return {result, retryAfter}, and `isLost` where nobody knows whether the service has heard of it. */
export async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const isLate = error.name === "TimeoutError";
    const unread = !isLate && options.body && (await unreadable(options.body));
    return { result: isLate ? LATE : unread || UNREACHABLE, isLost: !unread };
  }
  const result = await response.json().catch(() => null);
  const isOurs = result?.predictions?.length || result?.job_id || (result?.detail && result.remedy);
  const retryAfter = Number(response.headers.get("Retry-After"));
  return { result: isOurs ? result : unspoken(response.status), retryAfter };
}

/** Return whether the same picture may be answered another time: the network, the key or the moment was wrong. */
export function mayPass({ status }) {
  return !status || [401, 408, 429].includes(status) || status >= 500;
}

/** Wait so long, or until the signal comes. */
export function pause(duration, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, duration);
    signal?.addEventListener("abort", resolve);
  });
}

const LATE = { detail: "No answer came in two minutes.", remedy: "Try again, with a smaller picture if this one is large." };
const UNREACHABLE = { detail: "The service cannot be reached.", remedy: "Check that you are online, then try again." };
const GONE = {
  status: 422,
  detail: "The file cannot be read.",
  remedy: "If it is a folder, open it and give the pictures in it; else it was moved or changed, so choose it again.",
};

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
