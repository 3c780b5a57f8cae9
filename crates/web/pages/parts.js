// Parts that views are made of. Text goes in as text: nothing is ever parsed as HTML.

export function h(tag, facts, ...children) {
  const svg = ["svg", "rect", "line", "text", "path", "g", "desc", "title"].includes(tag) && (facts?.svg ?? tag !== "title");
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(facts ?? {})) {
    if (value === undefined || value === null || value === false || name === "svg") continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.setAttribute("class", value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function bytes(count) {
  let [unit, size] = [0, Number(count)];
  while (size >= 1000 && unit < UNITS.length - 1) [unit, size] = [unit + 1, size / 1000];
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

export function count(n) {
  return Number(n).toLocaleString("en");
}

export function usd(text) {
  const value = Number(text);
  if (value === 0) return "$0.00";
  if (value >= 0.095) return `$${value.toFixed(2)}`;
  // Two digits that count, and never in powers of ten: nobody reads those as money.
  return value < 0.0000095 ? "under $0.00001" : `$${value.toFixed(1 - Math.floor(Math.log10(value * 1.0001)))}`;
}

// One setting, two settings.
export function many(n, one, more = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : more}`;
}

export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} minutes`;
  if (seconds < 3 * 86400) return `${Math.ceil(seconds / 3600)} hours`;
  return `${Math.ceil(seconds / 86400)} days`;
}

const NEAR = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

// A point in time, near ones by how far they are; the exact one is the tooltip.
export function when(text) {
  if (!text) return h("span", { class: "soft" }, "never");
  const at = new Date(text);
  const seconds = (at - Date.now()) / 1000;
  const far = Math.abs(seconds);
  let told = at.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
  if (far < 60) told = "now";
  else if (far < 5400) told = NEAR.format(Math.round(seconds / 60), "minute");
  else if (far < 129600) told = NEAR.format(Math.round(seconds / 3600), "hour");
  else if (far < 86400 * 21) told = NEAR.format(Math.round(seconds / 86400), "day");
  return h("time", { datetime: text, title: at.toLocaleString() }, told);
}

export const outcomeClass = { complete: "good", incomplete: "warn", failed: "bad", "cut off": "bad", cancelled: "soft" };

export function outcome(run) {
  const word = run.outcome ?? "going on";
  return h("span", { class: `tag ${outcomeClass[word] ?? "cold"}` }, word);
}

export function card(title, ...children) {
  return made("card", title, children);
}

// A card of two columns.
export function double(title, ...children) {
  return made("card double", title, children);
}

function made(kind, title, children) {
  return h("section", { class: kind }, title && h("h2", null, title), ...children);
}

export function table(caption, heads, rows) {
  const head = heads.map((head) => h("th", { scope: "col", class: head.startsWith(">") ? "right" : null }, head.replace(/^>/, "")));
  const body = rows.map((cells) =>
    h("tr", null, cells.map((cell, n) => h("td", { class: heads[n].startsWith(">") ? "right" : null }, cell))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null, h("caption", { class: "hidden" }, caption), h("thead", null, h("tr", null, head)), h("tbody", null, body)));
}

export function empty(title, ...more) {
  return h("div", { class: "empty" }, h("strong", null, title), ...more);
}

export function problem(error) {
  return h("div", { class: "error", role: "alert" }, error.message ?? String(error));
}

let quiet;
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { said.textContent = ""; }, 6000);
}

// A button that does something that may fail, and cannot be pressed twice meanwhile.
export function button(text, does, more) {
  const made = h("button", { type: "button", ...more, onclick: async () => {
    made.disabled = true;
    try {
      await does();
    } catch (error) {
      say(error.message);
    } finally {
      made.disabled = false;
    }
  } }, text);
  return made;
}

export function dialog(title, ...children) {
  const box = h("dialog", { "aria-label": title }, h("div", { class: "row ends" }, h("h2", null, title),
    h("button", { type: "button", class: "quiet", onclick: () => box.close() }, "Close")), ...children);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

// Asks once more before something is done that costs money or cannot be undone.
export function confirm(title, text, word, does, ...more) {
  const wrong = h("div");
  const sure = h("button", { type: "submit", class: "main" }, word);
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    sure.disabled = true;
    try {
      await does();
      box.close();
    } catch (error) {
      wrong.replaceChildren(problem(error));
      sure.disabled = false;
    }
  } }, h("p", null, text), ...more, wrong, h("div", { class: "row" }, sure));
  const box = dialog(title, form);
  return box;
}

// An amount that something must not cost: a tenth more than quoted, in whole cents.
export function cap(quoted, least = 0) {
  return h("input", { inputmode: "decimal", pattern: "[0-9]{1,9}([.][0-9]{1,9})?", required: true, name: "cap",
    value: (Math.ceil(Math.round(Number(quoted) * 11000) / 100) / 100 + least).toFixed(2) });
}
