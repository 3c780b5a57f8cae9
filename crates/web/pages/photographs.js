// Photographs: the timeline, filters, one photograph large, and what is chosen on its way to a restore.

import { get } from "./api.js";
import { Grid } from "./grid.js";
import { button, bytes, count, empty, h, many, problem, say } from "./parts.js";

const PAGE = 500;
const STATES = { readable: "readable now", warm: "readable for now", thawing: "its thaw is under way", cold: "in the cold", nowhere: "in no store" };
const ICONS = { warm: "◒ warm", thawing: "◔ thawing", cold: "❄", nowhere: "! nowhere" };

const path = (one) => (one.folder ? `${one.folder}/${one.name}` : one.name);

function words(asked) {
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
}

const cell = {
  // What is seen is part of what is heard.
  label: (one) => `${one.name}, ${one.taken.slice(0, 10)}, ${ICONS[one.state] ?? ""} ${STATES[one.state]}`,
  draw(one) {
    const image = h("img", { src: `/api/v1/thumbnails/${one.hash}`, alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    const name = h("span", { class: "name" }, one.name);
    name.hidden = true;
    image.addEventListener("error", () => { image.remove(); name.hidden = false; });
    return [image, name, ICONS[one.state] && h("span", { class: "state", title: STATES[one.state] }, ICONS[one.state])].filter(Boolean);
  },
};

function facts(one) {
  const f = one.facts ?? {};
  const rows = [
    ["Taken", one.taken.replace("T", " ").slice(0, 19) + (one.dated === "file" ? " (the file's date)" : "")],
    ["Camera", one.camera], ["Lens", one.lens],
    ["Exposure", [f.exposure && `${f.exposure} s`, f.aperture && `f/${f.aperture}`, f.iso && `ISO ${f.iso}`, f.focal && `${f.focal} mm`].filter(Boolean).join(", ")],
    ["Size", one.width ? `${one.width} × ${one.height}, ${bytes(one.size)}` : bytes(one.size)],
    ["Stars", one.stars > 0 ? "★".repeat(one.stars) : one.stars === -1 ? "rejected" : null],
    ["Place", one.latitude != null ? `${one.latitude.toFixed(5)}, ${one.longitude.toFixed(5)}` : null],
    ["Folder", one.folder], ["With it", (one.beside ?? []).join(", ")],
  ];
  return h("dl", null, rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

function copies(one) {
  return h("ul", { class: "plain" }, one.copies.map((copy) => h("li", null, h("div", { class: "path" }, copy.place),
    h("span", { class: copy.state === "nowhere" ? "bad" : copy.state === "cold" ? "cold" : "good" }, copy.state === "nowhere" ? "not there" : STATES[copy.state]),
    copy.classes?.length ? ` · ${copy.classes.join(", ")}` : "", copy.off_site ? " · outside the house" : "", copy.until ? ` · until ${copy.until.slice(0, 16).replace("T", " ")}` : "")));
}

// One photograph large; arrows go on.
function viewer(grid, n) {
  const figure = h("figure");
  const aside = h("aside", { "aria-live": "polite" });
  const box = h("dialog", { class: "viewer", "aria-label": "Photograph" }, figure, aside);
  const show = async (to) => {
    grid.go(to);
    const item = await grid.ready(grid.here);
    if (!item) return;
    const image = h("img", { src: `/api/v1/thumbnails/${item.hash}`, alt: `${item.name}, ${item.taken.slice(0, 10)}` });
    image.addEventListener("error", () => figure.replaceChildren(h("p", { class: "empty" }, "There is no preview of this one. Its original can be restored.")));
    figure.replaceChildren(image);
    const buttons = h("div", { class: "row" },
      button("‹", () => show(grid.here - 1), { "aria-label": "Previous" }), button("›", () => show(grid.here + 1), { "aria-label": "Next" }),
      button(grid.picked.has(item.id) ? "Chosen" : "Choose", async () => { await grid.toggle(grid.here); show(grid.here); }, { "aria-pressed": String(grid.picked.has(item.id)) }),
      h("button", { type: "button", onclick: () => box.close() }, "Close"));
    aside.replaceChildren(h("h2", { class: "path" }, item.name), buttons);
    try {
      const one = await get(`/photographs/${item.id}`);
      aside.append(facts(one), h("h2", null, "Where its copies are"), copies(one));
    } catch (error) {
      aside.append(problem(error));
    }
  };
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) show(grid.here + step);
    if (event.key === " " && event.target === box) { grid.toggle(grid.here).then(() => show(grid.here)); event.preventDefault(); }
  });
  box.addEventListener("close", () => { box.remove(); grid.box.focus({ preventScroll: true }); });
  document.body.append(box);
  box.showModal();
  show(n);
}

function choose(label, name, choices, asked, again) {
  const options = choices.map((one) => h("option", { value: one.value, selected: asked[name] === one.value }, one.told ?? `${one.value} (${count(one.count)})`));
  return h("select", { "aria-label": label, onchange: (event) => again({ ...asked, [name]: event.target.value }) }, h("option", { value: "" }, label), options);
}

export async function show(here, { signal, operator, go }) {
  const choices = await get("/photographs/choices", signal);
  const body = h("div");
  const filters = h("div", { class: "row filters", role: "search", tabindex: "0", "aria-label": "Filters" });
  const picked = h("div", { class: "picked row ends", hidden: true });
  const again = async (asked) => {
    const stars = [1, 2, 3, 4, 5].map((n) => ({ value: String(n), told: `${"★".repeat(n)} or more` }));
    const states = Object.entries(STATES).map(([value, told]) => ({ value, told }));
    const text = h("input", { type: "search", placeholder: "Name or folder", "aria-label": "Search by name", value: asked.text ?? "", onchange: (event) => again({ ...asked, text: event.target.value }) });
    const date = (name, label) => h("label", null, label, h("input", { type: "month", value: asked[name] ?? "", onchange: (event) => again({ ...asked, [name]: event.target.value }) }));
    filters.replaceChildren(text, date("from", "from"), date("until", "until"), choose("Camera", "camera", choices.cameras, asked, again), choose("Lens", "lens", choices.lenses, asked, again),
      choose("Folder", "folder", choices.folders, asked, again), choose("Type", "type", choices.types, asked, again), choose("Stars", "stars", stars, asked, again), choose("State", "state", states, asked, again));
    const told = await get(`/photographs/timeline?${words(asked)}`, signal);
    if (asked.area) filters.append(button("At one place ✕", () => again({ ...asked, area: "" }), { "aria-label": "At one place: show those of all places" }));
    filters.append(h("span", { class: "soft", role: "status" }, `${many(told.count, "photograph")}, ${bytes(told.bytes)}`));
    if (told.count === 0) {
      const filtered = Object.values(asked).some(Boolean);
      body.replaceChildren(filtered ? empty("None fits", button("Show all", () => again({}))) : empty("There are no photographs yet", "They come with the first backup, thumbnails and all."));
      return;
    }
    const load = async (month) => {
      const of = `${month.year}-${String(month.month).padStart(2, "0")}`;
      const inside = { ...asked, from: asked.from > of ? asked.from : of, until: asked.until && asked.until < of ? asked.until : of };
      const page = await get(`/photographs?${words({ ...inside, after: month.next, limit: PAGE })}`, signal);
      month.items.push(...page.photographs);
      month.next = page.next;
      if (!page.next) month.ended = true;
    };
    const grid = new Grid({ months: told.months, load, cell, signal, on: {
      open: (n) => viewer(grid, n),
      problem: (error) => { if (error.name !== "AbortError") say(error.message); },
      pick: (chosen) => {
        const size = [...chosen.values()].reduce((sum, one) => sum + one.bytes, 0);
        picked.hidden = chosen.size === 0;
        picked.replaceChildren(h("span", null, `${count(chosen.size)} chosen, ${bytes(size)}`), h("span", { class: "row" },
          h("button", { type: "button", class: "quiet", onclick: () => { grid.picked.clear(); grid.repaint(); } }, "None"),
          operator ? button("Restore…", () => restore([...chosen.values()], go), { class: "main" }) : ""));
      },
    } });
    picked.hidden = true;
    body.replaceChildren(grid.element, picked);
    requestAnimationFrame(() => grid.lay());
  };
  here.replaceChildren(filters, body);
  await again({ area: new URLSearchParams(location.search).get("area") ?? "" });
}

async function restore(chosen, go) {
  const jobs = new Set(chosen.map((one) => one.job));
  if (jobs.size > 1) {
    say("They are of several libraries: choose of one at a time");
    return;
  }
  const paths = chosen.flatMap((one) => [path(one), ...one.beside.map((name) => path({ folder: one.folder, name }))]);
  sessionStorage.setItem("selection", JSON.stringify({ snapshot: `latest:${[...jobs][0]}`, paths: [...new Set(paths)] }));
  await go("/restore");
}
