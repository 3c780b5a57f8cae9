// Cards: what is in, ingest with progress, safe to format.

import { get, listen, post } from "./api.js";
import { button, bytes, count, empty, h, say } from "./parts.js";

// One that has no thumbnail leaves no gap.
function thumbnail(hash) {
  const image = h("img", { src: `/api/v1/thumbnails/${hash}`, alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.remove());
  return image;
}

function shown(task) {
  if (!task) return "";
  if (task.state === "going on") {
    return h("div", null, h("progress", { max: task.expected ?? 1, value: task.expected ? task.bytes : undefined, "aria-label": task.kind }),
      h("p", { class: "soft" }, `${task.kind === "ingest" ? "Copying, verifying, making previews" : "Reading every copy again"}: ${bytes(task.bytes)}${task.expected ? ` of ${bytes(task.expected)}` : ""} ${task.text}`));
  }
  const bad = task.state === "failed" || task.text.startsWith("NOT SAFE");
  const unsafe = task.outcome?.unsafe_files ?? [];
  const previews = task.outcome?.previews;
  return h("div", null, h("p", { class: bad ? "bad" : "good" }, h("b", null, task.text)),
    unsafe.length ? h("ul", { class: "plain" }, unsafe.slice(0, 100).map(([path, why]) => h("li", { class: "path" }, `${path}: ${why}`))) : "",
    previews?.first.length ? h("div", { class: "strip", role: "img", "aria-label": `${count(previews.first.length)} thumbnails of what came` }, previews.first.map(thumbnail)) : "",
    previews?.left ? h("p", { class: "warn" }, `The next backup makes the previews that are missing: ${previews.left}`) : "");
}

export async function show(here, { signal, operator }) {
  let [tasks, known] = [[], ""];
  const codes = new Map();
  const draw = async (always) => {
    const cards = await get("/cards", signal);
    const now = JSON.stringify([cards, tasks]);
    if (!always && now === known) return;
    known = now;
    if (cards.length === 0) {
      here.replaceChildren(empty("No card is in", "Put a memory card into its reader: it is found by its DCIM folder. Nothing is ever written to it."));
      return;
    }
    here.replaceChildren(h("div", { class: "cards" }, cards.map((card) => {
      const of = (kind) => tasks.find((task) => task.kind === kind && task.what === card.root);
      const code = h("input", { value: codes.get(card.root) ?? "", placeholder: "Name of the shoot", "aria-label": `Name of the shoot on ${card.label}`, oninput: (event) => codes.set(card.root, event.target.value) });
      const busy = ["ingest", "check"].some((kind) => of(kind)?.state === "going on");
      return h("section", { class: "card" }, h("h2", null, card.label || card.root), h("p", { class: "soft path" }, card.root),
        operator && h("div", { class: "row" }, code,
          button("Ingest", async () => { await post("/cards/ingest", { root: card.root, job_code: code.value }); say("The ingest begins"); }, { class: "main" }),
          button("Safe to format?", async () => { await post("/cards/check", { root: card.root }); say("Every copy is read again"); })),
        busy ? "" : null, shown(of("ingest")), shown(of("check")));
    })));
  };
  await draw(true);
  listen((name, told) => {
    if (name !== "tasks") return;
    tasks = told;
    draw().catch(() => {});
  }, signal);
  const again = setInterval(() => {
    if (!here.contains(document.activeElement)) draw().catch(() => {});
  }, 3000);
  signal.addEventListener("abort", () => clearInterval(again));
}
