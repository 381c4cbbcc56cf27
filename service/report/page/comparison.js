// The page of a comparison, from top to bottom: the answer with intervals, curves, and tables of what differs.

const FOUND = JSON.parse(document.getElementById("data").textContent);
const STUDIES = FOUND.studies.map((study, index) => ({ ...study, index, look: `s-${index % 6}` }));
const [FIRST] = STUDIES;
const HORIZONTAL = { trials: "trials ended", epochs: "epochs trained", seconds: "time" };

function same(key) {
  return STUDIES.every((study) => study[key] === FIRST[key]);
}

function swatch(study) {
  return svg("svg", { class: `swatch ${study.look}`, viewBox: "0 0 22 8", "aria-hidden": "true" }, svg("path", { class: dashed(study), d: "M0 4H22" }));
}

function dashed(study) {
  return `line ${study.look}${study.index % 3 ? ` dash-${study.index % 3}` : ""}`;
}

function drawAbout() {
  const facts = [same("metric") && same("direction") && `${FIRST.direction} ${FIRST.metric}`, same("data") && FIRST.data, same("data_digest") && FIRST.data_digest && `data ${FIRST.data_digest.slice(0, 12)}`];
  document.getElementById("about").textContent = facts.filter(Boolean).join(" · ");
}

function headline() {
  if (!FOUND.comparable) return "The values of these studies cannot be compared";
  if (!FOUND.leads.length) return "There is nothing to compare yet";
  if (FOUND.leads.every((lead) => lead.clear)) return `${FOUND.leader} is ${FOUND.leads[0].confirmed ? "the best" : "ahead, by validation"}`;
  return `${FOUND.leader} is ahead, but not clearly`;
}

function drawAnswer() {
  document.getElementById("answer-title").textContent = headline();
  const said = el("div", {}, list(FOUND.answer), FOUND.notes.length > 0 && [el("h3", {}, "What else differs"), list(FOUND.notes)]);
  const valued = STUDIES.filter((study) => study.best);
  if (!FOUND.comparable || !valued.length) return void body("answer").append(said);
  const area = el("div", { class: "plot" });
  const bounds = valued.filter((study) => study.interval).map((study) => `${study.study}: ${study.interval.of}.`);
  const notes = ["Dot: the best value. Bar: its 95% interval.", ...new Set(bounds)];
  body("answer").append(el("div", { class: "columns" }, said, el("div", {}, area, el("p", { class: "note" }, notes.join(" ")))));
  drawn(area, (width) => intervals(valued, width));
}

function list(texts) {
  return el("ul", { class: "plain" }, texts.map((text) => el("li", {}, text)));
}

/** What stands for the best of a study: the mean of its fresh seeds where it was confirmed. */
function score(study) {
  return study.best.test ? study.best.test.mean : study.best.value;
}

function intervals(studies, width) {
  const values = studies.flatMap((study) => [score(study), study.interval?.low, study.interval?.high]);
  const x = valueAxis(values, FIRST.direction);
  const height = 50 + 44 * studies.length;
  const xName = `${FIRST.metric} (${FIRST.direction})${x.log ? ", log" : ""}`;
  const { root, px } = frame({ width, height, x, y: { ticks: [] }, xName, yName: "", label: `The best ${FIRST.metric} of each study with its interval`, left: 14 });
  studies.forEach((study, place) => root.append(...intervalLine(study, 36 + 44 * place, (value) => px(x.at(value) ?? 0))));
  return root;
}

function intervalLine(study, y, at) {
  const { interval } = study;
  const shown = interval ? `${fmt(score(study))} (${fmt(interval.low)} to ${fmt(interval.high)})` : fmt(score(study));
  const marks = [svg("text", { x: 14, y: y - 12, class: study.study === FOUND.leader ? "strong" : null }, `${cut(study.study, 28)}: ${shown}`)];
  if (interval) marks.push(svg("path", { class: `bound ${study.look}`, d: `M${at(interval.low)} ${y - 5}v10M${at(interval.low)} ${y}H${at(interval.high)}M${at(interval.high)} ${y - 5}v10` }));
  marks.push(svg("circle", { class: `score ${study.look}`, cx: at(score(study)), cy: y, r: 5 }));
  return marks;
}

function drawCurves() {
  const host = body("curves");
  if (!FOUND.comparable) return void host.append(empty("The values cannot be compared: no curves are drawn beside each other."));
  const curved = STUDIES.filter((study) => study.curve.length);
  if (!curved.length) return void host.append(empty("No trial has been trained to its end yet."));
  const legend = curved.map((study) => el("span", { class: "key" }, swatch(study), study.study));
  const panels = el("div", { class: "panels" });
  host.append(el("div", { class: "bar" }, legend), panels);
  for (const by of Object.keys(HORIZONTAL)) {
    const area = el("div", { class: "plot" });
    panels.append(el("div", {}, el("h3", {}, `By ${HORIZONTAL[by]}`), area));
    drawn(area, (width) => bestSoFar(curved, by, width));
  }
}

