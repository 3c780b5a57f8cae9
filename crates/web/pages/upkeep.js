// Upkeep: forget, prune, repair. Each is a plan first, with its reasons; what is done is no more than was seen.

import { listen, post } from "./api.js";
import { button, bytes, cap, confirm, count, empty, h, many, say, table, usd, when } from "./parts.js";

const LINES = 200;
const ACTS = { delete: ["bad", "deleted"], condemn: ["warn", "condemned"], restore: ["good", "kept after all"], wait: ["soft", "waits"] };
const WAITS = { grace: "grace", stay: "minimum stay", lock: "lock" };

function lines(all, what) {
  return all.length > LINES ? h("p", { class: "soft" }, `and ${count(all.length - LINES)} more ${what}`) : "";
}

function forgetPlan(plan) {
  const sorted = [...plan.snapshots].sort((a, b) => Number(b.forget) - Number(a.forget) || b.time.localeCompare(a.time));
  const rows = sorted.slice(0, LINES).map((one) => [h("span", { class: `tag ${one.forget ? "bad" : "good"}` }, one.forget ? "forget" : "keep"), when(one.time),
    one.job ?? h("span", { class: "soft" }, "not known"), one.writer ?? "", h("span", { class: "path" }, one.reasons.join("; "))]);
  return [table("Snapshots, and what becomes of them", ["", "Made", "Library", "Writer", "Why"], rows), lines(sorted, "snapshots")];
}

function prunePlan(plan) {
  const sum = (name, one, kind) => one.objects > 0 && h("li", { class: kind }, `${many(one.objects, "object")}, ${bytes(one.bytes)}: ${name}`);
  const rows = plan.units.slice(0, LINES).map((one) => [h("span", { class: `tag ${ACTS[one.act][0]}` }, ACTS[one.act][1]), h("span", { class: "path" }, one.object), h("span", { class: "path" }, one.store),
    bytes(one.bytes), one.until ? [`${WAITS[one.waits_for]} until `, when(one.until)] : "", Number(one.usd) > 0 ? usd(one.usd) : ""]);
  return [h("ul", { class: "plain" }, sum("deleted for ever", plan.delete, "bad"), sum("condemned, and deleted after the grace period", plan.condemn, "warn"),
    sum("needed again, and kept", plan.restore, "good"), sum("wait", plan.waiting, "soft")),
    plan.blocked.length ? h("div", { class: "error" }, `Nothing is deleted: it cannot be told what ${plan.blocked.map(([object, why]) => `${object} needs (${why})`).join(", ")}`) : "",
    plan.absent.length ? h("p", { class: "warn path" }, `Not looked at: ${plan.absent.join(", ")}`) : "",
    Number(plan.usd) > 0 ? h("p", null, `Minimum stays that are not over cost ${usd(plan.usd)}.`) : "",
    rows.length ? [table("Objects, and what becomes of them", ["", "Object", "Store", ">Bytes", "Waits for", ">Cost"], rows), lines(plan.units, "objects")] : h("p", { class: "good" }, "There is nothing to do.")];
}

function repairPlan(plan) {
  const rows = plan.mends.slice(0, LINES).map((one) => [h("span", { class: "path" }, one.object), h("span", { class: "path" }, one.store), bytes(one.bytes), h("span", { class: "bad path" }, one.harm),
    h("span", { class: one.doable ? "path" : "warn path" }, one.cure)]);
  return [rows.length ? [table("What is wrong, and what mends it", ["Object", "Store", ">Bytes", "What is wrong", "What mends it"], rows), lines(plan.mends, "objects")] : "",
    plan.hopeless.map((lost) => h("div", { class: "error" }, `LOST: ${lost.object}; ${count(lost.count)} photographs need it: ${lost.photographs.slice(0, 20).join(", ")}`)),
    plan.unprotected.map(([store, objects, size]) => h("p", { class: "path" }, `${store}: ${many(objects, "object")}, ${bytes(size)}, get parity.`)),
    plan.unreached.map(([store, why]) => h("p", { class: "warn path" }, `${store} was not looked at: ${why}`)),
    plan.usd && plan.doable > 0 ? h("p", null, `It costs about ${usd(plan.usd)}.`) : ""];
}

