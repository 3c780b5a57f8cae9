//! The catalog: what this machine believes of the repository and of the library.
//!
//! Level 1. SQLite. **Invariant:** everything in it can be rebuilt from a store
//! and the secrets of this machine; losing it loses time, never photographs.
//! Each durable step of a run is one transaction here.

mod bulk;
mod copies;
mod error;
mod files;
mod ledger;
mod library;
mod mirrors;
mod packs;
mod pages;
mod photographs;
mod places;
mod previews;
mod runs;
mod scrubs;
mod snapshots;
mod thaws;
mod thumbnails;

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub use copies::{CardFileRow, CardRow, CopyRow};
pub use error::CatalogError;
pub use ledger::LedgerRow;
pub use library::{BaseBlock, DirId, DirRow, FileRow, PackSet, Stat};
pub use mirrors::MirroredFile;
pub use packs::{AddedPack, ChunkFacts, Location, PackFacts, PackId, PackState, Pending, Trusted};
pub use photographs::{
    Area, Facet, MapCell, MonthCount, PackHeat, PhotographId, PhotographQuery, PhotographRow, ShowPhotograph, Shown,
    Sort, Stale, StaleFolder,
};
pub use places::PlaceRow;
pub use previews::{PreviewPack, PreviewRecord, PreviewStats};
pub use runs::{RunEnd, RunOrigin, RunOutcome, RunRow, RunStart, RunsOf, Scheduled};
pub use scrubs::{Checked, ScrubRow};
pub use snapshots::{JobState, SnapshotRow};
pub use thaws::{PackStep, ThawId, ThawPackRow, ThawRow, ThawState};
pub use thumbnails::Thumbnails;

/// Version of the tables; an older Darkslide refuses a newer catalog.
const SCHEMA: i64 = 7;

/// The tables of version 1.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE packs (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, size INTEGER NOT NULL,
  crc INTEGER NOT NULL, header BLOB NOT NULL, nonce BLOB NOT NULL, manifest_off INTEGER NOT NULL,
  manifest_len INTEGER NOT NULL, segment BLOB, trusted INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0);
CREATE INDEX packs_unindexed ON packs (id) WHERE segment IS NULL;
CREATE TABLE chunks (
  kind INTEGER NOT NULL, id BLOB NOT NULL, pack INTEGER NOT NULL, off INTEGER NOT NULL, len INTEGER NOT NULL,
  plain INTEGER NOT NULL, base BLOB, PRIMARY KEY (kind, id, pack)) WITHOUT ROWID;
