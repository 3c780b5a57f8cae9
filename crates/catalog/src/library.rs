//! The library as the last run saw it: folders, files, and the bases of
//! databases.

use std::collections::BTreeSet;

use darkslide_words::{ChunkId, Name, Time};
use rusqlite::{OptionalExtension as _, Statement, params};

use crate::{Catalog, CatalogError, PackId, bulk};

/// A folder's row number; 0 is above the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirId(pub i64);

/// What tells whether a file changed: 52 bytes, compared as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// Inode number.
    pub inode: u64,
    /// Permission bits and type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names of the inode.
    pub links: u32,
    /// For a database with a write-ahead log: that log's size and time, mixed.
    pub beside: u64,
}

/// Bytes of an encoded [`Stat`].
const STAT: usize = 56;

impl Stat {
    /// Fixed little-endian layout.
    pub fn encode(&self) -> [u8; STAT] {
        let mut out = [0; STAT];
        let words = [self.size, self.mtime.0 as u64, self.ctime.0 as u64, self.inode, self.beside];
        for (n, word) in words.iter().enumerate() {
            out[n * 8..n * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        for (n, half) in [self.mode, self.uid, self.gid, self.links].iter().enumerate() {
            out[40 + n * 4..44 + n * 4].copy_from_slice(&half.to_le_bytes());
        }
        out
    }

    /// The reverse.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; STAT] = bytes.try_into().ok()?;
        let word = |n: usize| bytes[n * 8..n * 8 + 8].try_into().map(u64::from_le_bytes).ok();
        let half = |n: usize| bytes[40 + n * 4..44 + n * 4].try_into().map(u32::from_le_bytes).ok();
        Some(Self {
            size: word(0)?,
            mtime: Time(word(1)? as i64),
            ctime: Time(word(2)? as i64),
            inode: word(3)?,
            beside: word(4)?,
            mode: half(0)?,
            uid: half(1)?,
            gid: half(2)?,
            links: half(3)?,
        })
    }

    /// True if size and modification time are the same: all that an honest
    /// program changes with the content.
    pub fn same_content_facts(&self, other: &Self) -> bool {
        self.size == other.size && self.mtime == other.mtime && self.beside == other.beside
    }
}

/// A set of packs as the catalog stores it: sorted, as differences in LEB128.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackSet(BTreeSet<PackId>);

impl PackSet {
    /// Adds a pack.
    pub fn insert(&mut self, pack: PackId) {
        self.0.insert(pack);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &PackSet) {
        self.0.extend(&other.0);
    }

    /// The packs, sorted.
    pub fn iter(&self) -> impl Iterator<Item = PackId> + '_ {
        self.0.iter().copied()
    }

    /// True if the pack is in it.
    pub fn contains(&self, pack: PackId) -> bool {
        self.0.contains(&pack)
    }

    /// Number of packs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without packs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_to(&mut out);
        out
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        let mut last = 0;
        for PackId(id) in &self.0 {
            let mut n = (id - last) as u64;
            last = *id;
            while n >= 0x80 {
                out.push(n as u8 | 0x80);
                n >>= 7;
            }
            out.push(n as u8);
        }
    }

    /// Adds the packs of an encoded set.
    pub fn decode_into(&mut self, bytes: &[u8]) {
        let (mut last, mut n, mut shift) = (0i64, 0u64, 0);
        for b in bytes {
            n |= u64::from(b & 0x7f) << shift;
            shift += 7;
            if b & 0x80 == 0 {
                last += n as i64;
                self.0.insert(PackId(last));
                (n, shift) = (0, 0);
            }
        }
    }
}

/// Columns of a file's row.
const FILE: usize = 5;

/// Inserts files by a statement that takes as many; how many were not there.
fn insert(statement: &mut Statement<'_>, rows: &[(DirId, FileRow)]) -> Result<usize, CatalogError> {
    let mut packs = Vec::new();
    for (n, (dir, row)) in rows.iter().enumerate() {
        let at = n * FILE + 1;
        packs.clear();
        row.packs.encode_to(&mut packs);
        statement.raw_bind_parameter(at, dir.0)?;
        statement.raw_bind_parameter(at + 1, row.name.as_bytes())?;
        statement.raw_bind_parameter(at + 2, row.stat.encode().as_slice())?;
        statement.raw_bind_parameter(at + 3, packs.as_slice())?;
        statement.raw_bind_parameter(at + 4, row.entry.as_slice())?;
    }
    Ok(statement.raw_execute()?)
}

impl FromIterator<PackId> for PackSet {
    fn from_iter<I: IntoIterator<Item = PackId>>(all: I) -> Self {
        let mut set = Self::default();
        all.into_iter().for_each(|pack| set.insert(pack));
        set
    }
}

/// A folder as the last run saw it.
#[derive(Debug, Clone)]
pub struct DirRow {
    /// Row number.
    pub id: DirId,
    /// Its entry (JSON), where the folder was finished.
    pub entry: Option<Vec<u8>>,
    /// Its page, where all its rows are those that the page shows.
    pub page: Option<ChunkId>,
}

