//! `store check`: a store held to everything that Darkslide relies on.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use darkslide_engine::StoreSettings;
use darkslide_store::contract::CHECKS;
use darkslide_store::rules::Rule;
use darkslide_store::{Store, StoreError, list_all};
use darkslide_store_dir::DirStore;
use darkslide_store_s3::S3Store;
use darkslide_words::{OsRng, Rng as _};
use serde_json::json;

use super::setup;
use crate::args::{Bucket, Json};
use crate::output::{self, Exit};
use crate::{buckets, confirm, vaults, wiring};

/// Requests of one check of a bucket: PUTs and LISTs, and reads; counted on a run.
const PUTS: u64 = 60;
const GETS: u64 = 60;

struct Row {
    promise: String,
    broken: Option<String>,
}

/// Checks the stores that are given, or those that are configured.
pub fn check(config: Option<PathBuf>, places: &[String], bucket: &Bucket, yes: bool, json: &Json) -> Result<Exit> {
    let stores = match places.is_empty() {
        false => setup::stores(places, bucket)?,
        true => wiring::engine(config)?.store_settings(),
    };
    let mut sound = true;
    for settings in stores {
        sound &= one(&settings, yes, json.json)?;
    }
    Ok(if sound { Exit::Ok } else { Exit::Failed })
}

fn one(settings: &StoreSettings, yes: bool, as_json: bool) -> Result<bool> {
    let id = format!("darkslide-check-{}", hex(OsRng.bytes::<6>()));
    let label = settings.label();
    let (mut rows, mut advice) = (Vec::new(), Vec::new());
    if let Some(beside) = settings.companion.as_deref().filter(|_| settings.vault().is_some()) {
        rows = in_vault(settings, &mut advice);
        tell(&label, &rows, &advice, as_json);
        // What must be at hand lies there, so that is held to the promises of a store.
        return Ok(rows.iter().all(|row| row.broken.is_none()) && one(beside, yes, as_json)?);
    }
    match &settings.path {
        Some(path) => {
            let root = path.join(&id);
            for (n, check) in CHECKS.iter().enumerate() {
                let store = DirStore::create(&root.join(n.to_string()))?;
                rows.push(Row {
                    promise: check.promise.into(),
                    broken: (check.check)(&store).err().map(|b| b.to_string()),
                });
            }
            std::fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
        }
        None => {
            let usd = (PUTS as f64 * 0.005 + GETS as f64 * 0.0004) / 1000.0;
            let price = darkslide_words::Money::from_usd(usd);
            if !confirm::spend(&format!("The check of {label} makes about {} requests: {price}", PUTS + GETS), yes)? {
                return Ok(false);
            }
            in_bucket(settings, &id, &mut rows, &mut advice)?;
        }
    }
    tell(&label, &rows, &advice, as_json);
    Ok(rows.iter().all(|row| row.broken.is_none()))
}

/// What can be asked of a vault without putting an archive there, which would have to stay for 90 days.
fn in_vault(settings: &StoreSettings, advice: &mut Vec<String>) -> Vec<Row> {
    let row = |promise: &str, done: Result<(), StoreError>| Row {
        promise: promise.into(),
        broken: done.err().map(|error| error.to_string()),
    };
    let opened = vaults::open(settings);
    let (store, opened) = match opened {
        Ok(store) => (Some(store), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let mut rows = vec![row("the vault answers, and the companion is its own", opened)];
    let Some(store) = store else { return rows };
    let mut objects = 0u64;
    let listed = store.list("", &mut |_| {
        objects += 1;
        Ok(())
    });
    rows.push(row("what lies in it is listed by its receipts, and its jobs by the service", listed));
    advice.push(format!("{objects} objects are listed"));
    let rules = store.vault_rules();
    if let Ok(rules) = &rules {
        let line = |rule: &Rule| match rule.advice.is_empty() {
            true => format!("{}: {}", rule.what, rule.text),
            false => format!("{}: {} ({})", rule.what, rule.text, rule.advice),
        };
        advice.extend(rules.iter().map(line));
    }
    rows.push(row("how it is set up can be looked at", rules.map(drop)));
    rows
}

fn in_bucket(settings: &StoreSettings, id: &str, rows: &mut Vec<Row>, advice: &mut Vec<String>) -> Result<()> {
    let base = buckets::resolve(settings)?;
    let below = |part: &str| {
        let mut at = base.clone();
        at.prefix = format!("{}{id}/{part}/", base.prefix);
        S3Store::connect(at)
    };
    let prober = below("probe")?;
    let probe = prober.probe(&id[id.len() - 8..])?;
    for (what, answer) in probe.rows() {
        advice.push(format!("{what}: {answer}"));
    }
    advice.extend(probe.advice().into_iter().map(String::from));
    for (n, check) in CHECKS.iter().enumerate() {
        let mut at = base.clone();
        at.prefix = format!("{}{id}/{n}/", base.prefix);
        at.server = probe.server();
        let store = S3Store::connect(at)?;
        rows.push(Row { promise: check.promise.into(), broken: (check.check)(&store).err().map(|b| b.to_string()) });
        for listed in list_all(&store, "")? {
            if let Err(error) = store.delete(&listed.name) {
                advice.push(format!("{}/{n}/{} could not be deleted: {error}", id, listed.name));
            }
        }
    }
    advice.extend(probe.left.iter().map(|name| format!("{id}/probe/{name} could not be deleted")));
    Ok(())
}

fn hex(bytes: [u8; 6]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn tell(label: &str, rows: &[Row], advice: &[String], as_json: bool) {
    if as_json {
        let checks: Vec<_> = rows.iter().map(|r| json!({"promise": r.promise, "broken": r.broken})).collect();
        return output::value(&json!({"store": label, "checks": checks, "notes": advice}));
    }
    output::line(label);
    for row in rows {
        match &row.broken {
            None => output::line(format_args!("  kept    {}", row.promise)),
            Some(why) => output::line(format_args!("  BROKEN  {}: {why}", row.promise)),
        }
    }
    for line in advice {
        output::line(format_args!("  {line}"));
    }
}
