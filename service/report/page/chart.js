// What the plots of trials share: their marks, the pointer, the filter and the selection.

/** A trial's mark: its verdict by shape and colour, hollow where it was not trained to its end or breaks a constraint. */
function mark(trial, x, y, size = 4.5) {
  const kinds = ["mark", `v-${trial.verdict}`];
  if (trial.verdict === "diverged") kinds.push("stroked");
  else if (trial.state !== "COMPLETE" || trial.feasible === false) kinds.push("hollow");
  return svg("path", { class: kinds.join(" "), d: SHAPES[trial.verdict](size), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
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
  let live = null;
  const redraw = drawn(host, (width) => {
    live = draw(width);
    return live.root;
  });
  onFilter(() => live?.filter());
  onSelect(() => live?.selection());
  return redraw;
}
