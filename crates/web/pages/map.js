// A map without a map: photographs on a net of degrees, in Mercator's projection, counted by the server in
// cells. Nothing comes from anybody else, so nobody learns which places are looked at.

import { get } from "./api.js";
import { button, count, empty, h, many, say, table } from "./parts.js";

const CELL = 84;
const [NEAR, FAR] = [2 ** 21, 1.2];
const STEPS = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];
const LAST = 84;

const radians = (degrees) => (degrees * Math.PI) / 180;
// Degrees north on Mercator's paper, and back.
export const up = (north) => (Math.log(Math.tan(Math.PI / 4 + radians(north) / 2)) * 180) / Math.PI;
export const down = (y) => ((2 * Math.atan(Math.exp(radians(y))) - Math.PI / 2) * 180) / Math.PI;
const between = (least, value, most) => Math.min(Math.max(value, least), most);

export function degrees(value, step, [plus, minus]) {
  const places = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
  const text = Math.abs(value).toFixed(places);
  return Number(text) === 0 ? "0°" : `${text}° ${value > 0 ? plus : minus}`;
}

const place = (cell) => `${degrees(cell.latitude, 0.01, "NS")}, ${degrees(cell.longitude, 0.01, "EW")}`;

// What is looked at: the middle, and how many pixels a degree east has.
export class Sight {
  constructor(wide, high) {
    [this.east, this.north, this.scale, this.wide, this.high] = [0, 20, FAR, wide, high];
  }

  least() {
    return Math.max(FAR, this.wide / 360);
  }

  x(east) { return (east - this.east) * this.scale + this.wide / 2; }

  y(north) { return this.high / 2 - (up(north) - up(this.north)) * this.scale; }

  move(dx, dy) {
    const half = this.wide / 2 / this.scale;
    this.east = half >= 180 ? 0 : between(-180 + half, this.east + dx / this.scale, 180 - half);
    this.north = between(-LAST, down(up(this.north) - dy / this.scale), LAST);
  }

  // Nearer or farther, with one point of the screen staying where it is.
  zoom(times, at = [this.wide / 2, this.high / 2]) {
    const scale = between(this.least(), this.scale * times, NEAR);
    const far = scale / this.scale - 1;
    this.scale = scale;
    this.move((at[0] - this.wide / 2) * far, (at[1] - this.high / 2) * far);
  }

  fit(west, south, east, north) {
    this.east = (west + east) / 2;
    this.north = down((up(between(-LAST, south, LAST)) + up(between(-LAST, north, LAST))) / 2);
    const high = Math.abs(up(between(-LAST, north, LAST)) - up(between(-LAST, south, LAST)));
    const fits = Math.min((this.wide - CELL * 2) / Math.max(east - west, 1e-4), (this.high - CELL * 2) / Math.max(high, 1e-4));
    this.scale = between(this.least(), fits, 2 ** 14);
    this.move(0, 0);
  }

  area() {
    const [dx, dy] = [this.wide / 2 / this.scale, this.high / 2 / this.scale];
    const edge = (y) => between(-90, Math.abs(y) > up(89.9) ? Math.sign(y) * 90 : down(y), 90);
    return [Math.max(this.east - dx, -180), edge(up(this.north) - dy), Math.min(this.east + dx, 180), edge(up(this.north) + dy)];
  }

  // A cell halves with each step, so that it keeps its place while the map is moved.
  cell() {
    return 360 / 2 ** Math.round(Math.log2((360 * this.scale) / CELL));
  }
}

function net(sight) {
  const [west, south, east, north] = sight.area();
  const step = [...STEPS].reverse().find((one) => one * sight.scale >= 110) ?? STEPS[0];
  const lines = [];
  const at = (from) => Math.ceil(from / step - 1e-9);
  for (let n = at(west); n * step <= east; n += 1) {
    const x = sight.x(n * step);
    lines.push(h("line", { x1: x, x2: x, y1: 0, y2: sight.high, class: n === 0 ? "zero" : null }), h("text", { x: x + 4, y: sight.high - 6 }, degrees(n * step, step, "EW")));
  }
  for (let n = at(Math.max(south, -85)); n * step <= Math.min(north, 85); n += 1) {
    const y = sight.y(n * step);
    lines.push(h("line", { x1: 0, x2: sight.wide, y1: y, y2: y, class: n === 0 ? "zero" : null }), h("text", { x: 6, y: y - 5 }, degrees(n * step, step, "NS")));
  }
  return lines;
}

function spot(go) {
  const image = h("img", { alt: "", draggable: "false", decoding: "async" });
  const number = h("span");
  const made = h("button", { type: "button", class: "spot", onclick: () => go(`/photographs?area=${made.dataset.area}`) }, image, number);
  image.addEventListener("error", () => { image.hidden = true; });
  made.tell = (cell) => {
    made.dataset.area = cell.area;
    made.setAttribute("aria-label", `${many(cell.count, "photograph")} at ${place(cell)}, ${cell.folder || "the library"}`);
    made.title = cell.folder;
    made.classList.toggle("one", cell.count === 1);
    number.textContent = cell.count > 1 ? count(cell.count) : "";
    const source = `/api/v1/thumbnails/${cell.hash}`;
    if (image.getAttribute("src") !== source) { image.hidden = false; image.src = source; }
  };
  return made;
}

