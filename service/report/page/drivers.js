// How much each parameter drives the score and the gap, and which way.

const MOST_DRIVERS = 12;

function drawDrivers() {
  const host = body("drivers");
  const { value = {}, gap = {} } = DATA.diagnosis.importances;
  const ways = new Map(DATA.diagnosis.directions.filter((way) => way.shape !== "unclear").map((way) => [`${way.target}/${way.parameter}`, way.text]));
  const known = MATTERS.filter((axis) => axis.name in value || axis.name in gap || ways.has(`score/${axis.name}`) || ways.has(`gap/${axis.name}`));
  if (!known.length) {
    return void host.append(empty("Not known: importances need at least 10 complete trials with different scores, and no direction is clear beyond chance."));
  }
  if (!Object.keys(value).length) host.append(el("p", { class: "note" }, "Shares need at least 10 complete trials with different scores; the directions are clear beyond chance."));
  const grid = el("div", { class: "drivers" }, ["parameter", `drives ${STUDY.metric}`, "drives the gap"].map((text, index) => el("div", { class: index ? "head" : "head first" }, text)));
  for (const { name } of known.slice(0, MOST_DRIVERS)) {
    grid.append(el("div", { class: "name" }, name), driver(value[name], ways.get(`score/${name}`), ""), driver(gap[name], ways.get(`gap/${name}`), "gap"));
  }
  host.append(grid, el("p", { class: "note" }, "Where no direction is told, none is clear beyond chance."));
  if (known.length > MOST_DRIVERS) host.append(el("p", { class: "note" }, `${known.length - MOST_DRIVERS} more matter less.`));
  const { interaction } = DATA.diagnosis;
  if (!interaction) return;
  const share = `${Math.round(100 * interaction.share)}% of what the parameters by themselves leave unexplained`;
  host.append(el("p", {}, `${interaction.parameters.join(" and ")} act together: that explains ${share}.`));
}

function driver(share, way, kind) {
  const fill = el("span", { class: `fill ${kind}` });
  fill.style.width = `${100 * (share ?? 0)}%`;
  const percent = share === undefined ? "–" : `${Math.round(100 * share)}%`;
  const bar = el("div", { class: "share" }, el("span", { class: "track" }, fill), el("span", { class: "percent" }, percent));
  return el("div", {}, bar, el("div", { class: "way" }, way ?? ""));
}
