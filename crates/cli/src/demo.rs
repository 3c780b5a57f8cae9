//! `demo`: the whole way on a small made-up library, in a temporary folder: a card
//! comes in, back up into simulated Deep Archive, a day's work, back up again, lose everything,
//! quote and thaw one shoot and then all on a "new machine" from bucket and identity
//! alone, prove it, recover again with stock tools.

mod card;
mod cloud;
mod fixtures;
mod proof;
mod vault;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use darkslide_engine::words::{Bytes, Count, Money, OsRng, Tier};
use darkslide_engine::{
    BackupDone, BackupOptions, Change, ColdRestore, Engine, Existing, Founder, IdentityFile, InitOptions, JoinWith,
    OpenOptions, PackSizes, RestoreOptions, Sample, ThawOptions, ThawPlan,
};

use self::cloud::Cloud;
pub use self::cloud::Workflow;
use crate::keyfile;
use crate::output::{self, Exit};
use crate::progress::Watcher;

/// The same library every time.
const SEED: u64 = 1839;

struct Stage {
    folder: PathBuf,
    library: PathBuf,
    store: PathBuf,
    identity: PathBuf,
    cloud: Cloud,
}

/// Runs the demo.
pub fn run(keep: bool, workflow: Workflow) -> Result<Exit> {
    let folder = scratch()?;
    let stage = Stage {
        library: folder.join("Photos"),
        store: folder.join("downloaded"),
        identity: folder.join("safe/identity.txt"),
        cloud: Cloud::start(&folder, workflow)?,
        folder,
    };
    let result = match workflow {
        Workflow::Bucket => tell(&stage),
        Workflow::Vault => vault::tell(&stage),
    };
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
    output::line("Darkslide demo: a small photo library goes into simulated Deep Archive, sealed, and comes back.");
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

    let engine = found(stage)?;
    let first = card_and_backup(stage, &engine)?;

    heading(4, "A day's work, and the second backup");
    let work = fixtures::days_work(&stage.library, SEED)?;
    say(format_args!(
        "{} new photographs, {} sidecars edited, {} catalog rows changed, {} photograph renamed, {} deleted",
        work.new_photographs, work.edited_sidecars, work.catalog_rows_changed, work.renamed, work.deleted
    ));
    let second = back_up(&engine)?;
    differences(&engine, &first, &second)?;
    let before = proof::fingerprint(&stage.library)?;

    heading(5, "Checks");
    check(&engine, stage)?;

    heading(6, "The house burns down: the library, the catalog and this machine's secrets are gone");
    std::fs::remove_dir_all(&stage.library)?;
    std::fs::remove_dir_all(engine.settings().state_dir())?;
    std::fs::remove_file(&engine.settings().path)?;
    drop(engine);
    say(format_args!("Left are the bucket, and the identity from the safe."));

    heading(7, "A new machine, and one shoot that is needed first");
    let newcomer = join(stage)?;
    let shoot = a_shoot(&before)?;
    stage.cloud.new_bill();
    let (first, quoted_first) = thaw(stage, &newcomer, vec![shoot.clone()], "One shoot")?;
    let same = prove_shoot(&before, &first, &shoot)?;

    heading(8, "Then everything else");
    let (all, quoted_all) = thaw(stage, &newcomer, Vec::new(), "Photos restored")?;
    let exact = same && prove(&before, &all, "byte for byte, with names, times, modes and links")?;

    bill(stage, quoted_first + quoted_all);

    heading(9, "And without Darkslide");
    say(format_args!("downloaded from the bucket with any S3 program: {}", stage.cloud.download(&stage.store)?));
    let stock = proof::with_stock_tools(&stage.store, &stage.identity, &stage.folder.join("stock"), &before)?;
    card::after_all(&stage.folder, &all)?;
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

/// A card comes in; after the first backup it may be formatted.
fn card_and_backup(stage: &Stage, engine: &Engine) -> Result<BackupDone> {
    heading(2, "A card comes in");
    let card = card::make(&stage.folder, SEED + 1)?;
    card::ingest(engine, &card)?;

    heading(3, "First backup");
    let first = back_up(engine)?;
    say(format_args!("The machine that did this holds no key that opens photographs."));
    card::check(engine, &card)?;
    Ok(first)
}

fn found(stage: &Stage) -> Result<Engine> {
    std::fs::create_dir_all(stage.folder.join("safe"))?;
    let identity = keyfile::make(&stage.identity, false, None)?;
    let options = InitOptions {
        cloud: Default::default(),
        config: stage.folder.join("darkslide.toml"),
        library: stage.library.clone(),
        stores: vec![stage.cloud.settings()],
        founder: Founder::Identity(identity),
        writer: "studio".into(),
        pack: PackSizes { target: Bytes::mib(16), ..PackSizes::default() },
    };
    Ok(Engine::init(options, stage.cloud.opener(), stage.cloud.clock(), &mut OsRng)?.0)
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
    match engine.settings().stores.iter().any(|store| store.vault().is_some()) {
        true => say(format_args!("photographs to the vault, all else to its companion; requests for {}", done.spent)),
        false => say(format_args!("photographs to DEEP_ARCHIVE, metadata to STANDARD; requests for {}", done.spent)),
    }
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
        "scrub with the identity: {} chunks decoded and compared, {}; {} packs lie in the cold",
        scrub.chunks,
        verdict(scrub.damages()),
        scrub.cold.values().map(|(objects, _)| *objects).sum::<Count>()
    ));
    if audit.damages() + scrub.damages() > 0 {
        bail!("a fresh repository is damaged");
    }
    Ok(())
}