const KINDS = {
  forget: {
    title: "Forget old snapshots", run: "forget", plan: forgetPlan,
    text: "By the rules of each library: keep, in the settings. Forgetting drops snapshots, never photographs of the library; what only they needed is freed by a prune.",
    act: (plan) => plan.forgotten > 0 && [`Forget ${count(plan.forgotten)}…`, () => confirm("Forget snapshots", `${count(plan.forgotten)} snapshots are forgotten. Nothing brings them back.`, "Forget them",
      async () => { await post("/forget", { snapshots: plan.snapshots.filter((one) => one.forget).map((one) => one.snapshot) }); say("They are being forgotten"); })],
  },
  prune: {
    title: "Prune what nobody needs", run: "prune", plan: prunePlan,
    text: "What no snapshot needs is condemned first, and deleted when its grace is over. Only a machine with the pruner's credentials can.",
    act: (plan, early) => (plan.delete.objects + plan.condemn.objects + plan.restore.objects > 0) && plan.blocked.length === 0 && [plan.delete.objects > 0 ? `Delete ${count(plan.delete.objects)}…` : "Condemn…", () => {
      const limit = cap(plan.usd, 0.05);
      confirm("Prune", plan.delete.objects > 0 ? `${count(plan.delete.objects)} objects with ${bytes(plan.delete.bytes)} are deleted, for ever.` : `${count(plan.condemn.objects)} objects are condemned; they can still be saved until their grace is over.`, plan.delete.objects > 0 ? "Delete them" : "Condemn them",
        async () => { await post("/prune", { early, delete: plan.delete.objects, max_usd: limit.value }); say("The prune begins"); },
        h("label", null, "Never more than, in US dollars, requests and all", limit));
    }],
  },
  repair: {
    title: "Repair what is damaged", run: "repair", plan: repairPlan,
    text: "Out of parity, another store, or the library. Nothing is deleted and nothing overwritten.",
    act: (plan) => plan.doable > 0 && [`Mend ${count(plan.doable)}…`, () => {
      const limit = cap(plan.usd ?? 0, 0.05);
      confirm("Repair", `${count(plan.doable)} things are mended. What is damaged is set aside.`, "Mend them",
        async () => { await post("/repair", { max_usd: limit.value }); say("The repair begins"); },
        h("label", null, "Never more than, in US dollars, requests and all", limit));
    }],
  },
};

function section(name, tasks, early) {
  const kind = KINDS[name];
  // The newest first: a plan that is older than the last run of it is not offered any more.
  const last = tasks.find((task) => (task.kind === "plan" && task.what === name) || task.kind === kind.run);
  const going = last?.state === "going on";
  const planned = last?.kind === "plan" && last.state === "done" && last.outcome;
  const act = planned && kind.act(planned, early.value);
  const plan = button(going && last.kind === "plan" ? "Looking…" : "What would it do?", () => post(`/${name}/plan`, name === "prune" ? { early: early.value } : undefined), { "aria-label": `What would it do? ${kind.title}` });
  plan.disabled = going;
  const choice = name === "prune" && h("label", null, h("input", { type: "checkbox", checked: early.value === "pay", onchange: (event) => { early.value = event.target.checked ? "pay" : "wait"; } }), "Pay for minimum stays that are not over");
  return h("section", { class: "card wide", "data-upkeep": name }, h("h2", null, kind.title), h("p", { class: "soft" }, kind.text),
    h("div", { class: "row filters" }, plan, act ? button(act[0], async () => act[1](), { class: "main" }) : "", choice || ""),
    going ? [h("progress", { "aria-label": kind.title, max: last.expected ?? 1, value: last.expected ? last.bytes : undefined }), h("p", { class: "soft" }, last.text || "The stores are being listed…"),
      last.kind === "plan" ? "" : button("Stop", () => post(`/tasks/${last.task}/stop`))] : "",
    last && !going ? h("p", { class: last.state === "failed" ? "bad path" : "path", role: "status" }, h("b", null, last.text.slice(0, 1).toUpperCase() + last.text.slice(1))) : "",
    planned ? kind.plan(planned) : "");
}

export async function show(here, { signal, operator }) {
  if (!operator) {
    here.replaceChildren(empty("Upkeep is for operators", "This login may look and change nothing."));
    return;
  }
  const early = { value: "wait" };
  const places = Object.fromEntries(Object.keys(KINDS).map((name) => [name, h("div", { class: "wide" })]));
  const known = new Map();
  const draw = (tasks) => {
    for (const name of Object.keys(KINDS)) {
      const now = JSON.stringify(tasks.filter((task) => task.what === name || task.kind === KINDS[name].run));
      if (known.get(name) === now) continue;
      known.set(name, now);
      places[name].replaceChildren(section(name, tasks, early));
    }
  };
  draw([]);
  here.replaceChildren(h("div", { class: "cards" }, Object.values(places)));
  listen((name, told) => { if (name === "tasks") draw(told); }, signal);
}
