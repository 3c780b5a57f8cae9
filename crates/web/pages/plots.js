// Plots: bars by month, stacked where there are several series. Drawn here, with no library, at the size
// that there is; what they say stands below them as a table, too.

import { h, table } from "./parts.js";

const WIDEST = 72;
const SHADES = 6;

// The next number that reads well: 1, 2 or 5 with zeros.
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value * 0.999) * power;
}

// What the columns add up to, and the lines across: none of them more than four.
export function scale(columns, series) {
  const sums = columns.map((_, n) => series.reduce((sum, one) => sum + one.values[n], 0));
  const most = Math.max(...sums, 0);
  if (most === 0) return { sums, top: 1, lines: [] };
  const step = round(most / 4);
  const lines = Array.from({ length: Math.ceil((most * 0.999) / step) }, (_, n) => (n + 1) * step);
  return { sums, top: lines.at(-1), lines };
}

// Every so many columns have their name below them, so that no two touch.
export function every(columns, wide, letters) {
  return Math.max(1, Math.ceil((columns * letters * 7.5) / Math.max(wide, 1)));
}

function draw(svg, wide, high, { title, columns, series, tell }) {
  const { sums, top, lines } = scale(columns, series);
  // As large as the text around it.
  const em = Number.parseFloat(getComputedStyle(svg).fontSize);
  const left = (Math.max(...[0, ...lines].map((value) => tell(value).length)) * 0.62 + 1) * em;
  const [floor, step] = [high - 2 * em, (wide - left) / columns.length];
  const y = (value) => floor - (value / top) * (floor - em);
  const grid = [0, ...lines].map((value) => h("g", { svg: true },
    h("line", { x1: left, x2: wide, y1: y(value), y2: y(value) }),
    h("text", { x: left - em / 2, y: y(value) + em / 3, "text-anchor": "end" }, tell(value))));
  const named = every(columns.length, (wide - left) * (12 / em), 8);
  const bar = Math.min(Math.max(step * 0.76, 1), WIDEST * (em / 12));
  const bars = columns.map((column, n) => {
    let below = 0;
    const parts = series.map((one, s) => {
      const [from, to] = [y(below), y(below + one.values[n])];
      below += one.values[n];
      return one.values[n] > 0 && h("rect", { class: `shade${s % SHADES}`, x: left + (n + 0.5) * step - bar / 2, y: to, width: bar, height: Math.max(from - to, 1) });
    });
    const told = series.length > 1 ? series.map((one) => `${one.name} ${tell(one.values[n])}`).join(", ") : tell(sums[n]);
    return h("g", { svg: true }, h("title", { svg: true }, `${column}: ${told}`), ...parts,
      n % named === 0 && h("text", { x: left + (n + 0.5) * step, y: high - em / 2, "text-anchor": "middle" }, column));
  });
  svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  svg.replaceChildren(h("title", { svg: true }, title), h("desc", null, summary(columns, sums, tell)), ...grid, ...bars);
}

function summary(columns, sums, tell) {
  if (columns.length === 0) return "Nothing yet.";
  const [first, last] = [0, columns.length - 1];
  return `From ${tell(sums[first])} in ${columns[first]} to ${tell(sums[last])} in ${columns[last]}, at most ${tell(Math.max(...sums))}. The table below has each column.`;
}

// `series` is [{ name, values }], a value for each column; `tell` makes text of a value.
export function chart(title, columns, series, tell) {
  const svg = h("svg", { class: "chart", role: "img", "aria-label": `${title}. ${summary(columns, scale(columns, series).sums, tell)}` });
  const facts = { title, columns, series, tell };
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const { width, height } = entry.contentRect;
    if (width > 0 && width !== drawn) draw(svg, drawn = width, height, facts);
  }).observe(svg);
  const legend = series.length > 1 && h("ul", { class: "legend" }, series.map((one, s) => h("li", null, h("i", { class: `shade${s % SHADES}` }), one.name)));
  const heads = ["Month", ...series.map((one) => `>${one.name}`)];
  const rows = columns.map((column, n) => [column, ...series.map((one) => tell(one.values[n]))]);
  return h("figure", { class: "plot" }, h("figcaption", null, title), svg, legend,
    h("details", null, h("summary", null, "As a table"), table(title, heads, rows)));
}
