// A class activation map as a picture to lay over the photograph, and in words for whoever does not see it.

const SIDE = 256; // pixels; the map has 7 to 8 cells a side, and the browser smooths the rest

/** Return a canvas that lies over the part of its frame that the model saw; colours and cover are the service's own. */
export function drawHeatMap({ grid, region }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(cells(grid), 0, 0, SIDE, SIDE);
  const heat = context.getImageData(0, 0, SIDE, SIDE);
  context.putImageData(coloured(heat), 0, 0);
  const [left, top, right, bottom] = region.map((edge) => 100 * edge);
  Object.assign(canvas.style, {
    left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
  });
  return canvas;
}

/** Say in which ninth of the picture the hottest cell lies. */
export function whereInWords({ grid, region: [left, top, right, bottom] }) {
  const hottest = Math.max(...grid.flat());
  const row = grid.findIndex((cells) => cells.includes(hottest));
  const column = grid[row].indexOf(hottest);
  const x = left + ((column + 0.5) / grid[row].length) * (right - left);
  const y = top + ((row + 0.5) / grid.length) * (bottom - top);
  const third = (fraction) => Math.min(2, Math.floor(3 * fraction));
  return JSON.parse(document.body.dataset.ninths)[third(y)][third(x)];
}

/** Return the grid as a tiny grey picture: its lowest cell black, its highest white. */
function cells(grid) {
  const [low, high] = [Math.min(...grid.flat()), Math.max(...grid.flat())];
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [grid.length, grid[0].length];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  grid.flat().forEach((value, index) => {
    const grey = 255 * ((value - low) / (high - low || 1));
    pixels.data.set([grey, grey, grey, 255], 4 * index);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Turn grey into the ramp's colours, the more covering the hotter. */
function coloured(pixels) {
  const ramp = JSON.parse(document.body.dataset.heatColours);
  const cover = Number(document.body.dataset.hottestCover);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const heat = pixels.data[at] / 255;
    const place = heat * (ramp.length - 1);
    const [low, high] = [ramp[Math.floor(place)], ramp[Math.ceil(place)]];
    const mixed = low.map((value, channel) => value + (place % 1) * (high[channel] - value));
    pixels.data.set([...mixed, 255 * heat * cover], at);
  }
  return pixels;
}
