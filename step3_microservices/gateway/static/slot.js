// A slot in one of the usual ad sizes: shows what is recommended, and tells what becomes of it.
//
// `renderSlot` draws a JavaScript object, {slot, items}, wherever it comes from; `loadSlot` asks the recommender for
// one. Where that does not answer, the slot stays empty: the style sheet keeps its room, and nothing on the page moves.

import { whenSeen } from "./viewability.js";
import { country, hiddenItems, hide, newId, user } from "./visitor.js";

const LABEL = "Recommended apps";
const PLACES = { "300x250": 6, "728x90": 4, "320x50": 1 };
const SPARES = 4; // for the places of items that are hidden
const PATIENCE_MS = 5000;
const GATHERED_FOR_MS = 100; // what is seen at the same moment is told in one request

const rendered = new WeakMap(); // what ends the watching of each element's last items

/**
 * Show items in an element; `report(event, item, position)` is called for each impression, click and dismissal.
 *
 * An item is {item_id, title, category, icon}, of which nothing is read as HTML. What a click opens is the page's
 * business: it hears of it by the event `slot:open`, with the item as `detail`.
 */
export function renderSlot(element, { slot, items, report = () => {} }) {
  clearSlot(element);
  if (!items.length || !PLACES[slot]) return;
  const shown = items.slice(0, PLACES[slot]);
  const spares = items.slice(PLACES[slot]);
  const positions = new WeakMap();
  const { watch, forget, stop } = whenSeen((entry) => report("impression", ...positions.get(entry)));
  const news = make("p", "slot-news");
  news.setAttribute("aria-live", "polite");

  function entryOf(item, position) {
    const entry = make("li", "slot-item");
    const open = button("slot-open", () => {
      report("click", item, position);
      element.dispatchEvent(new CustomEvent("slot:open", { bubbles: true, detail: item }));
    });
    const category = make("span", "slot-category", item.category ?? "");
    open.append(icon(item.icon), make("span", "slot-title", item.title), category);
    const close = button("slot-hide", () => dismiss(entry, item, position));
    close.setAttribute("aria-label", `Hide ${item.title}`);
    close.append("×");
    entry.append(open, close);
    positions.set(entry, [item, position]);
    watch(entry);
    return entry;
  }

  function dismiss(entry, item, position) {
    report("dismiss", item, position);
    forget(entry);
    const next = spares.length ? entryOf(spares.shift(), position) : make("li", "slot-item");
    const neighbour = entry.nextElementSibling ?? entry.previousElementSibling;
    entry.replaceWith(next);
    news.textContent = `${item.title} is hidden.`;
    (next.querySelector("button") ?? neighbour?.querySelector("button"))?.focus();
  }

  const list = make("ul", "slot-items");
  list.append(...shown.map((item, index) => entryOf(item, index + 1)));
  element.dataset.slot = slot;
  element.setAttribute("aria-label", LABEL);
  const caption = make("p", "slot-caption", LABEL);
  caption.setAttribute("aria-hidden", "true"); // it is the element's own name
  element.append(caption, list, news);
  rendered.set(element, stop);
}

export function clearSlot(element) {
  rendered.get(element)?.();
  element.replaceChildren();
  element.removeAttribute("aria-label");
  delete element.dataset.slot;
}

/**
 * Fill an element with what is recommended to this browser.
 *
 * `apiKey` returns null where the service asks for no key; while it returns an empty one, nothing is told.
 */
export async function loadSlot(element, { apiKey = () => null } = {}) {
  const slot = wantedSize(element);
  const answer = await recommended(slot);
  if (slot !== wantedSize(element)) return loadSlot(element, { apiKey }); // such as a phone that was turned meanwhile
  renderSlot(element, { slot, items: fit(answer?.items), report });

  function report(event, item, position) {
    if (event === "dismiss") hide(item.item_id);
    const { arm, experiment, control_share, model_version, list_id } = answer;
    const ofList = { arm, experiment, control_share, model_version, list_id };
    tell({ event, item_id: item.item_id, slot, position, ...ofList }, apiKey());
  }
}

/** Return the items that can be shown, and that nobody has hidden here. */
function fit(items) {
  const isShown = (item) => typeof item?.item_id === "string" && item.title && !hiddenItems().includes(item.item_id);
  return Array.isArray(items) ? items.filter(isShown) : [];
}

/** Return the size that the style sheet has kept room for. */
export function wantedSize(element) {
  return getComputedStyle(element).getPropertyValue("--slot").trim();
}

async function recommended(slot) {
  const wanted = new URLSearchParams({ user_id: user(), slot, n: PLACES[slot] + SPARES });
  if (country()) wanted.set("country", country());
  if (hiddenItems().length) wanted.set("installed", hiddenItems().join(","));
  try {
    const response = await fetch(`/v1/recommendations?${wanted}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

let gathered = [];
let key = null;

function tell(event, apiKey) {
  if (apiKey === "") return;
  const time = `${new Date().toISOString().slice(0, 19)}Z`;
  key = apiKey;
  gathered.push({ event_id: newId(), time, user_id: user(), country: country(), ...event });
  if (event.event === "impression") setTimeout(send, GATHERED_FOR_MS);
  else send();
}

/** Send what was gathered. A beacon outlives the page, but has no headers; a key needs one. */
function send() {
  if (!gathered.length) return;
  const body = JSON.stringify({ events: gathered });
  gathered = [];
  if (key === null) return navigator.sendBeacon("/v1/events", body);
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
  fetch("/v1/events", { method: "POST", body, headers, keepalive: true }).catch(() => {});
}

addEventListener("pagehide", send);

function make(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function button(className, onclick) {
  return Object.assign(make("button", className), { type: "button", onclick });
}

/** Return a picture: what lies at an address, or else a sign such as an emoji. */
function icon(sign = "") {
  const isAddress = /^(\/|https?:|data:image\/)/.test(sign);
  const picture = isAddress ? make("img", "slot-icon") : make("span", "slot-icon", sign);
  picture.setAttribute("aria-hidden", "true");
  if (isAddress) Object.assign(picture, { src: sign, alt: "" });
  return picture;
}
