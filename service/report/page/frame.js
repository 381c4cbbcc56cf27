// What all pages share: words and glyphs of the verdicts, frames with axes, drawing at the width that is there.

const VERDICTS = ["good_fit", "overfit", "underfit", "diverged", "unfinished"];

function verdictText(verdict) {
  return verdict === "none" ? "no verdict" : verdict.replace("_", " ");
}

function counted(count, noun = "trial") {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const SHAPES = {
  good_fit: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  overfit: (r) => `M0 ${-1.2 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  underfit: (r) => `M0 ${1.2 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
  diverged: (r) => `M${-r} ${-r}L${r} ${r}M${r} ${-r}L${-r} ${r}`,
  unfinished: (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  none: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
};

function glyph(verdict) {
  const path = svg("path", { class: `mark v-${verdict}${verdict === "diverged" ? " stroked" : ""}`, d: SHAPES[verdict](5), transform: "translate(7 7)" });
  return svg("svg", { class: `glyph v-${verdict}`, viewBox: "0 0 14 14", "aria-hidden": "true" }, path);
}

const LETTER = 7.2; // pixels of one at a tick, about

/** An empty plot with its axes. Returns the drawing and where a t of 0 to 1 lies on it. */
function frame({ width, height, x, y, xName, yName, label, left = 58, right = 14, top = 24, bottom = 40 }) {
  const px = (t) => left + t * (width - left - right);
  const py = (t) => height - bottom - t * (height - top - bottom);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, tabindex: "0" });
  const base = svg("path", { class: "axis", d: `M${left} ${height - bottom}H${width - right}` });
  root.append(...yTicks(y, py, left, width - right), base, ...xTicks(x, px, height - bottom, (width - left - right) / 52));
  root.append(svg("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xName));
  root.append(svg("text", { x: 4, y: 10 }, yName));
  return { root, px, py, left, right: width - right, top, bottom: height - bottom };
}

function yTicks(axis, py, left, right) {
  return axis.ticks.flatMap((tick) => [
    svg("path", { class: "grid", d: `M${left} ${py(tick.t).toFixed(1)}H${right}` }),
    svg("text", { x: left - 7, y: py(tick.t) + 4, "text-anchor": "end" }, cut(tick.text, Math.max(9, Math.floor((left - 10) / LETTER)))),
  ]);
}

/** Pixels that the words at the ticks of an axis need beside it, within bounds. */
function beside(axis, least, most) {
  const longest = Math.max(0, ...axis.ticks.map((tick) => tick.text.length));
  return Math.min(Math.max(least, most), Math.max(least, Math.ceil(longest * LETTER) + 14));
}

function xTicks(axis, px, y, room) {
  const every = Math.max(1, Math.ceil(axis.ticks.length / Math.max(2, room)));
  return axis.ticks.filter((_, index) => index % every === 0).flatMap((tick) => [
    svg("path", { class: "axis", d: `M${px(tick.t).toFixed(1)} ${y}v4` }),
    svg("text", { x: px(tick.t), y: y + 17, "text-anchor": "middle" }, cut(tick.text, 12)),
  ]);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** A drawing in a host, made anew at each width and when what is returned is called; `draw(width)` gives its root. */
function drawn(host, draw) {
  let width = 0;
  const redraw = () => {
    width = Math.floor(host.clientWidth);
    if (width) host.replaceChildren(draw(width));
  };
  redraw();
  new ResizeObserver(() => requestAnimationFrame(() => Math.floor(host.clientWidth) !== width && redraw())).observe(host);
  return redraw;
}
