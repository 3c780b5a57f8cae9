//! Checking a folder against its manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use darkslide_disk::{Disk, Kind, hash_uncached, path_of};
use darkslide_words::{Bytes, Count, Name};
use serde::Serialize;

use super::read::{Chain, Listed, Manifest, read_small};
use super::sums::{Hasher, Sum, SumKind, c4_of};
use super::{CHAIN, FOLDER};
use crate::{IngestError, Observer, Progress};

/// Folders within folders.
const DEPTH_MAX: usize = 128;

/// Something that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum MhlFinding {
    /// A file has another content.
    Mismatch {
        /// Which.
        path: Name,
        /// What the manifest says.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A file is gone.
    Missing {
        /// Which.
        path: Name,
    },
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: Name,
        /// Why.
        why: String,
    },
    /// A file that no manifest lists.
    Additional {
        /// Which.
        path: Name,
    },
    /// A file without a hash that can be checked.
    NoHash {
        /// Which.
        path: Name,
    },
    /// A manifest that is not the one the chain knows.
    ChangedManifest {
        /// Which.
        manifest: String,
    },
    /// A manifest that the chain knows is gone.
    MissingManifest {
        /// Which.
        manifest: String,
    },
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MhlReport {
    /// The folder.
    pub root: PathBuf,
    /// Manifests that were read.
    pub manifests: Count,
    /// Files whose content is as listed.
    pub good: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// What is not as it should be.
    pub findings: Vec<MhlFinding>,
}

impl MhlReport {
    /// True if everything is as listed; a file more is no harm.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding, MhlFinding::Additional { .. }))
    }
}

/// Checks a folder that holds `ascmhl`, or one manifest.
pub fn verify(disk: &dyn Disk, path: &Path, observer: &dyn Observer) -> Result<MhlReport, IngestError> {
    let mut report = MhlReport::default();
    let mut manifests = Vec::new();
    let is_manifest = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mhl"));
    if is_manifest {
        manifests.push(load(disk, path)?.0);
        let folder = path.parent().unwrap_or(Path::new("."));
        let within = folder.file_name().is_some_and(|name| name == FOLDER);
        report.root = if within { folder.parent().unwrap_or(folder).to_path_buf() } else { folder.to_path_buf() };
    } else {
        report.root = path.to_path_buf();
        generations(disk, path, &mut manifests, &mut report)?;
    }
    report.manifests = Count(manifests.len() as u64);
    let (listed, ignored) = merged(manifests);
    check(disk, &listed, observer, &mut report)?;
    additional(disk, &Name::default(), &listed, &ignored, 0, &mut report);
    Ok(report)
}

fn load(disk: &dyn Disk, path: &Path) -> Result<(Manifest, String), IngestError> {
    let bad = |why: String| IngestError::BadManifest { path: path.to_path_buf(), why };
    let text = match read_small(disk, path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(IngestError::NoManifest { path: path.to_path_buf() });
        }
        Err(error) => return Err(bad(error.to_string())),
    };
    Ok((Manifest::parse(&text).map_err(bad)?, text))
}

