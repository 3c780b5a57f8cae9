//! The audit: signatures, segments, refs and snapshots against a store's
//! inventory, without reading a pack.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use darkslide_catalog::{Catalog, Trusted};
use darkslide_format::identity::Identities;
use darkslide_format::index::Segment;
use darkslide_format::keys::KeyPair;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX, SMALL_PLAIN_MAX, SMALL_SEALED_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::pages::{Descend, PageSource, chunks_of, for_each_below};
use darkslide_format::signed::DocType;
use darkslide_format::snapshot::{Refs, Snapshot};
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_format::trust::{Standing, Trust};
use darkslide_format::{FormatError, frame, keys, object_id, seal};
use darkslide_store::{Listed, Store, StoreError};
use darkslide_words::{ChunkId, Count, ObjectId, ObjectName};

use crate::report::{Report, Severity};
use crate::{AuditError, Observer, Progress};

/// What an audit works with.
pub struct AuditContext<'a> {
    /// The store that is audited.
    pub store: &'a dyn Store,
    /// This machine's catalog.
    pub catalog: &'a Path,
    /// Who may sign.
    pub trust: &'a Trust,
    /// Opens index and refs.
    pub index: &'a KeyPair,
    /// Opens snapshots and trees; without it they are not looked into.
    pub identities: Option<&'a Identities>,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

struct Audit<'a> {
    context: &'a AuditContext<'a>,
    inventory: BTreeMap<ObjectName, Listed>,
    indexed: HashMap<ObjectName, u64>,
    report: Report,
}

