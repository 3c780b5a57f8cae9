//! Receipts: for each archive a small object in the companion store that says which archive holds
//! which object. So a lost record is read back at once, without an inventory, and several
//! machines see each other's archives. The companion is create-only: of two archives with one
//! object the one whose receipt came first counts.

use darkslide_store::vault::Standing;
use darkslide_store::{Payload, PutFacts, PutOutcome, ReadOutcome, Store, StoreError};
use darkslide_words::{ObjectName, Temperature, Time};
use serde::{Deserialize, Serialize};

use crate::VaultStore;
use crate::record::ArchiveRow;

/// Where receipts lie in the companion.
pub(crate) const PREFIX: &str = "archives/";
/// Which vault, and which set of archives in it, the companion belongs to.
pub(crate) const SET: &str = "archives.json";

/// A receipt as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Version of its form.
    pub(crate) darkslide: u32,
    pub(crate) archive: String,
    pub(crate) size: String,
    pub(crate) tree: String,
    pub(crate) uploaded: String,
}

/// What the companion says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetFacts {
    /// Version of its form.
    pub(crate) darkslide: u32,
    pub(crate) vault: String,
    pub(crate) set: String,
}

fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

/// Whether a name is one that this store keeps for itself.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX) || name == SET
}

fn receipt_name(name: &ObjectName) -> Result<ObjectName, StoreError> {
    ObjectName::new(format!("{PREFIX}{name}")).map_err(|_| StoreError::Missing { name: name.clone() })
}

/// Puts a small hot object.
pub(crate) fn put_small(store: &dyn Store, name: &ObjectName, bytes: Vec<u8>) -> Result<PutOutcome, StoreError> {
    let facts = PutFacts { crc64: crc64(&bytes), temperature: Temperature::Hot };
    store.put_shared(name, &Payload::from(bytes), &facts)
}

impl VaultStore {
    /// The archive that the companion's receipt names; nothing where there is none.
    pub(crate) fn receipt(&self, name: &ObjectName) -> Result<Option<ArchiveRow>, StoreError> {
        let ReadOutcome::Bytes(bytes) = self.companion.read(&receipt_name(name)?, None)? else { return Ok(None) };
        let broken = |why: String| {
            StoreError::Setup {
            store: self.label.clone(),
            why: format!("has a receipt for {name} in its companion that cannot be read: {why}"),
            advice: "a newer Darkslide may have written it; else delete it there, and `darkslide vault inventory` writes it anew"
                .into(),
        }
        };
        let receipt: Receipt = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        let size = receipt.size.parse().map_err(|_| broken("its size is no number".into()))?;
        let created = Time::from_compact(&receipt.uploaded).map_err(|e| broken(e.to_string()))?;
        // What an inventory said of it stays known.
        let before = self.record.archive(&receipt.archive)?;
        Ok(Some(ArchiveRow {
            id: receipt.archive,
            name: Some(name.clone()),
            standing: Standing::Ours,
            size,
            tree: receipt.tree,
            created,
            description: self.description(name),
            receipt: true,
            gone: None,
            inventoried: before.as_ref().and_then(|row| row.inventoried),
            differs: before.is_some_and(|row| row.differs),
        }))
    }

    /// Writes the receipt of an archive that lies in the vault. If another archive has one already,
    /// that counts and this is a duplicate.
    pub(crate) fn settle(&self, row: &ArchiveRow, name: &ObjectName) -> Result<PutOutcome, StoreError> {
        let receipt = Receipt {
            darkslide: 1,
            archive: row.id.clone(),
            size: row.size.to_string(),
            tree: row.tree.clone(),
            uploaded: row.created.to_millis().compact(),
        };
        let bytes = serde_json::to_vec(&receipt).unwrap_or_default();
        match put_small(&*self.companion, &receipt_name(name)?, bytes) {
            Ok(PutOutcome::Created) => return self.receipted(row).map(|()| PutOutcome::Created),
            Ok(PutOutcome::AlreadyThere) | Err(StoreError::Different { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.receipt(name)? {
            Some(first) if first.id == row.id => self.receipted(row).map(|()| PutOutcome::Created),
            Some(first) => {
                self.record.transaction(|| {
                    self.record.put_archive(&ArchiveRow { standing: Standing::Duplicate, ..row.clone() })?;
                    self.adopt(&first)
                })?;
                self.compare(name, first.size, row.size)
            }
            None => Err(StoreError::Busy { store: self.label.clone(), what: format!("writing the receipt of {name}") }),
        }
    }

    fn receipted(&self, row: &ArchiveRow) -> Result<(), StoreError> {
        self.adopt(&ArchiveRow { receipt: true, ..row.clone() })
    }

    /// From here on this archive holds its object; what was believed to is not it any more.
    pub(crate) fn adopt(&self, row: &ArchiveRow) -> Result<(), StoreError> {
        let name = row.name.clone();
        if let Some(before) = name.map(|name| self.record.archive_of(&name)).transpose()?.flatten()
            && before.id != row.id
        {
            self.record.put_archive(&ArchiveRow { standing: Standing::Duplicate, receipt: false, ..before })?;
        }
        self.record.put_archive(row)
    }

    /// What exists under a name is the same if it is as long: names are hashes.
    pub(crate) fn compare(&self, name: &ObjectName, there: u64, ours: u64) -> Result<PutOutcome, StoreError> {
        match there == ours {
            true => Ok(PutOutcome::AlreadyThere),
            false => Err(StoreError::Different { store: self.label.clone(), name: name.clone() }),
        }
    }

    pub(crate) fn drop_receipt(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.companion.delete(&receipt_name(name)?)
    }

    /// Brings the record up with the receipts below a prefix: what others uploaded and deleted, and
    /// receipts that were not written any more before this machine was cut off.
    pub(crate) fn sync(&self, prefix: &str) -> Result<(), StoreError> {
        let mut listed = std::collections::BTreeSet::new();
        self.companion.list(&format!("{PREFIX}{prefix}"), &mut |found| {
            let name = found.name.as_str().strip_prefix(PREFIX).and_then(|name| ObjectName::new(name).ok());
            listed.extend(name);
            Ok(())
        })?;
        for row in self.record.ours(prefix)? {
            let Some(name) = row.name.clone() else { continue };
            match (listed.remove(&name), row.receipt) {
                (true, true) => {}
                (false, true) => {
                    // Whoever deletes an archive deletes its receipt last.
                    let gone = Some(self.clock.now());
                    self.record.put_archive(&ArchiveRow { standing: Standing::Gone, gone, receipt: false, ..row })?;
                }
                (_, false) => {
                    self.settle(&row, &name)?;
                }
            }
        }
        for name in listed {
            if let Some(row) = self.receipt(&name)? {
                self.record.transaction(|| self.adopt(&row))?;
            }
        }
        Ok(())
    }
}
