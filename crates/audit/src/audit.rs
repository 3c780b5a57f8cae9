//! The audit: signatures, segments, refs and snapshots against a store's
//! inventory, without reading a pack.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use darkslide_catalog::{Catalog, PackState, Trusted};
use darkslide_format::identity::Identities;
use darkslide_format::index::Segment;
use darkslide_format::keys::KeyPair;
use darkslide_format::limits::{LARGE_PLAIN_MAX, LARGE_SEALED_MAX, SMALL_PLAIN_MAX, SMALL_SEALED_MAX};
use darkslide_format::names::{self, Kind};
use darkslide_format::pages::{Descend, PageSource, chunks_of, for_each_below};
use darkslide_format::signed::DocType;
use darkslide_format::snapshot::{Condemned, Refs, Snapshot};
use darkslide_format::tree::{Entry, EntryKind, FileClass};
use darkslide_format::trust::{Standing, Trust};
use darkslide_format::{FormatError, frame, keys, object_id, seal};
use darkslide_store::{Listed, Store, StoreError};
use darkslide_words::{Bytes, ChunkId, Count, ObjectId, ObjectName};

use crate::report::{Report, Severity};
use crate::{AuditError, Classes, Observer, Progress, replaced};

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
    /// Which classes the store keeps what in; nothing where it has no classes.
    pub classes: Option<Classes>,
    /// Opens snapshots and trees; without it they are not looked into.
    pub identities: Option<&'a Identities>,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

struct Audit<'a> {
    context: &'a AuditContext<'a>,
    inventory: BTreeMap<ObjectName, Listed>,
    indexed: HashMap<ObjectName, u64>,
    /// Packs that snapshots of this store need, and how many do; nothing where it cannot be told.
    needed: Option<HashMap<ObjectName, u64>>,
    report: Report,
}

