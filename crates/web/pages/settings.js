// Settings: the configuration, checked, with its comments kept.

import { get, listen, post, put } from "./api.js";
import { button, empty, h, problem, say, table } from "./parts.js";

// Who is told, and whether a message arrives.
function told(channels, tasks) {
  const rows = channels.map((one) => {
    const test = tasks.find((task) => task.kind === "test" && task.what === one.channel);
    const said = test ? h("span", { class: test.state === "failed" ? "bad path" : "path", role: "status" }, test.text || "Sending…") : h("span", { class: "soft path" }, one.last ?? "nothing was sent yet");
    return [one.channel, one.way, one.on.join(", "), said, button("Send a test", () => post("/channels/test", { channel: one.channel }), { "aria-label": `Send a test to ${one.channel}` })];
  });
  return h("section", { class: "card wide" }, h("h2", null, "Who is told"),
    rows.length ? table("Who is told", ["Channel", "How", "Of what", "The last message", ""], rows) : h("p", { class: "soft" }, "Nobody: add a [[notify]] to the file, and a failed backup does not stay unseen."));
}

export async function show(here, { signal, operator }) {
  if (!operator) {
    here.replaceChildren(empty("The configuration is for operators", "This login may look and change nothing."));
    return;
  }
  const [kept, keys, channels] = await Promise.all([get("/settings", signal), get("/settings/keys", signal), get("/channels", signal)]);
  let was = kept.text;
  const text = h("textarea", { rows: Math.min(Math.max(was.split("\n").length + 2, 12), 40), spellcheck: "false", value: was, "aria-label": "Configuration" });
  const said = h("div");
  const send = async (check) => {
    said.replaceChildren();
    try {
      await put("/settings", { was, text: text.value, check });
      if (!check) was = text.value;
      said.replaceChildren(h("p", { class: "good", role: "status" }, check ? "It is sound." : "Kept. What runs takes it up within half a minute."));
    } catch (error) {
      said.replaceChildren(problem(error));
    }
  };
  text.addEventListener("keydown", (event) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(false); }
  });
  addEventListener("beforeunload", (event) => { if (text.value !== was) event.preventDefault(); }, { signal });
  const wanted = h("input", { type: "search", placeholder: "Key or word", "aria-label": "Find a key" });
  const list = h("div");
  const find = () => {
    const words = wanted.value.toLowerCase();
    const found = keys.filter((key) => !words || `${key.key} ${key.text}`.toLowerCase().includes(words)).slice(0, 60);
    list.replaceChildren(...found.map((key) => h("details", null, h("summary", null, key.key), h("p", null, key.text),
      key.default && h("p", { class: "soft" }, `By default: ${key.default}`), key.example && h("pre", { class: "log" }, key.example))),
    found.length === 0 ? h("p", { class: "soft" }, "No key is called that.") : "");
  };
  wanted.addEventListener("input", find);
  find();
  const people = h("div", { class: "wide" }, told(channels, []));
  here.replaceChildren(h("div", { class: "cards" },
    h("section", { class: "card wide" }, h("p", { class: "soft path" }, kept.path), text, said,
      h("div", { class: "row" }, button("Check", () => send(true)), button("Save", () => send(false), { class: "main" }),
        button("As it was", async () => { text.value = was; say("Back to what the file says"); })),
      h("p", { class: "soft" }, `Changed in the file only, since they name programs, secrets, stores or whom to trust: ${kept.kept.join(", ")}.`)),
    people, h("section", { class: "card wide" }, h("h2", null, "What the keys mean"), wanted, list)));
  let known = "[]";
  listen((name, tasks) => {
    const tests = JSON.stringify(tasks.filter?.((task) => task.kind === "test"));
    if (name !== "tasks" || tests === known) return;
    known = tests;
    people.replaceChildren(told(channels, tasks));
  }, signal);
}
