//! Chunks of packs against their ids, for whoever holds an identity.

use darkslide_format::frame;
use darkslide_format::identity::Identities;
use darkslide_format::manifest::{ChunkRow, Manifest};
use darkslide_format::trust::Standing;
use darkslide_format::unpack::{self, OpenPack};
use darkslide_format::{FormatError, IdKey};
use darkslide_store::ReadOutcome;
use darkslide_words::{ChunkId, Count, ObjectName};

use super::{Worker, lock};
use crate::report::Severity;

impl Worker<'_> {
    /// Opens a pack and checks each of its chunks.
    pub(super) fn pack(
        &mut self,
        name: &ObjectName,
        bytes: Vec<u8>,
        identities: &Identities,
        key: &IdKey,
    ) -> Result<(), FormatError> {
        let pack = OpenPack::open(&bytes, &identities.all())?;
        drop(bytes);
        let trust = self.shared.context.trust;
        let signed = pack.manifest(Some(trust.repository()))?;
        let standing = trust.standing(signed.signer.writer_id());
        if standing != Standing::Trusted {
            let what = format!("its writer {} is {standing:?}", trust.writer_name(signed.signer.writer_id()));
            self.shared.add(Severity::Warning, self.store, name, what);
        }
        let manifest = signed.manifest;
        let mut checked = Count(0);
        for row in &manifest.chunks {
            let result = self.chunk(&pack, &manifest, row, identities, key);
            match result {
                Ok(()) => checked += Count(1),
                Err(error) => self.shared.add(Severity::Damage, self.store, name, error),
            }
        }
        lock(&self.shared.report).chunks += checked;
        Ok(())
    }

    fn chunk(
        &mut self,
        pack: &OpenPack,
        manifest: &Manifest,
        row: &ChunkRow,
        identities: &Identities,
        key: &IdKey,
    ) -> Result<(), FormatError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let result =
            unpack::decode(row, pack.frame(row)?, &mut self.unframer, &mut buffer).and_then(|()| match row.base {
                None => unpack::check(row.id, &buffer, key),
                Some(base) => {
                    let base = self.base(pack, manifest, base, identities)?;
                    let plain = frame::undelta(&buffer, &base, row.plain.0 as usize)?;
                    unpack::check(row.id, &plain, key)
                }
            });
        self.buffer = buffer;
        result
    }

    /// The plaintext of a delta's base, in this pack or the one that is named.
    fn base(
        &mut self,
        pack: &OpenPack,
        manifest: &Manifest,
        id: ChunkId,
        identities: &Identities,
    ) -> Result<Vec<u8>, FormatError> {
        let in_table = |m: &Manifest| m.chunks.iter().copied().find(|r| r.id == id && r.base.is_none());
        let mut plain = Vec::new();
        if let Some(row) = in_table(manifest) {
            unpack::decode(&row, pack.frame(&row)?, &mut self.unframer, &mut plain)?;
            return Ok(plain);
        }
        if let Some(known) = self.bases.get(&id) {
            return Ok(known.clone());
        }
        let lost =
            || FormatError::Malformed { what: "a delta", detail: format!("its base {} cannot be had", id.short()) };
        let object = manifest.bases.iter().find(|b| b.chunk == id).map(|b| b.object.clone()).ok_or_else(lost)?;
        let Ok(ReadOutcome::Bytes(bytes)) = self.shared.context.stores[self.store].read(&object, None) else {
            return Err(lost());
        };
        let other = OpenPack::open(&bytes, &identities.all())?;
        let table = other.manifest(Some(self.shared.context.trust.repository()))?.manifest;
        // All bases that this pack names there, while it is open; one pack's worth.
        self.bases.clear();
        for wanted in manifest.bases.iter().filter(|b| b.object == object) {
            if let Some(row) = table.chunks.iter().find(|r| r.id == wanted.chunk && r.base.is_none()) {
                let mut plain = Vec::new();
                unpack::decode(row, other.frame(row)?, &mut self.unframer, &mut plain)?;
                self.bases.insert(wanted.chunk, plain);
            }
        }
        self.bases.get(&id).cloned().ok_or_else(lost)
    }
}
