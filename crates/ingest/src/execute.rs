//! An ingest: cards side by side, file by file, each to every target.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use darkslide_catalog::{CardFileRow, Catalog};
use darkslide_disk::{CopyError, Disk, Stat};
use darkslide_words::{Bytes, Clock, ContentHash, Count, Name};
use serde::Serialize;

use crate::beside::Around;
use crate::copier::{Bench, Outcome, TEMPORARY, Target, There, guard};
use crate::manifests::Manifests;
use crate::plan::{IngestPlan, Item};
use crate::shelf::{Place, Shelf};
use crate::{Card, IngestError, Observer, Progress, scan};

/// What an ingest works with.
pub struct Ingest<'i> {
    /// Disks.
    pub disk: &'i dyn Disk,
    /// Where the catalog lies; each card opens it for itself.
    pub catalog: &'i Path,
    /// The clock.
    pub clock: &'i dyn Clock,
    /// Who watches.
    pub observer: &'i dyn Observer,
    /// The library first, then further targets.
    pub targets: Vec<Place>,
    /// Name of this machine, for manifests.
    pub host: String,
    /// This program, for manifests.
    pub tool: (String, String),
}

/// A file that got another name than planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Path on the card.
    pub path: Name,
    /// Which target.
    pub target: String,
    /// Its name there.
    pub name: Name,
}

/// A file that is not everywhere, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Path on the card.
    pub path: Name,
    /// Why.
    pub reason: String,
}

/// What became of one card.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ingested {
    /// The card's label.
    pub card: String,
    /// Where it was.
    pub root: PathBuf,
    /// Files that were copied to a target that lacked them.
    pub copied: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Files that every target had already.
    pub present: Count,
    /// Files that got another name, since theirs was taken by other content.
    pub renamed: Vec<Renamed>,
    /// Files that could not be brought everywhere.
    pub failures: Vec<Failure>,
    /// Files without a byte: a camera that was switched off too early.
    pub empty: Vec<Name>,
    /// Names that systems leave on cards.
    pub ignored: Vec<Name>,
    /// Folders of shoots that were written to.
    pub folders: Vec<Name>,
    /// Manifests that were written.
    pub manifests: Vec<PathBuf>,
    /// True if the card changed while it was read.
    pub changed: bool,
    /// What lies in the library now, each with what the card said of it.
    #[serde(skip)]
    pub arrived: Vec<Arrived>,
}

/// A file of a card that lies in the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its path there.
    pub path: Name,
    /// Its content.
    pub hash: ContentHash,
    /// Its bytes and times, as they were on the card.
    pub stat: Stat,
}

impl Ingested {
    /// True if everything on the card is everywhere.
    pub fn is_whole(&self) -> bool {
        self.failures.is_empty() && !self.changed
    }
}

/// Ingests cards, each in a thread of its own.
pub fn ingest(work: &Ingest<'_>, cards: &[(Card, IngestPlan)]) -> Result<Vec<Ingested>, IngestError> {
    for (card, _) in cards {
        work.targets.iter().try_for_each(|place| apart(&place.root, &card.volume.root))?;
    }
    let sizes: BTreeSet<u64> = cards.iter().flat_map(|(card, _)| card.files.iter().map(|f| f.stat.size)).collect();
    let mut targets = Vec::new();
    for place in &work.targets {
        darkslide_disk::make_folders(work.disk, &place.root)
            .map_err(|source| IngestError::NoTarget { path: place.root.clone(), source })?;
        sweep(work.disk, &place.root.join(TEMPORARY));
        let shelf = Shelf::new(work.disk, place.clone(), &sizes)?;
        for (folder, why) in &shelf.unreadable {
            work.observer.note(&format!("{}: {folder} cannot be looked through: {why}", place.label));
        }
        targets.push(Mutex::new(Target::new(shelf)));
    }
    let now = work.clock.now();

    let placed = targets.iter().map(|_| Mutex::default()).collect();
    let bench = Bench {
        disk: work.disk,
        observer: work.observer,
        targets,
        placed,
        manifests: Mutex::default(),
        run: now.0 as u64,
        number: AtomicU64::new(0),
        now,
    };
    let expected = Bytes(cards.iter().map(|(card, _)| card.bytes().0).sum());
    let count = Counter { bytes: AtomicU64::new(0), files: AtomicU64::new(0), expected, observer: work.observer };
    let run = |card: &(Card, IngestPlan)| one(work, &bench, &card.0, &card.1, &count);
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = cards.iter().map(|card| scope.spawn(move || run(card))).collect();
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    });
    for place in &work.targets {
        // Empty after all went well; another ingest may be using it.
        let _ = work.disk.remove_folder(&place.root.join(TEMPORARY));
    }
    done
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Refuses a card within a place, which would be written to and be its own copy, and the reverse.
pub fn apart(place: &Path, card: &Path) -> Result<(), IngestError> {
    let (target, card) = (real(place), real(card));
    match target.starts_with(&card) || card.starts_with(&target) {
        true => Err(IngestError::Overlap { target, card }),
        false => Ok(()),
    }
}

