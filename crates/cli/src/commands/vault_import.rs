//! `vault import`: what another program put into a vault.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::vault::ForeignFile;
use darkslide_engine::words::{Bytes, Count, Money, Tier};
use darkslide_engine::{ImportOptions, OpenVault, Payer, StoreSettings, short};
use serde_json::json;

use crate::args::{Foreign, ImportCommand};
use crate::confirm;
use crate::output::{self, Exit};

/// Lists, or gets.
pub fn import(payer: Payer<'_>, settings: &StoreSettings, vault: &OpenVault, command: ImportCommand) -> Result<Exit> {
    match command {
        ImportCommand::List(foreign) => list(&files(vault, &foreign)?, foreign.json.json),
        ImportCommand::Get { foreign, to, tier, max_cost, yes } => {
            let order = Order { files: files(vault, &foreign)?, to, tier, max_cost, yes, as_json: foreign.json.json };
            get(payer, settings, vault, order)
        }
    }
}

fn files(vault: &OpenVault, foreign: &Foreign) -> Result<Vec<ForeignFile>> {
    let mut all = vault.get().foreign_files(foreign.mapping.as_deref())?;
    if let Some(below) = &foreign.path {
        let below = below.trim_matches('/').as_bytes();
        all.retain(|file| {
            let path = file.path.as_bytes();
            let path = path.strip_prefix(b"/").unwrap_or(path);
            path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        });
    }
    if all.is_empty() && vault.get().last_inventory()?.is_none() {
        anyhow::bail!(
            "no inventory of {} was read yet: `darkslide vault inventory start`, and `show` in hours",
            vault.label()
        );
    }
    Ok(all)
}

fn list(files: &[ForeignFile], as_json: bool) -> Result<Exit> {
    if as_json {
        output::value(&json!(files));
        return Ok(Exit::Ok);
    }
    for file in files {
        output::line(format_args!("{:>12} {}  {}", file.size.to_string(), short(&file.archive), file.path));
    }
    let bytes: Bytes = files.iter().map(|file| file.size).sum();
    output::line(format_args!("{} files, {bytes}", files.len()));
    Ok(Exit::Ok)
}

/// What was ordered.
struct Order {
    files: Vec<ForeignFile>,
    to: PathBuf,
    tier: Tier,
    max_cost: Option<Money>,
    yes: bool,
    as_json: bool,
}

fn get(payer: Payer<'_>, settings: &StoreSettings, vault: &OpenVault, order: Order) -> Result<Exit> {
    let mut problem = None;
    let mut ask = |archives: Count, bytes: Bytes, total: Money| {
        let what =
            format!("To ask for {archives} archives with {bytes} at the tier {} costs about {total}.", order.tier);
        confirm::spend(&what, order.yes).unwrap_or_else(|error| {
            problem = Some(error);
            false
        })
    };
    let options = ImportOptions { files: order.files, to: order.to, tier: order.tier, max_cost: order.max_cost };
    let done = payer.import(vault, settings, &options, &mut ask)?;
    if let Some(error) = problem {
        return Err(error);
    }
    match order.as_json {
        true => output::value(&json!({
            "written": done.written, "bytes": done.bytes, "there": done.there, "waiting": done.waiting,
            "declined": done.declined,
            "failed": done.failed.iter().map(|(path, why)| json!({"path": path, "reason": why})).collect::<Vec<_>>(),
        })),
        false => output::line(format_args!(
            "{} files with {} written, {} were there, {} to come",
            done.written, done.bytes, done.there, done.waiting
        )),
    }
    done.failed.iter().for_each(|(path, why)| eprintln!("{path}: {why}"));
    Ok(match (done.declined.0, done.waiting.0, done.failed.len()) {
        (1.., ..) => Exit::Refused,
        (0, 1.., _) => Exit::Waiting,
        (0, 0, 1..) => Exit::Incomplete,
        (0, 0, 0) => Exit::Ok,
    })
}
