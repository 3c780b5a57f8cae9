//! Previews: which packs of them there are, which content each describes, and what is still due.

use std::collections::BTreeSet;

use darkslide_words::{Bytes, ContentHash, Count, Name, ObjectName};
use rusqlite::{OptionalExtension as _, params};

use crate::{Catalog, CatalogError};

/// A pack of previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewPack {
    /// Object name.
    pub name: ObjectName,
    /// Sealed bytes.
    pub size: Bytes,
}

/// What one preview says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRecord {
    /// Of which content.
    pub hash: ContentHash,
    /// Bytes of its thumbnail; none where there is none.
    pub thumbnail: Option<Bytes>,
    /// What it says, as the pack has it.
    pub facts: Vec<u8>,
}

/// How far the previews are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PreviewStats {
    /// Photographs.
    pub photographs: Count,
    /// Those with a preview.
    pub described: Count,
    /// Those with a thumbnail.
    pub pictured: Count,
    /// Packs of previews that are known and there.
    pub packs: Count,
    /// Their sealed bytes.
    pub bytes: Bytes,
    /// Files whose preview a run that was cut off left to the next one.
    pub due: Count,
}

impl Catalog {
    /// Records a stored pack of previews and what it says. What was known of a content already stays: the
    /// first pack is the one that is needed, unless it is gone. Call it in a transaction.
    pub fn add_preview_pack(&self, pack: &PreviewPack, records: &[PreviewRecord]) -> Result<(), CatalogError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO preview_packs (name, size) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET gone = 0
             RETURNING id",
        )?;
        let id: i64 = insert.query_row(params![pack.name.as_str(), pack.size.0 as i64], |row| row.get(0))?;
        let mut add = self.conn.prepare_cached(
            "INSERT INTO previews (hash, pack, thumbnail, facts) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hash) DO UPDATE SET pack = ?2, thumbnail = ?3, facts = ?4
             WHERE (SELECT gone FROM preview_packs p WHERE p.id = pack) = 1",
        )?;
        let mut stale = self.conn.prepare_cached("UPDATE photographs SET fresh = 0 WHERE hash = ?1")?;
        let mut beside = self.conn.prepare_cached("UPDATE photographs SET fresh = 0 WHERE sidecar = ?1")?;
        let mut done = self.conn.prepare_cached("DELETE FROM previews_due WHERE hash = ?1")?;
        for record in records {
            let hash = record.hash.as_bytes().as_slice();
            let thumbnail = record.thumbnail.map_or(0, |len| len.0 as i64);
            add.execute(params![hash, id, thumbnail, record.facts])?;
            stale.execute([hash])?;
            beside.execute([hash])?;
            done.execute([hash])?;
        }
        Ok(())
    }

    /// True if some pack that is there describes this content.
    pub fn has_preview(&self, hash: &ContentHash) -> Result<bool, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT 1 FROM previews v JOIN preview_packs p ON p.id = v.pack WHERE v.hash = ?1 AND p.gone = 0",
        )?;
        Ok(query.exists([hash.as_bytes().as_slice()])?)
    }

    /// What the preview of a content says.
    pub fn preview_facts(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT facts FROM previews WHERE hash = ?1")?;
        Ok(query.query_row([hash.as_bytes().as_slice()], |row| row.get(0)).optional()?)
    }

    /// The number of the pack that describes a content, and what it says.
    pub(crate) fn preview_of(&self, hash: &ContentHash) -> Result<Option<(i64, Vec<u8>)>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT pack, facts FROM previews WHERE hash = ?1")?;
        Ok(query.query_row([hash.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The pack that holds the thumbnail of a content, where it has one.
    pub fn thumbnail_pack(&self, hash: &ContentHash) -> Result<Option<PreviewPack>, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT p.name, p.size FROM previews v JOIN preview_packs p ON p.id = v.pack
             WHERE v.hash = ?1 AND v.thumbnail > 0",
        )?;
        let found = query
            .query_row([hash.as_bytes().as_slice()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        found.map(|(name, size)| pack(&name, size)).transpose()
    }

    /// The packs of previews that are known, and whether they are there.
    pub fn preview_packs(&self) -> Result<Vec<(PreviewPack, bool)>, CatalogError> {
        let mut query = self.conn.prepare("SELECT name, size, gone FROM preview_packs ORDER BY id")?;
        let rows =
            query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)))?;
        let mut out = Vec::new();
        for row in rows {
            let (name, size, gone) = row?;
            out.push((pack(&name, size)?, !gone));
        }
        Ok(out)
    }

    /// Goes by a listing of the packs of previews: those that it does not show are gone, and what they
    /// said may be made again. How many are newly gone.
    pub fn reconcile_preview_packs(&self, there: &BTreeSet<ObjectName>) -> Result<u64, CatalogError> {
        let known = self.preview_packs()?;
        self.transaction(|| {
            let mut update = self.conn.prepare_cached("UPDATE preview_packs SET gone = ?2 WHERE name = ?1")?;
            let mut newly = 0;
            for (pack, was_there) in known {
                let is_there = there.contains(&pack.name);
                if is_there != was_there {
                    update.execute(params![pack.name.as_str(), !is_there])?;
                    newly += u64::from(!is_there);
                }
            }
            Ok(newly)
        })
    }

    /// The packs of previews that describe what is in a job's library, its photographs' sidecars with it. It goes by
    /// fresh rows.
    pub fn needed_previews(&self, job: &str) -> Result<BTreeSet<ObjectName>, CatalogError> {
        let mut query = self.conn.prepare(
            "SELECT name FROM preview_packs WHERE gone = 0 AND id IN (
               SELECT DISTINCT preview FROM photographs WHERE job = ?1
               UNION SELECT DISTINCT rated_by FROM photographs WHERE job = ?1 AND rated_by IS NOT NULL)",
        )?;
        let rows = query.query_map([job], |row| row.get::<_, String>(0))?;
        let mut out = BTreeSet::new();
        for name in rows {
            out.insert(pack(&name?, 0)?.name);
        }
        Ok(out)
    }

    /// Remembers that a preview is to be made of a file, before its row is written: a run that is cut
    /// off leaves it to the next.
    pub fn add_due_preview(&self, job: &str, path: &Name, hash: &ContentHash) -> Result<(), CatalogError> {
        let mut insert =
            self.conn.prepare_cached("INSERT OR REPLACE INTO previews_due (job, path, hash) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![job, path.as_bytes(), hash.as_bytes().as_slice()])?;
        Ok(())
    }

    /// What is due in a job's library, by path.
    pub fn due_previews(&self, job: &str) -> Result<Vec<(Name, ContentHash)>, CatalogError> {
        let mut query = self.conn.prepare("SELECT path, hash FROM previews_due WHERE job = ?1 ORDER BY path")?;
        let rows = query.query_map([job], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut out = Vec::new();
        for row in rows {
            let (path, hash) = row?;
            let hash = ContentHash::from_slice(&hash).ok_or(CatalogError::BrokenRow { what: "a due preview" })?;
            out.push((Name::new(path), hash));
        }
        Ok(out)
    }

    /// Gives a due preview up: the file is gone, or another by now.
    pub fn drop_due_preview(&self, job: &str, path: &Name) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM previews_due WHERE job = ?1 AND path = ?2")?;
        delete.execute(params![job, path.as_bytes()])?;
        Ok(())
    }

    /// Makes the previews due of all photographs of a job, and of their sidecars, that have none; how many.
    pub fn make_previews_due(&self, job: &str) -> Result<u64, CatalogError> {
        let without = "NOT EXISTS (SELECT 1 FROM previews v JOIN preview_packs p ON p.id = v.pack WHERE v.hash = h
            AND p.gone = 0)";
        let sql = format!(
            "INSERT OR REPLACE INTO previews_due (job, path, hash)
             SELECT ?1, path, h FROM (
               SELECT CASE WHEN folder = x'' THEN name ELSE CAST(folder || x'2f' || name AS BLOB) END AS path, hash AS h
               FROM photographs WHERE job = ?1) WHERE {without}"
        );
        Ok(self.conn.execute(&sql, [job])? as u64)
    }

    /// How far the previews are.
    pub fn preview_stats(&self) -> Result<PreviewStats, CatalogError> {
        let one = |sql: &str| self.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|n| n as u64);
        let described = "FROM photographs f JOIN preview_packs p ON p.id = f.preview WHERE p.gone = 0";
        let pictured = "FROM photographs f JOIN previews v ON v.hash = f.hash JOIN preview_packs p ON p.id = v.pack
            WHERE p.gone = 0 AND v.thumbnail > 0";
        Ok(PreviewStats {
            photographs: Count(one("SELECT count(*) FROM photographs")?),
            described: Count(one(&format!("SELECT count(*) {described}"))?),
            pictured: Count(one(&format!("SELECT count(*) {pictured}"))?),
            packs: Count(one("SELECT count(*) FROM preview_packs WHERE gone = 0")?),
            bytes: Bytes(one("SELECT coalesce(sum(size), 0) FROM preview_packs WHERE gone = 0")?),
            due: Count(one("SELECT count(*) FROM previews_due")?),
        })
    }
}

fn pack(name: &str, size: i64) -> Result<PreviewPack, CatalogError> {
    let name = ObjectName::new(name).map_err(|_| CatalogError::BrokenRow { what: "a pack of previews" })?;
    Ok(PreviewPack { name, size: Bytes(size as u64) })
}
