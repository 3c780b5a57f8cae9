//! `demo`: the whole way on a small made-up library, in a temporary folder: back
//! up, a day's work, back up again, lose everything, recover on a "new machine"
//! from repository and identity alone, prove it, recover again with stock tools.

mod fixtures;
mod proof;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use darkslide_engine::words::{Bytes, Count, OsRng};
use darkslide_engine::{
    BackupDone, BackupOptions, Change, Engine, Existing, Founder, InitOptions, JoinWith, OpenOptions, PackSizes,
    RestoreOptions, Sample, StoreSettings,
};

use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{keyfile, wiring};

/// The same library every time.
const SEED: u64 = 1839;

struct Stage {
    folder: PathBuf,
    library: PathBuf,
    store: PathBuf,
    identity: PathBuf,
}

/// Runs the demo.
pub fn run(keep: bool) -> Result<Exit> {
    let folder = scratch()?;
    let stage = Stage {
        library: folder.join("Photos"),
        store: folder.join("repository"),
        identity: folder.join("safe/identity.txt"),
        folder,
    };
    let result = tell(&stage);
    if keep {
        output::line(format_args!("\nEverything is kept in {}", stage.folder.display()));
    } else {
        std::fs::remove_dir_all(&stage.folder).with_context(|| format!("removing {}", stage.folder.display()))?;
    }
    result
}