/// A file or link as the last run saw it.
#[derive(Debug, Clone)]
pub struct FileRow {
    /// Its name in the folder.
    pub name: Name,
    /// What tells whether it changed.
    pub stat: Stat,
    /// Its entry (JSON).
    pub entry: Vec<u8>,
    /// Packs that hold its chunks.
    pub packs: PackSet,
}

/// One block of a database's local base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseBlock {
    /// The full chunk that stands at this place of the local base.
    pub chunk: ChunkId,
    /// Bytes of the delta that the current version needs on top, 0 if none.
    pub delta: u64,
}

impl Catalog {
    /// The row of a folder, made where absent.
    pub fn dir(&self, job: &str, parent: DirId, name: &Name) -> Result<DirRow, CatalogError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id, entry, page FROM dirs WHERE job = ?1 AND parent = ?2 AND name = ?3")?;
        let found = query
            .query_row(params![job, parent.0, name.as_bytes()], |row| {
                let page: Option<Vec<u8>> = row.get(2)?;
                Ok(DirRow {
                    id: DirId(row.get(0)?),
                    entry: row.get(1)?,
                    page: page.and_then(|p| ChunkId::from_slice(&p)),
                })
            })
            .optional()?;
        if let Some(row) = found {
            return Ok(row);
        }
        let mut insert = self.conn.prepare_cached("INSERT INTO dirs (job, parent, name) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![job, parent.0, name.as_bytes()])?;
        Ok(DirRow { id: DirId(self.conn.last_insert_rowid()), entry: None, page: None })
    }

