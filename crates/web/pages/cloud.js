// Cloud: who shall be in the account, what each may really do, settings that have changed.

import { get, listen, post } from "./api.js";
import { button, bytes, card, count, empty, h, many, say, table, when } from "./parts.js";

const MAY = {
  writer: "puts new objects and lists; reads no photograph, deletes nothing",
  restorer: "thaws and reads",
  auditor: "lists and asks for checksums",
  pruner: "deletes what a prune condemned",
  admin: "sets all of this up",
};

function stores(told) {
  const counted = told.counted;
  if (!counted) return card("Stores", h("p", { class: "soft" }, told.problem ?? "They are being listed for the first time: come back in a moment."));
  const rows = counted.stores.map((store) => [h("span", { class: "path" }, store.store),
    store.problem ? h("span", { class: "bad path" }, store.problem) : h("span", { class: "good" }, "reachable")]);
  return h("section", { class: "card wide" }, h("h2", null, "Stores"), table("Stores", ["Store", "As of the last look"], rows),
    h("p", { class: "soft" }, `${count(counted.packs)} packs, ${bytes(counted.pack_bytes)}, looked at `, when(counted.at)));
}

function identities(cloud) {
  const title = h("h2", null, "Identities");
  if (cloud.problem) return h("section", { class: "card wide" }, title, h("p", { class: "warn path" }, cloud.problem));
  if (cloud.identities.length === 0) return h("section", { class: "card wide" }, title, h("p", { class: "soft" }, "This repository lies in directories alone: no identity is needed."));
  const rows = cloud.identities.map((one) => [h("b", null, one.identity), h("span", { class: "path" }, one.name), one.form, MAY[one.identity],
    one.here ? "here" : h("span", { class: "soft" }, "not here")]);
  return h("section", { class: "card wide" }, title,
    h("p", { class: "soft" }, "Each has its own credentials, so that a stolen machine that backs up can neither read nor destroy."),
    table("Identities", ["Who", "Name", "Form", "May", "Credentials"], rows));
}

function outcome(line, word) {
  if (!word) return h("span", { class: "soft" }, "–");
  return word === line.expected ? h("span", { class: "good" }, word) : h("b", { class: "bad" }, `! ${word}`);
}

function matrix(last, filter, again) {
  const fits = (line) => (!filter.surprises || line.surprise) && (!filter.who || line.identity === filter.who);
  const shown = last.lines.filter(fits);
  const who = [...new Set(last.lines.map((line) => line.identity))];
  const only = h("input", { type: "checkbox", checked: filter.surprises, onchange: (event) => again({ ...filter, surprises: event.target.checked }) });
  const choose = h("select", { "aria-label": "Identity", onchange: (event) => again({ ...filter, who: event.target.value }) },
    h("option", { value: "" }, "All identities"), who.map((one) => h("option", { value: one, selected: filter.who === one }, one)));
  const rows = shown.map((line) => [line.surprise ? h("span", { class: "tag bad" }, "surprise") : line.simulated || line.tried ? "" : h("span", { class: "tag soft" }, "not looked at"),
    line.identity, h("span", { class: "path" }, line.what), line.expected, outcome(line, line.simulated), outcome(line, line.tried)]);
  return h("div", null, h("div", { class: "row filters" }, h("label", null, only, "Surprises only"), choose, h("span", { class: "soft", role: "status" }, `${count(shown.length)} of ${count(last.lines.length)} lines`)),
    rows.length > 0 ? table("What each identity may", ["", "Identity", "Request", "Expected", "Simulated", "Tried"], rows)
      : h("p", { class: filter.surprises ? "good" : "soft" }, filter.surprises ? "No surprises: nobody may more, or less, than expected." : "There are no lines."));
}

function verified(cloud, task, operator, filter, again) {
  const last = cloud.last;
  const going = task?.state === "going on";
  const verify = operator && cloud.identities.length > 0 && button(going ? "Verifying…" : "Verify now", async () => { await post("/cloud/verify"); say("Each identity is being tried"); }, { class: "main" });
  if (verify && going) verify.disabled = true;
  const parts = [h("div", { class: "row ends" }, h("h2", null, "What each may really do"), verify || "")];
  if (task?.state === "failed") parts.push(h("p", { class: "bad path", role: "alert" }, task.text));
  if (!last) {
    parts.push(h("p", { class: "soft" }, "It was never verified. AWS's policy simulator is asked, and what does no harm is tried: nothing is changed."));
    return h("section", { class: "card wide" }, ...parts);
  }
  const word = last.good ? ["good", "As it should be"] : ["bad", [last.surprises && many(last.surprises, "surprise"), last.drift.length && `${many(last.drift.length, "setting")} changed`, last.unknown && `${many(last.unknown, "line")} not looked at`].filter(Boolean).join(", ")];
  parts.push(h("p", null, h("b", { class: word[0] }, word[1]), h("span", { class: "soft" }, ", verified ", when(last.at), `, run ${last.run}`)));
  if (last.drift.length > 0) parts.push(h("h3", null, "Not as it shall be"), h("ul", { class: "plain" }, last.drift.map((text) => h("li", { class: "warn path" }, text))), h("p", { class: "soft" }, h("code", null, "darkslide cloud apply"), " shows what it would change, and changes it."));
  parts.push(matrix(last, filter, again));
  if (last.left_out.length > 0) parts.push(h("details", null, h("summary", null, `Left out: ${count(last.left_out.length)}`), h("ul", { class: "plain" }, last.left_out.map((text) => h("li", { class: "soft path" }, text)))));
  parts.push(h("p", { class: "soft" }, cloud.job ? `The job ${cloud.job} verifies it by itself.` : "A [[job]] of kind cloud-verify does it by itself."));
  return h("section", { class: "card wide" }, ...parts);
}

export async function show(here, { signal, operator }) {
  let [told, cloud] = await Promise.all([get("/overview", signal), get("/cloud", signal)]);
  let [task, filter] = [null, { surprises: false, who: "" }];
  if (!told.counted && cloud.identities.length === 0 && !cloud.problem && told.libraries.length === 0) {
    here.replaceChildren(empty("Nothing is set up yet", "Found a repository with `darkslide init`, or join one with `darkslide open`."));
    return;
  }
  const parts = [h("div", { class: "wide" }), h("div", { class: "wide" }), h("div", { class: "wide" })];
  const draw = () => {
    const now = (next) => { filter = next; draw(); };
    const focus = document.activeElement?.matches(".filters input, .filters select") ? document.activeElement.tagName : null;
    parts[0].replaceChildren(verified(cloud, task, operator, filter, now));
    parts[1].replaceChildren(identities(cloud));
    parts[2].replaceChildren(stores(told));
    if (focus) parts[0].querySelector(`.filters ${focus}`)?.focus();
  };
  draw();
  here.replaceChildren(h("div", { class: "cards" }, parts));
  listen(async (name, news) => {
    if (name !== "tasks") return;
    const [before, now] = [task, news.find((one) => one.kind === "cloud-verify") ?? null];
    task = now;
    if (before?.task === now?.task && before?.state === now?.state) return;
    cloud = await get("/cloud", signal).catch(() => cloud);
    draw();
  }, signal);
}
