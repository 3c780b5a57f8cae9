// The story: log in, look, choose, see the price, confirm, turn the clock, find the photographs.
// Speaks in lines with the test that started it: `turn HOURS` and `restart` are answered by a line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { PAGE, OPERATOR, READER, IDENTITY, RESTORED, SHOTS, CHROMIUM = "/usr/bin/chromium" } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const SIZES = { phone: [390, 844], laptop: [1440, 900], wall: [3840, 2160] };
const VIEWS = ["/", "/photographs", "/map", "/restore", "/jobs", "/snapshots", "/cards", "/cloud", "/upkeep", "/settings"];
let base = PAGE.replace(/\/$/, "");

async function order(line) {
  console.log(line);
  return (await answers.next()).value;
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", reducedMotion: "reduce" });
const page = await context.newPage();
page.setDefaultTimeout(30000);
const foreign = [];
const complaints = [];
page.on("request", (request) => { if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url())) foreign.push(request.url()); });
page.on("pageerror", (error) => complaints.push(error.stack));
page.on("console", (said) => { if (said.type() === "error" && !/401|Failed to load resource/.test(said.text())) complaints.push(said.text()); });

async function settled() {
  await page.waitForFunction(() => !document.querySelector("main").textContent.includes("Loading…"));
}

async function open(view) {
  await page.goto(base + view);
  await settled();
}

async function accessible(what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  const told = violations.map((one) => `${what}: ${one.id}: ${one.help}\n  ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("\n  ")}`);
  assert.deepEqual(told, [], told.join("\n"));
}

async function logIn(secret) {
  await page.goto(base);
  await page.getByLabel("Password or token").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  await settled();
}

async function shoot(name) {
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(80);
    await page.screenshot({ path: `${SHOTS}/${name}-${size}.png` });
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

// Nobody gets in without a login, and a wrong one is told.
await page.goto(base);
await page.getByLabel("Password or token").waitFor();
await accessible("login");
await shoot("login");
await page.getByLabel("Password or token").fill("a guess");
await page.keyboard.press("Enter");
await page.locator(".error", { hasText: "not known" }).waitFor();

// An operator sees at one glance that two copies are too few.
await logIn(OPERATOR);
await page.getByText("are not safe").waitFor({ timeout: 60000 });
for (const view of VIEWS) {
  await open(view);
  await accessible(view);
  await shoot(view === "/" ? "overview" : view.slice(1));
}
await page.emulateMedia({ colorScheme: "light" });
for (const view of VIEWS) {
  await open(view);
  await accessible(`${view} in the light`);
}
await page.emulateMedia({ colorScheme: "dark" });

// 200,000 photographs scroll smoothly: what a frame costs, and how much is ever drawn.
const smooth = await page.evaluate(async () => {
  const { Grid } = await import("/assets/grid.js");
  const months = Array.from({ length: 240 }, (_, n) => ({ year: 2026 - Math.floor(n / 12), month: 12 - (n % 12), count: n % 2 ? 833 : 834 }));
  const load = async (month) => { for (let n = month.items.length; n < month.count; n += 1) month.items.push({ id: month.first + n, name: `DSC_${n}.NEF` }); };
  const cell = { label: (one) => one.name, draw: (one) => { const name = document.createElement("span"); name.className = "name"; name.textContent = one.name; return [name]; } };
  const grid = new Grid({ months, load, cell, on: { open() {}, pick() {}, problem(error) { throw error; } }, signal: new AbortController().signal });
  document.getElementById("main").replaceChildren(grid.element);
  grid.lay();
  const [work, frames] = [[], []];
  let [most, last] = [0, performance.now()];
  const draw = grid.draw.bind(grid);
  grid.draw = () => { const began = performance.now(); draw(); work.push(performance.now() - began); };
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let n = 0; n < 400; n += 1) {
    // Mostly as a wheel does it, now and then a jump through the years.
    grid.box.scrollTop = n % 40 === 0 ? ((n * 7919) % 400) / 400 * grid.height : grid.box.scrollTop + 140;
    await frame();
    const now = performance.now();
    frames.push(now - last);
    last = now;
    most = Math.max(most, grid.element.querySelectorAll("*").length);
  }
  const at = (all, share) => [...all].sort((a, b) => a - b)[Math.floor(all.length * share)];
  return { total: grid.total, most, work: at(work, 0.95), median: at(frames, 0.5), slow: at(frames, 0.95) };
});
console.log(`${smooth.total} photographs: a frame's work ${smooth.work.toFixed(1)} ms at the 95th percentile, frames ${smooth.median.toFixed(1)} ms in the middle, ${smooth.slow.toFixed(1)} ms at the 95th percentile, ${smooth.most} elements at most`);
assert.ok(smooth.total >= 200000 && smooth.most < 1500, `${smooth.most} elements`);
assert.ok(smooth.work < 12, `a frame's work took ${smooth.work} ms`);

