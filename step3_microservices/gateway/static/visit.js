// What this visit has seen: reduced copies and their answers, in this tab's own memory, which ends with the tab.

import { arrange, copyOf, inShort } from "./card.js";

const KEY = "image-classifier/visit/1"; // other programs may live at the same address
const MOST = 40;
const LONGEST_SIDE = 480; // pixels of a reduced copy

export class Visit {
  #section = document.getElementById("visit");
  #entries = read();
  #tiles = new Map(); // by the entry's id: a tile that stays keeps the focus
  #shownLarge = new Set();
  #reopen;

  /** Show what was answered before the page was loaded anew; `reopen` is called with what a person comes back to. */
  constructor(reopen) {
    this.#reopen = reopen;
    document.getElementById("forget").onclick = () => {
      this.#keep([]);
      document.getElementById("file").focus(); // the button is gone
    };
    this.#draw();
  }

  add(entry) {
    this.#keep([entry, ...this.#entries].slice(0, MOST));
  }

  /** Leave out of the list what is shown large above it. */
  showLarge(ids) {
    this.#shownLarge = new Set(ids);
    this.#draw();
  }

  #keep(entries) {
    this.#entries = entries;
    let count = entries.length;
    while (!write(entries.slice(0, count)) && count > 0) count = Math.floor(count / 2); // no room: keep the latest
    this.#draw();
  }

  #draw() {
    const listed = this.#entries.filter(({ id }) => !this.#shownLarge.has(id));
    this.#tiles = new Map(listed.map((entry) => [entry.id, this.#tiles.get(entry.id) ?? this.#makeTile(entry)]));
    this.#section.hidden = listed.length === 0;
    arrange(this.#section.querySelector(".tiles"), [...this.#tiles.values()]);
  }

  #makeTile(entry) {
    const item = copyOf("tile");
    if (entry.picture) item.querySelector("img").src = entry.picture;
    item.querySelector(".label").textContent = inShort(entry.answer);
    item.querySelector("button").onclick = () => this.#reopen(entry);
    return item;
  }
}

/** Return a copy of what an image element shows that is small enough to keep, or nothing where it shows none. */
export function reducedCopy(image) {
  if (!image.naturalWidth) return null;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * image.naturalWidth));
  canvas.height = Math.max(1, Math.round(scale * image.naturalHeight));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // where the picture is transparent, as the service has it
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)).filter(({ id, answer }) => id && answer.predictions.length);
  } catch {
    return []; // nothing yet, a browser that keeps nothing, or what somebody else has put there
  }
}

function write(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
    return true;
  } catch {
    return false;
  }
}
