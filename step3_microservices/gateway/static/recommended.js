// The slot of this page. It has a script of its own, so that whatever happens to it happens to nothing else.

import { say } from "./progress.js";
import { loadSlot, wantedSize } from "./slot.js";

const element = document.getElementById("recommended");
const fill = () => loadSlot(element, { apiKey: () => document.getElementById("api_key")?.value.trim() ?? null });

element.addEventListener("slot:open", ({ detail }) => {
  say(`${detail.title} is an app of the demo: there is nothing to open.`);
});
addEventListener("resize", () => {
  if (element.dataset.slot && element.dataset.slot !== wantedSize(element)) fill(); // such as a phone that was turned
});
fill();
