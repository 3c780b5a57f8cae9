//! Packs, chunks, segments, and the durable rows before each PUT.

use darkslide_words::{Bytes, ChunkId, ObjectId, ObjectName, WriterId};
use rusqlite::{OptionalExtension as _, Row, Statement, params};

use crate::{Catalog, CatalogError, bulk};

/// A pack's row number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub i64);

/// What recording a pack did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedPack {
    /// Its row.
    pub id: PackId,
    /// True if its chunks are still to be recorded.
    pub is_new: bool,
}

/// Whether a pack can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackState {
    /// In the store, as far as is known.
    Stored,
    /// Condemned by a prune: new snapshots must not rely on it.
    Condemned,
    /// Was not in the store's last listing.
    Gone,
    /// Deleted by a prune: nothing needs it, and nobody misses it.
    Pruned,
}

impl PackState {
    fn code(self) -> i64 {
        self as i64
    }

    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Stored,
            1 => Self::Condemned,
            3 => Self::Pruned,
            _ => Self::Gone,
        }
    }
}

/// What is known of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFacts {
    /// Object name.
    pub name: ObjectName,
    /// The format's code of the kind.
    pub kind: i64,
    /// Sealed bytes.
    pub size: Bytes,
    /// CRC64NVME of them.
    pub crc64: u64,
    /// Age header.
    pub header: Vec<u8>,
    /// Payload nonce.
    pub nonce: Vec<u8>,
    /// Offset of the manifest's frame.
    pub manifest_off: Bytes,
    /// Length of the manifest's frame.
    pub manifest_len: Bytes,
}

/// Where a chunk lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFacts {
    /// The chunk.
    pub id: ChunkId,
    /// Offset of its frame.
    pub off: Bytes,
    /// Length of its frame.
    pub len: Bytes,
    /// Plain length.
    pub plain: Bytes,
    /// For a delta: its base.
    pub base: Option<ChunkId>,
}

/// One of a chunk's places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The pack.
    pub pack: PackId,
    /// Where in it.
    pub chunk: ChunkFacts,
}

/// A PUT that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Object name.
    pub name: ObjectName,
    /// Its bytes.
    pub size: Bytes,
    /// CRC64NVME.
    pub crc64: u64,
    /// What to record once it is there: the pack's index row, or nothing.
    pub payload: Vec<u8>,
}

fn id_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<ChunkId>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(bytes.and_then(|b| ChunkId::from_slice(&b)))
}

fn name_of(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectName> {
    let text: String = row.get(column)?;
    ObjectName::new(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)? as u64)
}

