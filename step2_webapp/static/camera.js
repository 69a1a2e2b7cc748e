// A photo from the camera: through the device's own camera app where a finger points, else in a dialog of ours.

/** Call `take` with a photo as a file, unless the person thinks better of it. */
export async function photograph(take) {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices) {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", capture: "environment" });
    input.onchange = () => take([...input.files]);
    input.click();
    return;
  }
  const dialog = document.getElementById("camera");
  const [video, problem, shoot] = ["video", ".problem", ".shoot"].map((part) => dialog.querySelector(part));
  problem.hidden = true;
  shoot.disabled = true;
  dialog.showModal();
  dialog.querySelector(".close").onclick = () => dialog.close();
  dialog.onclose = () => {
    video.srcObject?.getTracks().forEach((track) => track.stop()); // the camera's light goes out
    video.srcObject = null;
  };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = stream;
    if (!dialog.open) return dialog.onclose();
    await video.play();
    shoot.disabled = false;
  } catch (error) {
    problem.textContent = `The camera cannot be used (${error.name}). Allow it in your browser, or choose a picture instead.`;
    problem.hidden = false;
  }
  shoot.onclick = async () => {
    const photo = await frameOf(video);
    dialog.close();
    take([photo]);
  };
}

async function frameOf(video) {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  return new File([blob], "photo.jpg", { type: blob.type });
}
