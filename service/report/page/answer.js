// The head of the page: the answer, confirmation and optimism, health.

function drawAbout() {
  const what = [STUDY.state.toLowerCase(), `${STUDY.trainer} on ${STUDY.source ?? "its own data"}`, goalText()];
  const how = [`${STUDY.method} search, pruning ${STUDY.pruning}`, `${counted(TRIALS.length)}${planned()} of ${counted(STUDY.length, STUDY.unit)}`];
  const when = [STUDY.started && `started ${STUDY.started}`, STUDY.seconds ? `ran ${duration(STUDY.seconds)}` : null];
  document.getElementById("about").textContent = [...what, ...how, ...when].filter(Boolean).join(" · ");
  drawNote();
  if (STUDY.packs) document.getElementById("about").after(el("p", { id: "packs" }, STUDY.packs));
  if (!STUDY.versions.length) return;
  const edits = STUDY.versions.map((text) => el("li", {}, text));
  document.getElementById("about").after(el("details", { id: "versions" }, el("summary", {}, `Edited ${counted(edits.length, "time")}`), el("ol", {}, edits)));
}

function drawNote() {
  const lines = [...(STUDY.note ?? "").split("\n"), STUDY.tags.join(" · ")].filter(Boolean);
  if (lines.length) document.getElementById("about").after(el("div", { id: "note" }, lines.map((text) => el("p", {}, text))));
}

function goalText() {
  const goals = (DATA.front?.objectives ?? [STUDY]).map((one) => `${one.direction} ${one.metric}`).join(", ");
  return STUDY.constraints ? `${goals} with ${STUDY.constraints.join(", ")}` : goals;
}

function planned() {
  return STUDY.planned && STUDY.planned !== TRIALS.length ? ` of ${STUDY.planned} planned` : "";
}

function drawAnswer() {
  const { answer } = DATA;
  document.getElementById("answer-title").textContent = answer.headline;
  const trial = BY_NUMBER.get(answer.trial);
  const left = el("div", {}, trial && tiles(trial), answer.sure.length > 0 && sure(), next());
  const yaml = answer.yaml ? el("div", {}, el("h3", {}, "Its configuration"), code(answer.yaml, "the configuration")) : null;
  body("answer").append(el("div", { class: yaml ? "columns" : "" }, left, yaml));
}

function tiles(trial) {
  const row = DATA.confirmation.find((one) => one.winner);
  const confirmed = row && tile(`${STUDY.metric} on ${DATA.answer.split}`, fmt(row.mean), `${row.error === null ? "" : `± ${fmt(row.error)}, `}${counted(row.seeds, "seed")}`);
  const verdict = el("span", { class: `badge v-${trial.verdict}` }, glyph(trial.verdict), verdictText(trial.verdict));
  const found = [
    confirmed,
    tile(`${STUDY.metric}, the search's`, fmt(trial.value), `${STUDY.unit} ${fmt(trial.best_epoch)} of ${trial.epochs}`),
    ...JUDGED_BY.map((name) => tile(name, fmt(trial[name]), "")),
    tile("fit", verdict, trial.confidence === null ? "" : `confidence ${fmt(Number(trial.confidence.toFixed(2)))}`),
    tile("gap to training", fmt(trial.gap), trial.gap > 0 ? "validation is worse" : DATA.answer.no_gap),
  ];
  const show = el("button", { type: "button", onclick: () => select(trial) }, `Show trial ${trial.number}`);
  return el("div", { class: "head" }, el("dl", { class: "tiles" }, found), show);
}

function tile(name, value, more) {
  return el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value, " ", more && el("small", {}, more)));
}

function sure() {
  return el("div", {}, el("h3", {}, "How sure"), el("ul", { class: "plain" }, DATA.answer.sure.map((text) => el("li", {}, text))));
}

const MOST_STEPS = 4; // the health of the search has them all

// As a shell takes it: quoted, unless it is plain.
function setWords(change) {
  const quoted = /^[\w@%+=:,./-]+$/.test(change) ? change : `'${change.replaceAll("'", "'\\''")}'`;
  return `--set ${quoted}`;
}

function next() {
  const { next: steps, command } = DATA.answer;
  if (!steps.length) return null;
  const items = steps.slice(0, MOST_STEPS).map((one) => {
    const commands = [one.command, ...one.set.map(setWords)].filter(Boolean);
    return el("li", {}, one.text, commands.map((text) => code(text, text)));
  });
  const left = steps.length > MOST_STEPS && el("p", { class: "note" }, `${steps.length - MOST_STEPS} more under Health of the search.`);
  const all = command && [el("p", {}, "All changes in one, as a new study:"), code(command, "the command")];
  return el("div", {}, el("h3", {}, "What to do next"), el("ol", { class: "steps" }, items), left, all);
}

function drawConfirmation() {
  const host = body("confirmation");
  const { optimism } = DATA.diagnosis;
  if (DATA.confirmation.length) {
    const picture = el("div", { class: "plot" });
    host.append(el("div", { class: "scroll" }, standings()), picture);
    plot(picture, seeds);
  } else host.append(empty(`Nothing was confirmed: no configuration${STUDY.constraints ? " that keeps the constraints" : ""} was trained again on fresh seeds.`));
  if (optimism) host.append(el("h3", {}, "Optimism of the best by validation"), optimismFacts(optimism));
}

