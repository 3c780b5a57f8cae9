// A thaw that is under way: pack by pack, for more money, faster, or no further.

import { get, post } from "./api.js";
import { button, bytes, cap, confirm, count, dialog, h, many, problem, say, table, usd, when } from "./parts.js";

const PAGE = 100;
export const WORDS = { cold: "frozen", asking: "being asked for", asked: "thawing", warm: "readable", downloaded: "downloaded", verified: "restored", failed: "failed" };
const TAGS = { cold: "soft", asking: "warn", asked: "warn", warm: "cold", downloaded: "good", verified: "good", failed: "bad" };
const FASTER = { bulk: ["standard", "expedited"], standard: ["expedited"], expedited: [] };

// `packs/a5/a58315a8d3dc….tar.zst.age` is told by its first twelve letters.
const short = (name) => name.replace(/^.*\/([0-9a-f]{12})[0-9a-f]{20,}.*$/, "$1…");

function row(pack) {
  const time = pack.ready_about ? ["ready ", when(pack.ready_about)] : pack.until ? ["until ", when(pack.until)] : "";
  return [h("span", { class: `tag ${TAGS[pack.step]}` }, WORDS[pack.step]), h("span", { class: "path", title: pack.pack }, short(pack.pack), pack.note && h("div", { class: "warn" }, pack.note)),
    bytes(pack.bytes), pack.tier, time, usd(pack.usd)];
}

// The packs of a thaw, a hundred at a time, of one step or of all. It is read when it is opened, and anew
// with each `tell` while it is open.
export function packs(one) {
  let [step, shown, known, busy] = ["", PAGE, "", false];
  const body = h("div", { class: "packs" });
  const load = async () => {
    const loaded = { packs: [], next: 0, count: 0 };
    while (loaded.next !== null && loaded.packs.length < shown) {
      const page = await get(`/thaws/${one.thaw}/packs?from=${loaded.next}&most=${Math.min(shown, 1000)}${step ? `&step=${step}` : ""}`);
      loaded.packs.push(...page.packs);
      [loaded.next, loaded.count] = [page.next, page.count];
    }
    return loaded;
  };
  const draw = async () => {
    if (busy) return;
    busy = true;
    try {
      const { packs: all, next, count: whole } = await load();
      const choice = h("select", { "aria-label": "Packs at this step", onchange: (event) => { step = event.target.value; shown = PAGE; draw(); } },
        h("option", { value: "" }, "All steps"), Object.entries(WORDS).map(([word, told]) => h("option", { value: word, selected: word === step }, told)));
      const focused = body.contains(document.activeElement) ? document.activeElement.tagName : null;
      body.replaceChildren(h("div", { class: "row filters" }, choice, h("span", { class: "soft", role: "status" }, `${count(Math.min(all.length, whole))} of ${many(whole, "pack")}`)),
        all.length ? table(`Packs of thaw ${one.thaw}`, ["Step", "Pack", ">Bytes", "Tier", "When", ">Cost"], all.map(row)) : h("p", { class: "soft" }, "There are none at this step."),
        next === null ? "" : button("More", async () => { shown += PAGE; await draw(); }));
      if (focused) body.querySelector(focused.toLowerCase())?.focus();
    } catch (error) {
      body.replaceChildren(problem(error));
    } finally {
      busy = false;
    }
  };
  const made = h("details", { ontoggle: () => { if (made.open) draw(); } }, h("summary", null, "Pack by pack"), body);
  made.tell = (now) => {
    const steps = JSON.stringify(now.steps);
    if (made.open && steps !== known) draw();
    known = steps;
  };
  return made;
}

async function more(one, stopped, again) {
  const limit = cap(stopped.usd);
  confirm("It costs more than was confirmed", `${stopped.why}. It would go on for ${usd(stopped.usd)} in all; ${usd(one.spent_usd)} is spent by now.`, "Go on",
    async () => { await post(`/thaws/${one.thaw}/confirm`, { max_usd: limit.value }); say("It goes on"); await again(); },
    h("label", null, "Never more than, in US dollars, in all", limit));
}

// Asks for what is due; where that is more than was confirmed, asks for that.
async function look(one, again) {
  const stopped = await post(`/thaws/${one.thaw}/stopped`);
  if (stopped.why) {
    await more(one, stopped, again);
    return;
  }
  try {
    await post(`/thaws/${one.thaw}/step`);
    say("Restoring what is readable");
  } catch (error) {
    if (error.kind !== "identity") throw error;
    say("It goes on. To restore what is readable, hand the identity over first.");
  }
  await again();
}

async function hurry(one, again) {
  const asked = FASTER[one.tier.toLowerCase()].map((tier) => get(`/thaws/${one.thaw}/upgrade?tier=${tier}`).catch((error) => ({ tier, error })));
  const quotes = await Promise.all(asked);
  const offered = quotes.filter((quote) => !quote.error);
  if (offered.length === 0) {
    dialog("Faster", h("p", null, "No faster tier is offered for what is still frozen."), ...quotes.map((quote) => h("p", { class: "soft path" }, `${quote.tier}: ${quote.error.message}`)));
    return;
  }
  let chosen = offered[0];
  const limit = cap(chosen.whole_usd);
  const choose = (quote) => { chosen = quote; limit.value = cap(quote.whole_usd).value; };
  const tiers = offered.map((quote) => h("label", { class: "tier" },
    h("input", { type: "radio", name: "faster", checked: quote === chosen, onchange: () => choose(quote) }), h("b", null, quote.tier), h("span", { class: "number" }, usd(quote.usd)),
    h("div", null, `from here on; ${usd(quote.whole_usd)} for the whole thaw`),
    h("div", { class: "soft" }, `${many(quote.again, "pack")} asked for again, ${count(quote.later)} for the first time`)));
  confirm("Thaw it faster", `What was asked for at the slower tier is paid already: ${usd(one.spent_usd)}.`, "Hurry",
    async () => {
      await post(`/thaws/${one.thaw}/upgrade`, { tier: chosen.tier, usd: chosen.usd, max_usd: limit.value });
      say(`It is asked for again, ${chosen.tier}`);
      await again();
    }, h("fieldset", { class: "tiers" }, h("legend", { class: "hidden" }, "How fast"), tiers), h("label", null, "Never more than, in US dollars, for the whole thaw", limit));
}

function cancel(one, again) {
  confirm("Ask for nothing more", `What was asked for is paid: ${usd(one.spent_usd)}. What is thawed freezes again by itself; what is restored stays.`, "Ask for nothing more",
    async () => { say((await post(`/thaws/${one.thaw}/cancel`)).text); await again(); });
}

export function actions(one, task, again) {
  const stands = task?.text?.includes(" stopped: ");
  const frozen = one.steps.some((step) => ["cold", "asked"].includes(step.step) && step.packs > 0);
  return h("div", { class: "row" },
    button(stands ? "Go on for more…" : "Look now", () => look(one, again), stands ? { class: "main" } : {}),
    frozen && FASTER[one.tier.toLowerCase()]?.length ? button("Faster…", () => hurry(one, again)) : "",
    button("Ask for nothing more…", async () => cancel(one, again), { class: "quiet" }));
}
