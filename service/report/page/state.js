// The study's facts, the filters, the selected trial; whoever draws them subscribes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const STUDY = DATA.study;
const MAXIMIZE = STUDY.direction === "maximize";
const JUDGED_BY = STUDY.judged_by ?? []; // further objectives, and what is bounded
const TRIALS = rows(DATA.trials);
const BY_NUMBER = new Map(TRIALS.map((trial) => [trial.number, trial]));
const AXES = DATA.space.map(parameterAxis);
const MATTERS = ranking();

const filters = { verdicts: new Set(), states: new Set(), brushes: new Map(), text: "" };
const listeners = { filter: [], select: [] };
let chosen = null;
let terms = [];

/** Trials as objects, from their columns. */
function rows(columns) {
  const { params, ...own } = columns;
  return own.number.map((_, index) => {
    const trial = Object.fromEntries(Object.entries(own).map(([key, column]) => [key, column[index]]));
    const given = Object.entries(params).filter(([, column]) => column[index] !== null);
    trial.params = Object.fromEntries(given.map(([key, column]) => [key, column[index]]));
    trial.verdict ??= "none";
    return trial;
  });
}

/** Searched parameters, the one that matters most for the score first, then for the gap, then as the space has them. */
function ranking() {
  const { value = {}, gap = {} } = DATA.diagnosis.importances;
  const weight = (name) => (value[name] ?? 0) + (gap[name] ?? 0) / 1000;
  return [...AXES].sort((a, b) => weight(b.name) - weight(a.name));
}

function shown(trial) {
  const { verdicts, states, brushes } = filters;
  if (verdicts.size && !verdicts.has(trial.verdict)) return false;
  if (states.size && !states.has(trial.state)) return false;
  for (const [axis, [low, high]] of brushes) {
    const t = axis.at(axis.of(trial));
    if (t === null || t < low || t > high) return false;
  }
  return terms.every((term) => term(trial));
}

/** The words of the search box as tests: "adam", "learning_rate<0.01", "gap>=0.1", "state=PRUNED". */
function parsed(text) {
  return text.split(/\s+/).filter(Boolean).map((word) => {
    const [, key, sign, wanted] = /^(.+?)(<=|>=|!=|=|<|>)(.+)$/.exec(word) ?? [];
    if (!key) return (trial) => haystack(trial).includes(word.toLowerCase());
    return (trial) => compares(trial.params[key] ?? trial[aliases[key] ?? key] ?? null, sign, wanted);
  });
}

const aliases = { trial: "number", [STUDY.metric]: "value" };

function haystack(trial) {
  trial.text ??= [trial.number, trial.label, trial.verdict, trial.message, ...Object.values(trial.params)].join(" ").toLowerCase();
  return trial.text;
}

function compares(value, sign, wanted) {
  if (value === null) return sign === "!=";
  const number = Number(wanted);
  const [a, b] = typeof value === "number" && !Number.isNaN(number) ? [value, number] : [String(value).toLowerCase(), wanted.toLowerCase()];
  return { "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b, "=": a === b, "!=": a !== b }[sign];
}

function onFilter(listener) {
  listeners.filter.push(listener);
}

function onSelect(listener) {
  listeners.select.push(listener);
}

function filterChanged() {
  terms = parsed(filters.text);
  listeners.filter.forEach((listener) => listener());
}

function toggle(set, value) {
  if (!set.delete(value)) set.add(value);
  filterChanged();
}

function clearFilters() {
  filters.verdicts.clear();
  filters.states.clear();
  filters.brushes.clear();
  filters.text = "";
  filterChanged();
}

function select(trial) {
  chosen = trial;
  listeners.select.forEach((listener) => listener());
  if (trial) say(`Trial ${trial.number} selected: ${verdictText(trial.verdict)}, ${STUDY.metric} ${fmt(trial.value)}`);
}

/** The shown trial before or after the selected one, in an order; the first where none is selected. */
function step(by, order) {
  const among = order.filter((trial) => shown(trial) || trial === chosen);
  const place = among.indexOf(chosen);
  const next = place < 0 ? among[by > 0 ? 0 : among.length - 1] : among[place + by];
  if (next) select(next);
}

/** Complete trials within the constraints that were the best when they ended, by number: what the search stood at. */
function incumbents() {
  const found = [];
  for (const trial of TRIALS) {
    if (trial.state !== "COMPLETE" || trial.value === null || trial.feasible === false) continue;
    const last = found.at(-1);
    if (!last || (MAXIMIZE ? trial.value > last.value : trial.value < last.value)) found.push(trial);
  }
  return found;
}