impl Catalog {
    /// Records that a PUT is about to begin.
    pub fn add_pending(&self, pending: &Pending) -> Result<(), CatalogError> {
        let mut insert = self
            .conn
            .prepare_cached("INSERT OR REPLACE INTO pending (name, size, crc, payload) VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![pending.name.as_str(), pending.size.0 as i64, pending.crc64 as i64, pending.payload])?;
        Ok(())
    }

    /// PUTs that were begun and not recorded as done.
    pub fn pending(&self) -> Result<Vec<Pending>, CatalogError> {
        let mut query = self.conn.prepare("SELECT name, size, crc, payload FROM pending ORDER BY name")?;
        let rows = query.query_map([], |row| {
            Ok(Pending {
                name: name_of(row, 0)?,
                size: Bytes(unsigned(row, 1)?),
                crc64: unsigned(row, 2)?,
                payload: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The PUT is done, or was given up.
    pub fn drop_pending(&self, name: &ObjectName) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM pending WHERE name = ?1")?;
        delete.execute([name.as_str()])?;
        Ok(())
    }

    /// Records a stored pack; its chunks follow with [`Catalog::add_chunks`] where
    /// the row is new. Call it in a transaction.
    pub fn add_pack(
        &self,
        facts: &PackFacts,
        segment: Option<ObjectId>,
        trusted: Trusted,
    ) -> Result<AddedPack, CatalogError> {
        let segment = segment.map(|s| s.as_bytes().to_vec());
        if let Some(id) = self.pack_named(&facts.name)? {
            let believed: bool =
                self.conn.query_row("SELECT trusted FROM packs WHERE id = ?1", [id.0], |row| row.get(0))?;
            if believed || trusted == Trusted::No {
                return Ok(AddedPack { id, is_new: false });
            }
            // What somebody untrusted said of the pack gives way, and so does its row.
            self.conn.execute("DELETE FROM chunks WHERE kind = ?1 AND pack = ?2", params![facts.kind, id.0])?;
            self.conn.execute(
                "UPDATE packs SET kind = ?2, size = ?3, crc = ?4, header = ?5, nonce = ?6, manifest_off = ?7,
                 manifest_len = ?8, segment = ?9, trusted = 1 WHERE id = ?1",
                params![
                    id.0,
                    facts.kind,
                    facts.size.0 as i64,
                    facts.crc64 as i64,
                    facts.header,
                    facts.nonce,
                    facts.manifest_off.0 as i64,
                    facts.manifest_len.0 as i64,
                    segment
                ],
            )?;
            return Ok(AddedPack { id, is_new: true });
        }
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO packs (name, kind, size, crc, header, nonce, manifest_off, manifest_len, segment, trusted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        insert.execute(params![
            facts.name.as_str(),
            facts.kind,
            facts.size.0 as i64,
            facts.crc64 as i64,
            facts.header,
            facts.nonce,
            facts.manifest_off.0 as i64,
            facts.manifest_len.0 as i64,
            segment,
            trusted as i64
        ])?;
        Ok(AddedPack { id: PackId(self.conn.last_insert_rowid()), is_new: true })
    }

    /// Records chunks of packs, given by kind and pack; in the order of the table,
    /// so that each of its pages is touched once.
    pub fn add_chunks(&self, chunks: &[(i64, PackId, ChunkFacts)]) -> Result<(), CatalogError> {
        // The first bytes of ids, which are hashes, put them in order, all but a few.
        let first = |c: &ChunkFacts| c.id.as_bytes().first_chunk().map(|first| u64::from_be_bytes(*first));
        let mut sorted: Vec<_> = chunks.iter().map(|chunk| ((chunk.0, first(&chunk.2)), chunk)).collect();
        sorted.sort_unstable_by_key(|(order, _)| *order);
        let chunks: Vec<_> = sorted.into_iter().map(|(_, chunk)| chunk).collect();
        let into = "INSERT OR IGNORE INTO chunks (kind, id, pack, off, len, plain, base) VALUES";
        let mut one = self.conn.prepare_cached(&bulk::statement(into, CHUNK, 1))?;
        let mut several = self.conn.prepare_cached(&bulk::statement(into, CHUNK, bulk::ROWS))?;
        let (full, rest) = chunks.as_chunks::<{ bulk::ROWS }>();
        full.iter().try_for_each(|rows| insert(&mut several, rows))?;
        rest.chunks(1).try_for_each(|row| insert(&mut one, row))
    }

    /// The row of a pack.
    pub fn pack_named(&self, name: &ObjectName) -> Result<Option<PackId>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT id FROM packs WHERE name = ?1")?;
        Ok(query.query_row([name.as_str()], |row| row.get(0)).optional()?.map(PackId))
    }

    /// What is known of a pack.
    pub fn pack(&self, id: PackId) -> Result<PackFacts, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT name, kind, size, crc, header, nonce, manifest_off, manifest_len FROM packs WHERE id = ?1",
        )?;
        query.query_row([id.0], pack_row).optional()?.ok_or(CatalogError::BrokenRow { what: "a pack" })
    }

    /// Every pack that is there or should be: row, facts, state, whether a trusted
    /// segment lists it.
    pub fn for_each_pack<E: From<CatalogError>>(
        &self,
        mut each: impl FnMut(PackId, PackFacts, PackState, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_known_pack(|id, facts, state, trusted| match state {
            PackState::Pruned => Ok(()),
            _ => each(id, facts, state, trusted),
        })
    }

    /// The same with those that a prune deleted: their rows stay, since rows of the
    /// library name packs by number.
    pub fn for_each_known_pack<E: From<CatalogError>>(
        &self,
        mut each: impl FnMut(PackId, PackFacts, PackState, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let step = |e| E::from(CatalogError::Sqlite(e));
        let mut query = self
            .conn
            .prepare_cached(
                "SELECT name, kind, size, crc, header, nonce, manifest_off, manifest_len, id, state, trusted
                 FROM packs ORDER BY id",
            )
            .map_err(step)?;
        let mut rows = query.query([]).map_err(step)?;
        while let Some(row) = rows.next().map_err(step)? {
            let id = PackId(row.get(8).map_err(step)?);
            let state = PackState::from_code(row.get(9).map_err(step)?);
            let trusted: bool = row.get(10).map_err(step)?;
            each(id, pack_row(row).map_err(step)?, state, trusted)?;
        }
        Ok(())
    }

    /// How a pack stands.
    pub fn pack_state(&self, id: PackId) -> Result<PackState, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT state FROM packs WHERE id = ?1")?;
        Ok(PackState::from_code(query.query_row([id.0], |row| row.get(0))?))
    }

    /// Changes what is believed of a pack.
    pub fn set_pack_state(&self, id: PackId, state: PackState) -> Result<(), CatalogError> {
        self.conn.execute("UPDATE packs SET state = ?2 WHERE id = ?1", params![id.0, state.code()])?;
        Ok(())
    }

    /// Packs that are there and that no segment lists yet.
    pub fn unindexed(&self) -> Result<Vec<PackId>, CatalogError> {
        let mut query = self.conn.prepare("SELECT id FROM packs WHERE segment IS NULL AND state = 0 ORDER BY id")?;
        let rows = query.query_map([], |row| row.get(0).map(PackId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The chunks of a pack, in the order of their frames.
    pub fn chunks_of_pack(&self, id: PackId) -> Result<Vec<ChunkFacts>, CatalogError> {
        let kind = self.pack(id)?.kind;
        let mut query = self.conn.prepare_cached(
            "SELECT off, len, plain, base, id FROM chunks WHERE kind = ?1 AND pack = ?2 ORDER BY off",
        )?;
        let rows = query.query_map(params![kind, id.0], chunk_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All chunks, pack by pack in no special order.
    pub fn for_each_chunk<E: From<CatalogError>>(
        &self,
        mut each: impl FnMut(PackId, ChunkFacts) -> Result<(), E>,
    ) -> Result<(), E> {
        let step = |e| E::from(CatalogError::Sqlite(e));
        let mut query = self.conn.prepare("SELECT off, len, plain, base, id, pack FROM chunks").map_err(step)?;
        let mut rows = query.query([]).map_err(step)?;
        while let Some(row) = rows.next().map_err(step)? {
            each(PackId(row.get(5).map_err(step)?), chunk_row(row).map_err(step)?)?;
        }
        Ok(())
    }

    /// Where a chunk lies. For new snapshots only in packs that are there and that
    /// trusted writers vouch for; for reading in any, the likeliest first.
    pub fn locations(&self, kind: i64, id: ChunkId, only: Trusted) -> Result<Vec<Location>, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT c.off, c.len, c.plain, c.base, c.id, c.pack, p.state, p.trusted FROM chunks c
             JOIN packs p ON p.id = c.pack
             WHERE c.kind = ?1 AND c.id = ?2 AND (?3 = 0 OR (p.state = 0 AND p.trusted = 1))",
        )?;
        let rows = query.query_map(params![kind, id.as_bytes().as_slice(), only as i64], |row| {
            let rank = (row.get::<_, i64>(6)?, -row.get::<_, i64>(7)?, row.get::<_, i64>(5)?);
            Ok((rank, Location { chunk: chunk_row(row)?, pack: PackId(rank.2) }))
        })?;
        // Mostly there is one: a sorter of the database's would cost more than the look.
        let mut found = rows.collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable_by_key(|(rank, _)| *rank);
        Ok(found.into_iter().map(|(_, location)| location).collect())
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> Result<u64, CatalogError> {
        Ok(self.conn.query_row("SELECT count(*) FROM chunks", [], |row| unsigned(row, 0))?)
    }

    /// True if the segment was read before.
    pub fn has_segment(&self, id: ObjectId) -> Result<bool, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM segments WHERE id = ?1")?;
        Ok(query.exists([id.as_bytes().as_slice()])?)
    }

    /// Remembers a segment, and that it lists these packs.
    pub fn add_segment(
        &self,
        id: ObjectId,
        writer: WriterId,
        trusted: Trusted,
        packs: &[PackId],
    ) -> Result<(), CatalogError> {
        let mut insert =
            self.conn.prepare_cached("INSERT OR REPLACE INTO segments (id, writer, trusted) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![id.as_bytes().as_slice(), writer.as_bytes().as_slice(), trusted as i64])?;
        let mut update = self
            .conn
            .prepare_cached("UPDATE packs SET segment = ?2 WHERE id = ?1 AND (segment IS NULL OR trusted <= ?3)")?;
        for pack in packs {
            update.execute(params![pack.0, id.as_bytes().as_slice(), trusted as i64])?;
        }
        Ok(())
    }

    /// The segments that were read or written here.
    pub fn segments(&self) -> Result<Vec<ObjectId>, CatalogError> {
        let mut query = self.conn.prepare("SELECT id FROM segments")?;
        let rows = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let mut out = Vec::new();
        for row in rows {
            out.extend(ObjectId::from_slice(&row?));
        }
        Ok(out)
    }

    /// Forgets a segment that is in the store no more; its packs are in none then.
    pub fn drop_segment(&self, id: ObjectId) -> Result<(), CatalogError> {
        self.conn.execute("UPDATE packs SET segment = NULL WHERE segment = ?1", [id.as_bytes().as_slice()])?;
        self.conn.execute("DELETE FROM segments WHERE id = ?1", [id.as_bytes().as_slice()])?;
        Ok(())
    }

    /// Names of all packs that a segment lists, as far as is known.
    pub fn indexed(&self) -> Result<Vec<ObjectName>, CatalogError> {
        let mut query = self.conn.prepare("SELECT name FROM packs WHERE segment IS NOT NULL")?;
        let rows = query.query_map([], |row| name_of(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Packs that are listed by this segment, as far as is known, and by none since.
    pub fn packs_of_segment(&self, id: ObjectId) -> Result<Vec<PackId>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT id FROM packs WHERE segment = ?1")?;
        let rows = query.query_map([id.as_bytes().as_slice()], |row| row.get(0).map(PackId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Pairs of packs: the first holds a delta whose base the second holds in full.
    pub fn bases_of_packs(&self) -> Result<Vec<(ObjectName, ObjectName)>, CatalogError> {
        let mut query = self.conn.prepare(
            "SELECT DISTINCT p.name, q.name FROM chunks d JOIN chunks b ON b.kind = d.kind AND b.id = d.base
             AND b.base IS NULL JOIN packs p ON p.id = d.pack JOIN packs q ON q.id = b.pack
             WHERE d.base IS NOT NULL AND d.pack <> b.pack",
        )?;
        let rows = query.query_map([], |row| Ok((name_of(row, 0)?, name_of(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Believes no pack of this writer's segments any more for dedup.
    pub fn distrust(&self, writer: WriterId) -> Result<(), CatalogError> {
        self.conn.execute(
            "UPDATE packs SET trusted = 0 WHERE segment IN (SELECT id FROM segments WHERE writer = ?1)",
            [writer.as_bytes().as_slice()],
        )?;
        self.conn.execute("UPDATE segments SET trusted = 0 WHERE writer = ?1", [writer.as_bytes().as_slice()])?;
        Ok(())
    }
}

/// Whether a trusted writer vouches for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Anybody's.
    No = 0,
    /// A trusted writer's.
    Yes = 1,
}

/// Columns of a chunk's row.
const CHUNK: usize = 7;

/// Inserts chunks by a statement that takes as many.
fn insert(statement: &mut Statement<'_>, rows: &[&(i64, PackId, ChunkFacts)]) -> Result<(), CatalogError> {
    for (n, (kind, pack, c)) in rows.iter().enumerate() {
        let at = n * CHUNK + 1;
        statement.raw_bind_parameter(at, kind)?;
        statement.raw_bind_parameter(at + 1, c.id.as_bytes().as_slice())?;
        statement.raw_bind_parameter(at + 2, pack.0)?;
        statement.raw_bind_parameter(at + 3, c.off.0 as i64)?;
        statement.raw_bind_parameter(at + 4, c.len.0 as i64)?;
        statement.raw_bind_parameter(at + 5, c.plain.0 as i64)?;
        statement.raw_bind_parameter(at + 6, c.base.as_ref().map(|b| b.as_bytes().as_slice()))?;
    }
    statement.raw_execute()?;
    Ok(())
}

fn pack_row(row: &Row<'_>) -> rusqlite::Result<PackFacts> {
    Ok(PackFacts {
        name: name_of(row, 0)?,
        kind: row.get(1)?,
        size: Bytes(unsigned(row, 2)?),
        crc64: unsigned(row, 3)?,
        header: row.get(4)?,
        nonce: row.get(5)?,
        manifest_off: Bytes(unsigned(row, 6)?),
        manifest_len: Bytes(unsigned(row, 7)?),
    })
}

fn chunk_row(row: &Row<'_>) -> rusqlite::Result<ChunkFacts> {
    Ok(ChunkFacts {
        off: Bytes(unsigned(row, 0)?),
        len: Bytes(unsigned(row, 1)?),
        plain: Bytes(unsigned(row, 2)?),
        base: id_of(row, 3)?,
        id: id_of(row, 4)?.ok_or(rusqlite::Error::InvalidQuery)?,
    })
}