fn scratch() -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = std::env::temp_dir().join(format!("darkslide-demo-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

fn heading(number: u32, text: &str) {
    output::line(format_args!("\n{number}. {text}"));
}

fn say(text: std::fmt::Arguments<'_>) {
    output::line(format_args!("   {text}"));
}

fn tell(stage: &Stage) -> Result<Exit> {
    output::line("Darkslide demo: a small photo library goes into a sealed repository and comes back.");
    heading(1, "A photographer's library");
    let began = Instant::now();
    let made = fixtures::make_library(&stage.library, SEED)?;
    say(format_args!(
        "{} photographs, {} files, {}: RAW (DNG), JPEG with EXIF, a 16-bit TIFF, XMP sidecars,",
        made.photographs,
        made.files,
        Bytes(made.bytes)
    ));
    say(format_args!(
        "a Lightroom catalog (SQLite), rebuildable previews (made in {:.1} s)",
        began.elapsed().as_secs_f64()
    ));

    heading(2, "First backup");
    let engine = found(stage)?;
    let first = back_up(&engine)?;
    say(format_args!("The machine that did this holds no key that opens photographs."));

    heading(3, "A day's work, and the second backup");
    let work = fixtures::days_work(&stage.library, SEED)?;
    say(format_args!(
        "{} new photographs, {} sidecars edited, {} catalog rows changed, {} photograph renamed, {} deleted",
        work.new_photographs, work.edited_sidecars, work.catalog_rows_changed, work.renamed, work.deleted
    ));
    let second = back_up(&engine)?;
    differences(&engine, &first, &second)?;
    let before = proof::fingerprint(&stage.library)?;

    heading(4, "Checks");
    check(&engine, stage)?;

    heading(5, "The house burns down: the library, the catalog and this machine's secrets are gone");
    std::fs::remove_dir_all(&stage.library)?;
    std::fs::remove_dir_all(engine.settings().state_dir())?;
    std::fs::remove_file(&engine.settings().path)?;
    drop(engine);
    say(format_args!("Left are the repository ({}) and the identity, from the safe.", proof::size_of(&stage.store)?));

    heading(6, "A new machine");
    let newcomer = recover(stage)?;
    let exact = prove(&before, &newcomer, "byte for byte, with names, times, modes and links")?;

    heading(7, "And without Darkslide");
    let stock = proof::with_stock_tools(&stage.store, &stage.identity, &stage.folder.join("stock"), &before)?;
    output::line("");
    if !exact {
        bail!("the demo recovered something else than it had stored: this is a bug, please report it");
    }
    output::line(match stock {
        proof::Stock::Proved => "Everything came back, twice: by Darkslide, and by tools that were there before it.",
        proof::Stock::NotInstalled => {
            "Everything came back. (Install `age` and `zstd` to see it done without Darkslide, too.)"
        }
    });
    Ok(Exit::Ok)
}

fn found(stage: &Stage) -> Result<Engine> {
    std::fs::create_dir_all(stage.folder.join("safe"))?;
    let identity = keyfile::make(&stage.identity, false, None)?;
    let options = InitOptions {
        config: stage.folder.join("darkslide.toml"),
        library: stage.library.clone(),
        stores: vec![StoreSettings { path: stage.store.clone() }],
        founder: Founder::Identity(identity),
        writer: "studio".into(),
        pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
    };
    Ok(Engine::init(options, wiring::opener(), wiring::clock(), &mut OsRng)?.0)
}

fn back_up(engine: &Engine) -> Result<BackupDone> {
    let began = Instant::now();
    let watcher = Watcher::new(false);
    let done = engine.backup(&BackupOptions { host: "studio".into(), ..BackupOptions::default() }, &watcher);
    watcher.finish();
    let done = done?;
    let (counts, seconds) = (&done.done.counts, began.elapsed().as_secs_f64());
    say(format_args!(
        "{} files, {}; {} new, {} changed, {} removed",
        counts.files, counts.bytes, counts.new_files, counts.changed_files, counts.removed_files
    ));
    let share = 100.0 * counts.stored_bytes.0 as f64 / counts.bytes.0.max(1) as f64;
    say(format_args!("sealed and stored: {} ({share:.1} % of the library) in {seconds:.1} s", counts.stored_bytes));
    if !done.done.failures.is_empty() {
        bail!("{} could not be stored", done.done.failures[0].path);
    }
    Ok(done)
}

fn differences(engine: &Engine, first: &BackupDone, second: &BackupDone) -> Result<()> {
    let (mut counts, mut examples) = ([0u64; 3], Vec::new());
    let name = |done: &BackupDone| done.done.snapshot.as_str().to_string();
    engine.diff(&name(first), &name(second), None, &mut |difference| {
        let (at, sign) = match difference.change {
            Change::Added => (0, '+'),
            Change::Removed => (1, '-'),
            Change::Modified => (2, 'M'),
            Change::Metadata => return,
        };
        counts[at] += 1;
        if examples.len() < 4 {
            examples.push(format!("{sign} {}", difference.line.path));
        }
    })?;
    say(format_args!(
        "diff of the two snapshots: {} added, {} removed, {} modified, such as",
        counts[0], counts[1], counts[2]
    ));
    examples.iter().for_each(|e| say(format_args!("  {e}")));
    Ok(())
}

fn check(engine: &Engine, stage: &Stage) -> Result<()> {
    let identity = darkslide_engine::IdentityFile::parse(&std::fs::read(&stage.identity)?)?;
    let watcher = Watcher::new(true);
    let audit = engine.audit(None, &watcher)?;
    let options = darkslide_engine::CheckOptions { sample: Sample::All };
    let scrub = engine.scrub(options, Some(&identity), &mut OsRng, &watcher)?;
    let verdict = |damages: usize| if damages == 0 { "nothing wrong" } else { "DAMAGED" };
    say(format_args!("audit without any key: {} objects, {}", audit.objects, verdict(audit.damages())));
    say(format_args!(
        "scrub with the identity: {} chunks decoded and compared, {}",
        scrub.chunks,
        verdict(scrub.damages())
    ));
    if audit.damages() + scrub.damages() > 0 {
        bail!("a fresh repository is damaged");
    }
    Ok(())
}

/// Joins with repository and identity alone, and restores everything.
fn recover(stage: &Stage) -> Result<PathBuf> {
    let identity = || -> Result<_> { Ok(darkslide_engine::IdentityFile::parse(&std::fs::read(&stage.identity)?)?) };
    let began = Instant::now();
    let options = OpenOptions {
        config: stage.folder.join("new-machine/darkslide.toml"),
        stores: vec![StoreSettings { path: stage.store.clone() }],
        with: JoinWith::Identity(identity()?),
        library: None,
        writer: "new machine".into(),
        owner: None,
    };
    let (engine, joined) = Engine::open(options, wiring::opener(), wiring::clock(), &mut OsRng)?;
    say(format_args!(
        "catalog rebuilt from the repository: {} packs, {} snapshots, in {:.1} s",
        joined.packs,
        joined.snapshots,
        began.elapsed().as_secs_f64()
    ));
    let to = stage.folder.join("Photos restored");
    let options = RestoreOptions {
        snapshot: "latest".into(),
        paths: Vec::new(),
        to: to.clone(),
        existing: Existing::Keep,
        accept_writers: Vec::new(),
    };
    let began = Instant::now();
    let identity = identity()?;
    let plan = engine.restore_plan(&options, Some(&identity))?;
    let watcher = Watcher::new(false);
    let restored = engine.restore(&plan, &identity, &watcher);
    watcher.finish();
    let restored = restored?;
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!("{} files, {} restored and verified in {seconds:.1} s", restored.files, restored.bytes));
    if let Some(casualty) = restored.casualties.first() {
        bail!("{}: {}", casualty.path, casualty.reason);
    }
    Ok(to)
}

fn prove(before: &proof::Fingerprint, restored: &Path, how: &str) -> Result<bool> {
    let after = proof::fingerprint(restored)?;
    let differing = proof::differences(before, &after);
    match differing.is_empty() {
        true => say(format_args!(
            "compared with the library that burnt: {} names, the same {how}",
            Count(after.len() as u64)
        )),
        false => differing.iter().take(10).for_each(|d| say(format_args!("DIFFERENT: {d}"))),
    }
    Ok(differing.is_empty())
}
