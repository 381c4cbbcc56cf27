// What the plots share: glyphs of the verdicts, frames with axes, drawing at the width that is there, the pointer.

const SHAPES = {
  good_fit: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  overfit: (r) => `M0 ${-1.2 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  underfit: (r) => `M0 ${1.2 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
  diverged: (r) => `M${-r} ${-r}L${r} ${r}M${r} ${-r}L${-r} ${r}`,
  unfinished: (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  none: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
};

/** A trial's mark: its verdict by shape and colour, hollow where it was not trained to its end or breaks a constraint. */
function mark(trial, x, y, size = 4.5) {
  const kinds = ["mark", `v-${trial.verdict}`];
  if (trial.verdict === "diverged") kinds.push("stroked");
  else if (trial.state !== "COMPLETE" || trial.feasible === false) kinds.push("hollow");
  return svg("path", { class: kinds.join(" "), d: SHAPES[trial.verdict](size), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
}

function glyph(verdict) {
  const path = svg("path", { class: `mark v-${verdict}${verdict === "diverged" ? " stroked" : ""}`, d: SHAPES[verdict](5), transform: "translate(7 7)" });
  return svg("svg", { class: `glyph v-${verdict}`, viewBox: "0 0 14 14", "aria-hidden": "true" }, path);
}

/** An empty plot with its axes. Returns the drawing and where a t of 0 to 1 lies on it. */
function frame({ width, height, x, y, xName, yName, label, left = 58, right = 14, top = 14, bottom = 40 }) {
  const px = (t) => left + t * (width - left - right);
  const py = (t) => height - bottom - t * (height - top - bottom);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, tabindex: "0" });
  const base = svg("path", { class: "axis", d: `M${left} ${height - bottom}H${width - right}` });
  root.append(...yTicks(y, py, left, width - right), base, ...xTicks(x, px, height - bottom, (width - left - right) / 52));
  root.append(svg("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xName));
  root.append(svg("text", { x: 4, y: 10 }, yName));
  return { root, px, py, left, right: width - right, top, bottom: height - bottom };
}

function yTicks(axis, py, left, right) {
  return axis.ticks.flatMap((tick) => [
    svg("path", { class: "grid", d: `M${left} ${py(tick.t).toFixed(1)}H${right}` }),
    svg("text", { x: left - 7, y: py(tick.t) + 4, "text-anchor": "end" }, cut(tick.text, 9)),
  ]);
}

function xTicks(axis, px, y, room) {
  const every = Math.max(1, Math.ceil(axis.ticks.length / Math.max(2, room)));
  return axis.ticks.filter((_, index) => index % every === 0).flatMap((tick) => [
    svg("path", { class: "axis", d: `M${px(tick.t).toFixed(1)} ${y}v4` }),
    svg("text", { x: px(tick.t), y: y + 17, "text-anchor": "middle" }, cut(tick.text, 12)),
  ]);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** What the tip says of a trial. */
function about(trial) {
  const judged = JUDGED_BY.map((name) => [name, fmt(trial[name])]);
  const facts = [[STUDY.metric, fmt(trial.value)], ...judged, ["gap", fmt(trial.gap)], [`${STUDY.unit}s`, trial.epochs]];
  const params = MATTERS.slice(0, 10).filter((axis) => axis.of(trial) !== null).map((axis) => [axis.name, cut(fmt(axis.of(trial)), 40)]);
  const list = [...facts, ...params].flatMap(([name, value]) => [el("dt", {}, cut(name, 28)), el("dd", {}, String(value))]);
  const head = el("div", { class: `badge v-${trial.verdict}` }, glyph(trial.verdict), `trial ${trial.number}, ${verdictText(trial.verdict)}, ${trial.label}`);
  return [head, el("dl", {}, list)];
}

/**
 * Pointer and keyboard on a plot: the tip and the click go to the trial that `find(x, y)` gives, the arrow keys to the
 * one before and after in `order`.
 */
function interactive(root, find, order, hover = () => {}) {
  const at = (event) => {
    const box = root.getBoundingClientRect();
    return find(event.clientX - box.left, event.clientY - box.top);
  };
  root.addEventListener("pointermove", (event) => {
    const trial = at(event);
    root.classList.toggle("over", Boolean(trial));
    hover(trial);
    if (trial) showTip(about(trial), event.clientX, event.clientY);
    else hideTip();
  });
  root.addEventListener("pointerleave", () => {
    hover(null);
    hideTip();
  });
  root.addEventListener("click", (event) => {
    const trial = at(event);
    if (trial) select(trial);
  });
  root.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by, order());
  });
}

/** The nearest of points {trial, x, y} within reach; of trials that are shown alone. */
function nearest(points, x, y, reach = 18) {
  let [found, least] = [null, reach * reach];
  for (const point of points) {
    const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (distance < least && shown(point.trial)) [found, least] = [point.trial, distance];
  }
  return found;
}

/** Keep marks in step with the filter, and a ring on the selected one. */
function marked(root, points) {
  const ring = svg("circle", { class: "ring", r: 9, visibility: "hidden" });
  root.append(ring);
  const filter = () => points.forEach((point) => point.node.classList.toggle("out", !shown(point.trial)));
  const selection = () => {
    const point = points.find((one) => one.trial === chosen);
    ring.setAttribute("visibility", point ? "visible" : "hidden");
    if (point) ring.setAttribute("transform", `translate(${point.x} ${point.y})`);
  };
  filter();
  selection();
  return { filter, selection };
}

/** A plot in a host: drawn anew at each width and when what is returned is called, kept in step between. */
function plot(host, draw) {
  let [live, width] = [null, 0];
  const redraw = () => {
    width = Math.floor(host.clientWidth);
    if (!width) return;
    live = draw(width);
    host.replaceChildren(live.root);
  };
  redraw();
  new ResizeObserver(() => requestAnimationFrame(() => Math.floor(host.clientWidth) !== width && redraw())).observe(host);
  onFilter(() => live?.filter());
  onSelect(() => live?.selection());
  return redraw;
}
