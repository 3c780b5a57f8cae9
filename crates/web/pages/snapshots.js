// Snapshots: browse as folders, compare, choose what to restore.

import { get } from "./api.js";
import { button, bytes, card, count, empty, h, problem, say, table, when } from "./parts.js";

const MARKS = { added: ["+ added", "good"], removed: ["− removed", "bad"], modified: ["changed", "warn"], metadata: ["metadata", "soft"] };

function crumbs(at, open) {
  const parts = at.split("/").filter(Boolean);
  const link = (text, path) => h("button", { type: "button", class: "quiet", onclick: () => open(path) }, text);
  return h("nav", { class: "row", "aria-label": "Folder" }, link("Library", ""), parts.map((part, n) => link(`› ${part}`, parts.slice(0, n + 1).join("/"))));
}

function browser(snapshot, go) {
  const [box, chosen] = [h("section", { class: "card wide" }), new Set()];
  const pick = h("div", { class: "picked row ends", hidden: true });
  const picked = () => {
    pick.hidden = chosen.size === 0;
    pick.replaceChildren(h("span", null, `${count(chosen.size)} chosen`), button("Restore…", async () => {
      sessionStorage.setItem("selection", JSON.stringify({ snapshot, paths: [...chosen] }));
      await go("/restore");
    }, { class: "main" }));
  };
  const open = async (path) => {
    try {
      const told = await get(`/files?snapshot=${encodeURIComponent(snapshot)}&path=${encodeURIComponent(path)}`);
      const order = { dir: 0, file: 1, symlink: 2 };
      const rows = told.entries.sort((a, b) => order[a.kind] - order[b.kind] || a.path.localeCompare(b.path)).map((entry) => {
        const name = entry.path.split("/").pop();
        const tick = h("input", { type: "checkbox", "aria-label": `Choose ${name}`, checked: chosen.has(entry.path), onchange: (event) => {
          if (event.target.checked) chosen.add(entry.path); else chosen.delete(entry.path);
          picked();
        } });
        const shown = entry.kind === "dir" ? h("button", { type: "button", class: "quiet", onclick: () => open(entry.path) }, `${name}/`) : h("span", { class: "path" }, name);
        return [tick, shown, entry.kind === "dir" ? "" : bytes(entry.bytes), when(entry.changed)];
      });
      box.replaceChildren(h("h2", null, `Snapshot ${snapshot.slice(0, 18)}`), crumbs(path, open),
        rows.length ? table("Files", ["", "Name", ">Size", "Changed"], rows) : h("p", { class: "soft" }, "This folder is empty."),
        told.more ? h("p", { class: "warn" }, "There is more than is shown.") : "", pick);
    } catch (error) {
      box.replaceChildren(problem(error));
    }
  };
  open("");
  return box;
}

async function differences(old, fresh) {
  const told = await get(`/diff?old=${encodeURIComponent(old)}&new=${encodeURIComponent(fresh)}`);
  const rows = told.entries.map((entry) => [h("span", { class: MARKS[entry.change][1] }, MARKS[entry.change][0]), h("span", { class: "path" }, entry.path), entry.kind === "dir" ? "" : bytes(entry.bytes)]);
  return h("section", { class: "card wide" }, h("h2", null, "What changed"),
    rows.length ? table("Differences", ["", "Path", ">Size"], rows) : h("p", { class: "soft" }, "Nothing: both hold the same."),
    told.more ? h("p", { class: "warn" }, "There is more than is shown.") : "");
}

async function search(pattern, go) {
  const told = await get(`/find?pattern=${encodeURIComponent(pattern.includes("*") ? pattern : `*${pattern}*`)}`);
  const rows = told.entries.map((entry) => [h("span", { class: "path" }, entry.path), bytes(entry.bytes), when(entry.changed), button("Restore…", async () => {
    sessionStorage.setItem("selection", JSON.stringify({ snapshot: entry.snapshot, paths: [entry.path] }));
    await go("/restore");
  }, { "aria-label": `Restore ${entry.path}` })]);
  return h("section", { class: "card wide" }, h("h2", null, `Found by “${pattern}”`),
    rows.length ? table("Found", ["Path", ">Size", "Changed", ""], rows) : h("p", { class: "soft" }, "Nothing, in any snapshot."));
}

export async function show(here, { signal, go }) {
  const all = await get("/snapshots", signal);
  if (all.length === 0) {
    here.replaceChildren(empty("There is no snapshot yet", "A backup makes the first one: run one under ", h("a", { href: "/jobs" }, "Jobs"), "."));
    return;
  }
  const below = h("div");
  const marked = [];
  const rows = all.map((one) => {
    const opened = one.files !== null;
    const tick = h("input", { type: "checkbox", disabled: !opened, "aria-label": `Compare ${one.snapshot}`, onchange: (event) => {
      if (event.target.checked) marked.push(one); else marked.splice(marked.indexOf(one), 1);
      if (marked.length > 2) { say("Two are compared: untick one first"); event.target.checked = false; marked.pop(); }
    } });
    return [tick, when(one.time), one.job ?? h("span", { class: "soft" }, "made by another machine"), one.host ?? "", opened ? count(one.files) : "", opened ? bytes(one.bytes) : "",
      opened ? `${count(one.new_files)} / ${count(one.changed_files)} / ${count(one.removed_files)}` : "",
      one.complete === false ? h("span", { class: "tag warn" }, "checkpoint") : one.trusted === false ? h("span", { class: "tag bad" }, "writer not trusted") : "",
      opened ? button("Browse", () => below.replaceChildren(browser(one.snapshot, go)), { "aria-label": `Browse ${one.snapshot}` }) : ""];
  });
  const text = h("input", { type: "search", placeholder: "Name, such as DSC_0042 or *.NEF", "aria-label": "Search by name in all snapshots", required: true });
  const form = h("form", { class: "row filters", onsubmit: async (event) => {
    event.preventDefault();
    below.replaceChildren(await search(text.value, go).catch(problem));
  } }, text, h("button", null, "Search"), button("Compare two", async () => {
    if (marked.length !== 2) { say("Tick two snapshots first"); return; }
    const [old, fresh] = [...marked].sort((a, b) => a.time.localeCompare(b.time));
    below.replaceChildren(await differences(old.snapshot, fresh.snapshot).catch(problem));
  }));
  here.replaceChildren(form, below, card(null, table("Snapshots", ["", "When", "Library", "Machine", ">Files", ">Bytes", ">New / changed / removed", "", ""], rows)));
  const latest = all.find((one) => one.complete && one.trusted);
  if (latest) below.replaceChildren(browser(latest.snapshot, go));
}
