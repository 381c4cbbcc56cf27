// Why the model of the answer predicts what it predicts: its parts by size, each row's values, dependence, single rows.

const EXPLANATION = DATA.explanation;
const PART_LINE = 22;

function drawExplanation() {
  if (!EXPLANATION) return;
  for (const node of document.querySelectorAll(".explained")) node.hidden = false;
  const host = body("explanation");
  const { all, rows } = EXPLANATION;
  if (all) drawWhole(host, all);
  const named = rows ?? all;
  if (!named.rows.length) return;
  host.append(el("h3", {}, rows ? "The rows that were named" : "Some rows"));
  if (rows && all && rows.method !== all.method) host.append(el("p", { class: "note" }, `By ${rows.method}.`));
  const cards = el("div", { class: "panels" });
  host.append(cards);
  for (const row of named.rows.slice(0, 6)) cards.append(rowCard(named, row));
  if (rows) host.append(...checksOf(rows));
}

function drawWhole(host, all) {
  const of = all.output === "predicted" ? "the predicted class" : all.output;
  host.append(el("p", {}, `Trial ${all.trial}: what each part adds to ${of}, in ${all.unit}; ${all.count} rows by ${all.method}.`));
  if (all.family === "table" || all.family === "series" || all.family === "text") {
    const holder = el("div", { class: "plot" });
    host.append(holder);
    plot(holder, (width) => still(sizesPlot(all, width)));
  }
  if (all.left_out) host.append(el("p", { class: "note" }, `${all.left_out} more count less.`));
  if (all.importance.length) host.append(importanceTable(all));
  if (all.dependence.length) {
    host.append(el("h3", {}, `How ${all.dependence[0].output} follows them, on average; the band holds what 80% of the rows do about it`));
    const panels = el("div", { class: "panels" });
    host.append(panels);
    for (const curve of all.dependence) {
      const holder = el("div", { class: "plot" });
      panels.append(el("div", {}, el("h3", {}, curve.part), holder));
      plot(holder, (width) => still(dependencePlot(curve, all, width)));
    }
  }
  host.append(...checksOf(all));
}

/** A drawing that follows neither filter nor selection. */
function still(root) {
  return { root, filter: () => {}, selection: () => {} };
}

function checksOf(found) {
  const items = found.checks.map((check) => el("li", { class: check.passed ? "" : "failed" }, `${check.passed ? "✓" : "✗"} ${check.text}`));
  const notes = found.notes.map((note) => el("li", {}, note));
  return [el("ul", { class: "plain checks" }, items, notes)];
}

/** Bars of the mean size of each part; beside them, where there is room, a point for each row. */
function sizesPlot(all, width) {
  const swarm = all.family === "table" && all.rows.length > 1;
  const beside = swarm && width >= 620;
  const name = Math.min(150, width * 0.34);
  const high = 30 + PART_LINE * all.parts.length;
  const height = swarm && !beside ? 2 * high + 30 : high + 26;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `mean size of what each part adds: ${all.parts.slice(0, 5).join(", ")}` });
  const most = Math.max(...all.mean_size.map(Math.abs)) || 1;
  const barEnd = beside ? width * 0.5 : width;
  root.append(svg("text", { x: name, y: 14 }, all.family === "text" ? "mean contribution to a text" : "mean |contribution|"));
  all.parts.forEach((part, line) => {
    const y = 22 + PART_LINE * line;
    const value = all.mean_size[line];
    const length = ((barEnd - name - 60) * Math.abs(value)) / most;
    root.append(
      svg("text", { x: name - 7, y: y + 15, "text-anchor": "end", class: "strong" }, cut(part, Math.floor(name / 8.2))),
      svg("rect", { class: all.family === "text" && value >= 0 ? "adds" : "takes", x: name, y: y + 3, width: Math.max(0.5, length), height: 15, rx: 2 }),
      svg("text", { x: name + length + 5, y: y + 15 }, fmt(value)),
    );
  });
  if (swarm) drawSwarm(root, all, beside ? width * 0.5 + 14 : name, width, beside ? 0 : high + 8, beside ? 0 : name);
  return root;
}

function drawSwarm(root, all, left, width, top, name) {
  const most = Math.max(...all.rows.flatMap((row) => row.values.map(Math.abs))) || 1;
  const [middle, half] = [(left + width) / 2, (width - left) / 2 - 10];
  const bottom = top + 22 + PART_LINE * all.parts.length;
  root.append(svg("text", { x: left, y: top + 14 }, "each row; colour: low to high value"));
  root.append(svg("path", { class: "axis", d: `M${middle} ${top + 22}V${bottom}` }));
  root.append(svg("text", { x: middle, y: bottom + 15, "text-anchor": "middle" }, "0"));
  root.append(svg("text", { x: width - 10, y: bottom + 15, "text-anchor": "end" }, `+${fmt(most)}`), svg("text", { x: left, y: bottom + 15 }, `-${fmt(most)}`));
  all.parts.forEach((part, line) => {
    const y = top + 22 + PART_LINE * line + PART_LINE / 2;
    if (name) root.append(svg("text", { x: name - 7, y: y + 4, "text-anchor": "end", class: "strong" }, cut(part, Math.floor(name / 8.2))));
    const shares = ranksOf(all.rows.map((row) => row.shown[line]));
    const taken = new Map();
    all.rows.forEach((row, place) => {
      const x = middle + (half * row.values[line]) / most;
      const stack = (taken.get(Math.round(x / 4)) ?? -1) + 1;
      taken.set(Math.round(x / 4), stack);
      const shift = Math.ceil(stack / 2) * (stack % 2 ? 1 : -1) * 2.2;
      const share = shares[place];
      const dot = svg("circle", { class: share === null ? "dot plainly" : "dot", cx: x.toFixed(1), cy: (y + Math.max(-8, Math.min(8, shift))).toFixed(1), r: 2.8 });
      if (share !== null) dot.setAttribute("fill", `color-mix(in srgb, var(--validation) ${Math.round(100 * share)}%, var(--train))`);
      dot.append(svg("title", {}, `row ${row.row}: ${part} = ${row.shown[line] ?? "–"} adds ${fmt(row.values[line])}`));
      root.append(dot);
    });
  });
}

