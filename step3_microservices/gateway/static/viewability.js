// When something was seen: half of it in view for a second without a break, in a tab that is looked at.
//
// That is the rule of the Media Rating Council for ads; whatever was only scrolled past has not been shown to anybody.

const SHARE = 0.5;
const DURATION_MS = 1000;

/** Return {watch, stop}: `tell` is called with each watched element, once, when it was seen. */
export function whenSeen(tell) {
  const inView = new Map(); // each element with its timer
  const observer = new IntersectionObserver(look, { threshold: SHARE });
  document.addEventListener("visibilitychange", startAgain);

  function look(changes) {
    for (const { target, intersectionRatio } of changes) {
      clearTimeout(inView.get(target));
      inView.delete(target);
      if (intersectionRatio >= SHARE) start(target);
    }
  }

  function start(element) {
    const isSeenBySomebody = document.visibilityState === "visible";
    inView.set(element, isSeenBySomebody ? setTimeout(() => end(element), DURATION_MS) : null);
  }

  function startAgain() {
    for (const [element, timer] of [...inView]) {
      clearTimeout(timer);
      start(element);
    }
  }

  function end(element) {
    forget(element);
    tell(element);
  }

  function forget(element) {
    observer.unobserve(element);
    clearTimeout(inView.get(element));
    inView.delete(element);
  }

  function stop() {
    observer.disconnect();
    document.removeEventListener("visibilitychange", startAgain);
    for (const element of [...inView.keys()]) forget(element);
  }

  return { watch: (element) => observer.observe(element), forget, stop };
}