    /// Names of the folders below a folder, sorted.
    pub fn dirs_below(&self, job: &str, parent: DirId) -> Result<Vec<(Name, DirId)>, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT name, id FROM dirs WHERE job = ?1 AND parent = ?2 ORDER BY name")?;
        let rows = query
            .query_map(params![job, parent.0], |row| Ok((Name::new(row.get::<_, Vec<u8>>(0)?), DirId(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records a finished folder; without new packs those in the row still hold.
    pub fn finish_dir(
        &self,
        dir: DirId,
        entry: &[u8],
        page: ChunkId,
        packs: Option<&PackSet>,
    ) -> Result<(), CatalogError> {
        let mut update = self
            .conn
            .prepare_cached("UPDATE dirs SET entry = ?2, page = ?3, packs = coalesce(?4, packs) WHERE id = ?1")?;
        update.execute(params![dir.0, entry, page.as_bytes().as_slice(), packs.map(PackSet::encode)])?;
        Ok(())
    }

    /// Says that a folder's page does not show its rows any more.
    pub fn open_dir(&self, dir: DirId) -> Result<(), CatalogError> {
        let mut update = self.conn.prepare_cached("UPDATE dirs SET page = NULL WHERE id = ?1 AND page IS NOT NULL")?;
        update.execute([dir.0])?;
        Ok(())
    }

    /// Forgets a folder and everything below it; how many files that were.
    pub fn remove_dir(&self, job: &str, dir: DirId) -> Result<u64, CatalogError> {
        let mut removed = 0;
        for (_, below) in self.dirs_below(job, dir)? {
            removed += self.remove_dir(job, below)?;
        }
        removed += self.conn.execute("DELETE FROM files WHERE dir = ?1", [dir.0])? as u64;
        self.conn.execute("DELETE FROM dirs WHERE id = ?1", [dir.0])?;
        Ok(removed)
    }

    /// Names and stats of a folder's files, sorted by name.
    pub fn stats(&self, dir: DirId) -> Result<Vec<(Name, Stat)>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT name, stat FROM files WHERE dir = ?1 ORDER BY name")?;
        let mut rows = query.query([dir.0])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_bytes().map_err(|_| CatalogError::BrokenRow { what: "a file" })?;
            let stat = row.get_ref(1)?.as_bytes().map_err(|_| CatalogError::BrokenRow { what: "a file" })?;
            let stat = Stat::decode(stat).ok_or(CatalogError::BrokenRow { what: "a file's stat" })?;
            out.push((Name::new(name), stat));
        }
        Ok(out)
    }

    /// Entry and packs of a file.
    pub fn file(&self, dir: DirId, name: &Name) -> Result<Option<FileRow>, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT stat, packs, entry FROM files WHERE dir = ?1 AND name = ?2")?;
        let found = query
            .query_row(params![dir.0, name.as_bytes()], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((stat, packs, entry)) = found else {
            return Ok(None);
        };
        let stat = Stat::decode(&stat).ok_or(CatalogError::BrokenRow { what: "a file's stat" })?;
        let mut set = PackSet::default();
        set.decode_into(&packs);
        Ok(Some(FileRow { name: name.clone(), stat, entry, packs: set }))
    }

    /// Records files, those of a folder one after the other. The folder's page is stale from then on,
    /// and so are the photographs among them. Call it in a transaction.
    pub fn put_files(&self, rows: &[(DirId, FileRow)]) -> Result<(), CatalogError> {
        // A REPLACE copies each page that it and its triggers touch aside, into a temporary file.
        let into = "INSERT OR IGNORE INTO files (dir, name, stat, packs, entry) VALUES";
        let mut one = self.conn.prepare_cached(&bulk::statement(into, FILE, 1))?;
        let mut several = self.conn.prepare_cached(&bulk::statement(into, FILE, bulk::ROWS))?;
        let mut delete = self.conn.prepare_cached("DELETE FROM files WHERE dir = ?1 AND name = ?2")?;
        let mut stale = self.conn.prepare_cached("INSERT OR IGNORE INTO stale_files (dir, name) VALUES (?1, ?2)")?;
        for of_one in rows.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((dir, _)) = of_one.first() else { continue };
            self.open_dir(*dir)?;
            let all = self.all_stale(*dir)?;
            for rows in of_one.chunks(bulk::ROWS) {
                // Where none of them is there already, as a rule.
                if all && rows.len() == bulk::ROWS && insert(&mut several, rows)? == rows.len() {
                    continue;
                }
                for row in rows {
                    let key = params![dir.0, row.1.name.as_bytes()];
                    if insert(&mut one, std::slice::from_ref(row))? == 0 {
                        delete.execute(key)?;
                        insert(&mut one, std::slice::from_ref(row))?;
                    }
                    if !all {
                        stale.execute(key)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Says of a folder without files that all it gets are stale: spares a row for each. True if that was
    /// said of it, now or before.
    fn all_stale(&self, dir: DirId) -> Result<bool, CatalogError> {
        let mut say = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO stale_files (dir, name)
             SELECT ?1, x'' WHERE NOT EXISTS (SELECT 1 FROM files WHERE dir = ?1)",
        )?;
        say.execute([dir.0])?;
        let mut said = self.conn.prepare_cached("SELECT 1 FROM stale_files WHERE dir = ?1 AND name = x''")?;
        Ok(said.exists([dir.0])?)
    }

    /// Forgets a file; the folder's page is stale from then on.
    pub fn remove_file(&self, dir: DirId, name: &Name) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM files WHERE dir = ?1 AND name = ?2")?;
        delete.execute(params![dir.0, name.as_bytes()])?;
        self.open_dir(dir)
    }

    /// The packs that a job's files and folders need.
    pub fn needed_packs(&self, job: &str) -> Result<PackSet, CatalogError> {
        let mut set = PackSet::default();
        for sql in [
            "SELECT packs FROM dirs WHERE job = ?1 AND packs IS NOT NULL",
            "SELECT f.packs FROM files f JOIN dirs d ON d.id = f.dir WHERE d.job = ?1",
        ] {
            let mut query = self.conn.prepare(sql)?;
            let mut rows = query.query([job])?;
            let mut last: Vec<u8> = Vec::new();
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(0)?.as_bytes().map_err(|_| CatalogError::BrokenRow { what: "packs" })?;
                // Neighbours mostly lie in the same pack.
                if bytes != last {
                    set.decode_into(bytes);
                    last = bytes.to_vec();
                }
            }
        }
        Ok(set)
    }

    /// Forgets what a job's library looked like: the next run reads all of it.
    pub fn forget_library(&self, job: &str) -> Result<(), CatalogError> {
        self.conn.execute("DELETE FROM files WHERE dir IN (SELECT id FROM dirs WHERE job = ?1)", [job])?;
        self.conn.execute("DELETE FROM dirs WHERE job = ?1", [job])?;
        Ok(())
    }

    /// The blocks of a database's local base.
    pub fn base_blocks(&self, job: &str, path: &Name) -> Result<Vec<BaseBlock>, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT chunk, delta FROM bases WHERE job = ?1 AND path = ?2 ORDER BY block")?;
        let rows = query.query_map(params![job, path.as_bytes()], |row| {
            let chunk: Vec<u8> = row.get(0)?;
            Ok((chunk, row.get::<_, i64>(1)? as u64))
        })?;
        let mut out = Vec::new();
        for row in rows {
            let (chunk, delta) = row?;
            let chunk = ChunkId::from_slice(&chunk).ok_or(CatalogError::BrokenRow { what: "a base" })?;
            out.push(BaseBlock { chunk, delta });
        }
        Ok(out)
    }

    /// Replaces the blocks of a database's local base. Call it in a transaction.
    pub fn set_base_blocks(&self, job: &str, path: &Name, blocks: &[BaseBlock]) -> Result<(), CatalogError> {
        self.conn.execute("DELETE FROM bases WHERE job = ?1 AND path = ?2", params![job, path.as_bytes()])?;
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO bases (job, path, block, chunk, delta) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (n, block) in blocks.iter().enumerate() {
            insert.execute(params![
                job,
                path.as_bytes(),
                n as i64,
                block.chunk.as_bytes().as_slice(),
                block.delta as i64
            ])?;
        }
        Ok(())
    }
}