/// A path without links, also of what is not there yet.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => path,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// Removes what a run that died left unverified.
fn sweep(disk: &dyn Disk, folder: &Path) {
    for (name, _) in disk.list(folder).unwrap_or_default() {
        if name.as_bytes().starts_with(b".darkslide-part-") {
            let _ = disk.remove_file(&darkslide_disk::path_of(folder, &name));
        }
    }
}

struct Counter<'c> {
    bytes: AtomicU64,
    files: AtomicU64,
    expected: Bytes,
    observer: &'c dyn Observer,
}

impl Counter<'_> {
    fn add(&self, bytes: u64, files: u64) -> bool {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let files = self.files.fetch_add(files, Ordering::Relaxed) + files;
        self.observer.progress(&Progress { files: Count(files), bytes: Bytes(bytes), expected: Some(self.expected) });
        !self.observer.cancelled()
    }
}

fn one(
    work: &Ingest<'_>,
    bench: &Bench<'_>,
    card: &Card,
    plan: &IngestPlan,
    count: &Counter<'_>,
) -> Result<Ingested, IngestError> {
    let catalog = Catalog::open(work.catalog)?;
    let row = catalog.card(&card.volume.id, &card.volume.label, bench.now)?;
    let mut done = Ingested {
        card: card.volume.label.clone(),
        root: card.volume.root.clone(),
        ignored: card.ignored.clone(),
        ..Ingested::default()
    };
    for (path, reason) in &card.unreadable {
        done.fail(work, path, reason.clone());
    }
    let mut manifests = Manifests::new(work, bench.now);
    let mut around = Around::new(bench, &plan.items);
    let mut stopped = None;
    for item in &plan.items {
        if item.stat.size == 0 {
            done.empty.push(item.path.clone());
        }
        let path = card.path(&item.path);
        let brought = bench.bring(&catalog, &path, item, &around, &mut |bytes| count.add(bytes, 0))?;
        count.add(0, 1);
        match brought {
            Ok(outcome) => {
                let file = CardFileRow {
                    path: item.path.clone(),
                    size: Bytes(item.stat.size),
                    mtime: item.stat.mtime,
                    hash: outcome.hash,
                };
                catalog.put_card_file(row.id, &file)?;
                around.take(item, &outcome);
                done.take(work, item, &outcome);
                manifests.take(item, &outcome);
            }
            Err(CopyError::Cancelled) => stopped = Some(IngestError::Cancelled),
            Err(_) if work.disk.stat(&card.volume.root).is_err() => {
                stopped = Some(IngestError::Pulled { path: card.volume.root.clone() });
            }
            Err(error) => done.fail(work, &item.path, error.to_string()),
        }
        if stopped.is_some() {
            break;
        }
    }
    // What was verified has its manifest, whatever came after.
    done.manifests = {
        let _one = guard(&bench.manifests);
        manifests.write(&mut done.failures)
    };
    match stopped {
        Some(error) => Err(error),
        None => {
            done.changed = scan(work.disk, &card.volume).map_or(true, |now| !card.is_unchanged(&now));
            Ok(done)
        }
    }
}

impl Ingested {
    fn fail(&mut self, work: &Ingest<'_>, path: &Name, reason: String) {
        work.observer.problem(path, &reason);
        self.failures.push(Failure { path: path.clone(), reason });
    }

    fn take(&mut self, work: &Ingest<'_>, item: &Item, outcome: &Outcome) {
        if let Some(There::Copied(path) | There::Present(path)) = outcome.there.first() {
            self.arrived.push(Arrived { path: path.clone(), hash: outcome.hash, stat: item.stat });
        }
        let mut copied = false;
        for (place, there) in work.targets.iter().zip(&outcome.there) {
            match there {
                There::Present(_) => {}
                There::Copied(name) => {
                    copied = true;
                    if *name != item.target() {
                        let target = place.label.clone();
                        self.renamed.push(Renamed { path: item.path.clone(), target, name: name.clone() });
                    }
                }
                There::Failed(why) => self.fail(work, &item.path, format!("{}: {why}", place.label)),
            }
        }
        if copied {
            self.copied += Count(1);
            self.bytes += Bytes(item.stat.size);
            let copied = outcome.there.iter().filter_map(|there| match there {
                There::Copied(name) => Some(item.shoot(name)),
                _ => None,
            });
            for folder in copied {
                if self.folders.last() != Some(&folder) && !self.folders.contains(&folder) {
                    self.folders.push(folder);
                }
            }
        } else if outcome.there.iter().all(|there| matches!(there, There::Present(_))) {
            self.present += Count(1);
        }
    }
}
