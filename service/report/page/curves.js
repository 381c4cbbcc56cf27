// Learning curves: a panel a verdict, validation solid and training dashed; also one trial's alone.

const CURVES = new Map(Object.entries(DATA.curves.trials).map(([number, curve]) => [Number(number), unpacked(curve)]));
let metricShown = Math.max(0, DATA.curves.metrics.length - 1);

function unpacked(curve) {
  const epochs = typeof curve.e === "number" ? Array.from({ length: curve.e }, (_, index) => index + 1) : curve.e;
  return { epochs, metrics: curve.m };
}

function drawCurves() {
  const host = body("curves");
  if (!CURVES.size) return void host.append(empty("No trial has reported yet: there are no curves."));
  const drawn = TRIALS.filter((trial) => CURVES.has(trial.number));
  const panels = el("div", { class: "panels" });
  host.append(curveBar(() => redraws.forEach((redraw) => redraw())), panels);
  const redraws = [...VERDICTS, "none"].flatMap((verdict) => {
    const trials = drawn.filter((trial) => trial.verdict === verdict);
    if (!trials.length) return [];
    const area = el("div", { class: "plot" });
    const count = el("span", { class: "note" });
    panels.append(el("div", {}, el("h3", {}, glyph(verdict), verdictText(verdict), count), area));
    return [plot(area, (width) => panel(width, trials, curveAxes(drawn), verdictText(verdict), count))];
  });
}

function curveBar(redraw) {
  const options = DATA.curves.metrics.map((name, index) => el("option", { value: index, selected: index === metricShown }, name));
  const choose = (event) => {
    metricShown = Number(event.target.value);
    redraw();
    if (chosen) select(chosen); // its own curve, too
  };
  const { drawn, total } = DATA.curves;
  const note = drawn < total ? ` Curves of ${drawn} of ${total} trials: the best, and an even choice of the others.` : "";
  const text = el("span", { class: "note" }, `Solid: validation. Dashed: training. All panels have the same axes.${note}`);
  return el("div", { class: "bar" }, el("label", {}, "Metric", el("select", { onchange: choose }, options)), text);
}

function curveAxes(trials) {
  const curves = trials.map((trial) => CURVES.get(trial.number));
  const last = Math.max(2, ...curves.map((curve) => curve.epochs.at(-1)));
  const name = DATA.curves.metrics[metricShown];
  const objective = metricShown === DATA.curves.metrics.length - 1;
  const y = valueAxis(curves.flatMap((curve) => curve.metrics[metricShown].flat()), objective ? STUDY.direction : "minimize");
  return { x: numberAxis(1, last, false, true), y, name };
}

function panel(width, trials, axes, label, count) {
  const { x, y, name } = axes;
  const yName = `${name}${y.log ? ", log" : ""}${y.beyond ? "; the far worse at the border" : ""}`;
  const area = frame({ width, height: 260, x, y, xName: STUDY.unit, yName, label: `${name} of ${trials.length} trials, ${label}`, left: 52 });
  const lines = trials.map((trial) => curveLines(trial, area, axes));
  const faint = Math.min(0.9, Math.max(0.16, 12 / trials.length));
  for (const line of lines) {
    line.nodes.forEach((node) => (node.style.opacity = faint * (node.classList.contains("train") ? 0.5 : 1)));
    area.root.append(...line.nodes);
  }
  const top = svg("g", {});
  area.root.append(top);
  const raise = (trial) => top.replaceChildren(...overlay(lines.find((line) => line.trial === trial), lines.find((line) => line.trial === chosen)));
  const points = lines.flatMap((line) => line.points);
  interactive(area.root, (left, up) => nearest(points, left, up, 30), () => trials, raise);
  const filter = () => {
    let left = 0;
    for (const line of lines) {
      const there = shown(line.trial);
      left += there;
      line.nodes.forEach((node) => node.classList.toggle("out", !there));
    }
    count.textContent = left === trials.length ? counted(left) : `${left} of ${counted(trials.length)}`;
  };
  const selection = () => raise(null);
  filter();
  selection();
  return { root: area.root, filter, selection };
}

function overlay(...raised) {
  return [...new Set(raised)].filter(Boolean).flatMap((line) => line.nodes.map((node) => {
    const copy = node.cloneNode();
    copy.classList.add("chosen");
    copy.classList.remove("out");
    return copy;
  }));
}

/** A trial's two curves as paths, the points of both for the pointer, and crosses where they broke. */
function curveLines(trial, area, { x, y }) {
  const { epochs, metrics } = CURVES.get(trial.number);
  const points = [];
  const nodes = metrics[metricShown].flatMap((values, split) => {
    let path = "";
    let crosses = "";
    let pen = "M";
    values.forEach((value, index) => {
      if (value === null) return;
      const left = area.px(x.at(epochs[index]));
      if (value === "x") {
        crosses += `M${left - 3} ${area.bottom - 8}l6 6m0 -6l-6 6`;
        pen = "M";
        return;
      }
      const up = area.py(y.at(value) ?? 0);
      points.push({ trial, x: left, y: up });
      path += `${pen}${left.toFixed(1)} ${up.toFixed(1)}`;
      pen = "L";
    });
    if (path && !path.includes("L")) path += "h3"; // a single epoch
    const kind = `line v-${trial.verdict}${split === 0 ? " train" : ""}`;
    return [path && svg("path", { class: kind, d: path }), crosses && svg("path", { class: "line broken", d: crosses })].filter(Boolean);
  });
  return { trial, nodes, points };
}

/** One trial's curve with its best epoch and the onset. */
function ownCurve(trial, width) {
  const axes = curveAxes([trial]);
  const { x, y, name } = axes;
  const area = frame({ width, height: 190, x, y, xName: STUDY.unit, yName: `${name}${y.log ? ", log" : ""}`, label: `${name} of trial ${trial.number}`, left: 52 });
  area.root.removeAttribute("tabindex");
  for (const [epoch, kind, down] of [[trial.best_epoch, "best-epoch", 12], [trial.onset, "onset", 26]]) {
    if (epoch === null) continue;
    const left = area.px(x.at(epoch));
    const [anchor, shift] = left > width / 2 ? ["end", -5] : ["start", 5];
    area.root.append(svg("path", { class: kind, d: `M${left} ${area.top}V${area.bottom}` }));
    area.root.append(svg("text", { class: kind, x: left + shift, y: area.top + down, "text-anchor": anchor }, `${kind.replace("-epoch", "")} ${epoch}`));
  }
  const { nodes } = curveLines(trial, area, axes);
  nodes.forEach((node) => (node.style.strokeWidth = 2));
  area.root.append(...nodes);
  return area.root;
}