CREATE TABLE segments (id BLOB PRIMARY KEY, writer BLOB NOT NULL, trusted INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (
  name TEXT PRIMARY KEY, size INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE dirs (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, parent INTEGER NOT NULL, name BLOB NOT NULL, entry BLOB, page BLOB,
  packs BLOB, UNIQUE (job, parent, name));
CREATE TABLE files (
  dir INTEGER NOT NULL, name BLOB NOT NULL, stat BLOB NOT NULL, packs BLOB NOT NULL, entry BLOB NOT NULL,
  PRIMARY KEY (dir, name)) WITHOUT ROWID;
CREATE TABLE bases (
  job TEXT NOT NULL, path BLOB NOT NULL, block INTEGER NOT NULL, chunk BLOB NOT NULL, delta INTEGER NOT NULL,
  PRIMARY KEY (job, path, block)) WITHOUT ROWID;
CREATE TABLE pages (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshots (
  name TEXT PRIMARY KEY, time INTEGER NOT NULL, payload BLOB, standing TEXT) WITHOUT ROWID;
CREATE TABLE jobs (
  job TEXT PRIMARY KEY, snapshot TEXT, refs BLOB, refs_depth INTEGER NOT NULL, packs BLOB) WITHOUT ROWID;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, kind TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER,
  outcome TEXT, summary TEXT, warnings INTEGER NOT NULL DEFAULT 0);
CREATE TABLE failures (run INTEGER NOT NULL, path BLOB NOT NULL, reason TEXT NOT NULL);
";

/// What version 2 has besides: where objects are, thaws, the ledger. Money is in
/// billionths of a dollar.
const TABLES_2: &str = "
CREATE TABLE places (
  store TEXT NOT NULL, name TEXT NOT NULL, class TEXT NOT NULL, readable INTEGER NOT NULL, until INTEGER,
  size INTEGER NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (store, name)) WITHOUT ROWID;
CREATE TABLE thaws (
  id INTEGER PRIMARY KEY AUTOINCREMENT, made INTEGER NOT NULL, ended INTEGER, state TEXT NOT NULL, wish TEXT NOT NULL,
  tier TEXT NOT NULL, days INTEGER NOT NULL, max_cost INTEGER, quoted INTEGER NOT NULL, spent INTEGER NOT NULL);
CREATE TABLE thaw_packs (
  thaw INTEGER NOT NULL, store TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, wanted INTEGER NOT NULL,
  class TEXT NOT NULL, step TEXT NOT NULL, wave INTEGER NOT NULL, tier TEXT NOT NULL, days INTEGER,
  due INTEGER NOT NULL, asked INTEGER, until INTEGER, cost INTEGER NOT NULL, pending INTEGER NOT NULL,
  fetch INTEGER NOT NULL, extensions INTEGER NOT NULL, job TEXT, note TEXT NOT NULL,
  PRIMARY KEY (thaw, name)) WITHOUT ROWID;
CREATE INDEX thaw_packs_pending ON thaw_packs (pending) WHERE pending <> 0;
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, reference TEXT NOT NULL, what TEXT NOT NULL,
  quoted INTEGER NOT NULL, actual INTEGER NOT NULL);
CREATE INDEX ledger_at ON ledger (at);
";

/// What version 3 has besides: verified copies in places, cards, mirrors.
const TABLES_3: &str = "
CREATE TABLE copies (
  place TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, hash BLOB NOT NULL,
  verified INTEGER NOT NULL, PRIMARY KEY (place, path)) WITHOUT ROWID;
CREATE TABLE cards (
  id INTEGER PRIMARY KEY, volume TEXT NOT NULL UNIQUE, label TEXT NOT NULL, first INTEGER NOT NULL,
  last INTEGER NOT NULL, verdict TEXT NOT NULL);
CREATE TABLE card_files (
  card INTEGER NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (card, path)) WITHOUT ROWID;
CREATE TABLE mirror_folders (
  job TEXT NOT NULL, path BLOB NOT NULL, files BLOB NOT NULL, PRIMARY KEY (job, path)) WITHOUT ROWID;
";

/// What version 4 has besides: who started a run and for which slot, what it did, how it was told;
/// since when a job is scheduled. A run that never ended is one that was cut off long ago.
const TABLES_4: &str = "
ALTER TABLE runs ADD COLUMN task TEXT;
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT 'manual';
ALTER TABLE runs ADD COLUMN slot INTEGER;
ALTER TABLE runs ADD COLUMN cause INTEGER;
ALTER TABLE runs ADD COLUMN void INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN money INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET outcome = 'cut off' WHERE outcome IS NULL;
CREATE INDEX runs_by_job ON runs (job, id);
CREATE INDEX runs_by_task ON runs (task, id);
CREATE TABLE scheduled (
  job TEXT PRIMARY KEY, text TEXT NOT NULL, since INTEGER NOT NULL, since_run INTEGER NOT NULL) WITHOUT ROWID;
";

/// A connection to the catalog. Each thread opens its own.
pub struct Catalog {
    conn: Connection,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog({:?})", self.conn.path())
    }
}

impl Catalog {
    /// Makes an empty catalog; refuses to replace one.
    pub fn create(path: &Path) -> Result<Self, CatalogError> {
        if path.exists() {
            return Err(CatalogError::Exists { path: path.to_path_buf() });
        }
        let conn = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        let tables = [TABLES, TABLES_2, TABLES_3, TABLES_4, scrubs::TABLES].concat() + &newest();
        conn.execute_batch(&format!("BEGIN; {tables} PRAGMA user_version = {SCHEMA}; COMMIT;"))?;
        Ok(Self { conn })
    }

