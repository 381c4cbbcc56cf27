// What more rows would bring: scores by the number of training rows, the power law through them, and twice as many.

function drawGrowth() {
  const { growth } = DATA;
  if (!growth) return;
  document.querySelectorAll(".grown").forEach((node) => (node.hidden = false));
  const by = growth.trial === null ? "the trainer's defaults" : `the configuration of trial ${growth.trial}`;
  const area = el("div", { class: "plot" });
  body("growth").append(
    el("p", {}, `${growth.sentence[0].toUpperCase()}${growth.sentence.slice(1)}.`),
    el("p", { class: "note" }, `Measured with ${by}, on the validation rows. Dots: each seed. Line: the power law. Bar: 90% of what twice the rows may bring.`),
    area,
  );
  plot(area, growthPlot);
}

function growthPlot(width) {
  const { growth } = DATA;
  const sign = growth.direction === "maximize" ? 1 : -1;
  const last = growth.sizes.at(-1).rows;
  const fitted = (rows) => growth.limit + (growth.now - growth.limit) * (rows / last) ** -growth.exponent;
  const ends = [growth.low, growth.high].map((gain) => growth.now + sign * gain);
  const values = [...growth.sizes.flatMap((size) => size.scores), ...ends, fitted(2 * last)];
  const x = numberAxis(growth.sizes[0].rows * 0.85, last * 2.4, true);
  const room = (Math.max(...values) - Math.min(...values)) * 0.05;
  const y = numberAxis(Math.min(...values) - room, Math.max(...values) + room, false);
  const label = `${growth.metric} by training rows; ${growth.sentence}`;
  const { root, px, py } = frame({ width, height: 280, x, y, xName: "training rows, log", yName: growth.metric, label });
  const at = (rows, value) => `${px(x.at(rows)).toFixed(1)} ${py(y.at(value)).toFixed(1)}`;
  const steps = Array.from({ length: 40 }, (_, index) => growth.sizes[0].rows * (2 * last / growth.sizes[0].rows) ** (index / 39));
  root.append(svg("path", { class: "incumbent", d: `M${steps.map((rows) => at(rows, fitted(rows))).join("L")}` }));
  root.append(svg("path", { class: "error", d: `M${at(2 * last, ends[0])}L${at(2 * last, ends[1])}` }));
  for (const size of growth.sizes) {
    for (const score of size.scores) root.append(svg("circle", { class: "seed", cx: px(x.at(size.rows)), cy: py(y.at(score)), r: 4 }));
  }
  return { root, filter() {}, selection() {} };
}
