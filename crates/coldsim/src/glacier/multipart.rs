//! Multipart uploads: parts of one size, in any order, made into one archive.

use std::time::Duration;

use serde_json::{Value, json};

use super::archives::{checked_tree, kept};
use super::model::{Archive, VaultPart, VaultUpload};
use super::tree::{Leaves, MIB};
use super::{Call, Failure, Outcome, Received, Reply, VaultDue, checked_description};
use crate::bill::VaultUse;
use crate::queue::instant;
use crate::state::{ACCOUNT, Charge, Due, Record, State};

/// An upload that nobody touches for so long is gone; it may live longer at Amazon.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Parts of an upload.
const PARTS_MAX: u64 = 10_000;
/// The largest part.
const PART_BYTES_MAX: u64 = 4 << 30;
/// Items of a list.
const LISTED_MAX: usize = 50;

/// `bytes 0-1048575/*`: the first byte, and the one after the last.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, _) = text.trim().strip_prefix("bytes")?.trim_start_matches([' ', '=']).split_once('/')?;
    let (from, to) = range.split_once('-')?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse::<u64>().ok()?);
    (from <= to).then(|| (from, to.saturating_add(1)))
}

impl State {
    fn vault_upload(&self, call: &Call<'_>) -> Outcome<&VaultUpload> {
        let id = &call.named.id;
        let found = self.vault(&call.named.vault)?.uploads.get(id);
        found.ok_or_else(|| Failure::not_found(format!("The upload ID was not found: {id}")))
    }

    fn open_upload(&self, call: &Call<'_>) -> Outcome<&VaultUpload> {
        let found = self.vault_upload(call)?;
        let unknown = || Failure::not_found(format!("The upload ID was not found: {}", call.named.id));
        Some(found).filter(|upload| upload.is_open()).ok_or_else(unknown)
    }

    pub(super) fn initiate_upload(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let vault = &call.named.vault;
        self.vault(vault)?;
        let text = call.wants("x-amz-part-size")?;
        let size =
            text.parse().ok().filter(|size: &u64| size.is_power_of_two() && (MIB..=PART_BYTES_MAX).contains(size));
        let bad =
            || Failure::invalid(format!("Invalid part size: {text}; it is 1 MiB times a power of two, up to 4 GiB"));
        let part_size = size.ok_or_else(bad)?;
        let description = checked_description(call.header("x-amz-archive-description"))?;
        self.charge(Charge::Vault(VaultUse::Upload, 1));
        let id = self.fresh_long_id();
        let upload = VaultUpload {
            description,
            part_size,
            created: self.now,
            touched: self.now,
            parts: [].into(),
            archive: None,
        };
        self.part_of_vault_mut(vault)?.uploads.insert(id.clone(), upload);
        self.touched_upload(vault, &id);
        let location = format!("/{ACCOUNT}/vaults/{vault}/multipart-uploads/{id}");
        Ok(Reply::status(201).with("location", location).with("x-amz-multipart-upload-id", id))
    }

    fn touched_upload(&mut self, vault: &str, id: &str) {
        let now = self.now;
        let found = self.glacier.vaults.get_mut(vault).and_then(|vault| vault.uploads.get_mut(id));
        if let Some(upload) = found {
            upload.touched = now;
            let expires = upload.expires();
            self.plan(expires, Due::Vault(vault.to_string(), VaultDue::UploadExpires(id.to_string())));
        }
        self.dirty.insert(Record::VaultUpload(vault.to_string(), id.to_string()));
    }

    /// The first byte of a part that may come.
    pub(super) fn expect_part(&self, call: &Call<'_>, bytes: u64) -> Outcome<u64> {
        let upload = self.open_upload(call)?;
        let text = call.wants("content-range")?;
        let bad = |why: &str| Failure::invalid(format!("Invalid Content-Range: {text}; {why}"));
        let (from, to) = content_range(text).ok_or_else(|| bad("it reads `bytes FIRST-LAST/*`"))?;
        if to - from != bytes {
            return Err(bad(&format!("{bytes} bytes are sent")));
        }
        if !from.is_multiple_of(upload.part_size) || bytes > upload.part_size {
            return Err(bad(&format!("the parts of this upload have {} bytes", upload.part_size)));
        }
        if from / upload.part_size >= PARTS_MAX {
            return Err(bad("an upload has at most 10,000 parts"));
        }
        Ok(from)
    }

    pub(super) fn upload_part(&mut self, call: &Call<'_>, received: Received) -> Outcome<Reply> {
        let (vault, id) = (&call.named.vault, &call.named.id);
        let from = self.expect_part(call, received.hashed.bytes)?;
        let hash = checked_tree(call, &received.hashed)?;
        self.charge(Charge::Vault(VaultUse::Upload, 1));
        let part = VaultPart {
            size: received.hashed.bytes,
            leaves: received.hashed.leaves,
            body: received.segment,
            billed_from: self.now,
        };
        self.refer(&[part.body]);
        let found = self.part_of_vault_mut(vault)?.uploads.get_mut(id);
        let replaced = found.and_then(|upload| upload.parts.insert(from, part));
        if let Some(old) = replaced {
            self.drop_part(&old);
        }
        self.touched_upload(vault, id);
        Ok(Reply::status(204).with("x-amz-sha256-tree-hash", hash))
    }

