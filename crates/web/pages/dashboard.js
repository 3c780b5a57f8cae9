// One glance: safe or not, by the rule; what runs, what failed and what to do; what it costs.

import { get, listen } from "./api.js";
import { bytes, card, count, double, empty, h, outcome, plot, problem, table, usd, when } from "./parts.js";

function verdict(told) {
  const counted = told.counted;
  if (!counted) {
    const why = told.problem ? `The copies could not be counted: ${told.problem}` : "The copies are being counted for the first time.";
    return banner(told.problem ? "bad" : "warn", told.problem ? "!" : "…", told.problem ? "Not known" : "Counting", why);
  }
  const { rule, lacking } = counted;
  const asks = `${rule.copies} copies on ${rule.media} media${rule.off_site ? ", one outside the house" : ""}`;
  if (counted.files === 0) return banner("warn", "–", "Nothing is backed up yet", `The rule asks for ${asks}.`);
  if (counted.safe) return banner("good", "✓", "Everything is safe", `${count(counted.files)} files, ${bytes(counted.bytes)}: each has ${asks}.`);
  const lacks = [
    lacking.copies && `${count(lacking.copies)} have too few copies`,
    lacking.media && `${count(lacking.media)} are on too few media`,
    lacking.off_site && `${count(lacking.off_site)} have none outside the house`,
  ].filter(Boolean).join(", ");
  return banner("bad", "!", `${count(lacking.any)} of ${count(counted.files)} files are not safe`, `The rule asks for ${asks}. ${lacks}.`);
}

function banner(kind, mark, title, text) {
  return h("section", { class: `card wide verdict ${kind}` }, h("span", { class: "mark", "aria-hidden": "true" }, mark),
    h("div", null, h("strong", null, title), h("span", { class: "soft" }, text)));
}

function todo(counted) {
  if (!counted) return null;
  const lacks = counted.files > 0 && !counted.safe;
  if (counted.todo.length === 0 && lacks) {
    return card("What to do", h("p", null, "Nothing failed. The rule asks for more copies: a mirror, another disk, a store outside the house."));
  }
  if (counted.todo.length === 0) return card("What to do", h("p", { class: "good" }, "Nothing: all is as it should be."));
  return card("What to do", h("ul", { class: "plain" }, counted.todo.map((text) => h("li", { class: "path" }, text))));
}

function places(counted) {
  if (!counted) return null;
  const rows = counted.places.map((place) => [
    h("span", { class: "path" }, place.place, place.problem && h("div", { class: "bad" }, place.problem)),
    place.off_site ? `${place.medium}, outside` : place.medium, count(place.files), when(place.verified),
  ]);
  return h("section", { class: "card wide" }, h("h2", null, "Where the copies are"),
    table("Places with copies", ["Place", "Medium", ">Files", "Verified"], rows));
}

function jobs(told) {
  if (told.jobs.length === 0) {
    return card("Jobs", h("p", { class: "soft" }, "Nothing runs by itself yet: add a [[job]] in the settings."));
  }
  const rows = told.jobs.map((job) => h("li", { class: "row ends" },
    h("span", null, h("b", null, job.job), h("span", { class: "soft" }, ` ${job.kind}`)),
    h("span", null, job.running ? h("span", { class: "tag cold" }, "going on") : job.last ? outcome(job.last) : h("span", { class: "soft" }, "never run"),
      " ", job.next ? h("span", { class: "soft" }, "next ", when(job.next)) : null)));
  return card("Jobs", h("ul", { class: "plain" }, rows), h("p", null, h("a", { href: "/jobs" }, "All jobs and runs")));
}

function money(told, cost) {
  const limit = told.month_limit_usd ? ` of at most ${usd(told.month_limit_usd)}` : "";
  const parts = [h("p", null, h("span", { class: "number" }, usd(told.month_usd)), h("span", { class: "soft" }, `${limit} this month`))];
  if (cost instanceof Error) parts.push(problem(cost));
  else if (cost.stores.length === 0) parts.push(h("p", { class: "soft" }, "No store here costs anything."));
  else {
    const forecast = new Map();
    for (const store of cost.stores) for (const [month, bill] of store.forecast) forecast.set(month, (forecast.get(month) ?? 0) + Number(bill));
    const bars = [...forecast].map(([month, bill]) => ({ name: `+${month}`, value: bill, told: usd(bill) }));
    parts.push(h("h2", null, "The bills of the months to come"), plot("Forecast by month", bars),
      h("p", { class: "soft" }, `With ${bytes(cost.growth_bytes)} more each month, at prices ${cost.price_age_days} days old.`));
  }
  return double("Money", ...parts);
}

function classes(cost) {
  if (cost instanceof Error || cost.stores.length === 0) return null;
  const rows = cost.stores.flatMap((store) => store.items.map((item) => [h("span", { class: "path" }, store.store),
    item.what, `${item.quantity.toLocaleString("en", { maximumFractionDigits: 2 })} ${item.unit}`, usd(item.usd) + (item.unconfirmed ? " ?" : "")]));
  return h("section", { class: "card wide" }, h("h2", null, "A month of storage, by class"),
    table("A month by item", ["Store", "What", ">How much", ">Cost"], rows));
}

function libraries(told) {
  const rows = told.libraries.map((library) => h("li", { class: "row ends" }, h("b", null, library.library),
    h("span", null, library.last ? `${count(library.files)} files, ${bytes(library.bytes)}, ` : "", when(library.last))));
  return card("Libraries, last backed up", rows.length ? h("ul", { class: "plain" }, rows) : h("p", { class: "soft" }, "None."));
}

function drill(told) {
  return card("Last practised restore", told.last_drill
    ? h("p", { class: "number" }, when(told.last_drill))
    : [h("p", { class: "warn" }, "Never."), h("p", { class: "soft" }, "A backup that was never restored is a hope. A [[job]] of kind drill practises it.")]);
}

function thaws(told) {
  if (told.thaws.length === 0) return null;
  return card("On the way out of the cold", h("ul", { class: "plain" }, told.thaws.map((thaw) => h("li", null,
    `${thaw.paths.length || "All"} to `, h("span", { class: "path" }, thaw.to), thaw.ready_about ? [", ready ", when(thaw.ready_about)] : ""))),
    h("p", null, h("a", { href: "/restore" }, "All restores")));
}

export async function show(here, { signal }) {
  let cost = null;
  const draw = async () => {
    const told = await get("/overview", signal);
    cost ??= await get("/cost", signal).catch((error) => error);
    if (told.counted === null && told.jobs.length === 0 && told.libraries.length === 0) {
      here.replaceChildren(empty("Nothing is set up yet", "Found a repository with `darkslide init`, or join one with `darkslide open`."));
      return;
    }
    here.replaceChildren(h("div", { class: "cards" }, ...[verdict(told), todo(told.counted), jobs(told), thaws(told), libraries(told),
      drill(told), money(told, cost), places(told.counted), classes(cost)].filter(Boolean)),
      h("p", { class: "soft" }, `${told.host}, `, told.counted ? ["counted ", when(told.counted.at)] : ""));
  };
  await draw();
  listen(() => draw().catch(() => {}), signal);
  const again = setInterval(() => draw().catch(() => {}), 30000);
  signal.addEventListener("abort", () => clearInterval(again));
}
