// One glance: safe or not, by the rule; what runs, what failed and what to do; what it costs.

import { get, listen } from "./api.js";
import { bytes, card, count, empty, h, outcome, problem, table, usd, when } from "./parts.js";
import { chart } from "./plots.js";

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
  else parts.push(h("p", { class: "soft" }, `A month as things are: `, usd(cost.stores.reduce((sum, store) => sum + Number(store.month_usd), 0)),
    `; ${bytes(cost.growth_bytes)} more come each month. Prices are ${cost.price_age_days} days old.`));
  return card("Money", ...parts);
}

function classes(cost) {
  if (cost instanceof Error || cost.stores.length === 0) return null;
  const rows = cost.stores.flatMap((store) => store.items.map((item) => [h("span", { class: "path" }, store.store),
    item.what, `${item.quantity.toLocaleString("en", { maximumFractionDigits: 2 })} ${item.unit}`, usd(item.usd) + (item.unconfirmed ? " ?" : "")]));
  return h("section", { class: "card wide" }, h("h2", null, "A month of storage, by class"),
    table("A month by item", ["Store", "What", ">How much", ">Cost"], rows));
}

// Months that are shown: the last four years.
const MONTHS_MAX = 48;

function growth(history) {
  if (history instanceof Error || history.length === 0) return null;
  const past = history.slice(-MONTHS_MAX);
  const columns = past.map((month) => month.month);
  const of = (name, key) => [{ name, values: past.map((month) => Number(month[key])) }];
  return h("section", { class: "card wide" }, h("h2", null, "Growth and cost, month by month"), h("div", { class: "plots" },
    chart("What is backed up, at the month's end", columns, of("In the libraries", "bytes"), bytes),
    chart("What backups added, sealed", columns, of("Added", "added_bytes"), bytes),
    chart("What was paid", columns, of("Paid", "spent_usd"), usd)));
}

// The bills to come, by storage class over all stores.
export function bills(cost, now) {
  const classes = new Map();
  for (const store of cost.stores) {
    for (const one of store.by_class) {
      const sums = classes.get(one.class) ?? new Map();
      for (const [month, bill] of one.forecast) sums.set(month, (sums.get(month) ?? 0) + Number(bill));
      classes.set(one.class, sums);
    }
  }
  const months = [...new Set([...classes.values()].flatMap((sums) => [...sums.keys()]))].sort((a, b) => a - b);
  const name = (ahead) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)).toISOString().slice(0, 7);
  const series = [...classes].map(([one, sums]) => ({ name: one.toLowerCase().replaceAll("_", " "), values: months.map((month) => sums.get(month) ?? 0) }));
  series.sort((a, b) => Math.max(...b.values) - Math.max(...a.values));
  return { columns: months.map(name), series };
}

function forecast(cost, now) {
  if (cost instanceof Error || cost.stores.length === 0) return null;
  const { columns, series } = bills(cost, new Date(now));
  return h("section", { class: "card wide" }, h("h2", null, "The bills of the months to come, by storage class"),
    chart("Forecast by month and class", columns, series, usd));
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
  let [cost, plots] = [null, null];
  const draw = async () => {
    const told = await get("/overview", signal);
    if (!plots) {
      const [paid, history] = await Promise.all(["/cost", "/history"].map((path) => get(path, signal).catch((error) => error)));
      // Kept as they are while the rest is drawn anew: a table that was opened stays open.
      [cost, plots] = [paid, [growth(history), forecast(paid, told.now)]];
    }
    if (told.counted === null && told.jobs.length === 0 && told.libraries.length === 0) {
      here.replaceChildren(empty("Nothing is set up yet", "Found a repository with `darkslide init`, or join one with `darkslide open`."));
      return;
    }
    here.replaceChildren(h("div", { class: "cards" }, ...[verdict(told), todo(told.counted), jobs(told), thaws(told), libraries(told),
      drill(told), money(told, cost), ...plots, places(told.counted), classes(cost)].filter(Boolean)),
      h("p", { class: "soft" }, `${told.host}, `, told.counted ? ["counted ", when(told.counted.at)] : ""));
  };
  await draw();
  listen(() => draw().catch(() => {}), signal);
  const again = setInterval(() => draw().catch(() => {}), 30000);
  signal.addEventListener("abort", () => clearInterval(again));
}
