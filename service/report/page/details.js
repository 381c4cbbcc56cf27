// The selected trial: its verdict and the reason, its curve, its parameters.

function drawDetails() {
  const host = document.getElementById("details");
  onSelect(() => {
    host.hidden = !chosen;
    if (!chosen) return;
    host.replaceChildren(detailsBar(), ...detailsOf(chosen));
    host.scrollTop = 0;
    const area = host.querySelector(".plot");
    if (area) area.append(ownCurve(chosen, area.clientWidth));
  });
  addEventListener("keydown", (event) => event.key === "Escape" && chosen && select(null));
}

function detailsBar() {
  const button = (text, label, action) => el("button", { type: "button", "aria-label": label, onclick: action }, text);
  const move = el("span", {}, button("‹", "Trial before", () => step(-1, TRIALS)), " ", button("›", "Trial after", () => step(1, TRIALS)));
  return el("div", { class: "bar" }, el("strong", {}, `Trial ${chosen.number}`), move, button("Close", "Close the selected trial", () => select(null)));
}

function detailsOf(trial) {
  const facts = [
    ["state", trial.label],
    [STUDY.metric, `${fmt(trial.value)} (last ${fmt(trial.last)})`],
    ...JUDGED_BY.map((name) => [name, fmt(trial[name])]),
    ["gap", trial.gap === null && trial.value !== null ? DATA.answer.no_gap || fmt(null) : fmt(trial.gap)],
    [`${STUDY.unit}s`, trial.best_epoch === null ? trial.epochs : `${trial.epochs}, best ${trial.best_epoch}`],
    ["severity", fmt(trial.severity)],
    ["confidence", fmt(trial.confidence)],
    ["time", duration(trial.seconds)],
  ];
  const params = Object.entries(trial.params).map(([name, value]) => [name, fmt(value)]);
  return [
    el("p", { class: `badge v-${trial.verdict}` }, glyph(trial.verdict), verdictText(trial.verdict)),
    trial.reason && el("p", {}, trial.reason),
    trial.outside?.length > 0 && el("p", {}, `Outside of the space as it is now (${trial.outside.join(", ")}): drawn before the study was edited.`),
    trial.message && el("p", {}, el("strong", {}, "Failed: "), trial.message),
    trial.advice?.length > 0 && el("ul", { class: "plain" }, trial.advice.map((text) => el("li", {}, text))),
    ...whyOf(trial),
    CURVES.has(trial.number) && el("div", { class: "plot" }),
    numbers(facts),
    params.length > 0 && el("h3", {}, "Parameters"),
    params.length > 0 && numbers(params),
  ].filter(Boolean);
}

/** Why it was proposed, paused, resumed or stopped, of a search that keeps its decisions. */
function whyOf(trial) {
  if (trial.why === undefined) return [];
  const told = trial.why?.map((text) => el("li", {}, text));
  const summary = el("summary", {}, "Why it was proposed, paused, resumed or stopped");
  const command = el("p", {}, "goodfit why ", STUDY.name, ` ${trial.number}`, " says it.");
  return [el("details", {}, summary, told ? el("ol", {}, told) : command)];
}