fn identity(stage: &Stage) -> Result<IdentityFile> {
    Ok(IdentityFile::parse(&std::fs::read(&stage.identity)?)?)
}

/// Joins with bucket and identity alone.
fn join(stage: &Stage) -> Result<Engine> {
    let began = Instant::now();
    let options = OpenOptions {
        config: stage.folder.join("new-machine/darkslide.toml"),
        stores: vec![stage.cloud.settings()],
        with: JoinWith::Identity(identity(stage)?),
        library: None,
        writer: "new machine".into(),
        owner: None,
    };
    let (engine, joined) = Engine::open(options, stage.cloud.opener(), stage.cloud.clock(), &mut OsRng)?;
    say(format_args!(
        "catalog rebuilt from what is at hand, nothing thawed for it: {} packs, {} snapshots, in {:.1} s",
        joined.packs,
        joined.snapshots,
        began.elapsed().as_secs_f64()
    ));
    Ok(engine)
}

/// The folder of the first photograph.
fn a_shoot(before: &proof::Fingerprint) -> Result<PathBuf> {
    let dng = before.keys().find(|path| path.extension().is_some_and(|e| e == "dng" || e == "DNG"));
    Ok(dng.and_then(|path| path.parent()).context("the library has no shoot")?.to_path_buf())
}

/// Quotes, thaws with the clock turned forward, and restores; the bill beside the
/// quote.
fn thaw(stage: &Stage, engine: &Engine, paths: Vec<PathBuf>, to: &str) -> Result<(PathBuf, Money)> {
    let to = stage.folder.join(to);
    let identity = identity(stage)?;
    let options = RestoreOptions {
        snapshot: "latest".into(),
        paths: paths.iter().map(|p| crate::commands::library_name(p)).collect(),
        to: to.clone(),
        existing: Existing::Keep,
        accept_writers: Vec::new(),
    };
    let wanted = ThawOptions { tier: Tier::Bulk, days: None, max_cost: None };
    // Looks into the trees once; the quote then needs no call.
    engine.restore_plan(&options, Some(&identity))?;
    let quote = engine.quote_restore(&options, &wanted)?;
    let cold = quote.thaw.packs.iter().filter(|pack| pack.wave > 0).count();
    say(format_args!("quote for {} files, {}, {cold} packs to thaw:", quote.restore.files, quote.restore.bytes));
    for (tier, plan) in quote.tiers.iter().filter_map(|(tier, plan)| plan.as_ref().ok().map(|plan| (tier, plan))) {
        let within = crate::commands::span(plan.last_byte);
        say(format_args!("  {tier:<10} {:>11}, all there within {within}", plan.total().to_string()));
    }
    let (began, mut quoted) = (stage.cloud.clock().now(), Money::ZERO);
    let watcher = Watcher::new(true);
    let mut confirm = |plan: &ThawPlan| {
        quoted = plan.total();
        true
    };
    let mut outcome = engine.restore_cold(&options, &wanted, &identity, &mut confirm, &watcher)?;
    let (mut turned, mut files) = (false, Count(0));
    let done = loop {
        match outcome {
            ColdRestore::Done(done) => break done,
            ColdRestore::Declined => bail!("the demo declined its own quote"),
            ColdRestore::Waiting { id, progress, restored } => {
                files += restored.files;
                if !turned {
                    say(format_args!("asked for; `restore` ends with exit code 4, and the clock is turned forward …"));
                }
                turned = true;
                let next = progress.next_step_at.context("the thaw stands still")?;
                stage.cloud.turn(stage.cloud.clock().now().until(next).max(Duration::from_secs(3600)));
                outcome = engine.continue_thaw(id, &identity, &watcher)?;
            }
        }
    };
    if let Some(casualty) = done.casualties.first() {
        bail!("{}: {}", casualty.path, casualty.reason);
    }
    let hours = began.until(stage.cloud.clock().now()).as_secs() / 3600;
    let when = if turned {
        format!("{hours} simulated hours later")
    } else {
        "at once: what is thawed is not paid for twice".into()
    };
    say(format_args!("{when}: {} files restored and verified, quoted {quoted}", files + done.files));
    Ok((to, quoted))
}

/// The simulator's bill beside what was quoted.
fn bill(stage: &Stage, quoted: Money) {
    let (thaws, looks) = stage.cloud.billed();
    say(format_args!(
        "the simulator bills {thaws} for thaws and downloads, {looks} for listings and looks at metadata;"
    ));
    say(format_args!("quoted was {quoted}. (The same looks serve a library of terabytes, where they vanish.)"));
}

fn prove_shoot(before: &proof::Fingerprint, restored: &Path, shoot: &Path) -> Result<bool> {
    let wanted: proof::Fingerprint =
        before.iter().filter(|(path, _)| path.starts_with(shoot)).map(|(p, f)| (p.clone(), f.clone())).collect();
    let after: proof::Fingerprint =
        proof::fingerprint(restored)?.into_iter().filter(|(path, _)| path.starts_with(shoot)).collect();
    let differing = proof::differences(&wanted, &after);
    match differing.is_empty() {
        true => say(format_args!("{}: {} names, the same byte for byte", shoot.display(), Count(after.len() as u64))),
        false => differing.iter().take(10).for_each(|d| say(format_args!("DIFFERENT: {d}"))),
    }
    Ok(differing.is_empty())
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
