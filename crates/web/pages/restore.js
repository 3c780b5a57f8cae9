// Restores: selection, tiers side by side, destination, confirm with a cap, progress, done. A thaw is
// rows on the server, so this page may be closed at any time.

import { ask, get, listen, post, put } from "./api.js";
import { button, bytes, card, count, empty, h, problem, say, span, table, usd, when } from "./parts.js";
import * as thaws from "./thaws.js";

const { WORDS } = thaws;

function packs(thaw) {
  const all = thaw.steps.reduce((sum, step) => sum + step.packs, 0);
  const told = thaw.steps.filter((step) => step.packs > 0).map((step) => `${count(step.packs)} ${WORDS[step.step]}`).join(", ");
  const bars = thaw.steps.filter((step) => step.packs > 0).map((step) => {
    const bar = h("i", { class: step.step, title: `${count(step.packs)} ${WORDS[step.step]}, ${bytes(step.bytes)}` });
    bar.style.width = `${(100 * step.packs) / all}%`;
    return bar;
  });
  return [h("div", { class: "steps", role: "img", "aria-label": `Packs: ${told}` }, bars), h("p", { class: "soft" }, `Packs: ${told || "none"}`)];
}

function money(thaw) {
  const [quoted, spent] = [Number(thaw.quoted_usd), Number(thaw.spent_usd)];
  const held = thaw.state === "done" ? (spent <= quoted ? "as quoted or less" : "more than quoted") : "by now";
  return h("p", null, `${usd(quoted)} quoted, `, h("b", null, usd(spent)), ` spent, ${held}`, thaw.max_usd ? `, never more than ${usd(thaw.max_usd)}` : "");
}

function thaw(one, operator, tasks, listed, again) {
  const task = tasks.find((task) => task.kind === "restore" && task.what === `thaw ${one.thaw}`);
  const what = one.paths.length === 0 ? "everything" : one.paths.length === 1 ? one.paths[0] : `${count(one.paths.length)} photographs and folders`;
  const word = { open: "on its way", done: "done", cancelled: "cancelled" }[one.state];
  return h("section", { class: "card", "data-thaw": one.thaw },
    h("div", { class: "row ends" }, h("h2", { class: "path" }, what), h("span", { class: `tag ${{ done: "good", open: "cold" }[one.state] ?? "soft"}` }, word)),
    h("p", { class: "path" }, "to ", h("b", null, one.to), `, ${one.tier}, begun `, when(one.begun)),
    ...packs(one), money(one),
    one.state === "open" && one.ready_about ? h("p", null, "All of it can be read ", when(one.ready_about)) : "",
    one.notes.slice(0, 5).map((note) => h("p", { class: "warn path" }, note)),
    task && task.state !== "done" ? h("p", { class: task.state === "failed" ? "bad path" : "soft path" }, task.text || "Restoring what is readable…") : "",
    listed, operator && one.state === "open" ? thaws.actions(one, task, again) : "");
}

function identity(again) {
  const text = h("textarea", { rows: 3, spellcheck: "false", "aria-label": "Identity", placeholder: "AGE-SECRET-KEY-1… or the whole identity file" });
  const file = h("input", { type: "file", "aria-label": "Identity file", onchange: async (event) => { text.value = await event.target.files[0].text(); } });
  const pass = h("input", { type: "password", autocomplete: "off" });
  const wrong = h("div");
  return card("What opens photographs", h("p", { class: "soft" }, "The machine that backs up cannot open them. Hand the identity over: it stays in memory until the page ends, and nowhere else."),
    wrong, h("label", null, "Identity file", file), h("label", null, "or its text", text), h("label", null, "Passphrase, if it has one", pass),
    button("Hand over", async () => {
      try {
        await put("/identity", { identity: text.value, passphrase: pass.value || null });
        text.value = pass.value = "";
        await again();
      } catch (error) { wrong.replaceChildren(problem(error)); }
    }, { class: "main" }));
}

