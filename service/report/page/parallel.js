// Parallel coordinates over the searched parameters and the value; dragging along an axis filters all plots.

const NARROWEST = 84; // pixels between axes
const MOST_AXES = 14;
const BOLD = 7.4; // pixels of a letter of an axis's name, about
let coloured = "value";

function drawParallel() {
  const host = body("parallel");
  if (!TRIALS.length || !AXES.length) return void host.append(empty(AXES.length ? "No trial has started yet." : "No parameter was searched."));
  const area = el("div", { class: "plot" });
  const change = (event) => {
    coloured = event.target.value;
    redraw();
  };
  const options = [["value", "value"], ["verdict", "verdict"]].map(([value, text]) => el("option", { value }, text));
  const left = MATTERS.length > MOST_AXES ? ` The ${MOST_AXES} that matter most of ${MATTERS.length} parameters.` : "";
  const note = el("span", { class: "note" }, `Drag along an axis to filter, click it to stop; by keyboard, type ${MATTERS[0].name}<… into the filter.${left}`);
  host.append(el("div", { class: "bar" }, el("label", {}, "Colour by", el("select", { onchange: change }, options)), note), area);
  const redraw = plot(area, parallel);
}

const VALUE_AXIS = { ...valueAxis(TRIALS.map((trial) => trial.value), STUDY.direction), name: STUDY.metric, of: (trial) => trial.value };
const PARALLEL = [...MATTERS.slice(0, MOST_AXES), VALUE_AXIS];

function parallel(width) {
  const [top, bottom, left, right] = [46, 300, beside(PARALLEL[0], 56, width / 8), 64];
  const between = Math.max(NARROWEST, (width - left - right) / (PARALLEL.length - 1));
  const wide = left + right + between * (PARALLEL.length - 1);
  const label = `Parallel coordinates of ${TRIALS.length} trials over ${PARALLEL.length} axes`;
  const root = svg("svg", { width: wide, height: 348, viewBox: `0 0 ${wide} 348`, role: "img", "aria-label": label, tabindex: "0" });
  const px = (index) => left + index * between;
  const py = (t) => (t === null ? bottom + 26 : bottom - t * (bottom - top));
  const threads = TRIALS.map((trial) => thread(trial, px, py));
  root.append(...threads.map((one) => one.node));
  const top_ = svg("g", {});
  root.append(top_, svg("text", { x: left - 8, y: bottom + 30, "text-anchor": "end" }, "none"));
  const brushes = PARALLEL.map((axis, index) => axisGroup(root, axis, index, { x: px(index), py, between, wide }));
  const raise = (trial) => top_.replaceChildren(...[trial, chosen].filter(Boolean).map((one) => raised(threads.find((item) => item.trial === one))));
  interactive(root, (x, y) => nearestThread(threads, x, y, left, between), () => TRIALS, raise);
  const filter = () => {
    threads.forEach((one) => one.node.classList.toggle("out", !shown(one.trial)));
    brushes.forEach((update) => update());
  };
  const selection = () => raise(null);
  filter();
  selection();
  return { root, filter, selection };
}

function raised(one) {
  const copy = one.node.cloneNode();
  copy.classList.add("chosen");
  copy.classList.remove("out");
  return copy;
}

function thread(trial, px, py) {
  const heights = PARALLEL.map((axis) => {
    const t = axis.at(axis.of(trial));
    return py(t !== null && axis.bins ? t + (jitter(trial.number, axis.name.length) * 0.5) / axis.bins : t);
  });
  const d = heights.map((y, index) => `${index ? "L" : "M"}${px(index).toFixed(1)} ${y.toFixed(1)}`).join("");
  const node = svg("path", { class: `thread v-${trial.verdict}`, d });
  node.style.opacity = Math.min(0.85, Math.max(0.25, 60 / TRIALS.length));
  if (coloured === "value") paint(node, trial);
  return { trial, node, heights };
}

/** From worse to better by rank, so that a few extremes do not take all the colours. */
function paint(node, trial) {
  const rank = VALUE_RANKS.get(trial.number);
  const mixed = rank === undefined ? "var(--none)" : `color-mix(in oklab, var(--better) ${Math.round(100 * rank)}%, var(--worse))`;
  node.style.stroke = mixed;
}

const VALUE_RANKS = (() => {
  const valued = TRIALS.filter((trial) => trial.value !== null).sort((a, b) => (MAXIMIZE ? a.value - b.value : b.value - a.value));
  return new Map(valued.map((trial, index) => [trial.number, valued.length > 1 ? index / (valued.length - 1) : 1]));
})();

function nearestThread(threads, x, y, left, between) {
  const place = Math.min(PARALLEL.length - 2, Math.max(0, Math.floor((x - left) / between)));
  const share = (x - left) / between - place;
  let [found, least] = [null, 10];
  for (const { trial, heights } of threads) {
    const distance = Math.abs(heights[place] + share * (heights[place + 1] - heights[place]) - y);
    if (distance < least && shown(trial)) [found, least] = [trial, distance];
  }
  return found;
}

/** One axis with its ticks, its name and its brush. Returns what brings the brush up to date. */
function axisGroup(root, axis, index, { x, py, between, wide }) {
  const tight = between < 125; // then every other name is a line higher
  const words = cut(axis.name, Math.floor(between / (tight ? 4.5 : 7)));
  const half = (words.length * BOLD) / 2;
  const [at, anchor] = x < half ? [2, "start"] : wide - x < half ? [wide - 2, "end"] : [x, "middle"];
  const name = svg("text", { class: "strong", x: at, y: index % 2 && tight ? 12 : 28, "text-anchor": anchor }, words);
  name.append(svg("title", {}, axis.name));
  const line = svg("path", { class: "axis", d: `M${x} ${py(0)}V${py(1)}` });
  const most = Math.max(9, Math.floor(((index ? between - 24 : x) - 8) / LETTER));
  const ticks = axis.ticks.map((tick) => svg("text", { x: x - 5, y: py(tick.t) + 4, "text-anchor": "end" }, cut(tick.text, most)));
  const brush = svg("rect", { class: "brush", x: x - 7, width: 14, visibility: "hidden" });
  const grip = svg("rect", { class: "grip", x: x - 14, width: 28, y: py(1) - 6, height: py(0) - py(1) + 12 });
  root.append(name, line, ...ticks, brush, grip);
  brushing(grip, axis, (y) => Math.min(1, Math.max(0, (py(0) - y) / (py(0) - py(1)))));
  return () => {
    const range = filters.brushes.get(axis);
    brush.setAttribute("visibility", range ? "visible" : "hidden");
    if (range) filled(brush, { y: py(range[1]), height: Math.max(2, py(range[0]) - py(range[1])) }, []);
  };
}

function brushing(grip, axis, toT) {
  let start = null;
  const at = (event) => toT(event.clientY - grip.ownerSVGElement.getBoundingClientRect().top);
  grip.addEventListener("pointerdown", (event) => {
    start = at(event);
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  grip.addEventListener("pointermove", (event) => {
    if (start === null) return;
    event.stopPropagation();
    hideTip();
    const now = at(event);
    if (Math.abs(now - start) > 0.015) filters.brushes.set(axis, [Math.min(start, now), Math.max(start, now)]);
    else filters.brushes.delete(axis);
    filterChanged();
  });
  grip.addEventListener("pointerup", (event) => {
    if (start !== null && Math.abs(at(event) - start) <= 0.015 && filters.brushes.delete(axis)) filterChanged();
    start = null;
  });
  grip.addEventListener("click", (event) => event.stopPropagation());
}
