// Elements, numbers as text, copying, the tip at the pointer. All text becomes text nodes: markup in names stays text.

const SVG = document.getElementById("marks").namespaceURI;

function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function body(section) {
  return document.querySelector(`#${section} .body`);
}

function empty(text) {
  return el("p", { class: "empty" }, text);
}

/** A number in four digits, as short as it can be read; anything else as it is. */
function fmt(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 60) return `${fmt(Number(seconds.toPrecision(3)))} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.round(seconds % 60)).padStart(2, "0");
  return minutes < 60 ? `${minutes}:${rest} min` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
}

/** Commands and YAML, with a button that copies them. */
function code(text, name) {
  const pre = el("pre", {}, text);
  const button = el("button", { type: "button", "aria-label": `Copy ${name}`, onclick: () => copy(text, pre, button) }, "Copy");
  return el("div", { class: "code" }, pre, button);
}

async function copy(text, pre, button) {
  const done = (await clipboard(text)) || selected(pre);
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

async function clipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not allowed inside another page's frame, or in an old browser: the older way is tried
  }
}

function selected(pre) {
  getSelection().selectAllChildren(pre);
  return document.execCommand("copy");
}

const tip = document.getElementById("tip");

function showTip(content, x, y) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = x + 16 + width > innerWidth ? x - width - 12 : x + 16;
  const top = y + 16 + height > innerHeight ? y - height - 12 : y + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  tip.hidden = true;
}

function say(text) {
  document.getElementById("said").textContent = text;
}
