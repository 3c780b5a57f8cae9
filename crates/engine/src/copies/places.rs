//! Where copies can be: libraries, second targets of an ingest, mirrors, stores; and whether one
//! holds a file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use darkslide_catalog::{Catalog, FileRow, MirroredFile, PackId, PackSet, RunOutcome, RunRow};
use darkslide_format::names::Kind;
use darkslide_format::tree::Entry;
use darkslide_store::Store;
use darkslide_words::{Count, Name, ObjectName, Time};

use super::CopiesPlace;
use crate::media::medium;
use crate::{Engine, EngineError, Media};

/// What tells whether a place holds a file.
enum What {
    /// A library: it is the one that was seen.
    Library(PathBuf),
    /// A second target: by what the catalog knows it.
    Second(String),
    /// A mirror of a library.
    Mirror { job: String, library: PathBuf },
    /// A store: the packs that are whole there, and its snapshots.
    Store { whole: HashSet<PackId>, snapshots: HashSet<ObjectName> },
}

/// A place.
pub struct Place {
    /// What it is called.
    pub label: String,
    /// What it is on.
    pub medium: String,
    /// True if it is outside the house.
    pub off_site: bool,
    verified: Option<Time>,
    problem: Option<String>,
    /// The folder itself, whatever it is called: device and inode.
    folder: Option<(u64, u64)>,
    what: What,
}

/// A job whose library was seen.
pub struct Holding {
    /// Its name.
    pub name: String,
    library: PathBuf,
    /// Its last snapshot, and the packs that it needs.
    snapshot: Option<ObjectName>,
    packs: PackSet,
}

impl Holding {
    /// What the mirrors of its library saw in a folder, by the number of the place.
    pub fn mirrored(
        &self,
        catalog: &Catalog,
        places: &[Place],
        folder: &Name,
    ) -> Result<Vec<Option<Vec<MirroredFile>>>, EngineError> {
        let of = |place: &Place| match &place.what {
            What::Mirror { job, library } if *library == self.library => Ok(catalog.mirrored(job, folder)?),
            _ => Ok(None),
        };
        places.iter().map(of).collect()
    }
}

impl Place {
    /// True if a verified copy of the file is here.
    pub fn holds(
        &self,
        catalog: &Catalog,
        job: &Holding,
        path: &Name,
        row: &FileRow,
        entry: &Entry,
        mirrored: Option<&[MirroredFile]>,
    ) -> Result<bool, EngineError> {
        if self.problem.is_some() {
            return Ok(false);
        }
        Ok(match &self.what {
            What::Library(root) => *root == job.library,
            What::Second(key) => {
                entry.hash.is_some() && catalog.copy(key, path)?.is_some_and(|copy| Some(copy.hash) == entry.hash)
            }
            What::Mirror { .. } => {
                let files = mirrored.unwrap_or_default();
                let found = files.binary_search_by(|file| file.name.cmp(&row.name)).ok().map(|at| &files[at]);
                // A database in use is mirrored as it was at another instant than it was stored.
                let same = |file: &MirroredFile| file.hash == entry.hash || entry.database.is_some();
                found.is_some_and(|file| file.hash.is_some() && same(file))
            }
            What::Store { whole, snapshots } => {
                job.snapshot.as_ref().is_some_and(|last| snapshots.contains(last))
                    && row.packs.iter().all(|pack| job.packs.contains(pack) && whole.contains(&pack))
            }
        })
    }

    /// True if both are the same folder, under whatever names.
    pub fn is_same(&self, other: &Self) -> bool {
        self.folder.is_some() && self.folder == other.folder
    }

    /// As it is told.
    pub fn told(&self, files: Count) -> CopiesPlace {
        CopiesPlace {
            place: self.label.clone(),
            medium: self.medium.clone(),
            off_site: self.off_site,
            verified: self.verified.map(|at| at.to_string()),
            problem: self.problem.clone(),
            files,
        }
    }
}