    /// Opens one that exists; one of an older version gets the tables it lacks.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        if !path.exists() {
            return Err(CatalogError::Missing { path: path.to_path_buf() });
        }
        let damaged = |source| CatalogError::Damaged { path: path.to_path_buf(), source };
        let conn = connect(path, OpenFlags::empty()).map_err(damaged)?;
        let mut found = version(&conn).map_err(damaged)?;
        if (1..SCHEMA).contains(&found) {
            found = migrate(&conn).map_err(damaged)?;
        }
        match found {
            SCHEMA => Ok(Self { conn }),
            newer if newer > SCHEMA => Err(CatalogError::Newer { path: path.to_path_buf(), found }),
            _ => Err(CatalogError::NotACatalog { path: path.to_path_buf() }),
        }
    }

    /// Runs `work` in one transaction: all of it is durable, or none.
    pub fn transaction<T, E: From<CatalogError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(CatalogError::from)?;
        match work() {
            Ok(done) => {
                self.conn.execute_batch("COMMIT").map_err(CatalogError::from)?;
                Ok(done)
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.conn.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    /// From here on this connection sees the catalog as it is now, until [`Catalog::release`]: its
    /// locks are taken once, not for each look. It must not write meanwhile.
    pub fn hold(&self) {
        // It is for speed alone: without it each look takes its own lock.
        let _ = self.conn.execute_batch("BEGIN");
    }

    /// Ends [`Catalog::hold`].
    pub fn release(&self) {
        let _ = self.conn.execute_batch("COMMIT");
    }

    /// From here on this connection's commits may be lost in a power cut, though
    /// never torn: for the rows of the library, which are only a memory of it.
    pub fn relax(&self) -> Result<(), CatalogError> {
        Ok(self.conn.execute_batch("PRAGMA synchronous = NORMAL")?)
    }

    /// Closes it with everything in the one file.
    pub fn close(self) -> Result<(), CatalogError> {
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.conn.close().map_err(|(_, error)| error)?;
        Ok(())
    }

    /// A small remembered value.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, CatalogError> {
        use rusqlite::OptionalExtension as _;
        let mut query = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Remembers a small value.
    pub fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), CatalogError> {
        let mut set = self.conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
        set.execute(rusqlite::params![key, value])?;
        Ok(())
    }
}

fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// From an older version to this one; what it is afterwards.
fn migrate(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have been faster.
    let missing = match version(conn)? {
        1 => [TABLES_2, TABLES_3, TABLES_4, scrubs::TABLES].concat() + &newest(),
        2 => [TABLES_3, TABLES_4, scrubs::TABLES].concat() + &newest(),
        3 => [TABLES_4, scrubs::TABLES].concat() + &newest(),
        4 => newest(),
        5 => [thaws::SPANS, photographs::STALE].concat(),
        6 => photographs::STALE.to_string(),
        _ => String::new(),
    };
    if !missing.is_empty() {
        conn.execute_batch(&format!("{missing} PRAGMA user_version = {SCHEMA};"))?;
    }
    conn.execute_batch("COMMIT")?;
    version(conn)
}

/// What versions 5 to 7 have besides.
fn newest() -> String {
    [photographs::TABLES, thaws::SPANS, photographs::STALE].concat()
}

/// Bytes that the write-ahead log has when it is worked into the catalog, whatever the size of its pages.
const LOG: i64 = 16_384_000;

fn connect(path: &Path, extra: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(60))?;
    conn.set_prepared_statement_cache_capacity(64);
    // Plans do not depend on what is bound: else some statements are planned anew at each use.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: a committed row survives a power cut; that is what "durable row" means.
    // Large pages, in a catalog that is new: a row of a file is half a kilobyte, and most are written in bulk.
    conn.execute_batch(
        "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000;",
    )?;
    let page: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG / page.max(512))?;
    Ok(conn)
}

#[cfg(test)]
mod tests;
