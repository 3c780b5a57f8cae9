//! Looking into snapshots: list them, list a folder, find a name.

use std::collections::HashSet;
use std::sync::Arc;

use darkslide_catalog::{Catalog, SnapshotRow};
use darkslide_format::FormatError;
use darkslide_format::canon;
use darkslide_format::identity::IdentityFile;
use darkslide_format::names;
use darkslide_format::pages::{Descend, for_each_below, for_each_entry};
use darkslide_format::snapshot::Snapshot;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_format::trust::Standing;
use darkslide_restore::{ChunkReader, Opened, Pages};
use darkslide_words::{Bytes, ChunkId, ContentHash, Name, ObjectName, Time, WriterId};
use globset::GlobBuilder;

use crate::repository::Repository;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync};

/// A snapshot in a list.
#[derive(Debug, Clone)]
pub struct SnapshotInfo {
    /// Object name.
    pub name: ObjectName,
    /// Its time.
    pub time: Time,
    /// What it says; nothing where it was not opened on this machine.
    pub snapshot: Option<Snapshot>,
    /// Name of its writer, and how that one stands.
    pub writer: Option<(String, Standing)>,
}

/// A line of a listing.
#[derive(Debug, Clone)]
pub struct Line {
    /// Path in the library.
    pub path: Name,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file.
    pub size: Bytes,
    /// Last change.
    pub mtime: Time,
    /// A file's hash.
    pub hash: Option<ContentHash>,
    /// Where a link points.
    pub target: Option<Name>,
}

impl Line {
    pub(crate) fn of(path: &Name, entry: &Entry) -> Self {
        Self {
            path: path.clone(),
            kind: entry.kind,
            size: entry.bytes(),
            mtime: entry.mtime,
            hash: entry.hash,
            target: entry.target.clone(),
        }
    }
}

/// A file version that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The version.
    pub line: Line,
    /// The newest snapshot that holds it.
    pub snapshot: ObjectName,
    /// That one's time.
    pub time: Time,
}

/// An open catalog with what is needed to read trees.
pub(crate) struct Browser {
    pub catalog: Catalog,
    pub repo: Option<Repository>,
    pub reader: Option<ChunkReader>,
    pub opened: Option<Opened>,
    pub own: Option<WriterId>,
    pub refused: Vec<(ObjectName, FormatError)>,
}