// Amounts are read as money, and the map turns about the point that is looked at.
const amounts = await page.evaluate(async () => {
  const { usd } = await import("/assets/parts.js");
  return [0, 2.2e-7, 0.000042, 0.00099999, 0.0312, 0.095, 1234.5].map(usd);
});
assert.deepEqual(amounts, ["$0.00", "under $0.00001", "$0.000042", "$0.0010", "$0.031", "$0.10", "$1234.50"]);
const turned = await page.evaluate(async () => {
  const { Sight, up, down, degrees } = await import("/assets/map.js");
  const sight = new Sight(1200, 700);
  sight.fit(16.2, 48.1, 16.6, 48.4);
  const [x, y] = [sight.x(16.3), sight.y(48.3)];
  for (const times of [2, 2, 0.5, 8]) sight.zoom(times, [x, y]);
  const off = Math.hypot(sight.x(16.3) - x, sight.y(48.3) - y);
  sight.move(1e9, 1e9);
  return { off, same: down(up(48.2)), edges: sight.area(), far: degrees(-0.05, 0.05, "EW"), cell: Math.log2(360 / sight.cell()) };
});
assert.ok(turned.off < 0.01 && Math.abs(turned.same - 48.2) < 1e-9, JSON.stringify(turned));
assert.ok(turned.edges[2] <= 180 && turned.edges[1] >= -90 && Number.isInteger(turned.cell), JSON.stringify(turned));
assert.equal(turned.far, "0.05° W");

// Snapshots are folders, and a name is found in them.
await open("/snapshots");
await page.getByRole("button", { name: "2006/" }).press("Enter");
await page.getByRole("button", { name: /_shoot0\/$/ }).press("Enter");
await page.getByLabel("Choose DSC_00001.JPG").press("Space");
await page.getByText("1 chosen").waitFor();
await page.getByLabel("Search by name in all snapshots").fill("DSC_00007");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: /Found by/ }).waitFor();
await page.getByRole("cell", { name: /DSC_00007\.JPG$/ }).first().waitFor();

// Twenty years of thumbnails while every original is in Deep Archive.
await open("/photographs");
await page.getByText(`${Number(process.env.PHOTOGRAPHS).toLocaleString("en")} photographs`).waitFor();
await page.waitForFunction(() => [...document.querySelectorAll(".cell img")].some((image) => image.complete && image.naturalWidth > 0));
assert.ok((await page.locator(".cell .state", { hasText: "❄" }).count()) > 0, "they lie in the cold");
await page.getByLabel("Search by name").fill("DSC_00042");
await page.keyboard.press("Enter");
await page.getByText("1 photograph, ").waitFor();
await page.getByLabel("Search by name").fill("");
await page.keyboard.press("Enter");
await page.getByText(`${Number(process.env.PHOTOGRAPHS).toLocaleString("en")} photographs`).waitFor();

// On the map: nearer with the keyboard, and a place shows its photographs in the grid.
await open("/map");
const map = page.getByRole("region", { name: /^Map of photographs/ });
await map.locator(".spot").first().waitFor();
await page.waitForFunction(() => [...document.querySelectorAll(".spot img")].some((image) => image.complete && image.naturalWidth > 0));
const spots = async () => (await map.locator(".spot").count());
const far = await spots();
assert.ok(far >= 2, `${far} places`);
await page.getByRole("status").filter({ hasText: "photographs with a place" }).waitFor();
const inSight = async () => Number((await page.getByRole("status").filter({ hasText: "with a place" }).textContent()).split(" ")[0].replaceAll(",", ""));
const everywhere = await inSight();
await map.focus();
for (let n = 0; n < 7; n += 1) await page.keyboard.press("+");
await page.waitForFunction((all) => Number(document.querySelector("[role=status].soft").textContent.split(" ")[0].replaceAll(",", "")) < all, everywhere);
await page.keyboard.press("0");
await page.waitForFunction((all) => Number(document.querySelector("[role=status].soft").textContent.split(" ")[0].replaceAll(",", "")) === all, everywhere);
await accessible("map");
const one = map.locator(".spot").first();
const here = Number((await one.getAttribute("aria-label")).split(" ")[0].replaceAll(",", ""));
await one.press("Enter");
await page.getByText(`${here.toLocaleString("en")} photographs`).waitFor();
await accessible("at one place");
await page.getByRole("button", { name: /^At one place/ }).click();
await page.getByText(`${Number(process.env.PHOTOGRAPHS).toLocaleString("en")} photographs`).waitFor();

