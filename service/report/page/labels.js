// Labels that are likely wrong: what was found, and the rows to look at, as pictures or as a table.

function drawLabels() {
  const { labels } = DATA;
  if (!labels) return;
  document.querySelectorAll(".judged").forEach((node) => (node.hidden = false));
  const by = labels.trial === null ? "the trainer's defaults" : `the configuration of trial ${labels.trial}`;
  const acted = labels.of === "train" ? " They are the training rows, on which the study acts (data.labels)." : "";
  const how = `Judged by ${by}, trained on some of the rows to predict the others. Its models ${agreement(labels)}.${acted}`;
  const parts = [
    el("ul", { class: "plain" }, labels.notes.map((text) => el("li", {}, text))),
    el("p", { class: "note" }, how),
    labels.pairs.length > 1 && mixedUp(labels.pairs),
    labels.shown.length > 0 && lookedAt(labels),
  ];
  body("labels").append(...parts.filter(Boolean));
}

function agreement(labels) {
  const share = Number((100 * labels.agreement).toPrecision(3));
  return labels.task === "classification" ? `agree with ${share}% of the labels` : `explain ${share}% of the variance (R2)`;
}

function mixedUp(pairs) {
  const head = el("tr", {}, ["given", "predicted", "rows"].map((name, index) => el("th", { scope: "col", class: index === 2 ? "n" : null }, name)));
  const lines = pairs.map((pair) => el("tr", {}, el("td", {}, pair.given), el("td", {}, pair.predicted), el("td", { class: "n" }, String(pair.rows))));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
}

function lookedAt(labels) {
  const title = `The ${counted(labels.shown.length, "row")} to look at first${labels.issues > labels.shown.length ? `, of ${labels.issues}` : ""}`;
  const pictures = labels.shown.every((row) => row.picture);
  return el("div", {}, el("h3", {}, title), pictures ? gallery(labels.shown) : rowsTable(labels.shown));
}

function gallery(rows) {
  return el("div", { class: "gallery" }, rows.map((row) => {
    const alt = `row ${row.row}, labelled ${row.given}, predicted ${row.predicted}`;
    const image = el("img", { src: `data:image/png;base64,${row.picture}`, alt });
    const words = [el("span", { class: "given" }, row.given), " given, ", el("span", { class: "predicted" }, row.predicted), " predicted"];
    return el("figure", {}, image, el("figcaption", {}, words, el("br"), row.file ?? `row ${row.row}`, ` · ${row.split} · score ${fmt(row.score)}`));
  }));
}

function rowsTable(rows) {
  const names = Object.keys(rows[0].values ?? {});
  const heads = ["row", "split", "score", "given", "predicted", ...names];
  const head = el("tr", {}, heads.map((name) => el("th", { scope: "col" }, name)));
  const lines = rows.map((row) => {
    const cells = [row.row, row.split, fmt(row.score), row.given, row.predicted, ...names.map((name) => row.values[name])];
    const kinds = { 3: "given", 4: "predicted" };
    return el("tr", {}, cells.map((text, index) => el("td", { class: kinds[index] ?? null }, String(text))));
  });
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
}
