// Draws series of one value a second into the figures that the page has for them.

const HEIGHT = 100; // of a plot's own units; its width has one for each second

/** Draw lines; where there is no value there is a gap. */
export function drawLines(figure, series, digits = 0) {
  const most = roundUp(Math.max(...series.flat().map((value) => value ?? 0)));
  const paths = series.map((values) => values.reduce((path, value, second) => {
    if (value === null) return path;
    const isFirst = second === 0 || values[second - 1] === null;
    return `${path}${isFirst ? "M" : "L"}${second + 0.5} ${height(value, most)}`;
  }, ""));
  show(figure, series, paths, most, digits);
}

/** Draw bars, of each second those of all series on top of one another. */
export function drawBars(figure, series) {
  const bases = series[0].map(() => 0);
  const sums = series[0].map((_, second) => series.reduce((sum, values) => sum + (values[second] ?? 0), 0));
  const most = roundUp(Math.max(...sums));
  const paths = series.map((values) => values.reduce((path, value, second) => {
    if (!value) return path;
    const [low, high] = [height(bases[second], most), height(bases[second] + value, most)];
    bases[second] += value;
    return `${path}M${second + 0.1} ${low}V${high}h0.8V${low}Z`;
  }, ""));
  show(figure, series, paths, most, 1, "bars");
}

function show(figure, series, paths, most, digits, kind) {
  const element = document.getElementById(figure);
  const { unit } = element.dataset;
  const inWords = (value) => (value === null ? "none" : `${value.toFixed(digits)}${unit && ` ${unit}`}`);
  const names = element.querySelectorAll(".legend span");
  const told = series.map((values, index) => {
    const value = inWords(values.at(-1));
    names[index].querySelector("b").textContent = value;
    return `${names[index].firstChild.textContent.trim()} ${value}`;
  });
  element.querySelector(".most").textContent = `${most}${unit && ` ${unit}`}`;
  const svg = element.querySelector("svg");
  svg.setAttribute("aria-label", `${element.querySelector("figcaption").textContent}: now ${told.join(", ")}.`);
  paths.forEach((path, index) => {
    svg.children[index].setAttribute("d", path);
    if (kind) svg.children[index].classList.add(kind);
  });
}

function height(value, most) {
  return Number((HEIGHT - (HEIGHT * value) / most).toFixed(2));
}

/** Return the next round number: 1, 2 or 5 and noughts. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return Math.max(1, [1, 2, 5, 10].find((step) => step * power >= value) * power);
}