    /// Meters a part up to now and lets go of its bytes.
    pub(super) fn drop_part(&mut self, part: &VaultPart) {
        let from = part.billed_from.max(self.billed_until);
        self.charge(Charge::VaultParts { bytes: part.size, from, to: self.now });
        self.release(&[part.body]);
    }

    pub(super) fn complete_vault_upload(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let (vault, id) = (&call.named.vault, &call.named.id);
        let upload = self.vault_upload(call)?;
        let declared = call.wants("x-amz-sha256-tree-hash")?;
        let text = call.wants("x-amz-archive-size")?;
        if let Some(archive) = &upload.archive {
            return Ok(kept(vault, archive, declared));
        }
        let size: u64 = text.parse().map_err(|_| Failure::invalid(format!("Invalid archive size: {text}")))?;
        let (leaves, body) = assembled(upload, size)?;
        let computed = leaves.root();
        if !declared.eq_ignore_ascii_case(&computed) {
            return Err(Failure::invalid(format!("Checksum mismatch: expected {declared} but was {computed}")));
        }
        let description = upload.description.clone();
        let parts: Vec<VaultPart> = upload.parts.values().cloned().collect();
        let archive = Archive { description, created: self.now, size, leaves, body, billed_from: self.now };
        self.charge(Charge::Vault(VaultUse::Upload, 1));
        self.refer(&archive.body);
        parts.iter().for_each(|part| self.drop_part(part));
        let archive = self.keep_archive(vault, archive)?;
        if let Some(upload) = self.part_of_vault_mut(vault)?.uploads.get_mut(id) {
            upload.archive = Some(archive.clone());
            upload.parts.clear();
        }
        self.touched_upload(vault, id);
        Ok(kept(vault, &archive, &computed))
    }

    pub(super) fn abort_vault_upload(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        self.open_upload(call)?;
        self.forget_upload(&call.named.vault, &call.named.id);
        Ok(Reply::status(204))
    }

    pub(super) fn forget_upload(&mut self, vault: &str, id: &str) {
        let found = self.glacier.vaults.get_mut(vault).and_then(|vault| vault.uploads.remove(id));
        for part in found.iter().flat_map(|upload| upload.parts.values()) {
            self.drop_part(part);
        }
        self.dirty.insert(Record::VaultUpload(vault.to_string(), id.to_string()));
    }

    pub(super) fn list_vault_parts(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let upload = self.open_upload(call)?;
        let part = |(from, part): (&u64, &VaultPart)| {
            let range = format!("{from}-{}", from + part.size - 1);
            (from.to_string(), json!({ "RangeInBytes": range, "SHA256TreeHash": part.leaves.root() }))
        };
        let (parts, marker) = call.page(LISTED_MAX)?.cut(upload.parts.iter().map(part).collect())?;
        let mut found = self.upload_json(&call.named.vault, &call.named.id, upload);
        found["Parts"] = Value::Array(parts);
        found["Marker"] = json!(marker);
        Ok(Reply::json(found))
    }

    fn upload_json(&self, vault: &str, id: &str, upload: &VaultUpload) -> Value {
        json!({
            "ArchiveDescription": upload.description,
            "CreationDate": instant(upload.created),
            "MultipartUploadId": id,
            "PartSizeInBytes": upload.part_size,
            "VaultARN": self.vault_arn(vault),
        })
    }

    pub(super) fn list_vault_uploads(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let vault = self.vault(&call.named.vault)?;
        let open = vault.uploads.iter().filter(|(_, upload)| upload.is_open());
        let items = open.map(|(id, upload)| (id.clone(), self.upload_json(&vault.name, id, upload))).collect();
        let (here, marker) = call.page(LISTED_MAX)?.cut(items)?;
        Ok(Reply::json(json!({ "Marker": marker, "UploadsList": here })))
    }
}

/// Parts without a gap make up the archive.
fn assembled(upload: &VaultUpload, size: u64) -> Outcome<(Leaves, Vec<crate::blobs::Segment>)> {
    let (mut leaves, mut body, mut at) = (Leaves::default(), Vec::new(), 0);
    for (from, part) in &upload.parts {
        if *from != at {
            return Err(Failure::invalid(format!("Invalid upload: the bytes {at}-{} are missing", from - 1)));
        }
        leaves.extend(&part.leaves);
        body.push(part.body);
        at += part.size;
    }
    if at != size || size == 0 {
        return Err(Failure::invalid(format!("Invalid archive size: {size}; the parts have {at} bytes")));
    }
    Ok((leaves, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 0-1048575/*"), Some((0, 1_048_576)));
        assert_eq!(content_range("bytes 5-5/100"), Some((5, 6)));
        assert_eq!(content_range("bytes 6-5/*"), None);
        assert_eq!(content_range("0-5"), None);
    }
}