/// Runs an audit. `pages` gives the pages of trees where an identity is at hand.
pub fn audit<S>(context: &AuditContext<'_>, pages: Option<&mut S>) -> Result<Report, AuditError>
where
    S: PageSource,
    S::Error: std::fmt::Display,
{
    let mut audit = Audit {
        context,
        inventory: BTreeMap::new(),
        indexed: HashMap::new(),
        needed: Some(HashMap::new()),
        report: Report::default(),
    };
    audit.inventory()?;
    audit.owner_documents()?;
    audit.keys()?;
    audit.segments()?;
    let refs = audit.refs()?;
    audit.needs(&refs)?;
    let catalog = Catalog::open(context.catalog)?;
    audit.packs(&catalog)?;
    audit.condemned()?;
    audit.catalog(&catalog)?;
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
            let size = Bytes(bytes.len() as u64);
            self.report.rotten.push((name.clone(), size, FormatError::WrongObject.to_string()));
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

    fn packs(&mut self, catalog: &Catalog) -> Result<(), AuditError> {
        let mut indexed: Vec<_> = self.indexed.iter().map(|(name, size)| (name.clone(), *size)).collect();
        indexed.sort();
        let mut pruned = HashSet::new();
        catalog.for_each_known_pack::<AuditError>(|_, facts, state, _| {
            if state == PackState::Pruned {
                pruned.insert(facts.name);
            }
            Ok(())
        })?;
        let tombstone =
            |name: &ObjectName| names::parse(name).and_then(|p| p.id).map(|id| names::object(Kind::Condemned, id));
        let mut gone = Count(0);
        for (name, size) in indexed {
            let what = match self.inventory.get(&name) {
                Some(listed) if listed.size.0 == size => continue,
                Some(listed) => {
                    format!("has {} bytes where {size} were stored: truncated or exchanged", listed.size.0)
                }
                None if !self.is_needed(&name)
                    && (pruned.contains(&name)
                        || tombstone(&name).is_some_and(|t| self.inventory.contains_key(&t))) =>
                {
                    gone += Count(1);
                    continue;
                }
                None => "is in the index and missing from the store".into(),
            };
            match self.replaced(catalog, &name)? {
                true => self.report.add(Severity::Note, Some(&name), format!("{what}; {}", crate::REPLACED)),
                false => self.report.add(Severity::Damage, Some(&name), what),
            }
        }
        if gone.0 > 0 {
            let what = format!("{gone} packs of the index were pruned: no snapshot needs them");
            self.report.add(Severity::Note, None, what);
        }
        for kind in [Kind::Packs, Kind::Warm, Kind::Trees] {
            for (name, _) in self.of_kind(kind) {
                if !self.indexed.contains_key(&name) {
                    let what = "is in no index segment: a run was cut off, or is under way; the next one adopts it";
                    self.report.add(Severity::Note, Some(&name), what);
                }
            }
        }
        if let Some(classes) = &self.context.classes {
            classes.check(self.inventory.values(), &mut self.report);
        }
        Ok(())
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
        let catalog = Catalog::open(self.context.catalog)?;
        for (name, parsed) in self.of_kind(Kind::Snapshots) {
            self.report.snapshots += Count(1);
            if self.context.identities.is_none() {
                // Its bytes against its name is all that can be seen without an identity.
                self.read(&name, parsed.id)?;
            }
            let own: Vec<&Refs> = refs.values().filter(|r| Some(r.snapshot_time) == parsed.time).collect();
            if own.is_empty() {
                self.needed = None;
                self.report.add(Severity::Damage, Some(&name), "the list of the packs that it needs is missing");
            }
            let mut all = BTreeSet::new();
            for refs_of in own {
                match refs_of.resolve(refs) {
                    Ok(packs) => all.extend(packs),
                    Err(what) => {
                        self.needed = None;
                        self.report.add(Severity::Damage, Some(&name), what);
                    }
                }
            }
            self.shown(&name, parsed, refs);
            for pack in all.iter().filter(|p| !self.indexed.contains_key(*p)) {
                let what = format!("needs {pack}, which no index segment lists: a new machine could not find it");
                self.report.add(Severity::Damage, Some(&name), what);
            }
            let gone: Vec<&ObjectName> = all.iter().filter(|p| !self.whole(p)).collect();
            for pack in gone {
                if !self.replaced(&catalog, pack)? {
                    let what = format!("needs {pack}, which is missing or truncated");
                    self.report.add(Severity::Damage, Some(&name), what);
                }
            }
            for pack in self.needed.is_some().then_some(all).into_iter().flatten() {
                *self.needed.get_or_insert_default().entry(pack).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The previews that a snapshot is shown with: it is whole without them, so their loss is told and no damage.
    fn shown(&mut self, name: &ObjectName, parsed: names::Parsed, refs: &HashMap<ObjectId, Refs>) {
        let own = refs.values().filter(|r| Some(r.snapshot_time) == parsed.time);
        let previews: BTreeSet<ObjectName> = own.filter_map(|r| r.resolve_previews(refs).ok()).flatten().collect();
        let gone = previews.iter().filter(|pack| !self.inventory.contains_key(*pack)).count();
        if gone > 0 {
            let what = format!(
                "{gone} packs of its previews are missing: every photograph is there; `darkslide previews make` on the \
                 machine that backs up makes the thumbnails again"
            );
            self.report.add(Severity::Warning, Some(name), what);
        }
    }

    /// True if all that a pack held lies in others that are whole here.
    fn replaced(&self, catalog: &Catalog, pack: &ObjectName) -> Result<bool, AuditError> {
        replaced(catalog, pack, &|other| self.whole(other))
    }

    /// True if some snapshot needs the pack, or if that cannot be told.
    fn is_needed(&self, pack: &ObjectName) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.contains_key(pack))
    }

    /// Tombstones, and whether anything needs what they condemn.
    fn condemned(&mut self) -> Result<(), AuditError> {
        let (mut idle, mut others) = (Count(0), 0u64);
        for (name, parsed) in self.of_kind(Kind::Condemned) {
            let Some(bytes) = self.read(&name, None)? else { continue };
            let trust = self.context.trust;
            let signed = trust.by_writer(DocType::Condemned, &bytes);
            let may = signed.as_ref().is_ok_and(|(v, s)| *s == Standing::Trusted || trust.is_owner(&v.signer));
            let found = signed.ok().and_then(|(v, _)| Condemned::parse(v.payload, trust.repository()).ok());
            let object =
                found.map(|doc| doc.object).filter(|object| names::parse(object).and_then(|p| p.id) == parsed.id);
            let (Some(object), true) = (object, may) else {
                self.report.add(
                    Severity::Warning,
                    Some(&name),
                    "is no tombstone of somebody who may condemn; it is ignored",
                );
                continue;
            };
            let kind = names::parse(&object).map(|p| p.kind);
            let is_pack = matches!(kind, Some(Kind::Packs | Kind::Warm | Kind::Trees));
            match self.needed.as_ref().and_then(|needed| needed.get(&object)) {
                Some(snapshots) if is_pack => {
                    let what = format!(
                        "is condemned, though {snapshots} snapshots need it: it is not deleted while they are there, and \
                         the next backup stores again what it still needs of it"
                    );
                    self.report.add(Severity::Warning, Some(&object), what);
                }
                _ if is_pack => idle += Count(1),
                _ => others += 1,
            }
        }
        if idle.0 > 0 || others > 0 {
            let what =
                format!("{idle} packs and {others} other objects are condemned: a prune deletes them when it may");
            self.report.add(Severity::Note, None, what);
        }
        Ok(())
    }

    fn whole(&self, pack: &ObjectName) -> bool {
        let size = self.indexed.get(pack);
        self.inventory.get(pack).is_some_and(|listed| size.is_none_or(|size| *size == listed.size.0))
    }

    /// What this machine believes, against the inventory.
    fn catalog(&mut self, catalog: &Catalog) -> Result<(), AuditError> {
        for row in catalog.snapshots()? {
            if !self.inventory.contains_key(&row.name) && !self.was_forgotten(&row.name)? {
                self.report.add(
                    Severity::Damage,
                    Some(&row.name),
                    "this machine knows the snapshot, the store does not hold it (any more)",
                );
            }
        }
        for id in catalog.segments()? {
            let name = names::object(Kind::Index, id);
            if !self.inventory.contains_key(&name) && self.is_missed(catalog, id)? {
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
        missing.retain(|name| !self.indexed.contains_key(name) && self.is_needed(name));
        for name in missing {
            self.report.add(Severity::Damage, Some(&name), "this machine stored the pack, the store does not hold it");
        }
        Ok(())
    }

    /// True if a tombstone tells that somebody who may forgot the snapshot.
    fn was_forgotten(&mut self, snapshot: &ObjectName) -> Result<bool, AuditError> {
        let Some(id) = names::parse(snapshot).and_then(|p| p.id) else { return Ok(false) };
        let name = names::object(Kind::Condemned, id);
        if !self.inventory.contains_key(&name) {
            return Ok(false);
        }
        let bytes = self.read(&name, None)?;
        Ok(bytes.is_some_and(|bytes| Condemned::valid(self.context.trust, id, &bytes).is_some()))
    }

    /// True if a segment that is gone listed a pack that is there or needed: one of pruned
    /// packs alone is missed by nobody.
    fn is_missed(&self, catalog: &Catalog, segment: ObjectId) -> Result<bool, AuditError> {
        for pack in catalog.packs_of_segment(segment)? {
            let name = catalog.pack(pack)?.name;
            if self.inventory.contains_key(&name) || self.is_needed(&name) {
                return Ok(true);
            }
        }
        Ok(false)
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