async function wizard(selection, unlocked, done) {
  const quote = await post("/quote", selection);
  const offered = quote.tiers.filter((tier) => tier.usd !== null);
  if (offered.length === 0) return problem(new Error(quote.tiers.map((tier) => `${tier.tier}: ${tier.not_offered}`).join("\n")));
  let chosen = offered[0];
  const today = new Date().toISOString().slice(0, 10);
  const to = h("input", { value: localStorage.getItem("to") ?? `/tmp/restored-${today}`, required: true, spellcheck: "false", name: "to" });
  const cap = h("input", { inputmode: "decimal", pattern: "[0-9]{1,9}([.][0-9]{1,9})?", required: true, name: "cap" });
  const items = h("div");
  const wrong = h("div");
  const confirm = h("button", { class: "main" });
  const choose = (tier) => {
    chosen = tier;
    // A tenth more than quoted, in whole cents, so that a rounding of the bill stops nothing.
    cap.value = (Math.ceil(Number(tier.usd) * 110) / 100).toFixed(2);
    confirm.textContent = Number(tier.usd) > 0 ? `Restore for ${usd(tier.usd)}` : "Restore";
    items.replaceChildren(tier.items.length ? h("details", null, h("summary", null, "What it is made of"),
      table("Items", ["What", ">How much", ">Cost"], tier.items.map((item) => [item.what, `${item.quantity.toLocaleString("en", { maximumFractionDigits: 4 })} ${item.unit}`, usd(item.usd) + (item.unconfirmed ? " ?" : "")])),
      h("ul", null, tier.assumptions.map((text) => h("li", { class: "soft" }, text)))) : "");
  };
  const tiers = quote.tiers.map((tier) => tier.usd === null
    ? h("div", { class: "tier off" }, h("b", null, tier.tier), h("span", { class: "soft" }, "not offered for all of it"))
    : h("label", { class: "tier" }, h("input", { type: "radio", name: "tier", value: tier.tier, checked: tier === chosen, onchange: () => choose(tier) }),
      h("b", null, tier.tier), h("span", { class: "number" }, usd(tier.usd)),
      h("div", null, tier.first_seconds === 0 ? "first photographs at once" : `ready in about ${span(tier.first_seconds)}`),
      h("div", { class: "soft" }, `all downloaded within ${span(tier.last_seconds)}`)));
  choose(chosen);
  const form = h("form", { class: "card wide", onsubmit: async (event) => {
    event.preventDefault();
    confirm.disabled = true;
    try {
      localStorage.setItem("to", to.value);
      await post("/restores", { selection, to: to.value, tier: chosen.tier, max_usd: cap.value });
      sessionStorage.removeItem("selection");
      say("The restore begins. This page may be closed.");
      done();
    } catch (error) {
      wrong.replaceChildren(problem(error));
      confirm.disabled = false;
    }
  } }, h("h2", null, `Restore ${count(quote.files)} ${quote.files === 1 ? "file" : "files"}, ${bytes(quote.bytes)}`),
    h("p", { class: "soft" }, `They lie in ${count(quote.packs)} ${quote.packs === 1 ? "pack" : "packs"} of which ${bytes(quote.pack_bytes)} are read. `, quote.seen ? ["Stores listed ", when(quote.seen), "."] : "", ` Prices are ${quote.price_age_days} days old.`),
    quote.lost_packs > 0 ? h("p", { class: "bad" }, `${count(quote.lost_packs)} packs are in no store that is known.`) : "",
    h("fieldset", { class: "tiers" }, h("legend", { class: "hidden" }, "How fast"), tiers), items,
    h("label", null, "Folder on the machine that serves this page; what is there already stays", to),
    h("label", null, "Never more than, in US dollars", cap), wrong,
    h("div", { class: "row" }, confirm, h("button", { type: "button", onclick: () => { sessionStorage.removeItem("selection"); done(); } }, "Forget the selection")));
  if (!unlocked) confirm.disabled = true;
  return form;
}

export async function show(here, { signal, operator }) {
  let tasks = [];
  // Lists of packs stay as they are while the rest is drawn anew.
  const lists = new Map();
  const packsOf = (one) => {
    if (!lists.has(one.thaw)) lists.set(one.thaw, thaws.packs(one));
    lists.get(one.thaw).tell(one);
    return lists.get(one.thaw);
  };
  const [top, below] = [h("div"), h("div")];
  const list = async () => {
    const all = await get("/thaws", signal);
    const going = tasks.filter((task) => task.kind === "restore" && !task.what.startsWith("thaw "));
    const begun = going.filter((task) => task.state !== "done" || !all.some((one) => one.to === task.what)).map((task) => h("section", { class: "card" }, h("h2", { class: "path" }, `to ${task.what}`),
      task.state === "going on" ? h("progress", { max: task.expected ?? 1, value: task.expected ? task.bytes : undefined, "aria-label": "Restore" }) : "",
      h("p", { class: task.state === "failed" ? "bad path" : "path" }, task.text || "Planning…"),
      operator && task.state === "going on" ? button("Stop", () => post(`/tasks/${task.task}/stop`)) : ""));
    below.replaceChildren(all.length || begun.length ? h("div", { class: "cards" }, begun, all.map((one) => thaw(one, operator, tasks, packsOf(one), list)))
      : sessionStorage.getItem("selection") ? "" : empty("Nothing was restored yet", "Choose photographs under ", h("a", { href: "/photographs" }, "Photographs"), " or files under ", h("a", { href: "/snapshots" }, "Snapshots"), ": the price comes first."));
  };
  const draw = async () => {
    const selection = JSON.parse(sessionStorage.getItem("selection") ?? "null");
    const { unlocked } = await get("/overview", signal);
    const parts = [];
    if (operator && !unlocked && selection) parts.push(identity(draw));
    if (selection) parts.push(operator ? await wizard(selection, unlocked, draw).catch(problem) : h("p", { class: "warn" }, "This login may look: an operator restores."));
    if (operator && unlocked && !selection) parts.push(h("p", { class: "soft" }, "The identity is at hand: thaws go on by themselves. ",
      button("Forget what was handed over", async () => { await ask("DELETE", "/identity"); await draw(); }, { class: "quiet" })));
    top.replaceChildren(h("div", { class: "cards" }, parts));
    await list();
  };
  await draw();
  here.replaceChildren(top, below);
  listen((name, told) => {
    if (name === "tasks") tasks = told;
    list().catch(() => {});
  }, signal);
}
