//! The demo's card: a shoot as a camera would have left it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use darkslide_engine::{CardState, Engine, IngestOptions};

use super::{fixtures, proof, say};
use crate::progress::Watcher;

/// What the card is called.
const NAME: &str = "CARD";

/// Puts a shoot of another made-up library on a card.
pub fn make(folder: &Path, seed: u64) -> Result<PathBuf> {
    let spare = folder.join("spare");
    fixtures::make_library(&spare, seed)?;
    let shoot = first_shoot(&spare)?.context("the made-up library has no shoot")?;
    let card = folder.join(NAME);
    let dcim = card.join("DCIM/100DARKS");
    std::fs::create_dir_all(&dcim)?;
    for entry in std::fs::read_dir(shoot)? {
        let path = entry?.path();
        // A card has no sidecars yet.
        let camera = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dng") || e.eq_ignore_ascii_case("jpg"));
        if let (true, Some(name)) = (camera, path.file_name()) {
            std::fs::rename(&path, dcim.join(name))?;
        }
    }
    std::fs::remove_dir_all(spare)?;
    Ok(card)
}

fn first_shoot(folder: &Path) -> Result<Option<PathBuf>> {
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    below.sort();
    if below.iter().any(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dng"))) {
        return Ok(Some(folder.to_path_buf()));
    }
    for path in below.into_iter().filter(|path| path.is_dir()) {
        if let Some(found) = first_shoot(&path)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Ingests it.
pub fn ingest(engine: &Engine, card: &Path) -> Result<()> {
    let options = IngestOptions {
        cards: vec![card.to_path_buf()],
        job_code: "demo".into(),
        host: "studio".into(),
        ..IngestOptions::default()
    };
    let done = engine.ingest(&options, &Watcher::new(true))?;
    for one in &done.cards {
        say(format_args!(
            "{} files, {} copied to the library, read back past the cache, the same",
            one.copied, one.bytes
        ));
        one.folders.iter().for_each(|folder| say(format_args!("  into {folder}, with an ASC MHL manifest")));
    }
    let pictured = done.previews.pictured;
    anyhow::ensure!(pictured.0 > 0, "what came from the card has no thumbnails: this is a bug");
    say(format_args!(
        "  {pictured} thumbnails made and sealed into the repository: it can be seen before it is backed up"
    ));
    let said = engine.check_card(card, &Watcher::new(true))?;
    say(format_args!("{said}"));
    if let Some((_, why)) = said.unsafe_files.first() {
        say(format_args!("  each has {why}"));
    }
    Ok(())
}

/// Says whether it may be formatted; it has to be by now.
pub fn check(engine: &Engine, card: &Path) -> Result<()> {
    let said = engine.check_card(card, &Watcher::new(true))?;
    say(format_args!("{said}"));
    anyhow::ensure!(said.state == CardState::SafeToFormat, "the card is not safe after a backup: this is a bug");
    Ok(())
}

/// Holds the card against what came back: whether it could have been formatted all along.
pub fn after_all(folder: &Path, restored: &Path) -> Result<()> {
    let (lacking, files) = proof::lacking(&proof::fingerprint(&folder.join(NAME))?, &proof::fingerprint(restored)?);
    anyhow::ensure!(lacking.is_empty(), "{} of the card did not come back: this is a bug", lacking[0].display());
    say(format_args!("all {files} files of the card from step 2 are among them: it was SAFE TO FORMAT all along"));
    Ok(())
}