// Moves with the pointer, two fingers, the wheel; a click on a photograph stays a click.
function pointers(box, sight, again) {
  const held = new Map();
  let [moved, gap] = [0, 0];
  const near = (event) => { const { left, top } = box.getBoundingClientRect(); return [event.clientX - left, event.clientY - top]; };
  box.addEventListener("pointerdown", (event) => { if (held.size === 0) moved = 0; held.set(event.pointerId, near(event)); gap = 0; });
  box.addEventListener("pointermove", (event) => {
    const old = held.get(event.pointerId);
    if (!old) return;
    const now = near(event);
    held.set(event.pointerId, now);
    moved += Math.hypot(now[0] - old[0], now[1] - old[1]);
    if (moved > 4 && !box.hasPointerCapture(event.pointerId)) box.setPointerCapture(event.pointerId);
    if (held.size === 1) sight.move(old[0] - now[0], old[1] - now[1]);
    if (held.size === 2) {
      const [one, two] = [...held.values()];
      const wide = Math.hypot(one[0] - two[0], one[1] - two[1]);
      if (gap > 0) sight.zoom(wide / gap, [(one[0] + two[0]) / 2, (one[1] + two[1]) / 2]);
      gap = wide;
    }
    again();
  });
  const end = (event) => { held.delete(event.pointerId); gap = 0; };
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, end);
  box.addEventListener("click", (event) => { if (moved > 4) { event.stopPropagation(); event.preventDefault(); } }, true);
  box.addEventListener("wheel", (event) => { event.preventDefault(); sight.zoom(2 ** (-event.deltaY / 300), near(event)); again(); }, { passive: false });
}

function keys(box, sight, again, whole) {
  const steps = { ArrowLeft: [-90, 0], ArrowRight: [90, 0], ArrowUp: [0, -90], ArrowDown: [0, 90] };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (steps[event.key]) sight.move(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") sight.zoom(2);
    else if (event.key === "-") sight.zoom(0.5);
    else if (event.key === "0") whole();
    else return;
    event.preventDefault();
    again();
  });
}

function listed(cells, go) {
  const rows = cells.slice(0, 300).map((cell) => [place(cell), h("span", { class: "path" }, cell.folder || "/"), count(cell.count),
    button("Show", () => go(`/photographs?area=${cell.area}`), { "aria-label": `Show the photographs at ${place(cell)}` })]);
  return table("Places in this part of the map", ["Place", "Folder of the newest", ">Photographs", ""], rows);
}

// West, south, east, north of all of them.
function bounds(cells) {
  const edges = cells.map((cell) => cell.area.split(",").map(Number));
  return [Math.min, Math.min, Math.max, Math.max].map((end, n) => end(...edges.map((edge) => edge[n])));
}

export async function show(here, { signal, go }) {
  const whole = (await get("/map?wide=360&high=180", signal)).cells;
  if (whole.length === 0) {
    here.replaceChildren(empty("No photograph tells where it was taken", "Cameras and phones with GPS write the place into a photograph; it shows up here after the next backup."));
    return;
  }
  const all = whole.reduce((sum, cell) => sum + cell.count, 0);
  const paper = h("svg", { "aria-hidden": "true" });
  const spots = h("div", { class: "spots" });
  const box = h("div", { class: "map", tabindex: "0", role: "region", "aria-label": "Map of photographs: arrow keys move, plus and minus zoom, zero shows all" }, paper, spots);
  const list = h("div");
  const told = h("span", { class: "soft", role: "status" });
  const sight = new Sight(1000, 600);
  const known = new Map();
  let [cells, waiting, asking] = [[], 0, new AbortController()];
  const lay = () => {
    paper.setAttribute("viewBox", `0 0 ${sight.wide} ${sight.high}`);
    paper.replaceChildren(...net(sight));
    for (const [cell, made] of known) made.style.transform = `translate(${sight.x(cell.longitude)}px, ${sight.y(cell.latitude)}px)`;
  };
  const fill = () => {
    const free = [...known.values()];
    const focus = document.activeElement;
    known.clear();
    // The same element for the same place, so that the focus stays where it is.
    const taken = cells.map((cell) => { const at = free.findIndex((made) => made.dataset.area === cell.area); return at < 0 ? null : free.splice(at, 1)[0]; });
    cells.forEach((cell, n) => { const made = taken[n] ?? free.pop() ?? spot(go); made.tell(cell); known.set(cell, made); });
    spots.replaceChildren(...known.values());
    if (focus?.classList.contains("spot")) (spots.contains(focus) ? focus : box).focus({ preventScroll: true });
    const seen = cells.reduce((sum, cell) => sum + cell.count, 0);
    told.textContent = `${count(seen)} of ${count(all)} photographs with a place`;
    list.replaceChildren(listed(cells, go));
    lay();
  };
  const ask = async () => {
    asking.abort();
    asking = new AbortController();
    const wide = sight.cell();
    const area = sight.area().map((edge) => edge.toFixed(6)).join(",");
    try {
      cells = (await get(`/map?area=${area}&wide=${wide}&high=${Math.max(wide * Math.cos(radians(sight.north)), 0.000001)}`, asking.signal)).cells;
      fill();
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
  };
  const again = () => {
    lay();
    clearTimeout(waiting);
    waiting = setTimeout(ask, 120);
  };
  const fit = () => { sight.fit(...bounds(whole)); again(); };
  pointers(box, sight, again);
  keys(box, sight, again, fit);
  signal.addEventListener("abort", () => { clearTimeout(waiting); asking.abort(); size.disconnect(); });
  const zoom = (times) => async () => { sight.zoom(times); again(); };
  here.replaceChildren(h("div", { class: "row ends above" }, told, h("span", { class: "row" }, button("Nearer", zoom(2)), button("Farther", zoom(0.5)), button("All", async () => fit()))),
    box, h("details", { class: "card" }, h("summary", null, "As a list"), list));
  let first = true;
  const size = new ResizeObserver(() => {
    const { clientWidth: wide, clientHeight: high } = box;
    if (!wide || !high) return;
    [sight.wide, sight.high] = [wide, high];
    if (first) fit();
    else { sight.zoom(1); again(); }
    first = false;
  });
  size.observe(box);
}