// One large, with what it tells and where its copies are.
const grid = page.getByRole("listbox", { name: "Photographs by date" });
await grid.focus();
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Where its copies are" }).waitFor();
await page.getByText("DEEP_ARCHIVE").waitFor();
await accessible("viewer");
await shoot("viewer");
await page.keyboard.press("Escape");

// Forty are chosen with the keyboard.
await grid.focus();
await page.keyboard.press("Home");
await page.keyboard.down("Shift");
for (let n = 1; n < 40; n += 1) await page.keyboard.press("ArrowRight");
await page.keyboard.up("Shift");
await page.getByText("40 chosen").waitFor();
await accessible("chosen");
await shoot("chosen");
await page.getByRole("button", { name: "Restore…" }).press("Enter");

// Hand over what opens photographs; the price comes before anything is spent.
await page.getByText("What opens photographs").waitFor();
await page.getByLabel("Identity", { exact: true }).fill(readFileSync(IDENTITY, "utf8"));
await page.getByRole("button", { name: "Hand over" }).click();
await page.getByRole("heading", { name: /^Restore 40 files/ }).waitFor();
const confirm = page.locator("button.main:enabled", { hasText: /^Restore for \$/ });
await confirm.waitFor();
await accessible("wizard");
await shoot("wizard");
await page.getByText("standard", { exact: true }).click();
const quoted = await confirm.textContent();
await page.getByLabel(/^Folder on the machine/).fill(RESTORED);
await confirm.click();

// It is on its way; the page is closed, the server started anew, the clock turned, and it is there.
await page.locator("[data-thaw]").waitFor({ timeout: 60000 });
await page.getByText("on its way").waitFor();
await page.getByText("Pack by pack").click();
await page.getByRole("cell", { name: "thawing" }).first().waitFor();
await accessible("thaw");
await shoot("thaw");
// Faster would be quoted first; less is asked for again.
await page.getByRole("button", { name: "Faster…" }).click();
await page.getByText(/No faster tier is offered/).waitFor();
await page.keyboard.press("Escape");
await page.getByRole("button", { name: "Ask for nothing more…" }).click();
await page.getByText(/What was asked for is paid: \$/).waitFor();
await accessible("cancel");
await page.keyboard.press("Escape");
await page.goto("about:blank");
base = (await order("restart")).replace(/\/$/, "");
await logIn(OPERATOR);
await open("/restore");
await page.getByText("on its way").waitFor();
await order("turn 15");
await page.evaluate(async (identity) => {
  const { csrf } = await (await fetch("/api/v1/login")).json();
  const body = JSON.stringify({ identity });
  const answer = await fetch("/api/v1/identity", { method: "PUT", headers: { "content-type": "application/json", "x-darkslide-csrf": csrf }, body });
  if (!answer.ok) throw new Error(await answer.text());
}, readFileSync(IDENTITY, "utf8"));
await page.locator("[data-thaw] .tag", { hasText: "done" }).waitFor({ timeout: 90000 });
await page.getByText(/quoted,.*spent, as quoted or less/).waitFor();
await shoot("done");
console.log(`${quoted}; ${await page.locator("[data-thaw] p", { hasText: "quoted" }).textContent()}`);

// Another one at the slowest tier, hurried for the price that is shown, and given up.
await open("/photographs");
await grid.focus();
await page.keyboard.press("End");
await page.keyboard.press("Space");
await page.getByText("1 chosen").waitFor();
await page.getByRole("button", { name: "Restore…" }).press("Enter");
await page.getByRole("heading", { name: /^Restore \d+ files?,/ }).waitFor();
await page.getByText("bulk", { exact: true }).click();
await page.getByLabel(/^Folder on the machine/).fill(`${RESTORED}-more`);
await confirm.click();
const second = page.locator("[data-thaw]", { hasText: `${RESTORED}-more` });
await second.getByText("on its way").waitFor({ timeout: 60000 });
await second.getByText(/, bulk, begun/).waitFor();
await second.getByRole("button", { name: "Faster…" }).click();
await page.getByRole("radio", { name: /^standard/ }).waitFor();
await accessible("faster");
await shoot("faster");
await page.getByRole("button", { name: "Hurry" }).click();
await second.getByText(/, standard, begun/).waitFor();
await second.getByRole("button", { name: "Ask for nothing more…" }).click();
await page.getByRole("button", { name: "Ask for nothing more", exact: true }).click();
await second.locator(".tag", { hasText: "cancelled" }).waitFor();

