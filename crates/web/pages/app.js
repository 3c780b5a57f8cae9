// Which view is shown, and to whom.

import * as api from "./api.js";
import { empty, h, problem } from "./parts.js";

const VIEWS = {
  "/": ["Overview", () => import("./dashboard.js")],
  "/photographs": ["Photographs", () => import("./photographs.js")],
  "/map": ["Map", () => import("./map.js")],
  "/restore": ["Restores", () => import("./restore.js")],
  "/jobs": ["Jobs", () => import("./jobs.js")],
  "/snapshots": ["Snapshots", () => import("./snapshots.js")],
  "/cards": ["Cards", () => import("./cards.js")],
  "/cloud": ["Cloud", () => import("./cloud.js")],
  "/upkeep": ["Upkeep", () => import("./upkeep.js")],
  "/settings": ["Settings", () => import("./settings.js")],
};

const main = document.getElementById("main");
const bar = document.getElementById("bar");
let somebody = null;
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  if (!somebody) return;
  const [title, load] = VIEWS[location.pathname] ?? VIEWS["/"];
  document.title = `${title} · Darkslide`;
  for (const link of bar.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.pathname === location.pathname);
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
  main.replaceChildren(h("h1", null, title), empty("Loading…"));
  const { signal } = leaving;
  try {
    const view = await load();
    const here = h("div");
    await view.show(here, { signal, operator: somebody.role === "operator", go });
    if (signal.aborted) return;
    main.replaceChildren(h("h1", null, title), here);
  } catch (error) {
    if (signal.aborted || error.status === 401) return;
    main.replaceChildren(h("h1", null, title), problem(error), h("button", { type: "button", onclick: show }, "Try again"));
  }
}

function go(path) {
  history.pushState(null, "", path);
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  return show();
}

function enter(told) {
  somebody = told;
  document.getElementById("who").textContent = told.role === "reader" ? `${told.name} (may look)` : told.name;
  bar.hidden = false;
  show();
}

function logIn() {
  somebody = null;
  leaving.abort();
  bar.hidden = true;
  document.title = "Log in · Darkslide";
  const name = h("input", { name: "name", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const secret = h("input", { name: "secret", type: "password", autocomplete: "current-password", required: true });
  const wrong = h("div");
  const form = h("form", { class: "card", onsubmit: async (event) => {
    event.preventDefault();
    try {
      enter(await api.logIn(name.value, secret.value));
    } catch (error) {
      wrong.replaceChildren(problem(error));
      secret.select();
    }
  } }, h("h1", null, "Darkslide"), wrong,
    h("label", null, "Name (a token needs none)", name), h("label", null, "Password or token", secret),
    h("button", { class: "main" }, "Log in"));
  main.replaceChildren(h("div", { class: "login" }, form,
    h("p", { class: "soft" }, "The first token lies in the state folder of this Darkslide, in the file serve-token.")));
  name.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (link && plain && link.origin === location.origin && VIEWS[link.pathname] && !link.hash) {
    event.preventDefault();
    go(link.pathname + link.search);
  }
});
addEventListener("popstate", show);

const kept = localStorage.getItem("theme");
if (kept) document.documentElement.dataset.theme = kept;
document.getElementById("theme").addEventListener("click", () => {
  const light = matchMedia("(prefers-color-scheme: light)").matches;
  const now = document.documentElement.dataset.theme ?? (light ? "light" : "dark");
  document.documentElement.dataset.theme = now === "light" ? "dark" : "light";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
});
document.getElementById("out").addEventListener("click", async () => {
  await api.logOut().catch(() => {});
  logIn();
});

api.whenLoggedOut(logIn);
api.who().then(enter, (error) => (error.status === 401 ? logIn() : main.replaceChildren(problem(error))));
