// Whether the best model is released: its gates, what was decided by whom, and its card as it would be written now.

function drawRelease() {
  const { release } = DATA;
  if (!release) return;
  document.querySelectorAll(".gated").forEach((node) => (node.hidden = false));
  const failed = release.gates.filter((gate) => !gate.held).length;
  const status = release.status ?? "not decided";
  const tone = release.status === "champion" && failed === 0 ? "info" : release.status === "champion" ? "warning" : "serious";
  const other = release.champion !== null && release.champion !== release.trial;
  const parts = [
    el("div", { class: `finding ${tone}` }, el("span", { class: "tag" }, status), el("p", {}, sentence(release.reason || `trial ${release.trial} is ${status}`))),
    other && el("p", { class: "note" }, `The alias champion stays with trial ${release.champion}.`),
    release.gates.length > 0 && gatesTable(release.gates),
    release.decisions.length > 0 && el("div", {}, el("h3", {}, "What was decided"), el("ul", { class: "plain" }, release.decisions.map(decided))),
    release.card && el("details", {}, el("summary", {}, "Model card, as goodfit card would write it, without a look at the data"), code(release.card, "the model card")),
  ];
  body("release").append(...parts.filter(Boolean));
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function gatesTable(gates) {
  const head = el("tr", {}, ["gate", "holds", "judged by"].map((name) => el("th", { scope: "col" }, name)));
  const lines = gates.map((gate) => el("tr", {}, el("td", {}, gate.gate), el("td", { class: gate.held ? "predicted" : "given" }, gate.held ? "yes" : "no"), el("td", { class: "wide" }, gate.reason)));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, lines)));
}

function decided(one) {
  return el("li", {}, `${(one.at ?? "").slice(0, 16).replace("T", " ")} UTC, ${one.by}: ${one.text}`);
}
