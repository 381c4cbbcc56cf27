// The filters above the plots, and the table of trials.

const PAGE = 100; // rows drawn at once
const order = { column: "number", down: false };
let limit = PAGE;

function drawFilters() {
  const host = document.getElementById("filters");
  if (!TRIALS.length) return void (host.hidden = true);
  const verdicts = chips("verdict", [...VERDICTS, "none"], filters.verdicts, (verdict) => [glyph(verdict), verdictText(verdict)]);
  const states = chips("state", [...new Set(TRIALS.map((trial) => trial.state))], filters.states, (state) => [state.toLowerCase()]);
  const box = el("input", { type: "search", placeholder: "Filter: adam learning_rate<0.01", "aria-label": "Filter trials by words and comparisons" });
  box.addEventListener("input", () => {
    filters.text = box.value;
    filterChanged();
  });
  const count = el("span", { id: "count", "aria-live": "polite" });
  const clear = el("button", { type: "button", onclick: clearFilters }, "Show all");
  host.append(el("div", { class: "group" }, verdicts), el("div", { class: "group states" }, states), box, count, clear);
  const update = () => {
    const left = TRIALS.filter(shown).length;
    count.textContent = `${left} of ${counted(TRIALS.length)}`;
    clear.hidden = left === TRIALS.length;
    if (box.value !== filters.text) box.value = filters.text;
  };
  onFilter(update);
  update();
}

function chips(key, names, set, content) {
  return names.flatMap((name) => {
    const count = TRIALS.filter((trial) => trial[key] === name).length;
    if (!count) return [];
    const chip = el("button", { type: "button", class: "chip", "aria-pressed": "false", "data-filter": name, onclick: () => toggle(set, name) }, content(name), el("span", { class: "count" }, String(count)));
    onFilter(() => chip.setAttribute("aria-pressed", String(set.has(name))));
    return [chip];
  });
}

const COLUMNS = [
  { key: "number", name: "trial", n: true },
  { key: "label", name: "state" },
  { key: "verdict", name: "verdict" },
  { key: "value", name: STUDY.metric, n: true },
  ...JUDGED_BY.map((name) => ({ key: name, name, n: true })),
  { key: "gap", name: "gap", n: true },
  { key: "epochs", name: `${STUDY.unit}s`, n: true },
  { key: "best_epoch", name: `best ${STUDY.unit}`, n: true },
  { key: "seconds", name: "seconds", n: true },
  ...AXES.map((axis) => ({ key: `params.${axis.name}`, name: axis.name, of: axis.of, n: axis.ticks.length > 0 && !axis.bins })),
];

const cellOf = (column, trial) => (column.of ? column.of(trial) : trial[column.key]);

function drawTable() {
  const host = body("trials");
  if (!TRIALS.length) return void host.append(empty("No trial has started yet."));
  const head = el("tr", {}, COLUMNS.map(heading));
  const lines = el("tbody", {});
  const more = el("button", { type: "button", class: "more" });
  more.addEventListener("click", () => {
    limit += PAGE;
    fill();
  });
  const fill = () => fillTable(lines, more);
  host.append(el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), lines)), more);
  onFilter(() => {
    limit = PAGE;
    fill();
  });
  onSelect(() => lines.querySelectorAll("tr").forEach((row) => row.classList.toggle("selected", chosen !== null && Number(row.dataset.trial) === chosen.number)));
  head.addEventListener("click", fill);
  fill();
}

function heading(column) {
  const cell = el("th", { scope: "col", class: column.n ? "n" : null, "aria-sort": column.key === order.column ? "ascending" : null });
  const sort = () => {
    order.down = order.column === column.key && !order.down;
    order.column = column.key;
    cell.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
  };
  cell.append(el("button", { type: "button", title: `Sort by ${column.name}`, onclick: sort }, column.name));
  return cell;
}

function fillTable(lines, more) {
  const column = COLUMNS.find((one) => one.key === order.column);
  const found = TRIALS.filter(shown).sort((a, b) => compare(cellOf(column, a), cellOf(column, b)));
  lines.replaceChildren(...found.slice(0, limit).map(tableRow));
  more.hidden = found.length <= limit;
  more.textContent = `Show ${Math.min(PAGE, found.length - limit)} more of ${found.length - limit}`;
  if (!found.length) lines.append(el("tr", {}, el("td", { colspan: COLUMNS.length }, "No trial passes the filter.")));
}

/** Ascending or descending; what is not there comes last either way. */
function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  const sign = order.down ? -1 : 1;
  return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
}

function tableRow(trial) {
  const cells = COLUMNS.slice(1).map((column) => {
    const value = cellOf(column, trial);
    const kind = column.n ? "n" : null;
    if (column.key !== "verdict") return el("td", { class: kind }, fmt(value));
    return el("td", {}, el("span", { class: `badge v-${value}` }, glyph(value), verdictText(value)));
  });
  const row = el("tr", { "data-trial": trial.number, class: trial === chosen ? "selected" : null }, el("td", { class: "n" }, trialButton(trial.number)), cells);
  row.addEventListener("click", () => trial !== chosen && select(trial));
  return row;
}
