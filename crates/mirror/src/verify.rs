//! Both sides read whole, past the page cache; and the good one copied over the bad.

use std::io;
use std::time::Duration;

use darkslide_disk::{Facts, Kind, Order, Stat, copy, hash_uncached, path_of};
use darkslide_words::{Bytes, ContentHash, Count, Name, Time};
use serde::Serialize;

use crate::compare::is_passed_over;
use crate::trash::Trash;
use crate::{Mirror, MirrorError, Progress, TEMPORARY, parent, sweep};

/// Folders within folders.
const DEPTH_MAX: usize = 256;

/// Which side is as it was when it was last known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Agrees {
    /// The library; the mirror rotted.
    Library,
    /// The mirror; the library rotted.
    Mirror,
    /// Neither.
    Neither,
    /// Nothing is known of it but these two.
    Unknown,
}

/// A file whose two sides differ, or that differs from what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rot {
    /// Which.
    pub path: Name,
    /// The library's content.
    pub library: ContentHash,
    /// The mirror's.
    pub mirror: ContentHash,
    /// What the last run copied.
    pub catalog: Option<ContentHash>,
    /// What the repository's last snapshot holds.
    pub repository: Option<ContentHash>,
    /// Which side agrees with what is known.
    pub agrees: Agrees,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    /// Files that are the same on both sides.
    pub good: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Files that are not as they should be.
    pub rot: Vec<Rot>,
    /// Files that the mirror lacks, or has in another version: a run brings them.
    pub behind: Vec<Name>,
    /// Files that could not be read, and why.
    pub unreadable: Vec<(Name, String)>,
}

impl Verified {
    /// True if nothing rotted and everything could be read.
    pub fn is_good(&self) -> bool {
        self.rot.is_empty() && self.unreadable.is_empty()
    }
}

/// Reads both sides. `repository` tells what the last snapshot holds of a path.
pub fn verify(mirror: &Mirror<'_>, repository: &dyn Fn(&Name) -> Option<ContentHash>) -> Result<Verified, MirrorError> {
    let mut out = Verified::default();
    let mut seen = Progress::default();
    folder(mirror, repository, &Name::default(), 0, &mut seen, &mut out)?;
    Ok(out)
}

fn folder(
    mirror: &Mirror<'_>,
    repository: &dyn Fn(&Name) -> Option<ContentHash>,
    path: &Name,
    depth: usize,
    seen: &mut Progress,
    out: &mut Verified,
) -> Result<(), MirrorError> {
    let at = path_of(&mirror.source, path);
    let listed = match mirror.disk.list(&at) {
        Err(source) if path.is_empty() => return Err(MirrorError::NoSource { path: at, source }),
        Err(error) => {
            out.unreadable.push((path.clone(), error.to_string()));
            return Ok(());
        }
        Ok(listed) => listed,
    };
    let rows = mirror.catalog.mirrored(&mirror.job, path)?.unwrap_or_default();
    for (name, stat) in listed {
        let below = path.join(&name);
        if is_passed_over(path, &name) {
            continue;
        }
        match stat {
            Ok(stat) if stat.kind == Kind::Folder && depth < DEPTH_MAX => {
                folder(mirror, repository, &below, depth + 1, seen, out)?;
            }
            Ok(stat) if stat.kind == Kind::File => {
                let row = rows.iter().find(|row| row.name == name);
                match row {
                    // Edited since the last run, which knew another version.
                    Some(row) if row.size != stat.size || row.mtime != stat.mtime => out.behind.push(below),
                    row => one(mirror, repository, &below, &stat, row.and_then(|row| row.hash), seen, out)?,
                }
            }
            Ok(_) => {}
            Err(error) => out.unreadable.push((below, error.to_string())),
        }
    }
    Ok(())
}

fn one(
    mirror: &Mirror<'_>,
    repository: &dyn Fn(&Name) -> Option<ContentHash>,
    path: &Name,
    stat: &Stat,
    catalog: Option<ContentHash>,
    seen: &mut Progress,
    out: &mut Verified,
) -> Result<(), MirrorError> {
    let target = path_of(&mirror.target, path);
    let mirrored = match mirror.disk.stat(&target) {
        // Whoever changed it since changed its size or time.
        Ok(there) if there.kind == Kind::File && there.size == stat.size && near(there.mtime, stat.mtime) => there,
        _ => {
            out.behind.push(path.clone());
            return Ok(());
        }
    };
    let mut read = |at: &std::path::Path| {
        hash_uncached(mirror.disk, at, &mut |piece| {
            seen.bytes += Bytes(piece.len() as u64);
            mirror.observer.progress(seen);
            !mirror.observer.cancelled()
        })
    };
    let (library, there) = (read(&path_of(&mirror.source, path)), read(&target));
    if mirror.observer.cancelled() {
        return Err(MirrorError::Cancelled);
    }
    seen.files += Count(1);
    let (library, there) = match (library, there) {
        (Ok(library), Ok(there)) => (library, there),
        (Err(error), _) => return unreadable(out, path, "library", &error),
        (_, Err(error)) => return unreadable(out, path, "mirror", &error),
    };
    let repository = repository(path);
    let known = catalog.or(repository);
    // Where both sides agree, an older snapshot proves nothing; what was copied does.
    if library == there && catalog.is_none_or(|known| known == library) {
        out.good += Count(1);
        out.bytes += Bytes(stat.size);
        return Ok(());
    }
    // An edit while it was read is no rot, nor is one that a run brought to the mirror meanwhile.
    let still = |at: &std::path::Path, was: &Stat| {
        mirror.disk.stat(at).is_ok_and(|now| now.same_content_facts(was) && now.ctime == was.ctime)
    };
    if !(still(&path_of(&mirror.source, path), stat) && still(&target, &mirrored)) {
        out.behind.push(path.clone());
        return Ok(());
    }
    let agrees = match (known, repository) {
        (None, None) => Agrees::Unknown,
        (known, repository) if [known, repository].contains(&Some(library)) && library != there => Agrees::Library,
        (known, repository) if [known, repository].contains(&Some(there)) && library != there => Agrees::Mirror,
        _ => Agrees::Neither,
    };
    out.rot.push(Rot { path: path.clone(), library, mirror: there, catalog, repository, agrees });
    Ok(())
}