impl Browser {
    pub fn pages(&mut self) -> Pages<'_> {
        match &mut self.reader {
            Some(reader) => Pages::new(&self.catalog, reader),
            None => Pages::cached(&self.catalog),
        }
    }

    fn info(&self, row: SnapshotRow) -> Result<SnapshotInfo, EngineError> {
        let snapshot: Option<Snapshot> = match &row.payload {
            Some(payload) => Some(canon::from_bytes("a snapshot's row", payload)?),
            None => None,
        };
        let writer = snapshot.as_ref().map(|s| match &self.repo {
            Some(repo) => (repo.trust.writer_name(s.writer), repo.trust.standing(s.writer)),
            None => (s.writer.to_string(), Standing::Trusted),
        });
        Ok(SnapshotInfo { name: row.name, time: row.time, snapshot, writer })
    }

    pub fn list(&self) -> Result<Vec<SnapshotInfo>, EngineError> {
        self.catalog.snapshots()?.into_iter().map(|row| self.info(row)).collect()
    }

    /// Finds a snapshot: `latest` (of this machine, if it backs up), `latest:NAME`
    /// of a job or machine, or the beginning of its name or id; refuses writers that are not trusted unless accepted by name.
    pub fn find(&self, wanted: &str, accept: &[String]) -> Result<(SnapshotInfo, Snapshot), EngineError> {
        let none = || EngineError::NoSnapshot { wanted: wanted.to_string() };
        let all = self.list()?;
        let of = wanted.strip_prefix("latest").map(|rest| rest.strip_prefix(':'));
        let info = match of {
            Some(of) if wanted == "latest" || of.is_some() => {
                let usable = |i: &SnapshotInfo| match (&i.snapshot, &i.writer) {
                    (Some(s), Some((writer, standing))) => {
                        let named = of.is_none_or(|of| s.job == of || s.host == of || writer == of);
                        s.complete && named && (*standing == Standing::Trusted || accept.contains(writer))
                    }
                    _ => false,
                };
                let usable: Vec<SnapshotInfo> = all.into_iter().filter(usable).collect();
                // On a machine that backs up, its own library is meant.
                let own = |i: &&SnapshotInfo| of.is_none() && i.snapshot.as_ref().map(|s| s.writer) == self.own;
                let newest = usable.iter().rev().find(own).or(usable.last());
                let newest = newest.cloned().ok_or_else(none)?;
                // A newer one that cannot be read is not passed over in silence.
                let newer = |name: &&(ObjectName, FormatError)| {
                    names::parse(&name.0).and_then(|p| p.time).is_some_and(|t| t > newest.time)
                };
                if let Some((name, error)) = self.refused.iter().find(newer)
                    && !matches!(error, FormatError::NotTrusted { .. })
                {
                    return Err(EngineError::NewestDamaged {
                        name: name.clone(),
                        detail: error.to_string(),
                        older: newest.name,
                    });
                }
                newest
            }
            _ => {
                let fits = |i: &SnapshotInfo| {
                    let name = i.name.as_str().strip_prefix("snapshots/").unwrap_or(i.name.as_str());
                    let id = name.split_once('-').map_or("", |(_, id)| id);
                    name.starts_with(wanted) || id.starts_with(wanted) || i.name.as_str() == wanted
                };
                let mut fitting = all.into_iter().filter(fits);
                match (fitting.next(), fitting.next()) {
                    (Some(one), None) => one,
                    (None, _) => return Err(none()),
                    _ => return Err(EngineError::AmbiguousSnapshot { wanted: wanted.to_string() }),
                }
            }
        };
        let snapshot = info.snapshot.clone().ok_or_else(|| EngineError::Sealed { name: info.name.clone() })?;
        if let Some((writer, standing)) = &info.writer {
            let word = match standing {
                Standing::Trusted => return Ok((info, snapshot)),
                Standing::Revoked => "revoked",
                Standing::Unknown => "not enrolled",
            };
            if !accept.contains(writer) && !accept.contains(&snapshot.writer.to_string()) {
                return Err(EngineError::Untrusted { name: info.name, writer: writer.clone(), standing: word });
            }
        }
        Ok((info, snapshot))
    }
}

pub(crate) fn root_of(snapshot: &Snapshot) -> Result<ChunkId, EngineError> {
    snapshot.root.tree.ok_or_else(|| EngineError::NoPath { path: "/".into() })
}

