// The verdict map: where in the space the verdicts lie, over two hyperparameters; at first the most important ones.

function drawMap() {
  const host = body("map");
  if (!TRIALS.length || !MATTERS.length) return void host.append(empty("There is nothing to place yet."));
  const gapAxis = { ...valueAxis(TRIALS.map((trial) => trial.gap), "minimize"), name: "gap", of: (trial) => trial.gap };
  const choices = [...MATTERS, VALUE_AXIS, gapAxis];
  const axes = { x: choices[0], y: choices[1] };
  const area = el("div", { class: "plot" });
  const picker = (side) => {
    const options = choices.map((axis, index) => el("option", { value: index, selected: axis === axes[side] }, axis.name));
    const change = (event) => {
      axes[side] = choices[Number(event.target.value)];
      redraw();
    };
    return el("label", {}, side === "x" ? "Across" : "Up", el("select", { onchange: change }, options));
  };
  host.append(el("div", { class: "bar" }, picker("x"), picker("y"), el("span", { class: "note" }, "Trials on one choice or whole number are spread a little. Outlined: the best.")), area);
  const redraw = plot(area, (width) => verdictMap(width, axes));
}

function verdictMap(width, { x, y }) {
  const label = `Verdicts of ${TRIALS.length} trials over ${x.name} and ${y.name}`;
  const name = (axis) => `${axis.name}${axis.log ? ", log" : ""}`;
  const area = frame({ width, height: width < 560 ? 340 : 460, x, y, xName: name(x), yName: name(y), label, left: beside(y, 74, width / 4), top: 24 });
  const placed = (axis, trial, salt) => {
    const t = axis.at(axis.of(trial));
    return t !== null && axis.bins ? t + (jitter(trial.number, salt) * 0.7) / axis.bins : t;
  };
  const points = TRIALS.map((trial) => ({ trial, x: placed(x, trial, 1), y: placed(y, trial, 2) }))
    .filter((point) => point.x !== null && point.y !== null)
    .map(({ trial, x: across, y: up }) => ({ trial, x: area.px(across), y: area.py(up) }));
  for (const point of points) {
    point.node = mark(point.trial, point.x, point.y);
    if (point.trial.number === DATA.answer.trial) point.node.classList.add("best");
    area.root.append(point.node);
  }
  const missing = TRIALS.length - points.length;
  if (missing) area.root.append(svg("text", { x: width - 14, y: 10, "text-anchor": "end" }, `${missing} have no place on these axes`));
  interactive(area.root, (left, top) => nearest(points, left, top), () => TRIALS);
  return { root: area.root, ...marked(area.root, points) };
}
