//! Archives: kept whole, never changed, deleted one by one.

use super::ids::is_archive_id;
use super::model::Archive;
use super::tree::{Hashed, Leaves};
use super::{Call, Failure, Outcome, Received, Reply, VaultDue, checked_description};
use crate::bill::VaultUse;
use crate::blobs::Segment;
use crate::state::{ACCOUNT, Charge, Due, Record, State};

/// The largest archive or part of one request: 4 GiB.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 4 << 30;

/// Holds what arrived against the tree hash that was declared.
pub(super) fn checked_tree(call: &Call<'_>, hashed: &Hashed) -> Outcome<String> {
    let declared = call.wants("x-amz-sha256-tree-hash")?;
    let computed = hashed.leaves.root();
    if !declared.eq_ignore_ascii_case(&computed) {
        return Err(Failure::invalid(format!("Checksum mismatch: expected {declared} but was {computed}")));
    }
    Ok(computed)
}

impl State {
    /// Refuses, before its bytes come, an upload that cannot succeed.
    pub fn expect_upload(&self, call: &Call<'_>, bytes: u64) -> Outcome<()> {
        self.vault(&call.named.vault)?;
        call.wants("x-amz-sha256-tree-hash")?;
        if bytes == 0 || bytes > UPLOAD_BYTES_MAX {
            return Err(Failure::invalid(format!("Invalid Content-Length: {bytes}; it is from 1 byte to 4 GiB")));
        }
        if call.named.id.is_empty() {
            checked_description(call.header("x-amz-archive-description"))?;
        } else {
            self.expect_part(call, bytes)?;
        }
        Ok(())
    }

    pub(super) fn upload_archive(&mut self, call: &Call<'_>, received: Received) -> Outcome<Reply> {
        let hash = checked_tree(call, &received.hashed)?;
        let description = call.header("x-amz-archive-description").unwrap_or_default();
        let Hashed { leaves, bytes, .. } = received.hashed;
        let id = self.put_whole(&call.named.vault, description, (bytes, leaves), vec![received.segment])?;
        Ok(kept(&call.named.vault, &id, &hash))
    }

    /// An archive whose bytes nobody has, for drills.
    pub fn put_archive(&mut self, vault: &str, text: &str, size: u64, body: Vec<Segment>) -> Outcome<String> {
        self.put_whole(vault, text, (size, Leaves::default()), body)
    }

    /// An archive that came in one request.
    fn put_whole(
        &mut self,
        vault: &str,
        description: &str,
        (size, leaves): (u64, Leaves),
        body: Vec<Segment>,
    ) -> Outcome<String> {
        let description = checked_description(Some(description))?;
        self.vault(vault)?;
        self.charge(Charge::Vault(VaultUse::Upload, 1));
        self.refer(&body);
        let (created, billed_from) = (self.now, self.now);
        self.keep_archive(vault, Archive { description, created, size, leaves, body, billed_from })
    }

    /// Adds an archive whose blobs are referred to already.
    pub(super) fn keep_archive(&mut self, vault: &str, archive: Archive) -> Outcome<String> {
        let id = self.fresh_archive_id(vault);
        self.part_of_vault_mut(vault)?.archives.insert(id.clone(), archive);
        self.dirty.insert(Record::Archive(vault.to_string(), id.clone()));
        self.written_to(vault)?;
        Ok(id)
    }

    /// The next inventory will differ; the first archive begins their daily round.
    fn written_to(&mut self, vault: &str) -> Outcome<()> {
        let first = self.first_inventory(vault);
        let found = self.part_of_vault_mut(vault)?;
        if found.changed && found.inventory_due.is_some() {
            return Ok(());
        }
        found.changed = true;
        let due = *found.inventory_due.get_or_insert(first);
        self.plan(due, Due::Vault(vault.to_string(), VaultDue::Inventory));
        self.dirty.insert(Record::Vault(vault.to_string()));
        Ok(())
    }

    /// Once more is no error; what never was, is.
    pub(super) fn delete_archive(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let (vault, id) = (&call.named.vault, &call.named.id);
        self.vault(vault)?;
        let Some(archive) = self.part_of_vault_mut(vault)?.archives.remove(id) else {
            let known = is_archive_id(vault, id, self.counter);
            let unknown = || Failure::not_found(format!("The archive ID was not found: {id}"));
            return if known { Ok(Reply::status(204)) } else { Err(unknown()) };
        };
        let from = archive.billed_from.max(self.billed_until);
        self.charge(Charge::VaultStored { bytes: archive.size, from, to: self.now });
        self.charge(Charge::VaultRemoved { bytes: archive.size, since: archive.created });
        self.release(&archive.body);
        self.dirty.insert(Record::Archive(vault.clone(), id.clone()));
        self.written_to(vault)?;
        Ok(Reply::status(204))
    }
}

/// The answer to whoever uploaded an archive.
pub(super) fn kept(vault: &str, id: &str, hash: &str) -> Reply {
    Reply::status(201)
        .with("location", format!("/{ACCOUNT}/vaults/{vault}/archives/{id}"))
        .with("x-amz-archive-id", id)
        .with("x-amz-sha256-tree-hash", hash)
}
