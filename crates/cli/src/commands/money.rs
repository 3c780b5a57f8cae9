//! `cost`, `quote backup`, `quote prune`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use darkslide_engine::words::{Bytes, Money, StorageClass};
use darkslide_engine::{CostReport, Engine, StoreCost, parse_bytes};
use serde_json::{Value, json};

use crate::args::Cost;
use crate::output::{self, Exit};
use crate::wiring;

fn amount(text: &str) -> Result<Bytes> {
    parse_bytes(text).map(Bytes).with_context(|| format!("`{text}`: an amount such as 50GB is wanted"))
}

/// Runs `cost`.
pub fn cost(config: Option<PathBuf>, args: Cost) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let class = args.what_if.as_deref().map(|name| StorageClass::from_name(&name.to_ascii_uppercase()));
    let growth = args.growth.as_deref().map(amount).transpose()?;
    let report = engine.cost(class.as_ref(), growth)?;
    match args.json.json {
        true => output::value(&report_json(&report)),
        false => tell(&report, class.as_ref()),
    }
    Ok(Exit::Ok)
}

fn report_json(report: &CostReport) -> Value {
    let entry = |e: &darkslide_engine::LedgerRow| {
        json!({"at": e.at.to_string(), "kind": e.kind, "reference": e.reference, "what": e.what, "quoted": e.quoted,
               "actual": e.actual})
    };
    let store = |s: &StoreCost| {
        let months: Vec<Value> = s.forecast.iter().map(|(month, sum)| json!({"month": month, "total": sum})).collect();
        json!({"store": s.store, "monthly": s.monthly, "monthly_total": s.monthly.total(), "forecast": months,
               "what_if": s.what_if})
    };
    json!({
        "spent": report.spent.iter().map(|(kind, sum)| json!({"kind": kind, "total": sum})).collect::<Vec<_>>(),
        "entries": report.entries.iter().map(entry).collect::<Vec<_>>(),
        "stores": report.stores.iter().map(store).collect::<Vec<_>>(),
        "growth_per_month": report.growth, "price_age_days": report.price_age.as_secs() / 86_400,
    })
}

fn tell(report: &CostReport, class: Option<&StorageClass>) {
    let total: Money = report.spent.iter().map(|(_, sum)| *sum).sum();
    output::line(format_args!("Spent on requests, thaws and downloads this month: {total}"));
    for (kind, sum) in &report.spent {
        output::line(format_args!("  {kind:<12} {sum}"));
    }
    if report.stores.is_empty() {
        output::line("No store costs anything: there are only directories.");
    }
    for store in &report.stores {
        output::line(format_args!("\n{}, a month as things are:\n{}", store.store, store.monthly));
        output::line(format_args!("The next months, with {} more each:", report.growth));
        for (month, sum) in store.forecast.iter().filter(|(month, _)| [0, 1, 3, 6, 12].contains(month)) {
            let when = if *month == 0 { "this month".to_string() } else { format!("in {month} months") };
            output::line(format_args!("  {when:<14} {sum}"));
        }
        if let (Some(what_if), Some(class)) = (&store.what_if, class) {
            output::line(format_args!(
                "If everything moved to {class}: {} a month instead of {}; moving costs {} and {} for early deletion.",
                what_if.then_monthly, what_if.now_monthly, what_if.transition_cost, what_if.early_deletion
            ));
            match what_if.pays_back_after_months {
                Some(months) => output::line(format_args!("It pays back after {months} months.")),
                None => output::line("It never pays back."),
            }
        }
    }
    output::line(format_args!("\nThe prices are {} days old.", report.price_age.as_secs() / 86_400));
}

/// Runs `quote backup`.
pub fn quote_backup(engine: &Engine, add: Option<&str>, as_json: bool) -> Result<Exit> {
    let bytes = match add {
        Some(text) => amount(text)?,
        None => engine.new_bytes(None)?,
    };
    let quotes = engine.quote_backup(bytes)?;
    if as_json {
        let stores: Vec<Value> =
            quotes.iter().map(|(s, q)| json!({"store": s, "once": q.once, "monthly": q.monthly})).collect();
        output::value(&json!({"bytes": bytes, "stores": stores}));
        return Ok(Exit::Ok);
    }
    output::line(format_args!("To store {bytes} more:"));
    if quotes.is_empty() {
        output::line("No store costs anything: there are only directories.");
    }
    for (store, quote) in &quotes {
        output::line(format_args!("\n{store}, at once:\n{}\nEvery month from then on:\n{}", quote.once, quote.monthly));
    }
    Ok(Exit::Ok)
}

/// Runs `quote prune`.
pub fn quote_prune(engine: &Engine, as_json: bool) -> Result<Exit> {
    let quotes = engine.quote_prune()?;
    if as_json {
        let stores: Vec<Value> =
            quotes.iter().map(|(s, q)| json!({"store": s, "quote": q, "total": q.total()})).collect();
        output::value(&json!({"stores": stores}));
        return Ok(Exit::Ok);
    }
    if quotes.is_empty() {
        output::line("Deleting costs nothing: there are only directories.");
    }
    for (store, quote) in &quotes {
        output::line(format_args!(
            "{store}: deleting all of it today, as if it had been written today, costs\n{quote}"
        ));
    }
    Ok(Exit::Ok)
}