impl Engine {
    /// Opens catalog and, with an identity, the repository.
    pub(crate) fn browser(&self, identity: Option<&IdentityFile>) -> Result<Browser, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        // Pages that are read are remembered; losing some in a power cut costs nothing.
        catalog.relax()?;
        let own = WriterFile::load(&secrets::path(&self.settings.state_dir())).ok().map(|f| f.secrets.id());
        let mut browser = Browser { catalog, repo: None, reader: None, opened: None, own, refused: Vec::new() };
        let repo = match (self.repository(), identity) {
            (Ok(repo), _) => repo,
            // Without an identity the cache may know enough.
            (Err(EngineError::NoStore { .. }), None) => return Ok(browser),
            (Err(error), _) => return Err(error),
        };
        let mut refused = Vec::new();
        let identities = match identity {
            None => None,
            Some(identity) => {
                let (opened, keys) = repo.opened(identity)?;
                refused.extend(index_sync::segments(&browser.catalog, repo.store(), &repo.trust, &keys.index)?);
                let reader_catalog = Catalog::open(&self.catalog_path())?;
                let stores: Vec<Arc<dyn darkslide_store::Store>> = repo.reached.stores.clone();
                browser.reader = Some(ChunkReader::new(reader_catalog, stores, opened.clone())?);
                let identities = opened.identities.clone();
                browser.opened = Some(opened);
                Some(identities)
            }
        };
        refused.extend(index_sync::snapshots(&browser.catalog, repo.store(), &repo.trust, identities.as_ref())?);
        browser.refused = refused;
        browser.repo = Some(repo);
        Ok(browser)
    }

    /// The catalog alone: what can be told without a call to any store.
    pub(crate) fn offline(&self) -> Result<Browser, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let own = WriterFile::load(&secrets::path(&self.settings.state_dir())).ok().map(|f| f.secrets.id());
        Ok(Browser { catalog, repo: None, reader: None, opened: None, own, refused: Vec::new() })
    }

    /// All snapshots, oldest first.
    pub fn snapshots(&self, identity: Option<&IdentityFile>) -> Result<Vec<SnapshotInfo>, EngineError> {
        self.browser(identity)?.list()
    }

    /// The content of a folder in a snapshot, or a file's line; with everything
    /// below it if asked.
    pub fn ls(
        &self,
        snapshot: &str,
        path: &Name,
        recursive: Recursive,
        identity: Option<&IdentityFile>,
        each: &mut dyn FnMut(Line),
    ) -> Result<(), EngineError> {
        let mut browser = self.browser(identity)?;
        let (_, snapshot) = browser.find(snapshot, &[])?;
        let mut pages = browser.pages();
        let mut top = root_of(&snapshot)?;
        let mut at = Name::default();
        let parts: Vec<Name> =
            path.as_bytes().split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").map(Name::new).collect();
        for (n, part) in parts.iter().enumerate() {
            let mut found = None;
            for_each_entry(&mut pages, top, &mut |_, entry| {
                if entry.name == *part {
                    found = Some(entry);
                }
                Ok(())
            })?;
            let entry = found.ok_or_else(|| EngineError::NoPath { path: path.to_string() })?;
            at = at.join(part);
            match entry.tree {
                Some(tree) => top = tree,
                None if n + 1 == parts.len() => {
                    each(Line::of(&at, &entry));
                    return Ok(());
                }
                None => return Err(EngineError::NoPath { path: path.to_string() }),
            }
        }
        for_each_below(&mut pages, top, &mut |_, path, entry| {
            each(Line::of(&at.join(path), entry));
            Ok(match recursive {
                Recursive::Yes => Descend::Into,
                Recursive::No => Descend::Over,
            })
        })?;
        Ok(())
    }

    /// Files whose name (or path, if the pattern has a `/`) fits, in all
    /// snapshots: each version once, with the newest snapshot that holds it.
    pub fn find(
        &self,
        pattern: &str,
        identity: Option<&IdentityFile>,
        each: &mut dyn FnMut(Found),
    ) -> Result<(), EngineError> {
        let by_path = pattern.contains('/');
        let glob =
            GlobBuilder::new(pattern).case_insensitive(true).literal_separator(by_path).build()?.compile_matcher();
        let mut browser = self.browser(identity)?;
        let (mut seen, mut folders) = (HashSet::new(), HashSet::new());
        for info in browser.list()?.into_iter().rev() {
            let trusted = info.writer.as_ref().is_some_and(|(_, standing)| *standing == Standing::Trusted);
            let Some(snapshot) = info.snapshot.filter(|s| s.complete && trusted) else { continue };
            let mut pages = browser.pages();
            for_each_below(&mut pages, root_of(&snapshot)?, &mut |_, path, entry| {
                let text = if by_path { path.as_bytes() } else { entry.name.as_bytes() };
                let fits = glob.is_match(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(text));
                if fits && entry.kind != EntryKind::Dir && seen.insert((path.clone(), entry.hash, entry.mtime)) {
                    each(Found { line: Line::of(path, entry), snapshot: info.name.clone(), time: info.time });
                }
                // The same folder with the same content was looked through already.
                Ok(match entry.tree {
                    Some(tree) if !folders.insert((path.clone(), tree)) => Descend::Over,
                    _ => Descend::Into,
                })
            })?;
        }
        Ok(())
    }
}

/// Whether a listing goes into folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursive {
    /// It does.
    Yes,
    /// It does not.
    No,
}
