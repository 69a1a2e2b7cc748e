// The ways in: every way by which a person may bring pictures to the page.

import { photograph } from "./camera.js";
import { say } from "./progress.js";

const form = document.getElementById("form");

async function takeSample({ value: name, firstElementChild: image }, take) {
  try {
    const response = await fetch(image.src);
    if (!response.ok) throw new Error(response.statusText);
    take([new File([await response.blob()], name)]);
  } catch {
    say("The sample cannot be fetched. Check that you are online, then try again.");
  }
}

/** Call `take` with the files that a person chooses, drops, pastes, photographs, or takes from the samples. */
export function listen(take) {
  const file = form.elements.image;
  file.addEventListener("change", () => {
    take([...file.files]);
    file.value = ""; // so that the same one may be chosen again
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "sample") takeSample(event.submitter, take);
  });
  document.getElementById("photograph").addEventListener("click", () => photograph(take));
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) take(files);
    else if (event.target.tagName !== "INPUT") say("There is no picture on the clipboard.");
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // without it the browser would open the file
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (event.target.matches?.("input[type=password]")) return; // a key
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
    else say("What was dropped is no file. Save the picture first, then drop the file.");
  });
}
