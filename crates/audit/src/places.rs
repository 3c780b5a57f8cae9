//! How objects lie in a store: in which class, with which checksum; and whether what a lost pack
//! held lies elsewhere. None of it reads an object's bytes.

use std::collections::BTreeMap;

use darkslide_catalog::{Catalog, PackState, Trusted};
use darkslide_format::names::{self, Kind};
use darkslide_store::{Listed, Store, StoreError, StoredSum};
use darkslide_words::{Bytes, Count, ObjectName, StorageClass};

use crate::report::{Report, Severity};
use crate::{AuditError, Observer, Progress};

/// Which class a store is to keep what in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// Packs of photographs.
    pub cold: StorageClass,
    /// Packs of what changes often.
    pub warm: StorageClass,
    /// Everything else.
    pub hot: StorageClass,
}

impl Classes {
    fn of(&self, kind: Kind) -> &StorageClass {
        match kind {
            Kind::Packs => &self.cold,
            Kind::Warm => &self.warm,
            _ => &self.hot,
        }
    }

    /// Objects that lie in another class than they should, told by class and kind.
    pub(crate) fn check<'l>(&self, listed: impl Iterator<Item = &'l Listed>, report: &mut Report) {
        let mut wrong: BTreeMap<(&'static str, StorageClass), (Count, Bytes, &ObjectName)> = BTreeMap::new();
        for one in listed {
            let Some(parsed) = names::parse(&one.name) else { continue };
            if one.class != *self.of(parsed.kind) {
                let kind = if parsed.kind.prefix().is_empty() { "other objects" } else { parsed.kind.prefix() };
                let entry = wrong.entry((kind, one.class.clone())).or_insert((Count(0), Bytes(0), &one.name));
                entry.0 += Count(1);
                entry.1 += one.size;
            }
        }
        for ((_, class), (objects, bytes, first)) in wrong {
            let wanted = names::parse(first).map_or(&self.hot, |parsed| self.of(parsed.kind));
            let more = if objects.0 > 1 {
                format!(", and {} more of its kind ({bytes} in all)", objects.0 - 1)
            } else {
                String::new()
            };
            let what = format!(
                "lies in {class} instead of {wanted}{more}: it costs and is read otherwise than planned; a lifecycle \
                 rule of the bucket moves it, or another class is meant (`class` of the [[store]])"
            );
            report.add(Severity::Warning, Some(first), what);
        }
    }
}

/// What the checksums that a store keeps say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Packs whose checksum is the one in the index.
    pub good: Count,
    /// Packs whose checksum is another.
    pub bad: Count,
    /// Packs of which the store keeps none.
    pub unknown: Count,
}

/// Holds the checksum that a store keeps of each pack against the index: one HEAD each, no thaw, no
/// bytes. It is the checksum of the upload: it tells an exchanged object, not one that rots.
pub fn checksums(
    store: &dyn Store,
    catalog: &Catalog,
    observer: &dyn Observer,
    report: &mut Report,
) -> Result<Sums, AuditError> {
    let mut wanted = Vec::new();
    catalog.for_each_pack::<AuditError>(|_, facts, state, _| {
        if state == PackState::Stored {
            wanted.push((facts.name, facts.crc64, facts.size));
        }
        Ok(())
    })?;
    let mut sums = Sums::default();
    for (n, (name, crc, size)) in wanted.into_iter().enumerate() {
        if observer.cancelled() {
            return Err(AuditError::Cancelled);
        }
        match store.stored_sum(&name) {
            Ok(StoredSum::Crc64(sum)) if sum == crc => sums.good += Count(1),
            Ok(StoredSum::Crc64(sum)) => {
                sums.bad += Count(1);
                let what = format!("its stored CRC64NVME is {sum:016x}, the index says {crc:016x}: other bytes");
                report.rotten.push((name.clone(), size, what.clone()));
                report.add(Severity::Damage, Some(&name), what);
            }
            // That it is missing is told from the listing.
            Ok(StoredSum::NotKept | StoredSum::Missing) => sums.unknown += Count(1),
            Err(StoreError::Denied { .. }) => report.denied += Count(1),
            Err(error) => return Err(error.into()),
        }
        observer.progress(&Progress { objects: Count(n as u64 + 1), ..Progress::default() });
    }
    if sums.unknown.0 > 0 {
        let what = format!("{} packs have no CRC64NVME that the store could tell", sums.unknown);
        report.add(Severity::Note, None, what);
    }
    Ok(sums)
}

/// True if every chunk of a pack lies in another pack, too, which is `there` and is not lost.
pub fn replaced(catalog: &Catalog, pack: &ObjectName, there: &dyn Fn(&ObjectName) -> bool) -> Result<bool, AuditError> {
    let Some(id) = catalog.pack_named(pack)? else { return Ok(false) };
    let (kind, lost) = (catalog.pack(id)?.kind, catalog.lost()?);
    let chunks = catalog.chunks_of_pack(id)?;
    for chunk in &chunks {
        let mut found = false;
        for other in catalog.locations(kind, chunk.id, Trusted::Yes)? {
            // A delta is worth what its base is, and that may be in the pack that is lost.
            if other.pack == id || other.chunk.base.is_some() {
                continue;
            }
            let name = catalog.pack(other.pack)?.name;
            found |= there(&name) && !lost.contains(&name);
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(!chunks.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{ObjectId, Readable, Time};

    fn listed(kind: Kind, n: u8, class: StorageClass) -> Listed {
        let name = names::object(kind, ObjectId::new([n; 32]));
        Listed { name, size: Bytes(10), modified: Time(0), class, readable: Readable::Now }
    }

    #[test]
    fn objects_in_another_class_are_told_once_a_kind() {
        let classes =
            Classes { cold: StorageClass::DeepArchive, warm: StorageClass::Standard, hot: StorageClass::Standard };
        let mut all = vec![
            listed(Kind::Packs, 1, StorageClass::DeepArchive),
            listed(Kind::Warm, 2, StorageClass::Standard),
            listed(Kind::Index, 3, StorageClass::Standard),
        ];
        let mut report = Report::default();
        classes.check(all.iter(), &mut report);
        assert_eq!(report.findings, []);
        all.push(listed(Kind::Packs, 4, StorageClass::Standard));
        all.push(listed(Kind::Packs, 5, StorageClass::Standard));
        all.push(listed(Kind::Trees, 6, StorageClass::DeepArchive));
        classes.check(all.iter(), &mut report);
        assert_eq!((report.findings.len(), report.count(Severity::Warning)), (2, 2), "{:?}", report.findings);
        let texts: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("STANDARD instead of DEEP_ARCHIVE, and 1 more"), "{texts:?}");
        assert!(texts[1].contains("DEEP_ARCHIVE instead of STANDARD:"), "{texts:?}");
    }
}