function bestSoFar(studies, by, width) {
  const most = Math.max(1, ...studies.map((study) => Math.max(study[by], study.curve.at(-1)[by])));
  const unit = by !== "seconds" ? 1 : most > 7200 ? 3600 : most > 300 ? 60 : 1;
  const x = numberAxis(0, most / unit, false, by !== "seconds");
  const y = valueAxis(studies.flatMap((study) => study.curve.map((point) => point.value)), FIRST.direction);
  const name = by === "seconds" ? { 1: "seconds", 60: "minutes", 3600: "hours" }[unit] : HORIZONTAL[by];
  const yName = `${FIRST.metric}${y.log ? ", log" : ""}${y.beyond ? `; ${y.beyond} far worse at the border` : ""}`;
  const { root, px, py } = frame({ width, height: 300, x, y, xName: name, yName, label: `Best ${FIRST.metric} so far by ${HORIZONTAL[by]}` });
  for (const study of studies) {
    const points = study.curve.map((point) => [px(x.at(point[by] / unit)).toFixed(1), py(y.at(point.value)).toFixed(1)]);
    const steps = points.slice(1).map(([left, top]) => `H${left}V${top}`).join("");
    root.append(svg("path", { class: dashed(study), d: `M${points[0].join(" ")}${steps}H${px(x.at(Math.max(study[by], study.curve.at(-1)[by]) / unit)).toFixed(1)}` }));
  }
  return root;
}

/** A table with a column for each study; rows are [name, cells], those whose cells differ stand out. */
function sideBySide(rows) {
  const head = el("tr", {}, el("td", {}), STUDIES.map((study) => el("th", { scope: "col" }, swatch(study), " ", study.study)));
  const lines = rows.map(([name, cells]) => {
    const texts = cells.map((cell) => (cell instanceof Node ? cell.textContent : cell));
    const differs = texts.some((text) => text !== texts[0]);
    return el("tr", { class: differs ? "differs" : null }, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)));
  });
  return el("div", { class: "scroll" }, el("table", { class: "side" }, el("thead", {}, head), el("tbody", {}, lines)));
}

function drawStudies() {
  const of = (name, cell) => [name, STUDIES.map(cell)];
  const best = (cell) => (study) => (study.best ? cell(study.best) : "–");
  const states = (study) => Object.entries(study.states).map(([state, count]) => `${count} ${state.toLowerCase()}`).join(", ") || "–";
  body("studies").append(sideBySide([
    of("state", (study) => study.state.toLowerCase()),
    of("objective", (study) => `${study.direction} ${study.metric}`),
    of("data", (study) => study.data ?? "–"),
    of("digest of the data", (study) => study.data_digest?.slice(0, 12) ?? "–"),
    of("trainer", (study) => study.trainer),
    of("search, pruning", (study) => [study.method, study.pruning].filter(Boolean).join(", ") || "–"),
    of("best value", best((one) => `${fmt(one.value)} (trial ${one.trial})`)),
    of("confirmed", best((one) => (one.test ? `${fmt(one.test.mean)}${one.test.std === null ? "" : ` ± ${fmt(one.test.std)}`}, ${counted(one.test.seeds, "seed")}` : "no"))),
    of("95% interval", (study) => (study.interval ? `${fmt(study.interval.low)} to ${fmt(study.interval.high)}` : "–")),
    of("verdict of the best", best((one) => badge(one.verdict))),
    of("gap to training", best((one) => fmt(one.gap))),
    of("trials", (study) => (study.planned && study.planned !== study.trials ? `${study.trials} of ${study.planned} planned` : String(study.trials))),
    of("how they ended", states),
    of("epochs trained", (study) => study.epochs.toLocaleString("en")),
    of("time", (study) => duration(study.seconds)),
  ]));
}

function badge(verdict) {
  return verdict ? el("span", { class: `badge v-${verdict}` }, glyph(verdict), verdictText(verdict)) : "–";
}

function drawVerdicts() {
  const host = body("verdicts");
  const counts = (study) => VERDICTS.map((verdict) => [verdict, study.verdicts[verdict] ?? 0]).filter(([, count]) => count);
  if (!STUDIES.some((study) => counts(study).length)) return void host.append(empty("No trial has a verdict yet."));
  for (const study of STUDIES) {
    const found = counts(study);
    const parts = found.map(([verdict, count]) => el("span", { class: `part v-${verdict}`, "data-share": count }));
    const words = found.map(([verdict, count]) => el("span", { class: `badge v-${verdict}` }, glyph(verdict), `${count} ${verdictText(verdict)}`));
    parts.forEach((part) => (part.style.flexGrow = part.dataset.share));
    host.append(el("h3", {}, study.study), el("div", { class: "stack" }, parts), el("div", { class: "bar" }, words.length ? words : "no verdicts yet"));
  }
}

function differing(section, rows, none) {
  if (!rows.length) return void body(section).append(empty(none));
  body(section).append(sideBySide(rows.map((row) => [row.key, row.values.map(fmt)])));
}

function drawParams() {
  differing("params", FOUND.params, "The best configurations are the same.");
  const known = new Set(FOUND.params.map((row) => row.key));
  const equal = Object.entries(FIRST.best?.params ?? {}).filter(([name]) => !known.has(name));
  if (equal.length) body("params").append(el("p", { class: "note" }, `The same in all: ${equal.map(([name, value]) => `${name} ${fmt(value)}`).join(", ")}.`));
}

for (const draw of [drawAbout, drawAnswer, drawCurves, drawStudies, drawVerdicts, drawParams]) draw();
differing("settings", FOUND.settings, "The study files are the same.");
document.documentElement.dataset.ready = String(Math.round(performance.now()));
