// Jobs: pictures that were left with the service, each watched until it has ended.
//
// The service is asked about each of them, the sooner the sooner its turn comes. The first few are listened to as well:
// more would not do, for a browser has six connections to a host, and all its tabs share them. Where listening fails,
// asking goes on.

import { ask, door, mayPass } from "./service.js";

const STREAMS = 2;
const STATUSES = ["queued", "running", "done", "failed", "expired", "cancelled"];
const ENDED = STATUSES.slice(2);
const SECOND = 1000;
const LONGEST_PAUSE = 10 * SECOND;
const PATIENCE = 120 * SECOND; // with a service that does not say how the job is
const FORGOTTEN = {
  status: "forgotten",
  problem: { detail: "The service knows nothing of this picture any more.", remedy: "Try again." },
};

const watched = new Set(); // in the order in which they were left
let deafUntil = 0; // a stream has failed, and so would another one

/** One job. `ended` is a promise of its last state, which has a `problem` and no `status` where it could not be learnt. */
export class Job {
  #address;
  #tell;
  #settle;
  #timer;
  #stream;
  #isAsking = false;
  #isUnwanted = false;
  #hasBegun = false;
  #failures = 0;
  #failing; // since when

  /** Watch it: `tell` is called with its state, and with {words} where that is not to be had; the signal cancels it. */
  constructor(first, tell, signal) {
    this.#address = door(`v1/jobs/${first.job_id}`);
    this.#tell = tell;
    this.ended = new Promise((resolve) => (this.#settle = resolve));
    watched.add(this);
    this.#hear(first);
    if (signal.aborted) this.#cancel();
    signal.addEventListener("abort", () => this.#cancel());
    listenToTheFirst();
  }

  get isListenedTo() {
    return Boolean(this.#stream);
  }

  listen() {
    const stream = new EventSource(`${this.#address}/events`);
    for (const status of STATUSES) stream.addEventListener(status, ({ data }) => this.#hear(JSON.parse(data)));
    stream.onerror = () => {
      this.#silence(); // and not again by itself, as the browser would: the service may have no room for it
      deafUntil = Date.now() + LONGEST_PAUSE;
      setTimeout(listenToTheFirst, LONGEST_PAUSE);
      this.#lookIn(SECOND);
    };
    this.#stream = stream;
  }

  #silence() {
    this.#stream?.close();
    this.#stream = null;
  }

  #cancel() {
    this.#isUnwanted = true;
    this.#look();
  }

  #lookIn(duration) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), duration);
  }

  async #look() {
    if (this.#isAsking || !watched.has(this)) return;
    this.#isAsking = true;
    const { result, retryAfter } = await ask(this.#address, { method: this.#isUnwanted ? "DELETE" : "GET" });
    this.#isAsking = false;
    if (!watched.has(this)) return; // its end was heard in the meantime
    if (result.job_id) {
      this.#hear(result);
    } else if (result.code === "job_started") {
      this.#isUnwanted = false; // too late: it goes on
      this.#hear({ status: "running" });
    } else if (!mayPass(result)) {
      this.#end(result.code === "job_not_found" ? FORGOTTEN : { problem: result });
    } else {
      this.#wait(result, retryAfter);
    }
  }

  #hear(state) {
    if (!watched.has(this)) return;
    this.#failures = 0;
    this.#failing = null;
    if (ENDED.includes(state.status)) return this.#end(state);
    this.#hasBegun ||= state.status === "running"; // for good: a stream and a reply overtake each other
    if (!this.#isUnwanted) this.#tell(this.#hasBegun ? { status: "running" } : state);
    const pace = this.isListenedTo ? LONGEST_PAUSE : Math.min(SECOND + 100 * (state.position ?? 0), LONGEST_PAUSE);
    this.#lookIn(this.#isUnwanted ? 0 : pace);
  }

  #wait(problem, retryAfter) {
    this.#failing ??= Date.now();
    if (Date.now() - this.#failing > PATIENCE) return this.#end({ problem });
    const backedOff = Math.min(SECOND * 2 ** this.#failures, LONGEST_PAUSE);
    this.#failures += 1;
    if (!this.#isUnwanted) this.#tell({ words: `${problem.detail} The picture is kept, and asked about again …` });
    this.#lookIn(Math.max(backedOff, SECOND * (retryAfter || 0)));
  }

  #end(state) {
    clearTimeout(this.#timer);
    this.#silence();
    watched.delete(this);
    this.#settle(state);
    listenToTheFirst();
  }
}

function listenToTheFirst() {
  if (Date.now() < deafUntil) return;
  const first = [...watched].slice(0, STREAMS);
  for (const job of first) if (!job.isListenedTo) job.listen();
}
