// Axes: where a value lies between 0 and 1, and the ticks. Pixels are the plots' own.

const DECADES = 2; // a positive metric that spans more is drawn on a log axis
const FAR = 4; // times the span of the better nine tenths: worse values are drawn at the border

/** An axis over numbers; `at` gives null for what has no place on it. */
function numberAxis(low, high, log, whole) {
  if (!(high > low)) [low, high] = log ? [low / 2, low * 2] : [low - (Math.abs(low) / 2 || 0.5), low + (Math.abs(low) / 2 || 0.5)];
  const bend = log ? Math.log10 : Number;
  const [start, end] = [bend(low), bend(high)];
  const at = (value) => {
    if (typeof value !== "number" || (log && value <= 0)) return null;
    return Math.min(1, Math.max(0, (bend(value) - start) / (end - start)));
  };
  const ticks = (log ? logTicks(low, high) : linearTicks(low, high)).filter((tick) => !whole || Number.isInteger(tick));
  return { at, log, ticks: ticks.map((tick) => ({ t: at(tick), text: fmt(tick) })) };
}

function choiceAxis(choices) {
  const places = new Map(choices.map((choice, index) => [JSON.stringify(choice), (index + 0.5) / choices.length]));
  const at = (value) => places.get(JSON.stringify(value)) ?? null;
  const ticks = choices.map((choice) => ({ t: at(choice), text: fmt(choice) }));
  return { at, log: false, ticks, bins: choices.length };
}

/** An axis over a hyperparameter, as its space has it. */
function parameterAxis(parameter) {
  const { name, type, low, high, log } = parameter;
  const few = type === "int" && high - low < 12; // whole numbers with room for a place each
  const choices = few ? Array.from({ length: high - low + 1 }, (_, index) => low + index) : parameter.choices;
  const axis = choices ? choiceAxis(choices) : numberAxis(low, high, log, type === "int");
  return { ...axis, name, of: (trial) => trial.params[name] ?? null };
}

/** An axis over what was measured; a few values that are far worse than the rest do not press the rest together. */
function valueAxis(values, direction) {
  const sorted = values.filter((value) => typeof value === "number").sort((a, b) => a - b);
  if (!sorted.length) return { ...numberAxis(0, 1, false), beyond: 0 };
  const log = sorted[0] > 0 && Math.log10(sorted.at(-1) / sorted[0]) > DECADES;
  const bend = log ? Math.log10 : Number;
  const unbend = log ? (value) => 10 ** value : Number;
  const bent = sorted.map(bend);
  const [low, high] = direction === "maximize" ? fenced(bent.map((value) => -value).reverse()).map((v) => -v).reverse() : fenced(bent);
  const room = (high - low) * 0.04;
  const beyond = bent.filter((value) => value < low - room || value > high + room).length;
  return { ...numberAxis(unbend(low - room), unbend(high + room), log), beyond };
}

/** The range that is drawn of ascending numbers, of which less is better. */
function fenced(sorted) {
  const [low, high] = [sorted[0], sorted.at(-1)];
  const most = sorted[Math.floor((sorted.length - 1) * 0.9)];
  return high - low > FAR * (most - low) && most > low ? [low, most + (most - low)] : [low, high];
}

function linearTicks(low, high) {
  const raw = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

function logTicks(low, high) {
  const powers = (factors) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      found.push(...factors.map((factor) => Number(`${factor}e${power}`)));
    }
    return found.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  };
  const tens = powers([1]);
  if (tens.length > 7) return tens.filter((_, index) => index % Math.ceil(tens.length / 7) === 0);
  if (tens.length >= 3) return tens;
  const finer = powers([1, 2, 5]);
  return finer.length >= 2 ? finer : linearTicks(low, high);
}

/** A trial's own small shift, always the same, that keeps marks on one choice apart. */
function jitter(number, salt) {
  const mixed = Math.imul(number + 1, 2654435761) ^ Math.imul(salt + 1, 40503);
  return ((mixed >>> 8) % 1000) / 1000 - 0.5;
}