fn folder(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Why a library holds nothing, if so: `files` were seen in it.
fn library_problem(library: &Path, files: bool) -> Option<String> {
    match std::fs::read_dir(library) {
        Err(_) => Some("is not there".into()),
        Ok(mut entries) => (files && entries.next().is_none()).then(|| "is empty: is its disk mounted?".into()),
    }
}

/// What a directory is on: its disk, unless it is said to be something else.
fn medium_of(path: &Path, media: Option<Media>) -> String {
    match media {
        None | Some(Media::Disk) => medium(path),
        Some(other) => other.word().to_string(),
    }
}

/// All places, and all jobs.
pub fn look(engine: &Engine, catalog: &Catalog) -> Result<(Vec<Place>, Vec<Holding>), EngineError> {
    let settings = &engine.settings;
    let (mut places, mut jobs): (Vec<Place>, Vec<Holding>) = (Vec::new(), Vec::new());
    let snapshots: HashMap<ObjectName, Time> =
        catalog.snapshots()?.into_iter().map(|row| (row.name, row.time)).collect();
    for backup in &settings.backups {
        let library = settings.resolve(&backup.library);
        let state = catalog.job(&backup.name)?;
        let seen = state.snapshot.as_ref().and_then(|name| snapshots.get(name).copied());
        let known = places.iter().any(|place| matches!(&place.what, What::Library(root) if *root == library));
        if !known {
            places.push(Place {
                label: library.display().to_string(),
                medium: medium(&library),
                off_site: false,
                verified: seen,
                problem: library_problem(&library, state.snapshot.is_some()),
                folder: folder(&library),
                what: What::Library(library.clone()),
            });
        }
        jobs.push(Holding { name: backup.name.clone(), library, snapshot: state.snapshot, packs: state.packs });
    }
    for second in &settings.ingest.second {
        let root = settings.resolve(second);
        places.push(Place {
            label: root.display().to_string(),
            medium: medium(&root),
            off_site: false,
            verified: None,
            problem: None,
            folder: folder(&root),
            what: What::Second(root.to_string_lossy().into_owned()),
        });
    }
    mirrors(engine, catalog, &mut places)?;
    stores(engine, catalog, &mut places)?;
    Ok((places, jobs))
}

fn mirrors(engine: &Engine, catalog: &Catalog, places: &mut Vec<Place>) -> Result<(), EngineError> {
    let settings = &engine.settings;
    let runs = catalog.runs(1000)?;
    for mirror in &settings.mirrors {
        let library = match &mirror.library {
            Some(library) => library,
            None => &settings.job(None)?.library,
        };
        let target = settings.resolve(&mirror.target);
        let done = |run: &&RunRow| run.how().is_some_and(RunOutcome::is_done);
        let last = runs.iter().filter(done).find(|run| run.job == mirror.name && run.kind == "mirror");
        places.push(Place {
            label: target.display().to_string(),
            medium: medium_of(&target, mirror.media),
            off_site: mirror.off_site,
            verified: last.and_then(|run| run.ended),
            problem: None,
            folder: folder(&target),
            what: What::Mirror { job: mirror.name.clone(), library: settings.resolve(library) },
        });
    }
    Ok(())
}

fn stores(engine: &Engine, catalog: &Catalog, places: &mut Vec<Place>) -> Result<(), EngineError> {
    let reached = match engine.repository() {
        Ok(repo) => repo.reached,
        Err(EngineError::NoStore { detail }) => {
            let problem = |s: &crate::StoreSettings| (s.label(), detail.clone());
            crate::repository::Reached {
                stores: Vec::new(),
                missing: engine.store_settings().iter().map(problem).collect(),
            }
        }
        Err(error) => return Err(error),
    };
    for settings in engine.store_settings() {
        let label = settings.label();
        let store = reached.stores.iter().find(|store| store.label() == label);
        let missing = reached.missing.iter().find(|(name, _)| *name == label).map(|(_, why)| why.clone());
        let (whole, snapshots, verified) = match store {
            Some(store) => whole_packs(&**store, catalog)?,
            None => Default::default(),
        };
        places.push(Place {
            medium: match (&settings.path, settings.media) {
                (Some(path), media) => medium_of(path, media),
                (None, media) => media.unwrap_or(Media::Cloud).word().to_string(),
            },
            off_site: settings.is_off_site(),
            verified,
            problem: if store.is_none() { missing.or_else(|| Some("cannot be reached".into())) } else { None },
            folder: settings.path.as_deref().and_then(folder),
            what: What::Store { whole, snapshots },
            label,
        });
    }
    Ok(())
}

/// Packs that a store lists whole and that are not known to be damaged, its snapshots, and when the
/// pack that was not read for longest was read.
#[allow(clippy::type_complexity)]
fn whole_packs(
    store: &dyn Store,
    catalog: &Catalog,
) -> Result<(HashSet<PackId>, HashSet<ObjectName>, Option<Time>), EngineError> {
    let (mut listed, mut snapshots) = (HashMap::new(), HashSet::new());
    for kind in [Kind::Packs, Kind::Warm, Kind::Trees, Kind::Snapshots] {
        store.list(kind.prefix(), &mut |one| {
            match kind {
                Kind::Snapshots => {
                    snapshots.insert(one.name);
                }
                _ => {
                    listed.insert(one.name, one.size.0);
                }
            }
            Ok(())
        })?;
    }
    let label = store.label();
    let lost = catalog.lost()?;
    let damaged =
        catalog.damaged_in(&label)?.into_iter().filter(|row| row.outcome == darkslide_catalog::Checked::Damaged);
    damaged.for_each(|row| {
        listed.remove(&row.name);
    });
    listed.retain(|name, _| !lost.contains(name));
    let (mut whole, mut gone, mut oldest, mut never) = (HashSet::new(), Vec::new(), None::<Time>, false);
    let mut short = HashSet::new();
    catalog.for_each_pack::<EngineError>(|id, facts, _, _| {
        if listed.get(&facts.name) != Some(&facts.size.0) {
            short.insert(facts.name.clone());
            gone.push((id, facts.name));
            return Ok(());
        }
        whole.insert(id);
        match catalog.scrub(&label, &facts.name)? {
            Some(row) => oldest = Some(oldest.map_or(row.checked, |before| before.min(row.checked))),
            None => never = true,
        }
        Ok(())
    })?;
    // A pack that is lost counts as whole where all that it held lies in others.
    for (id, name) in gone {
        if darkslide_audit::replaced(catalog, &name, &|other| listed.contains_key(other) && !short.contains(other))? {
            whole.insert(id);
        }
    }
    Ok((whole, snapshots, oldest.filter(|_| !never)))
}
