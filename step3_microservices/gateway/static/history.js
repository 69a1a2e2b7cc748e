// What was seen in the last minutes, second by second; this tab remembers it when the page is loaded anew.

const KEY = "image-classifier/status/1";
const SHOWN_S = 180;
const MINUTE_S = 60;

export class History {
  #seen = new Map(); // by whole seconds

  constructor() {
    this.#recall();
    addEventListener("pagehide", () => this.#keep());
  }

  add(status) {
    const oldest = Math.floor(status.time) - SHOWN_S - MINUTE_S - 1;
    this.#seen.set(Math.floor(status.time), status);
    for (const second of this.#seen.keys()) if (second < oldest) this.#seen.delete(second);
  }

  /** Return a value of each second shown, the latest last; null where nothing is known. */
  values(of) {
    return this.#seconds().map((second) => of(this.#at(second)) ?? null);
  }

  /** Return how much a count has grown in each second. */
  rates(count) {
    return this.#seconds().map((second) => {
      const [now, before] = [this.#at(second), this.#at(second - 1)];
      if (!now || !before || now === before) return null;
      const grown = count(now) - count(before);
      return grown < 0 ? null : grown / (now.time - before.time); // less than before: a process has begun anew
    });
  }

  /** Return what became of the minute before each second: `of` is called with its end and its beginning. */
  overAMinute(of) {
    const first = Math.min(...this.#seen.keys());
    return this.#seconds().map((second) => {
      const [now, before] = [this.#at(second), this.#at(Math.max(first, second - MINUTE_S))];
      return now && before && now !== before && now.answered >= before.answered ? of(now, before) : null;
    });
  }

  /** Return the seconds within which a share of the requests was done, of those since `before`; null without any. */
  quantile({ bounds_s: bounds, counts }, share, before) {
    const grown = counts.map((count, index) => count - (before?.counts[index] ?? 0));
    const all = grown.reduce((sum, count) => sum + count, 0);
    if (all <= 0) return null;
    let wanted = share * all;
    for (const [index, high] of bounds.entries()) {
      const low = bounds[index - 1] ?? 0;
      if (grown[index] && wanted <= grown[index]) return low + ((high - low) * wanted) / grown[index];
      wanted -= grown[index];
    }
    return bounds.at(-1);
  }

  #seconds() {
    const now = Math.max(...this.#seen.keys(), 0);
    return Array.from({ length: SHOWN_S }, (_, index) => now - SHOWN_S + 1 + index);
  }

  /** Return what was seen in that second, or in the one before: a look may come a little late. */
  #at(second) {
    return this.#seen.get(second) ?? this.#seen.get(second - 1);
  }

  #recall() {
    try {
      this.#seen = new Map(JSON.parse(sessionStorage.getItem(KEY)));
    } catch {
      this.#seen = new Map(); // nothing yet, or a browser that keeps nothing
    }
  }

  #keep() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...this.#seen]));
    } catch {
      // no room: then the history begins anew
    }
  }
}
