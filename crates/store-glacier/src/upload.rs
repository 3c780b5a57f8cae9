//! A cold object on its way into the vault: at once, or in parts that a later attempt goes on
//! with.

use darkslide_store::vault::Standing;
use darkslide_store::{Payload, PutOutcome, StoreError};
use darkslide_words::ObjectName;

use crate::VaultStore;
use crate::failure::Failure;
use crate::record::{ArchiveRow, UploadRow};
use crate::service::{Body, Uploaded};
use crate::tree::Sums;

impl VaultStore {
    /// Puts an archive, its row, and its receipt.
    pub(crate) fn put_archive(&self, name: &ObjectName, bytes: &Payload) -> Result<PutOutcome, StoreError> {
        let _turn = self.turns.take(name);
        let size = bytes.len() as u64;
        if let Some(there) = self.receipt(name)? {
            self.record.transaction(|| self.adopt(&there))?;
            return self.compare(name, there.size, size);
        }
        if let Some(row) = self.record.archive_of(name)? {
            if !row.receipt {
                // It arrived, and then this machine was cut off.
                let settled = self.settle(&row, name)?;
                return if row.size == size { Ok(settled) } else { self.compare(name, row.size, size) };
            }
            self.record.put_archive(&ArchiveRow {
                standing: Standing::Gone,
                gone: Some(self.clock.now()),
                receipt: false,
                ..row
            })?;
        }
        let sums = Sums::of(bytes);
        let tree = sums.tree();
        let description = self.description(name);
        let done = match self.settings.part_of(size) {
            Some(part) => self.in_parts(name, bytes, &sums, part)?,
            None => {
                let body = Body { bytes: bytes.clone(), tree: tree.clone() };
                let done =
                    self.service.upload(&description, &body).map_err(|f| self.error(&f, "uploading", Some(name)))?;
                self.pace(size);
                done
            }
        };
        if done.tree.as_deref().is_some_and(|theirs| theirs != tree) {
            return Err(StoreError::Corrupted { store: self.label.clone(), name: name.clone() });
        }
        let row = ArchiveRow {
            id: done.archive,
            name: Some(name.clone()),
            standing: Standing::Ours,
            size,
            tree,
            created: self.clock.now().to_millis(),
            description,
            receipt: false,
            gone: None,
            inventoried: None,
            differs: false,
        };
        self.record.transaction(|| {
            self.record.put_archive(&row)?;
            self.record.drop_upload(name)
        })?;
        self.settle(&row, name)
    }

    /// In parts; goes on with an upload of the same bytes that was cut off.
    fn in_parts(&self, name: &ObjectName, bytes: &Payload, sums: &Sums, part: u64) -> Result<Uploaded, StoreError> {
        let size = bytes.len() as u64;
        let failed = |f: Failure| self.error(&f, "uploading", Some(name));
        let tree = sums.tree();
        let same = |row: &UploadRow| (row.size, row.part, row.tree.as_str()) == (size, part, tree.as_str());
        let mut there = Vec::new();
        let mut upload = None;
        if let Some(row) = self.record.upload(name)?.filter(same) {
            match self.service.parts(&row.upload) {
                Ok(parts) => (there, upload) = (parts, Some(row.upload)),
                // It lapsed, or it was completed and the answer got lost: then completing says so again.
                Err(failure) if failure.is_missing() => {
                    if let Ok(done) = self.service.complete_upload(&row.upload, size, &tree) {
                        return Ok(done);
                    }
                    self.record.drop_upload(name)?;
                }
                Err(failure) => return Err(failed(failure)),
            }
        }
        let upload = match upload {
            Some(upload) => upload,
            None => {
                let upload = self.service.begin_upload(&self.description(name), part).map_err(failed)?;
                let (tree, began) = (tree.clone(), self.clock.now());
                self.record.put_upload(&UploadRow {
                    name: name.clone(),
                    upload: upload.clone(),
                    size,
                    tree,
                    part,
                    began,
                })?;
                upload
            }
        };
        let mut from = 0;
        while from < size {
            let len = part.min(size - from);
            let tree = sums.tree_of(from, len);
            if !there.iter().any(|part| part.from == from && part.tree == tree) {
                let piece = bytes.slice(from as usize..(from + len) as usize);
                let body = Body { bytes: piece, tree: tree.clone() };
                let theirs = self.service.put_part(&upload, from, &body).map_err(failed)?;
                if theirs.is_some_and(|theirs| theirs != tree) {
                    return Err(StoreError::Corrupted { store: self.label.clone(), name: name.clone() });
                }
                self.pace(len);
            }
            from += len;
        }
        self.service.complete_upload(&upload, size, &tree).map_err(failed)
    }

    /// Deletes the archives of an object, then its receipt. Whoever is cut off in between finds it
    /// listed, and deletes it again.
    pub(crate) fn delete_archives(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let _turn = self.turns.take(name);
        let mut rows = self.record.archives_of(name)?;
        if let Some(row) = self.receipt(name)?
            && !rows.iter().any(|known| known.id == row.id)
        {
            rows.push(row);
        }
        let mut any = false;
        for row in rows.into_iter().filter(|row| row.standing != Standing::Gone) {
            any = true;
            self.delete_one(&row.id).map_err(|f| self.error(&f, "deleting", Some(name)))?;
            let gone = Some(self.clock.now());
            if row.standing == Standing::Ours {
                self.drop_receipt(name)?;
            }
            self.record.put_archive(&ArchiveRow { standing: Standing::Gone, gone, receipt: false, ..row })?;
        }
        Ok(any)
    }

    pub(crate) fn delete_one(&self, archive: &str) -> Result<(), Failure> {
        match self.service.delete(archive) {
            Err(failure) if failure.is_missing() && !failure.is_vault_missing() => Ok(()),
            done => done,
        }
    }
}