/** Where each value stands among the numbers, 0 to 1; null for text, and where all are equal. */
function ranksOf(shown) {
  const numbers = shown.map((text) => (text === undefined || text === "" ? NaN : Number(text)));
  const known = [...new Set(numbers.filter((number) => !Number.isNaN(number)))].sort((a, b) => a - b);
  if (known.length < 2) return shown.map(() => null);
  const place = new Map(known.map((number, index) => [number, index / (known.length - 1)]));
  return numbers.map((number) => place.get(number) ?? null);
}

function importanceTable(all) {
  const head = el("tr", {}, el("th", {}, "column"), el("th", { class: "n" }, `${all.measure} lost when it is shuffled`), el("th", { class: "n" }, "95% interval"));
  if (all.measure !== "accuracy") head.children[1].textContent = `${all.measure} gained when it is shuffled`;
  const lines = all.importance.map((one, line) => el("tr", {}, el("td", {}, all.parts[line]), el("td", { class: "n" }, fmt(one.mean)), el("td", { class: "n" }, `${fmt(one.low)} to ${fmt(one.high)}`)));
  return el("details", {}, el("summary", {}, "Permutation importance"), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, lines))));
}

function dependencePlot(curve, all, width) {
  const every = all.dependence.flatMap((one) => [...one.low, ...one.high]);
  const words = curve.values.some((value) => typeof value !== "number");
  const x = words ? choiceAxis(curve.values) : numberAxis(Math.min(...curve.values), Math.max(...curve.values), false);
  const y = numberAxis(Math.min(...every), Math.max(...every), false);
  const { root, px, py } = frame({ width, height: 190, x, y, xName: "", yName: "", label: `how ${curve.output} follows ${curve.part}`, top: 10, bottom: 28 });
  const at = (value, height) => `${px(x.at(value)).toFixed(1)} ${py(y.at(height)).toFixed(1)}`;
  const there = curve.values.map((value, index) => at(value, curve.high[index]));
  const back = curve.values.map((value, index) => at(value, curve.low[index])).reverse();
  root.append(svg("path", { class: "dependence-band", d: `M${[...there, ...back].join("L")}Z` }));
  root.append(svg("path", { class: "dependence", d: `M${curve.values.map((value, index) => at(value, curve.mean[index])).join("L")}` }));
  return root;
}

function rowCard(found, row) {
  const head = el("h3", {}, `row ${row.row}: ${row.output} at ${fmt(row.prediction)}`);
  const note = el("p", { class: "note" }, `base ${fmt(row.base)}`);
  if (found.family === "text") return el("div", {}, head, note, tokensOf(row));
  if (found.family === "image") return el("div", {}, head, note, picturesOf(row));
  const pictures = row.pictures ? picturesOf(row) : null;
  const holder = el("div", { class: "plot" });
  plot(holder, (width) => still(rowPlot(found, row, width)));
  return el("div", {}, head, note, holder, pictures);
}

function rowPlot(found, row, width) {
  const order = row.values.map((value, place) => place).sort((a, b) => Math.abs(row.values[b]) - Math.abs(row.values[a])).slice(0, 10);
  const most = Math.max(...order.map((place) => Math.abs(row.values[place]))) || 1;
  const name = Math.min(170, width * 0.42);
  const height = PART_LINE * order.length + 24;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `what the parts of row ${row.row} add` });
  const [middle, half] = [(name + width) / 2, (width - name) / 2 - 62];
  order.forEach((place, line) => {
    const [y, value] = [PART_LINE * line, row.values[place]];
    const length = (half * Math.abs(value)) / most;
    const shown = row.shown?.length ? ` = ${cut(row.shown[place], 9)}` : "";
    root.append(
      svg("text", { x: name - 7, y: y + 15, "text-anchor": "end" }, cut(`${found.parts[place]}${shown}`, Math.floor(name / 7.4))),
      svg("rect", { class: value >= 0 ? "adds" : "takes", x: value >= 0 ? middle : middle - length, y: y + 3, width: Math.max(0.5, length), height: 15, rx: 2 }),
      svg("text", { x: value >= 0 ? middle + length + 4 : middle - length - 4, y: y + 15, "text-anchor": value >= 0 ? "start" : "end" }, `${value >= 0 ? "+" : ""}${fmt(value)}`),
    );
  });
  root.append(svg("path", { class: "axis", d: `M${middle} 0V${PART_LINE * order.length}` }));
  if (row.rest) root.append(svg("text", { x: name, y: height - 6 }, `the others add ${fmt(row.rest)}`));
  return root;
}

function tokensOf(row) {
  const most = Math.max(...row.values.map(Math.abs)) || 1;
  const spans = row.shown.map((token, place) => {
    const [value, level] = [row.values[place], Math.round((9 * Math.abs(row.values[place])) / most)];
    return el("span", { class: `token ${value >= 0 ? "up" : "down"} s${level}`, title: fmt(value) }, token);
  });
  return el("p", { class: "tokens" }, spans.flatMap((span) => [span, " "]));
}

function picturesOf(row) {
  return el("div", { class: Object.keys(row.pictures).length > 1 ? "maps" : "maps wide" }, Object.entries(row.pictures).map(([name, address]) => el("figure", {}, el("img", { src: address, alt: `${name} of row ${row.row}` }), el("figcaption", {}, name))));
}
