// What the answer's model does to each group, and what mitigation costs. An estimate is [value, low, high].

const FAIRNESS = DATA.fairness;
const RATES = [["base_rate", "positive class"], ["selection_rate", "predicted positive"], ["accuracy", "accuracy"], ["tpr", "true positive rate"], ["fpr", "false positive rate"], ["calibration_error", "calibration error"]];
const WORDS = { demographic_parity_difference: "demographic parity difference", demographic_parity_ratio: "demographic parity ratio", equalized_odds_difference: "equalized odds difference", worst_group_accuracy: "worst group accuracy", calibration_gap: "calibration gap" };
const TRACK = 92;

function drawFairness() {
  if (!FAIRNESS) return;
  document.querySelectorAll(".fairness").forEach((node) => (node.hidden = false));
  const host = body("fairness");
  const about = `Trial ${FAIRNESS.trial} on ${FAIRNESS.measured_on}. The differences are between ${FAIRNESS.groups.some((one) => one.of === null) ? "the intersections of all columns" : "these groups"}; intervals are of 95%, and wide where a group has few rows.`;
  const tiles = Object.entries(FAIRNESS.differences).map(([name, found]) => tile(WORDS[name], fmt(found[0]), span(found)));
  const breaks = FAIRNESS.infeasible ? [FAIRNESS.infeasible, ...FAIRNESS.broken] : FAIRNESS.broken;
  const broken = breaks.map((text) => el("div", { class: "finding warning" }, el("span", { class: "tag" }, "warning"), el("p", {}, text)));
  host.append(...broken, el("p", { class: "note" }, about), el("dl", { class: "tiles" }, tiles), el("div", { class: "scroll" }, groupTable()));
  if (FAIRNESS.costs.length) host.append(el("h3", {}, `What mitigation costs, on ${FAIRNESS.costs_on}`), el("div", { class: "scroll" }, costTable()), el("p", { class: "note" }, costNote()));
}

function span([, low, high]) {
  return low === null ? "" : `${short(low)} to ${short(high)}`;
}

function short(value) {
  return fmt(Number(value.toFixed(3)));
}

function groupTable() {
  const names = ["group", "rows", ...RATES.map(([, name]) => name)];
  const head = el("tr", {}, names.map((name, index) => el("th", { scope: "col", class: index === 1 ? "n" : null }, name)));
  const lines = FAIRNESS.groups.map((group) => el("tr", {}, el("td", {}, group.name.replace(/\/(?=[^/:]+:)/g, ", ")), el("td", { class: "n" }, String(group.count)), RATES.map(([rate]) => rateCell(group.rates[rate], rate))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, lines));
}

function rateCell(found, rate) {
  if (!found) return el("td", { title: "not defined in this group" }, "–");
  const text = span(found);
  const bar = rate === "calibration_error" ? null : interval(found);
  return el("td", {}, short(found[0]), text && el("small", { class: "span" }, ` ${text}`), bar);
}

/** A rate from 0 to 1 as a dot on its interval. */
function interval([value, low, high]) {
  const at = (share) => 3 + share * (TRACK - 6);
  const ends = low === null ? [] : [svg("path", { class: "error", d: `M${at(low)} 5H${at(high)}` })];
  return svg("svg", { class: "interval", width: TRACK, height: 10, "aria-hidden": "true" }, svg("path", { class: "rail", d: `M${at(0)} 5H${at(1)}` }), ends, svg("circle", { class: "seed", cx: at(value), cy: 5, r: 3 }));
}

function costTable() {
  const names = ["training", "thresholds", "trial", "seeds", "accuracy", "accuracy change", "equalized odds difference", "difference change", "demographic parity difference", "worst group accuracy"];
  const head = el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)));
  const lines = FAIRNESS.costs.map((way) => {
    const training = way.strength === null ? way.mitigation : `${way.mitigation}, strength ${fmt(way.strength)}`;
    const before = [metricCell(way.metrics.accuracy), changeCell(way.cost), metricCell(way.metrics.equalized_odds_difference), changeCell(way.gain)];
    const after = [way.metrics.demographic_parity_difference, way.metrics.worst_group_accuracy].map(metricCell);
    const cells = [training, way.thresholds.replaceAll("_", " "), trialButton(way.trial), way.seeds || "–"].map((text) => el("td", {}, typeof text === "number" ? String(text) : text));
    return el("tr", {}, cells, before, after);
  });
  return el("table", {}, el("thead", {}, head), el("tbody", {}, lines));
}

function metricCell(found) {
  return el("td", {}, found ? [short(found[0]), el("small", { class: "span" }, ` ${span(found)}`)] : "–");
}

/** By how much a metric is more than without mitigation, of by how much it is less. */
function changeCell(less) {
  if (!less) return el("td", {}, "–");
  const [value, high, low] = less.map((end) => signed(-end));
  return el("td", {}, value, el("small", { class: "span" }, ` ${low} to ${high}`));
}

function signed(value) {
  const text = short(value);
  return Number(value.toFixed(3)) > 0 ? `+${text}` : text;
}

function costNote() {
  const where = FAIRNESS.costs_on === "validation" ? "Nothing was confirmed, so these are the figures that trials were chosen by, and too good; give confirm. " : "";
  return `${where}Each line is the best trial that was trained so. Changes are from the line without mitigation: of accuracy + is better, of the difference − is fairer. Their intervals take the models' errors to be independent, though all see the same rows, so they are rather too wide.`;
}
