// Jobs: list, run now, live log, history.

import { get, listen, post } from "./api.js";
import { button, bytes, card, count, dialog, empty, h, many, outcome, say, table, usd, when } from "./parts.js";

async function log(id) {
  const lines = h("pre", { class: "log", tabindex: "0", "aria-label": "Log", role: "log" });
  const facts = h("div");
  const box = dialog(`Run ${id}`, facts, lines);
  let [from, first] = [0, true];
  const more = async () => {
    const told = await get(`/runs/${id}?from=${from}`);
    from = told.next;
    for (const line of told.lines) {
      lines.append(h("span", { class: { error: "bad", warning: "warn", failure: "bad" }[line.level] }, `${line.time.slice(11, 19)}  ${line.text}\n`));
    }
    if (told.lines.length) lines.scrollTop = lines.scrollHeight;
    facts.replaceChildren(h("p", null, h("b", null, told.run.job), ` ${told.run.kind}, ${told.run.origin}, `, when(told.run.started), " ", outcome(told.run)),
      told.failures.length ? card(`${many(told.failures.length, "file")} could not be done`, h("ul", { class: "plain" },
        told.failures.slice(0, 200).map(([path, why]) => h("li", { class: "path" }, `${path}: ${why}`)))) : "");
    if (first && told.lines.length === 0) lines.textContent = "The log of this run is not kept any more.";
    first = false;
    if (!told.run.outcome && box.open) setTimeout(() => more().catch((error) => say(error.message)), 1000);
  };
  await more();
}

function job(one, operator, tasks, again) {
  const task = tasks.find((task) => task.kind === "job" && task.what === one.job && task.state === "going on");
  const run = operator && one.configured && !one.refused;
  return h("section", { class: "card" },
    h("div", { class: "row ends" }, h("h2", null, one.job, " ", h("span", { class: "soft" }, one.kind)),
      one.running || task ? h("span", { class: "tag cold" }, "going on") : one.last ? outcome(one.last) : h("span", { class: "soft" }, "never run")),
    h("dl", null, h("dt", null, "Runs"), h("dd", null, one.schedule ?? "by hand"),
      h("dt", null, "Next"), h("dd", null, one.next ? when(one.next) : "–"),
      h("dt", null, "Last done whole"), h("dd", null, when(one.last_success)),
      one.last ? [h("dt", null, "Last run"), h("dd", null, when(one.last.started), `: ${one.last.summary ?? ""}`)] : []),
    one.refused && h("p", { class: "warn path" }, one.refused),
    one.failed_files > 0 && h("p", { class: "bad" }, `${many(one.failed_files, "file")} could not be done.`),
    task && h("div", null, h("progress", { max: task.expected ?? 1, value: task.expected ? task.bytes : undefined, "aria-label": one.job }), h("p", { class: "soft" }, task.text)),
    h("div", { class: "row" },
      run && !task && button("Run now", async () => { await post(`/jobs/${encodeURIComponent(one.job)}/run`); say(`${one.job} begins`); await again(); }, { "aria-label": `Run now: ${one.job}` }),
      operator && task && button("Stop", async () => { await post(`/tasks/${task.task}/stop`); say(`${one.job} ends at its next safe point`); }),
      one.last && button("Log", () => log(one.last.run), { "aria-label": `Log of ${one.job}` })));
}

export async function show(here, { signal, operator }) {
  let tasks = [];
  const draw = async () => {
    const [jobs, runs] = await Promise.all([get("/jobs", signal), get("/runs?most=100", signal)]);
    const rows = runs.map((run) => [
      h("button", { type: "button", class: "quiet", onclick: () => log(run.run).catch((error) => say(error.message)), "aria-label": `Log of run ${run.run}` }, `${run.run}`),
      run.job, run.kind, run.origin, when(run.started), outcome(run), count(run.files), bytes(run.bytes), usd(run.usd), h("span", { class: "path" }, run.summary ?? "")]);
    here.replaceChildren(
      jobs.length ? h("div", { class: "cards" }, jobs.map((one) => job(one, operator, tasks, draw)))
        : empty("Nothing runs by itself yet", "Add a [[job]] with a name, a kind and a schedule in the ", h("a", { href: "/settings" }, "settings"), "."),
      card("History", rows.length ? table("Runs", ["Run", "Job", "Kind", "Started by", "When", "Outcome", ">Files", ">Bytes", ">Cost", "Summary"], rows) : h("p", { class: "soft" }, "Nothing ran yet.")));
  };
  await draw();
  listen((name, told) => {
    if (name === "tasks") tasks = told;
    if (name !== "thaws") draw().catch(() => {});
  }, signal);
}