function standings() {
  const names = ["trial", `mean on ${DATA.answer.split}`, "± standard error", "seeds", "failed", "tied with the best", "validation of the search", "gap", "time a seed"];
  const head = el("tr", {}, names.map((name, index) => el("th", { class: index ? "n" : null, scope: "col" }, name)));
  const lines = DATA.confirmation.map((row) => {
    const cells = [fmt(row.mean), fmt(row.error), row.seeds, row.failed, row.tied ? "yes" : "no", fmt(row.validation), fmt(row.gap), duration(row.seconds)];
    const first = el("td", {}, trialButton(row.trial), row.winner ? " winner" : "");
    return el("tr", { class: row.winner ? "winner" : null }, first, cells.map((text) => el("td", { class: "n" }, String(text))));
  });
  return el("table", {}, el("thead", {}, head), el("tbody", {}, lines));
}

function trialButton(number) {
  return el("button", { type: "button", "aria-label": `Select trial ${number}`, onclick: () => select(BY_NUMBER.get(number)) }, String(number));
}

/** Each seed's score and its mean on one line a configuration, and what the search had said. */
function seeds(width) {
  const values = DATA.confirmation.flatMap((row) => [...row.scores, row.validation, row.mean]);
  const x = { ...valueAxis(values, STUDY.direction) };
  const height = 54 + 26 * DATA.confirmation.length;
  const y = { ticks: [] };
  const label = `Scores of the confirmed configurations on ${DATA.answer.split}`;
  const { root, px } = frame({ width, height, x, y, xName: `${STUDY.metric}${x.log ? ", log" : ""}`, yName: "", label, left: 86 });
  DATA.confirmation.forEach((row, index) => root.append(...seedLine(row, 22 + 26 * index, (value) => px(x.at(value) ?? 0))));
  const key = el("p", { class: "note" }, "Dots: each seed. Bar: mean ± standard error. Ring: the score in the search.");
  return { root: el("div", {}, key, root), filter() {}, selection() {} };
}

function seedLine(row, y, at) {
  const marks = [svg("text", { x: 78, y: y + 4, "text-anchor": "end", class: row.winner ? "strong" : null }, `trial ${row.trial}`)];
  if (row.mean !== null) {
    const error = row.error ?? 0;
    const [low, high] = [at(row.mean - error), at(row.mean + error)];
    marks.push(svg("path", { class: "error", d: `M${low} ${y}H${high}M${at(row.mean)} ${y - 8}v16` }));
  }
  for (const score of row.scores) if (score !== null) marks.push(svg("circle", { class: "seed", cx: at(score), cy: y, r: 4 }));
  if (row.validation !== null) marks.push(svg("circle", { class: "before", cx: at(row.validation), cy: y, r: 4.5 }));
  return marks;
}

function optimismFacts(optimism) {
  const { noise } = DATA.diagnosis;
  const error = (value) => (value === null ? "" : ` ± ${fmt(value)}`);
  const facts = [
    ["best by validation", `trial ${optimism.trial}: ${fmt(optimism.validation)}, ${optimism.trials === 1 ? "the only one" : `the best of ${optimism.trials}`}`],
    ["luck expected in it", optimism.expected === null ? null : `${fmt(optimism.expected)}; without it ${fmt(optimism.deflated)}`],
    ["on fresh seeds", optimism.confirmed === null ? null : `${fmt(optimism.confirmed)}${error(optimism.confirmed_error)}: ${tooGood(optimism.found)}`],
    ["on the test split", optimism.test === null ? null : `${fmt(optimism.test)}${error(optimism.test_error)}: ${tooGood(optimism.found_on_test)}`],
    ["overtuning", optimism.overtuning && `${fmt(optimism.overtuning.amount)} over ${counted(optimism.overtuning.incumbents, "incumbent")}`],
    ["noise of a score", noise && `${fmt(noise.sigma)} (from ${noise.source}); spread of the scores ${fmt(noise.spread)}, reliability ${fmt(Number(noise.reliability.toFixed(2)))}`],
  ];
  return numbers(facts.filter(([, text]) => text));
}

function tooGood(found) {
  if (found > 0) return `the score was ${fmt(found)} too good`;
  return found < 0 ? `${fmt(-found)} better` : "just as good";
}

function numbers(pairs) {
  return el("dl", { class: "numbers" }, pairs.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, String(text))]));
}

function drawHealth() {
  const { findings } = DATA.diagnosis;
  const none = TRIALS.length ? TRIALS.length < 10 ? "Too few trials: most checks need 10." : "No problems found." : "There is nothing to look at yet.";
  body("health").append(...(findings.length ? findings.map(findingBox) : [empty(none)]));
}

function findingBox(finding) {
  const told = Object.entries(finding.numbers).map(([name, value]) => [name.replaceAll("_", " "), fmt(value)]);
  const more = told.length ? el("details", {}, el("summary", {}, "Numbers"), numbers(told)) : null;
  const edits = (finding.edit?.set ?? []).map((change) => code(setWords(change), change));
  return el("div", { class: `finding ${finding.severity}` }, el("span", { class: "tag" }, finding.severity), el("p", {}, finding.text), edits, more);
}
