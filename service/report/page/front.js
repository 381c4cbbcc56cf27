// Several objectives: all trials by two of them with the Pareto front, and the volume that the front dominates.

function drawFront() {
  const { front } = DATA;
  if (!front) return;
  document.querySelectorAll(".several").forEach((node) => (node.hidden = false));
  const host = body("front");
  if (!front.trials.length) return void host.append(empty("No trial that was trained to its end has all objectives."));
  const [area, growth] = [el("div", { class: "plot" }), el("div", { class: "plot" })];
  const across = { objective: front.objectives[1] };
  const pick = (event) => {
    across.objective = front.objectives[Number(event.target.value)];
    redraw();
  };
  const others = front.objectives.slice(1).map((one, index) => el("option", { value: index + 1 }, one.metric));
  const picker = others.length > 1 && el("label", {}, "Across", el("select", { onchange: pick }, others));
  const more = front.objectives.length > 2 ? " A trial may be on the front by an objective that is not drawn." : "";
  host.append(
    el("div", { class: "bar" }, picker, el("span", { class: "note" }, `Outlined: the front, ${counted(front.trials.length)}.${more}`)),
    area,
    el("p", { class: "note" }, `Hypervolume ${fmt(front.hypervolume)} of the box between the best of each objective and the reference (${referenceText()}).`),
    growth,
  );
  const redraw = plot(area, (width) => frontMap(width, across.objective));
  plot(growth, volumes);
}

function referenceText() {
  return Object.entries(DATA.front.reference).map(([metric, value]) => `${metric} ${fmt(value)}`).join(", ");
}

const measureOf = (trial, metric) => (metric === STUDY.metric ? trial.value : trial[metric] ?? null);

function frontMap(width, other) {
  const { front } = DATA;
  const values = (metric) => TRIALS.map((trial) => measureOf(trial, metric));
  const [x, y] = [valueAxis(values(other.metric), other.direction), valueAxis(values(STUDY.metric), STUDY.direction)];
  const name = (axis, one) => `${one.metric} (${one.direction})${axis.log ? ", log" : ""}${beyondText(axis)}`;
  const label = `${STUDY.metric} and ${other.metric} of ${TRIALS.length} trials`;
  const area = frame({ width, height: width < 560 ? 340 : 440, x, y, xName: name(x, other), yName: name(y, STUDY), label, left: 74, top: 24 });
  const on = new Set(front.trials);
  const points = TRIALS.map((trial) => ({ trial, tx: x.at(measureOf(trial, other.metric)), ty: y.at(trial.value) }))
    .filter((point) => point.tx !== null && point.ty !== null)
    .map(({ trial, tx, ty }) => ({ trial, x: area.px(tx), y: area.py(ty) }));
  for (const point of points) {
    point.node = mark(point.trial, point.x, point.y);
    if (on.has(point.trial.number)) point.node.classList.add("best");
    area.root.append(point.node);
  }
  if (front.objectives.length === 2) area.root.append(...staircase(points.filter((point) => on.has(point.trial.number)), other));
  interactive(area.root, (left, top) => nearest(points, left, top), () => TRIALS);
  return { root: area.root, ...marked(area.root, points) };
}

/** The border of what the front dominates: between two of its points by the worse of each objective. */
function staircase(points, other) {
  const ordered = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  if (ordered.length < 2) return [];
  const lessIsBetter = other.direction === "minimize";
  const steps = ordered.slice(1).map((point) => (lessIsBetter ? `H${point.x}V${point.y}` : `V${point.y}H${point.x}`));
  return [svg("path", { class: "incumbent", d: `M${ordered[0].x} ${ordered[0].y}${steps.join("")}` })];
}

/** The hypervolume after each trial. */
function volumes(width) {
  const { front } = DATA;
  const x = numberAxis(TRIALS[0].number - 0.5, TRIALS.at(-1).number + 0.5, false, true);
  const y = numberAxis(0, Math.max(1, front.hypervolume), false);
  const label = `Hypervolume after each of ${front.volumes.length} trials`;
  const area = frame({ width, height: 220, x, y, xName: "trial", yName: "hypervolume", label });
  const at = ([number, volume]) => [area.px(x.at(number)).toFixed(1), area.py(y.at(volume)).toFixed(1)];
  const steps = front.volumes.slice(1).map(at).map(([left, top]) => `H${left}V${top}`);
  area.root.append(svg("path", { class: "incumbent", d: `M${at(front.volumes[0]).join(" ")}${steps.join("")}H${area.right}` }));
  return { root: area.root, filter() {}, selection() {} };
}
