// Who looks at this page: nobody in particular. A random id that only this browser has, a country, and what was hidden.

const USER = "recommender/user";
const HIDDEN = "recommender/hidden";
const MOST_HIDDEN = 100;
const ID = /^[\w.:-]{1,64}$/;

let userId = null; // for a browser that stores nothing, one for as long as the page is open
let hidden = null;

/** Return a new id that no other has: 128 random bits. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");
}

export function user() {
  const stored = read(USER);
  userId ??= ID.test(stored) ? stored : newId();
  if (stored !== userId) write(USER, userId);
  return userId;
}

/** Return the region of the browser's language, such as CH of de-CH; null where it names none. */
export function country() {
  const region = new Intl.Locale(navigator.language || "en").region ?? "";
  return /^[A-Z]{2}$/.test(region) ? region : null;
}

/** Return the ids of the items that this browser's user wants to see no more, the latest last. */
export function hiddenItems() {
  hidden ??= parsed(read(HIDDEN));
  return hidden;
}

export function hide(itemId) {
  hidden = [...new Set([...parsed(read(HIDDEN)), ...hiddenItems(), itemId])].slice(-MOST_HIDDEN); // other tabs hide too
  write(HIDDEN, JSON.stringify(hidden));
}

function parsed(text) {
  try {
    return JSON.parse(text).filter((id) => typeof id === "string" && ID.test(id));
  } catch {
    return []; // nothing there, or somebody else's
  }
}

function read(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

function write(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // it holds until the page is closed
  }
}