// Run a job and read its log as it grows.
await open("/jobs");
await page.getByRole("button", { name: "Run now: nightly" }).click();
await page.getByRole("cell", { name: "complete" }).first().waitFor({ timeout: 60000 });
await page.getByRole("button", { name: "Log of nightly" }).click();
await page.getByRole("log").filter({ hasText: "complete" }).waitFor();
await accessible("log");
await page.keyboard.press("Escape");

// What each identity may is proven, and the matrix is there after the page was left.
await order("account");
await open("/cloud");
await page.getByRole("button", { name: "Verify now" }).click();
await page.getByText("As it should be").waitFor({ timeout: 60000 });
await page.getByLabel("Surprises only").check();
await page.getByText("No surprises: nobody may more, or less, than expected.").waitFor();
await accessible("no surprises");
await order("surprise");
await page.getByRole("button", { name: "Verify now" }).click();
await page.locator(".tag", { hasText: "surprise" }).first().waitFor({ timeout: 60000 });
await open("/cloud");
await page.locator(".tag", { hasText: "surprise" }).first().waitFor();
await accessible("matrix");
await shoot("matrix");

// Upkeep is a plan first, with its reasons.
await open("/upkeep");
await page.getByRole("button", { name: /^What would it do\? Forget/ }).click();
await page.getByRole("cell", { name: "keep", exact: true }).first().waitFor({ timeout: 60000 });
await page.getByRole("button", { name: /^What would it do\? Prune/ }).click();
await page.getByText("0 objects would be deleted, 0 condemned").waitFor({ timeout: 60000 });
await page.getByRole("button", { name: /^What would it do\? Repair/ }).click();
await page.locator("[data-upkeep=repair] [role=status]").waitFor({ timeout: 60000 });
await accessible("upkeep");
await shoot("plans");

// Growth and cost are plots, and tables for who sees none.
await open("/");
await page.getByRole("img", { name: /^What was paid/ }).waitFor();
await page.locator("figure", { hasText: "Forecast by month and class" }).getByText("As a table").click();
await page.getByRole("columnheader", { name: "deep archive" }).waitFor();
await accessible("plots");
await shoot("plots");

// The configuration is checked, and its comments stay.
await open("/settings");
const text = page.getByLabel("Configuration", { exact: true });
const before = await text.inputValue();
await text.fill(`${before}\n[budget]\nper_mont = "1"\n`);
await page.getByRole("button", { name: "Check" }).click();
await page.getByRole("alert").filter({ hasText: "per_month" }).waitFor();
await text.fill(before.replace(/(# A job of its own\.[\s\S]*)nightly 02:00/, "$1nightly 03:00"));
await page.getByRole("button", { name: "Save" }).click();
await page.getByText("Kept.").waitFor();
await open("/settings");
assert.match(await text.inputValue(), /# A job of its own\.[\s\S]*nightly 03:00/);
await text.fill(`${before}\n[[hook]]\nname = "x"\nbefore = ["backup"]\ncommand = ["true"]\n`);
await page.getByRole("button", { name: "Save" }).click();
await page.getByRole("alert").waitFor();

// A reader looks, and nothing else.
await page.getByRole("button", { name: "Log out" }).click();
await logIn(READER);
await open("/jobs");
assert.equal(await page.getByRole("button", { name: "Run now: nightly" }).count(), 0);
await open("/settings");
await page.getByText("The configuration is for operators").waitFor();
await open("/upkeep");
await page.getByText("Upkeep is for operators").waitFor();
await open("/cloud");
assert.equal(await page.getByRole("button", { name: "Verify now" }).count(), 0);
const refused = await page.evaluate(async () => {
  const { csrf } = await (await fetch("/api/v1/login")).json();
  return (await fetch("/api/v1/jobs/nightly/run", { method: "POST", headers: { "x-darkslide-csrf": csrf } })).status;
});
assert.equal(refused, 403);

assert.deepEqual(foreign, [], "nothing comes from elsewhere");
assert.deepEqual(complaints, [], complaints.join("\n"));
await browser.close();
process.exit(0);
