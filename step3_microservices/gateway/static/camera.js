// A photo from the camera: through the device's own camera app where a finger points, else in a dialog of ours.

const REASONS = {
  NotAllowedError: "The camera may not be used: allow it in your browser,",
  NotFoundError: "There is no camera: connect one,",
  NotReadableError: "Another program uses the camera: close it,",
};

/** Call `take` with a photo as a file, unless the person thinks better of it. */
export function photograph(take) {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices) {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", capture: "environment" });
    input.onchange = () => take([...input.files]);
    input.click();
  } else {
    new Viewfinder(document.getElementById("camera")).open(take);
  }
}

/** One opening of the dialog: whatever comes too late for it, such as a permission, finds it closed. */
class Viewfinder {
  #dialog;
  #video;
  #shoot;
  #isOpen = true;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#video = dialog.querySelector("video");
    this.#shoot = dialog.querySelector(".shoot");
  }

  async open(take) {
    this.#tell("");
    this.#dialog.showModal();
    this.#dialog.querySelector(".close").onclick = () => this.#dialog.close();
    this.#dialog.onclose = () => this.#end();
    this.#shoot.onclick = async () => {
      this.#shoot.disabled = true; // a second click is no second photo
      const photo = await frameOf(this.#video);
      this.#dialog.close();
      take([photo]);
    };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!this.#isOpen) return stop(stream);
      for (const track of stream.getTracks()) track.onended = () => this.#tell("The camera was disconnected: connect it,");
      this.#video.srcObject = stream;
      await this.#video.play();
      this.#shoot.disabled = !this.#isOpen;
    } catch (error) {
      if (this.#isOpen) this.#tell(REASONS[error.name] ?? "The camera does not work: try again,");
    }
  }

  #tell(words) {
    const problem = this.#dialog.querySelector(".problem");
    problem.textContent = words && `${words} or choose a picture instead.`;
    problem.hidden = !words;
    this.#shoot.disabled = true;
  }

  #end() {
    this.#isOpen = false;
    if (this.#video.srcObject) stop(this.#video.srcObject); // the camera's light goes out
    this.#video.srcObject = null;
  }
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

async function frameOf(video) {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  return new File([blob], "photo.jpg", { type: blob.type });
}