/// Within what the coarsest file system keeps of a time.
fn near(a: Time, b: Time) -> bool {
    a.until(b).max(b.until(a)) <= Duration::from_secs(2)
}

fn unreadable(out: &mut Verified, path: &Name, side: &str, error: &io::Error) -> Result<(), MirrorError> {
    out.unreadable.push((path.clone(), format!("{side}: {error}")));
    Ok(())
}

/// What became of a rotten file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healed {
    /// Which.
    pub path: Name,
    /// The side that was mended; nothing where neither is known to be good.
    pub mended: Option<Agrees>,
    /// Why it could not be.
    pub failed: Option<String>,
}

/// Copies the good side over the bad one, whose file goes to the trash of its side. What neither
/// side has is for the caller, who may have it in `elsewhere`: a path to a good file.
pub fn heal(
    mirror: &Mirror<'_>,
    found: &Verified,
    elsewhere: &dyn Fn(&Rot) -> Option<std::path::PathBuf>,
) -> Result<Vec<Healed>, MirrorError> {
    let mut out = Vec::new();
    for rot in &found.rot {
        let library = path_of(&mirror.source, &rot.path);
        let there = path_of(&mirror.target, &rot.path);
        let mended = match rot.agrees {
            Agrees::Library => {
                let good = Good { from: &library, hash: rot.library };
                replace(mirror, &good, &mirror.target, &rot.path, rot.mirror).map(|()| Agrees::Mirror)
            }
            Agrees::Mirror => {
                let good = Good { from: &there, hash: rot.mirror };
                replace(mirror, &good, &mirror.source, &rot.path, rot.library).map(|()| Agrees::Library)
            }
            Agrees::Neither | Agrees::Unknown => match (elsewhere(rot), rot.repository.or(rot.catalog)) {
                (Some(from), Some(hash)) => {
                    let good = Good { from: &from, hash };
                    replace(mirror, &good, &mirror.source, &rot.path, rot.library)
                        .and_then(|()| replace(mirror, &good, &mirror.target, &rot.path, rot.mirror))
                        .map(|()| Agrees::Neither)
                }
                _ => Err(io::Error::other("neither side is known to be good")),
            },
        };
        let (mended, failed) = match mended {
            Ok(side) => (Some(side), None),
            Err(error) => (None, Some(error.to_string())),
        };
        out.push(Healed { path: rot.path.clone(), mended, failed });
    }
    Ok(out)
}

/// A file that is as it should be.
struct Good<'g> {
    from: &'g std::path::Path,
    hash: ContentHash,
}

/// Puts a good file in the place of a bad one, which is still what it was found to be.
fn replace(
    mirror: &Mirror<'_>,
    good: &Good<'_>,
    root: &std::path::Path,
    path: &Name,
    bad: ContentHash,
) -> io::Result<()> {
    let place = path_of(root, path);
    if hash_uncached(mirror.disk, &place, &mut |_| true)? != bad {
        return Err(io::Error::other("it changed since it was compared"));
    }
    sweep(mirror.disk, root)?;
    let folder = root.join(TEMPORARY);
    let temporary = path_of(&folder, &Order::temporary(mirror.clock.now().0 as u64, 0));
    let old = mirror.disk.stat(&place)?;
    let xattrs = mirror.disk.xattrs(&place)?;
    let facts = Facts { mtime: old.mtime, mode: Some(old.mode), owner: None, xattrs };
    let order = Order { from: good.from, to: std::slice::from_ref(&temporary), facts: Some(&facts) };
    let mut copied = copy(mirror.disk, &order, &mut |_| true).map_err(io::Error::other)?;
    if let Some(error) = copied.failed.remove(0) {
        return Err(error);
    }
    mirror.disk.sync_file(&temporary)?;
    if copied.hash != good.hash || hash_uncached(mirror.disk, &temporary, &mut |_| true)? != good.hash {
        mirror.disk.remove_file(&temporary)?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what was copied is not the good content"));
    }
    let kept = Trash::new(root, mirror.clock.now()).take(mirror.disk, path)?;
    if let Err(error) = mirror.disk.rename(&temporary, &place) {
        // Rather the bad file under its name than none.
        mirror.disk.rename(&kept, &place)?;
        return Err(error);
    }
    kept.parent().map_or(Ok(()), |folder| mirror.disk.sync_folder(folder))?;
    mirror.disk.sync_folder(&path_of(root, &parent(path)))?;
    let _ = mirror.disk.remove_folder(&folder);
    Ok(())
}
