//! `demo --vault`: the second workflow. A NAS with a user of few rights sends folders into a Glacier
//! vault that has a history; the house is lost; an inventory says what the vault holds; a new
//! machine thaws it, and the bill is laid beside the quote.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use darkslide_engine::vault::{EVENTS, InventoryState, Notifications, Standing};
use darkslide_engine::words::Bytes;
use darkslide_engine::{Engine, OpenVault};

use super::cloud::User;
use super::{Stage, a_shoot, back_up, bill, fixtures, found, heading, join, proof, prove, prove_shoot, say, thaw};
use crate::output::{self, Exit};

const HOUR: Duration = Duration::from_secs(3600);

fn open(engine: &Engine) -> Result<OpenVault> {
    match engine.vault_settings(None)? {
        Some(settings) => Ok(engine.open_vault(&settings)?),
        None => bail!("the demo has no vault"),
    }
}

pub(super) fn tell(stage: &Stage) -> Result<Exit> {
    output::line("Darkslide demo: folders of a NAS go into a simulated Glacier vault, sealed, and come back.");
    heading(1, "A library on the NAS");
    let made = fixtures::make_library(&stage.library, super::SEED)?;
    say(format_args!("{} photographs, {} files, {}", made.photographs, made.files, Bytes(made.bytes)));

    heading(2, "A vault that another program used, and users who may do little");
    stage.cloud.add_stranger()?;
    let engine = found(stage)?;
    say(format_args!("Its companion, on a share in another house, holds what must be at hand."));
    set_up(&engine)?;
    stage.cloud.act_as(User::Writer);
    say(format_args!("The key of the NAS, by the policy of `darkslide cloud export`, adds to this one vault."));
    refused(&engine)?;

    heading(3, "Backups, as a [[job]] with `schedule = \"nightly 02:00\"` makes them");
    back_up(&engine)?;
    stage.cloud.turn(24 * HOUR);
    fixtures::days_work(&stage.library, super::SEED)?;
    back_up(&engine)?;
    let before = proof::fingerprint(&stage.library)?;

    heading(4, "The vault's own list, a day later");
    stage.cloud.turn(30 * HOUR);
    stage.cloud.act_as(User::Restorer);
    inventory(stage, &engine)?;

    heading(5, "The house is lost: the library, and this machine with all that it remembers");
    std::fs::remove_dir_all(&stage.library)?;
    std::fs::remove_dir_all(engine.settings().state_dir())?;
    std::fs::remove_file(&engine.settings().path)?;
    drop(engine);

    heading(6, "A new machine: vault, companion, and the identity from the safe");
    let newcomer = join(stage)?;
    let shoot = a_shoot(&before)?;
    stage.cloud.new_bill();
    let (first, quoted_first) = thaw(stage, &newcomer, vec![shoot.clone()], "One shoot")?;
    parts(&newcomer)?;
    let same = prove_shoot(&before, &first, &shoot)?;

    heading(7, "Then everything else");
    let (all, quoted_all) = thaw(stage, &newcomer, Vec::new(), "Photos restored")?;
    let exact = same && prove(&before, &all, "byte for byte, with names, times, modes and links")?;
    bill(stage, quoted_first + quoted_all);
    output::line("");
    if !exact {
        bail!("the demo recovered something else than it had stored: this is a bug, please report it");
    }
    output::line("Everything came back. `darkslide vault leave --to s3://…` would move it on, when that day comes.");
    Ok(Exit::Ok)
}

/// The NAS, or whoever steals its key, gets nothing out and takes nothing away.
fn refused(engine: &Engine) -> Result<()> {
    let vault = open(engine)?;
    let tried = [vault.get().start_inventory().map(drop), vault.get().set_access_policy(None)];
    if tried.iter().any(Result::is_ok) {
        bail!("the writer may do more than he should: this is a bug, please report it");
    }
    say(format_args!("It may neither ask for anything back nor change the vault: the service refuses both."));
    Ok(())
}

/// Notifications and tags.
fn set_up(engine: &Engine) -> Result<()> {
    let vault = open(engine)?;
    let topic = "arn:aws:sns:us-east-1:123456789012:thaws".to_string();
    vault.get().set_notifications(Some(&Notifications { topic, events: EVENTS.map(str::to_string).to_vec() }))?;
    vault.get().add_tags(&BTreeMap::from([("owner".to_string(), "studio".to_string())]))?;
    if let Some(told) = vault.get().notifications()? {
        say(format_args!("told when jobs end: {}", told.topic));
    }
    let tags: Vec<String> = vault.get().tags()?.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    say(format_args!("tags: {}", tags.join(", ")));
    Ok(())
}

/// Asks for an inventory, turns the clock, and reads it.
fn inventory(stage: &Stage, engine: &Engine) -> Result<()> {
    let vault = open(engine)?;
    vault.get().start_inventory()?;
    for _ in 0..12 {
        let InventoryState::Read(made) = vault.get().inventory()? else {
            stage.cloud.turn(HOUR);
            continue;
        };
        let foreign = vault.archives()?.into_iter().filter(|a| a.standing == Standing::Foreign).count();
        say(format_args!(
            "{} archives: {} of this repository, {foreign} of another program, left alone",
            made.archives, made.known
        ));
        if made.missing.0 + made.different.0 > 0 {
            bail!("the inventory lacks what was uploaded: this is a bug, please report it");
        }
        return Ok(());
    }
    bail!("no inventory came")
}

/// What one shoot took out of the vault.
fn parts(engine: &Engine) -> Result<()> {
    let vault = open(engine)?;
    let jobs = vault.get().jobs()?;
    let asked: Bytes =
        jobs.iter().filter(|job| job.name.is_some()).filter_map(|job| job.span).map(|s| Bytes(s.len())).sum();
    let held: Bytes = vault.archives()?.iter().filter(|a| a.standing == Standing::Ours).map(|a| a.size).sum();
    say(format_args!("asked for {asked} of the vault's {held}: parts of packs, on boundaries of 1 MiB"));
    Ok(())
}