/// The manifests of a folder: those of its chain, else all that lie there.
fn generations(
    disk: &dyn Disk,
    root: &Path,
    manifests: &mut Vec<Manifest>,
    report: &mut MhlReport,
) -> Result<(), IngestError> {
    let folder = root.join(FOLDER);
    let none = || IngestError::NoManifest { path: root.to_path_buf() };
    let bad = |why: String| IngestError::BadManifest { path: folder.join(CHAIN), why };
    match read_small(disk, &folder.join(CHAIN)) {
        Ok(text) => {
            for (_, name, c4) in Chain::parse(&text).map_err(bad)?.generations {
                // A chain of another place does not lead out of this one.
                let safe = Name::from(name.as_str()).is_component();
                match load(disk, &folder.join(&name)) {
                    Ok((manifest, text)) if safe => {
                        if c4_of(text.as_bytes()) != c4 {
                            report.findings.push(MhlFinding::ChangedManifest { manifest: name });
                        }
                        manifests.push(manifest);
                    }
                    Err(IngestError::NoManifest { .. }) => {
                        report.findings.push(MhlFinding::MissingManifest { manifest: name });
                    }
                    Ok(_) => return Err(bad(format!("`{name}` is no file's name"))),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // No chain: a single manifest, in the folder or, of older tools, in the root.
            for place in [&folder, root] {
                for (name, _) in disk.list(place).unwrap_or_default() {
                    if name.extension().as_deref() == Some("mhl") {
                        manifests.push(load(disk, &path_of(place, &name))?.0);
                    }
                }
            }
        }
        Err(error) => return Err(bad(error.to_string())),
    }
    if manifests.is_empty() && report.findings.is_empty() { Err(none()) } else { Ok(()) }
}

/// The newest word on each file.
fn merged(manifests: Vec<Manifest>) -> (BTreeMap<Name, Listed>, Vec<String>) {
    let mut files: BTreeMap<Name, Listed> = BTreeMap::new();
    let mut ignored = Vec::new();
    for manifest in manifests {
        ignored.extend(manifest.ignored);
        for file in manifest.files {
            let before = file.previous.as_ref().and_then(|previous| files.remove(previous));
            let entry = files.entry(file.path.clone()).or_insert_with(|| before.unwrap_or_else(|| file.clone()));
            entry.path = file.path;
            if !file.sums.is_empty() {
                (entry.sums, entry.size) = (file.sums, file.size);
            }
        }
    }
    (files, ignored)
}

/// The one that is cheapest to compute.
fn cheapest(sums: &[Sum]) -> Option<&Sum> {
    let rank = |sum: &&Sum| match sum.kind() {
        SumKind::Xxh3 | SumKind::Xxh128 => 0,
        SumKind::Xxh64 => 1,
        SumKind::Sha1 => 2,
        SumKind::Md5 => 3,
        SumKind::C4 => 4,
    };
    sums.iter().min_by_key(rank)
}

fn check(
    disk: &dyn Disk,
    listed: &BTreeMap<Name, Listed>,
    observer: &dyn Observer,
    report: &mut MhlReport,
) -> Result<(), IngestError> {
    let expected = Bytes(listed.values().filter_map(|file| file.size).sum());
    let mut seen = Progress { expected: Some(expected), ..Progress::default() };
    for (name, file) in listed {
        let climbs =
            name.as_bytes().split(|b| *b == b'/').any(|part| part == b"..") || name.as_bytes().first() == Some(&b'/');
        let Some(wanted) = cheapest(&file.sums).filter(|_| !climbs) else {
            report.findings.push(MhlFinding::NoHash { path: name.clone() });
            continue;
        };
        let mut hasher = Hasher::new(wanted.kind());
        let read = hash_uncached(disk, &path_of(&report.root, name), &mut |piece| {
            hasher.update(piece);
            seen.bytes += Bytes(piece.len() as u64);
            observer.progress(&seen);
            !observer.cancelled()
        });
        seen.files += Count(1);
        let path = name.clone();
        match read {
            Ok(_) => {
                let found = hasher.finish();
                if found.agrees(wanted) {
                    report.good += Count(1);
                    report.bytes += Bytes(file.size.unwrap_or(0));
                } else {
                    let (wanted, found) = (wanted.to_string(), found.to_string());
                    report.findings.push(MhlFinding::Mismatch { path, wanted, found });
                }
            }
            Err(_) if observer.cancelled() => return Err(IngestError::Cancelled),
            Err(error) if error.kind() == io::ErrorKind::NotFound => report.findings.push(MhlFinding::Missing { path }),
            Err(error) => report.findings.push(MhlFinding::Unreadable { path, why: error.to_string() }),
        }
    }
    Ok(())
}

/// Files that no manifest lists.
fn additional(
    disk: &dyn Disk,
    folder: &Name,
    listed: &BTreeMap<Name, Listed>,
    ignored: &[String],
    depth: usize,
    report: &mut MhlReport,
) {
    let known: BTreeSet<&[u8]> = ignored.iter().map(|p| p.trim_matches('/').as_bytes()).collect();
    let matches = |name: &Name| {
        let bytes = name.as_bytes();
        let ends = |pattern: &&[u8]| pattern.strip_prefix(b"*").is_some_and(|end| bytes.ends_with(end));
        bytes == FOLDER.as_bytes() || known.contains(bytes) || known.iter().any(ends)
    };
    for (name, stat) in disk.list(&path_of(&report.root, folder)).unwrap_or_default() {
        let path = folder.join(&name);
        match stat.map(|stat| stat.kind) {
            _ if matches(&name) => {}
            Ok(Kind::Folder) if depth < DEPTH_MAX => additional(disk, &path, listed, ignored, depth + 1, report),
            Ok(Kind::File) if !listed.contains_key(&path) && path.extension().as_deref() != Some("mhl") => {
                report.findings.push(MhlFinding::Additional { path });
            }
            _ => {}
        }
    }
}