/// Runs an audit. `pages` gives the pages of trees where an identity is at hand.
pub fn audit<S>(context: &AuditContext<'_>, pages: Option<&mut S>) -> Result<Report, AuditError>
where
    S: PageSource,
    S::Error: std::fmt::Display,
{
    let mut audit = Audit { context, inventory: BTreeMap::new(), indexed: HashMap::new(), report: Report::default() };
    audit.inventory()?;
    audit.owner_documents()?;
    audit.keys()?;
    audit.segments()?;
    audit.packs();
    let refs = audit.refs()?;
    audit.needs(&refs)?;
    audit.catalog()?;
    if let (Some(identities), Some(pages)) = (context.identities, pages) {
        audit.snapshots(identities, pages)?;
    }
    Ok(audit.report)
}

impl<'a> Audit<'a> {
    fn inventory(&mut self) -> Result<(), AuditError> {
        let (inventory, report, observer) = (&mut self.inventory, &mut self.report, self.context.observer);
        self.context.store.list("", &mut |listed| {
            report.objects += Count(1);
            report.bytes += listed.size;
            observer.progress(&Progress { objects: report.objects, bytes: report.bytes, expected: None });
            inventory.insert(listed.name.clone(), listed);
            Ok(())
        })?;
        for name in self.inventory.keys().filter(|n| names::parse(n).is_none()) {
            self.report.add(Severity::Warning, Some(name), "is no object of this format; it is ignored");
        }
        for name in std::iter::once(names::header()).chain(names::recover_files()) {
            if !self.inventory.contains_key(&name) {
                let severity = if name.as_str() == names::HEADER { Severity::Damage } else { Severity::Warning };
                self.report.add(severity, Some(&name), "is missing");
            }
        }
        Ok(())
    }

    fn of_kind(&self, kind: Kind) -> Vec<(ObjectName, names::Parsed)> {
        let parsed = self.inventory.keys().filter_map(|n| Some((n.clone(), names::parse(n)?)));
        parsed.filter(|(_, p)| p.kind == kind).collect()
    }

    /// Reads an object and checks it against the id in its name.
    fn read(&mut self, name: &ObjectName, id: Option<ObjectId>) -> Result<Option<Vec<u8>>, AuditError> {
        if self.context.observer.cancelled() {
            return Err(AuditError::Cancelled);
        }
        let bytes = match self.context.store.read(name, None).and_then(|r| r.bytes(name)) {
            Ok(bytes) => bytes,
            // A writer's credentials may read little; what they may not is checked by others.
            Err(StoreError::Denied { .. }) => {
                self.report.denied += Count(1);
                return Ok(None);
            }
            Err(error) => {
                self.report.add(Severity::Damage, Some(name), error);
                return Ok(None);
            }
        };
        if id.is_some_and(|id| object_id(&bytes) != id) {
            self.report.add(Severity::Damage, Some(name), FormatError::WrongObject);
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    fn owner_documents(&mut self) -> Result<(), AuditError> {
        let mut trust = Trust::new(self.context.trust.header().clone())?;
        let mut numbers = BTreeSet::new();
        for (name, parsed) in self.of_kind(Kind::Config) {
            let Some(bytes) = self.read(&name, None)? else { continue };
            let number = parsed.number.unwrap_or_default();
            match trust.add_config(number, &bytes) {
                Ok(()) => {
                    numbers.insert(number);
                }
                Err(error) => self.report.add(Severity::Damage, Some(&name), error),
            }
        }
        let highest = numbers.last().copied().unwrap_or_default();
        for missing in (1..=highest).filter(|n| !numbers.contains(n)) {
            self.report.add(
                Severity::Warning,
                Some(&names::config(missing)),
                "is missing, though a later one is there",
            );
        }
        if highest == 0 {
            self.report.add(Severity::Damage, None, "there is no valid configuration");
        }
        for (name, parsed) in self.of_kind(Kind::Writers) {
            let Some(bytes) = self.read(&name, None)? else { continue };
            if let Some(id) = parsed.id
                && let Err(error) = trust.add_writer(id, &bytes)
            {
                self.report.add(Severity::Damage, Some(&name), error);
            }
        }
        Ok(())
    }

    fn keys(&mut self) -> Result<(), AuditError> {
        let (mut good, mut seen) = (0, 0);
        for (name, parsed) in self.of_kind(Kind::Keys) {
            seen += 1;
            let Some(bytes) = self.read(&name, parsed.id)? else { continue };
            let Some(identities) = self.context.identities else { continue };
            let Some(config) = self.context.trust.config() else { continue };
            match keys::open(&bytes, &identities.all(), self.context.trust.header(), config) {
                Ok(keys::Opened::Keys(_)) => good += 1,
                Ok(keys::Opened::Owner(_)) => {}
                // Keys of before the last change of recipients lack the newest epoch.
                Err(FormatError::NotARecipient | FormatError::WrongKeys { .. }) => {}
                Err(error) => self.report.add(Severity::Damage, Some(&name), error),
            }
        }
        if seen == 0 || (self.context.identities.is_some() && good == 0) {
            self.report.add(
                Severity::Damage,
                None,
                "no keys object opens: recipients still open every pack directly, new machines cannot join",
            );
        }
        Ok(())
    }

    /// Opens an index or refs object; damage is reported.
    fn open(&mut self, name: &ObjectName, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut identities = vec![self.context.index.identity()];
        identities.extend(self.context.identities.iter().flat_map(|i| i.all()));
        let opened = seal::open(bytes, &identities, LARGE_SEALED_MAX)
            .and_then(|packed| frame::unpack_json("the object", &packed, LARGE_PLAIN_MAX));
        opened.map_err(|error| self.report.add(Severity::Damage, Some(name), error)).ok()
    }

    /// Verifies a writer's document; the payload and how the writer stands.
    fn verified(&mut self, name: &ObjectName, kind: DocType, document: &[u8]) -> Option<(Vec<u8>, Standing)> {
        match self.context.trust.by_writer(kind, document) {
            Ok((verified, standing)) => {
                if standing != Standing::Trusted {
                    let who = self.context.trust.writer_name(verified.signer.writer_id());
                    let what = format!("is signed by {who}, who is {standing:?}; nothing relies on it");
                    self.report.add(Severity::Warning, Some(name), what);
                }
                Some((verified.payload.to_vec(), standing))
            }
            Err(error) => {
                self.report.add(Severity::Damage, Some(name), error);
                None
            }
        }
    }

    fn segments(&mut self) -> Result<(), AuditError> {
        for (name, parsed) in self.of_kind(Kind::Index) {
            let Some(bytes) = self.read(&name, parsed.id)? else { continue };
            let Some(document) = self.open(&name, &bytes) else { continue };
            let Some((payload, standing)) = self.verified(&name, DocType::Index, &document) else { continue };
            if standing == Standing::Unknown {
                continue;
            }
            match Segment::parse(&payload, self.context.trust.repository()) {
                Ok(segment) => {
                    for pack in segment.packs {
                        let said = self.indexed.insert(pack.object.clone(), pack.size.0);
                        if said.is_some_and(|size| size != pack.size.0) {
                            self.report.add(
                                Severity::Damage,
                                Some(&pack.object),
                                "two index segments say different sizes",
                            );
                        }
                    }
                }
                Err(error) => self.report.add(Severity::Damage, Some(&name), error),
            }
        }
        Ok(())
    }

    fn packs(&mut self) {
        let mut indexed: Vec<_> = self.indexed.iter().collect();
        indexed.sort();
        for (name, size) in indexed {
            match self.inventory.get(name) {
                Some(listed) if listed.size.0 == *size => {}
                Some(listed) => {
                    let what = format!("has {} bytes where {size} were stored: truncated or exchanged", listed.size.0);
                    self.report.add(Severity::Damage, Some(name), what);
                }
                None => self.report.add(Severity::Damage, Some(name), "is in the index and missing from the store"),
            }
        }
        for kind in [Kind::Packs, Kind::Warm, Kind::Trees] {
            for (name, _) in self.of_kind(kind) {
                if !self.indexed.contains_key(&name) {
                    let what = "is in no index segment: a run was cut off, or is under way; the next one adopts it";
                    self.report.add(Severity::Note, Some(&name), what);
                }
            }
        }
    }

    /// The refs, by their id.
    fn refs(&mut self) -> Result<HashMap<ObjectId, Refs>, AuditError> {
        let mut all = HashMap::new();
        for (name, parsed) in self.of_kind(Kind::Refs) {
            let Some(bytes) = self.read(&name, parsed.id)? else { continue };
            let Some(document) = self.open(&name, &bytes) else { continue };
            let Some((payload, standing)) = self.verified(&name, DocType::Refs, &document) else { continue };
            if standing == Standing::Unknown {
                continue;
            }
            match (Refs::parse(&payload, self.context.trust.repository()), parsed.id) {
                (Ok(refs), Some(id)) => {
                    all.insert(id, refs);
                }
                (Err(error), _) => self.report.add(Severity::Damage, Some(&name), error),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Each snapshot's packs against the inventory.
    fn needs(&mut self, refs: &HashMap<ObjectId, Refs>) -> Result<(), AuditError> {
        for (name, parsed) in self.of_kind(Kind::Snapshots) {
            self.report.snapshots += Count(1);
            if self.context.identities.is_none() {
                // Its bytes against its name is all that can be seen without an identity.
                self.read(&name, parsed.id)?;
            }
            let own: Vec<&Refs> = refs.values().filter(|r| Some(r.snapshot_time) == parsed.time).collect();
            if own.is_empty() {
                self.report.add(Severity::Damage, Some(&name), "the list of the packs that it needs is missing");
            }
            for refs_of in own {
                match refs_of.resolve(refs) {
                    Ok(packs) => {
                        let gone: Vec<_> = packs.iter().filter(|p| !self.whole(p)).cloned().collect();
                        for pack in packs.iter().filter(|p| !self.indexed.contains_key(*p)) {
                            let what =
                                format!("needs {pack}, which no index segment lists: a new machine could not find it");
                            self.report.add(Severity::Damage, Some(&name), what);
                        }
                        for pack in gone {
                            let what = format!("needs {pack}, which is missing or truncated");
                            self.report.add(Severity::Damage, Some(&name), what);
                        }
                    }
                    Err(what) => self.report.add(Severity::Damage, Some(&name), what),
                }
            }
        }
        Ok(())
    }

    fn whole(&self, pack: &ObjectName) -> bool {
        let size = self.indexed.get(pack);
        self.inventory.get(pack).is_some_and(|listed| size.is_none_or(|size| *size == listed.size.0))
    }

    /// What this machine believes, against the inventory.
    fn catalog(&mut self) -> Result<(), AuditError> {
        let catalog = Catalog::open(self.context.catalog)?;
        for row in catalog.snapshots()? {
            if !self.inventory.contains_key(&row.name) {
                self.report.add(
                    Severity::Damage,
                    Some(&row.name),
                    "this machine knows the snapshot, the store does not hold it (any more)",
                );
            }
        }
        for id in catalog.segments()? {
            let name = names::object(Kind::Index, id);
            if !self.inventory.contains_key(&name) {
                let what =
                    "this machine knows the segment, the store does not hold it: the next backup writes it again";
                self.report.add(Severity::Damage, Some(&name), what);
            }
        }
        let inventory = &self.inventory;
        let mut missing = Vec::new();
        catalog.for_each_pack::<AuditError>(|_, facts, _, _| {
            if !inventory.contains_key(&facts.name) {
                missing.push(facts.name);
            }
            Ok(())
        })?;
        for name in missing.into_iter().filter(|n| !self.indexed.contains_key(n)) {
            self.report.add(Severity::Damage, Some(&name), "this machine stored the pack, the store does not hold it");
        }
        Ok(())
    }

    /// Opens every snapshot and walks its tree.
    fn snapshots<S>(&mut self, identities: &Identities, pages: &mut S) -> Result<(), AuditError>
    where
        S: PageSource,
        S::Error: std::fmt::Display,
    {
        let catalog = Catalog::open(self.context.catalog)?;
        let mut seen = HashSet::new();
        for (name, parsed) in self.of_kind(Kind::Snapshots) {
            let Some(bytes) = self.read(&name, parsed.id)? else { continue };
            let opened = seal::open(&bytes, &identities.all(), SMALL_SEALED_MAX)
                .and_then(|packed| frame::unpack_json("snapshot", &packed, SMALL_PLAIN_MAX));
            let document = match opened {
                Ok(document) => document,
                Err(error) => {
                    self.report.add(Severity::Damage, Some(&name), error);
                    continue;
                }
            };
            let Some((payload, _)) = self.verified(&name, DocType::Snapshot, &document) else { continue };
            match Snapshot::parse(&payload, self.context.trust.repository()) {
                Ok(snapshot) if snapshot.complete => self.tree(&name, &snapshot, &catalog, pages, &mut seen),
                Ok(_) => {}
                Err(error) => self.report.add(Severity::Damage, Some(&name), error),
            }
        }
        Ok(())
    }

    fn tree<S>(
        &mut self,
        name: &ObjectName,
        snapshot: &Snapshot,
        catalog: &Catalog,
        pages: &mut S,
        seen: &mut HashSet<ChunkId>,
    ) where
        S: PageSource,
        S::Error: std::fmt::Display,
    {
        let Some(top) = snapshot.root.tree else { return };
        let mut lost: Vec<String> = Vec::new();
        let mut checked = Count(0);
        let walked = for_each_below(pages, top, &mut |pages, path, entry| {
            if entry.kind == EntryKind::File {
                for chunk in chunks_of(pages, entry)? {
                    checked += Count(1);
                    if !listed(catalog, entry, chunk) {
                        lost.push(format!("`{path}`: chunk {} is in no pack that the index knows", chunk.short()));
                        break;
                    }
                }
            }
            // A folder that was walked under another snapshot needs no second look.
            Ok(match entry.tree {
                Some(tree) if !seen.insert(tree) => Descend::Over,
                _ => Descend::Into,
            })
        });
        self.report.chunks += checked;
        for what in lost {
            self.report.add(Severity::Damage, Some(name), what);
        }
        if let Err(error) = walked {
            self.report.add(Severity::Damage, Some(name), format!("its tree cannot be read: {error}"));
        }
    }
}

fn listed(catalog: &Catalog, entry: &Entry, chunk: ChunkId) -> bool {
    let kind = match entry.class {
        Some(FileClass::Warm) => darkslide_format::manifest::PackKind::Warm,
        _ => darkslide_format::manifest::PackKind::Cold,
    };
    catalog.locations(kind.code(), chunk, Trusted::No).is_ok_and(|places| !places.is_empty())
}
