// The value of each trial in their order, and what the search stood at.

function drawHistory() {
  const host = body("history");
  if (!TRIALS.length) return void host.append(empty("No trial has started yet."));
  const valued = TRIALS.filter((trial) => trial.value !== null);
  const without = TRIALS.length - valued.length;
  const broken = STUDY.constraints ? ", or beyond a constraint" : "";
  const notes = [`Filled: trained to the end. Hollow: pruned, failed, cancelled or running${broken}. Line: the best so far.`];
  if (without) notes.push(valued.length ? `${without} without a value are at the bottom.` : "No trial has a value.");
  const area = el("div", { class: "plot" });
  host.append(el("p", { class: "note" }, notes.join(" ")), area);
  plot(area, history);
}

function history(width) {
  const y = valueAxis(TRIALS.map((trial) => trial.value), STUDY.direction);
  const x = numberAxis(TRIALS[0].number - 0.5, TRIALS.at(-1).number + 0.5, false, true);
  const height = width < 560 ? 300 : 380;
  const yName = `${STUDY.metric} (${STUDY.direction})${y.log ? ", log" : ""}${beyondText(y)}`;
  const area = frame({ width, height, x, y, xName: "trial", yName, label: `${STUDY.metric} of ${TRIALS.length} trials`, top: 40, bottom: 52 });
  const points = TRIALS.map((trial) => {
    const t = y.at(trial.value);
    return { trial, x: area.px(x.at(trial.number)), y: t === null ? area.bottom + 26 : area.py(t) };
  });
  const size = TRIALS.length > 400 ? 3.4 : 4.5;
  for (const point of points) {
    point.node = mark(point.trial, point.x, point.y, size);
    if (point.trial.number === DATA.answer.trial) point.node.classList.add("best");
    area.root.append(point.node);
  }
  area.root.append(...incumbentLine(area, x, y));
  interactive(area.root, (left, top) => nearest(points, left, top), () => TRIALS);
  return { root: area.root, ...marked(area.root, points) };
}

function beyondText(axis) {
  return axis.beyond ? `; ${axis.beyond} far worse at the border` : "";
}

function incumbentLine(area, x, y) {
  const best = incumbents();
  if (!best.length) return [];
  const at = (trial) => [area.px(x.at(trial.number)).toFixed(1), area.py(y.at(trial.value)).toFixed(1)];
  const steps = best.slice(1).map(at).map(([left, top]) => `H${left}V${top}`);
  const line = svg("path", { class: "incumbent", d: `M${at(best[0]).join(" ")}${steps.join("")}H${area.right}` });
  const winner = DATA.confirmation.find((row) => row.winner);
  const t = winner ? y.at(winner.mean) : null;
  if (t === null) return [line];
  const height = area.py(t);
  return [
    line,
    svg("path", { class: "confirmed", d: `M${area.left} ${height}H${area.right}` }),
    svg("text", { class: "strong", x: area.right - 4, y: height - 6, "text-anchor": "end" }, `winner on ${DATA.answer.split}: ${fmt(winner.mean)}`),
  ];
}
