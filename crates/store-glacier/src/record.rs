//! What this machine remembers of a vault: archives, uploads under way, jobs. A small SQLite
//! file of its own. All of it can be had again, from the companion store, from the service, or
//! from an inventory; losing it loses time.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use darkslide_store::StoreError;
use darkslide_store::vault::{Archive, JobKind, JobState, Standing};
use darkslide_words::{Bytes, ObjectName, Span, Tier, Time};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Version of the tables.
const SCHEMA: i64 = 1;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE archives (
  id TEXT PRIMARY KEY, name TEXT, standing INTEGER NOT NULL, size INTEGER NOT NULL, tree TEXT NOT NULL,
  created INTEGER NOT NULL, description TEXT NOT NULL, receipt INTEGER NOT NULL, gone INTEGER,
  inventoried INTEGER, differs INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX archives_by_name ON archives (name) WHERE name IS NOT NULL;
CREATE TABLE uploads (
  name TEXT PRIMARY KEY, upload TEXT NOT NULL, size INTEGER NOT NULL, tree TEXT NOT NULL, part INTEGER NOT NULL,
  began INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, kind INTEGER NOT NULL, archive TEXT, state INTEGER NOT NULL, tier TEXT, span_from INTEGER,
  span_to INTEGER, tree TEXT, size INTEGER, created INTEGER NOT NULL, completed INTEGER, description TEXT NOT NULL,
  seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX jobs_by_archive ON jobs (archive);
";

/// What is remembered of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchiveRow {
    pub(crate) id: String,
    pub(crate) name: Option<ObjectName>,
    pub(crate) standing: Standing,
    pub(crate) size: u64,
    pub(crate) tree: String,
    pub(crate) created: Time,
    pub(crate) description: String,
    /// The companion store has its receipt.
    pub(crate) receipt: bool,
    /// Since when it is known to be deleted.
    pub(crate) gone: Option<Time>,
    /// The date of the newest inventory that shows it.
    pub(crate) inventoried: Option<Time>,
    /// That inventory shows another size or tree hash.
    pub(crate) differs: bool,
}

impl ArchiveRow {
    pub(crate) fn shown(self) -> Archive {
        Archive {
            id: self.id,
            standing: self.standing,
            name: self.name,
            size: Bytes(self.size),
            tree: self.tree,
            created: self.created,
            description: self.description,
            inventoried: self.inventoried,
        }
    }
}

/// A multipart upload that was begun here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadRow {
    pub(crate) name: ObjectName,
    pub(crate) upload: String,
    pub(crate) size: u64,
    pub(crate) tree: String,
    pub(crate) part: u64,
    pub(crate) began: Time,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    pub(crate) kind: JobKind,
    pub(crate) archive: Option<String>,
    pub(crate) state: JobState,
    pub(crate) tier: Option<Tier>,
    pub(crate) span: Option<Span>,
    pub(crate) tree: Option<String>,
    /// Bytes of the archive, or of the inventory.
    pub(crate) size: Option<u64>,
    pub(crate) created: Time,
    pub(crate) completed: Option<Time>,
    pub(crate) description: String,
}

const ARCHIVE: &str = "id, name, standing, size, tree, created, description, receipt, gone, inventoried, differs";
const JOB: &str = "id, kind, archive, state, tier, span_from, span_to, tree, size, created, completed, description";

/// The file.
pub(crate) struct Record {
    conn: Mutex<Connection>,
    /// The thread that is in a transaction.
    owner: Mutex<Option<ThreadId>>,
    freed: Condvar,
    store: String,
}

/// A thread's transaction, however it ends.
struct Owned<'a>(&'a Record);

impl<'a> Owned<'a> {
    fn take(record: &'a Record) -> Self {
        *record.turn() = Some(std::thread::current().id());
        Self(record)
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        *self.0.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.freed.notify_all();
    }
}

fn standing(code: i64) -> Standing {
    match code {
        0 => Standing::Ours,
        1 => Standing::Duplicate,
        2 => Standing::Foreign,
        _ => Standing::Gone,
    }
}

fn archive(row: &Row<'_>) -> rusqlite::Result<ArchiveRow> {
    Ok(ArchiveRow {
        id: row.get(0)?,
        name: row.get::<_, Option<String>>(1)?.and_then(|name| ObjectName::new(name).ok()),
        standing: standing(row.get(2)?),
        size: row.get::<_, i64>(3)? as u64,
        tree: row.get(4)?,
        created: Time(row.get(5)?),
        description: row.get(6)?,
        receipt: row.get(7)?,
        gone: row.get::<_, Option<i64>>(8)?.map(Time),
        inventoried: row.get::<_, Option<i64>>(9)?.map(Time),
        differs: row.get(10)?,
    })
}

fn job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let number = |at: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(|n| n as u64)) };
    Ok(JobRow {
        id: row.get(0)?,
        kind: if row.get::<_, i64>(1)? == 0 { JobKind::Archive } else { JobKind::Inventory },
        archive: row.get(2)?,
        state: match row.get::<_, i64>(3)? {
            0 => JobState::Working,
            1 => JobState::Ready,
            _ => JobState::Failed,
        },
        tier: row.get::<_, Option<String>>(4)?.as_deref().and_then(Tier::from_name),
        span: number(5)?.zip(number(6)?).map(|(from, to)| Span { from, to }),
        tree: row.get(7)?,
        size: number(8)?,
        created: Time(row.get(9)?),
        completed: row.get::<_, Option<i64>>(10)?.map(Time),
        description: row.get(11)?,
    })
}

impl Record {
    /// Opens the file, or makes it; in memory where none is named.
    pub(crate) fn open(path: Option<&Path>, store: &str) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| StoreError::Io {
            store: store.to_string(),
            what: format!("opening its record {}", path.map_or("".into(), |p| p.display().to_string())),
            source,
        };
        let open = || -> rusqlite::Result<Connection> {
            let conn = match path {
                Some(path) => Connection::open(path)?,
                None => Connection::open_in_memory()?,
            };
            conn.busy_timeout(std::time::Duration::from_secs(60))?;
            conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;")?;
            let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found == 0 {
                conn.execute_batch(&format!("{TABLES} PRAGMA user_version = {SCHEMA};"))?;
            }
            conn.execute_batch("COMMIT")?;
            Ok(conn)
        };
        if let Some(folder) = path.and_then(Path::parent) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let conn = open().map_err(|e| failed(std::io::Error::other(e)))?;
        let (owner, freed) = (Mutex::default(), Condvar::new());
        let record = Self { conn: Mutex::new(conn), owner, freed, store: store.to_string() };
        let found: i64 = record.with(|conn| conn.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        if found != SCHEMA {
            return Err(StoreError::Setup {
                store: store.to_string(),
                why: format!("has a record of version {found}, this program knows {SCHEMA}"),
                advice: "use the newer Darkslide, or remove the file: it is built again from the companion store"
                    .into(),
            });
        }
        Ok(record)
    }

    /// Waits until no other thread is in a transaction; nobody begins one while the guard lives.
    fn turn(&self) -> MutexGuard<'_, Option<ThreadId>> {
        let me = std::thread::current().id();
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        while owner.is_some_and(|other| other != me) {
            owner = self.freed.wait(owner).unwrap_or_else(PoisonError::into_inner);
        }
        owner
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let _turn = self.turn();
        let conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        work(&conn).map_err(|e| self.failed(e))
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        let what = "using this machine's record of its archives".to_string();
        StoreError::Io { store: self.store.clone(), what, source: std::io::Error::other(error) }
    }

    /// All of it is durable, or none. What other threads write waits until it is over. Not to be
    /// called within another one.
    pub(crate) fn transaction<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _owned = Owned::take(self);
        self.with(|conn| conn.execute_batch("BEGIN IMMEDIATE"))?;
        match work() {
            Ok(done) => self.with(|conn| conn.execute_batch("COMMIT")).map(|()| done),
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.with(|conn| conn.execute_batch("ROLLBACK"));
                Err(error)
            }
        }
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.with(|c| c.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional())
    }

    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.with(|c| c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", [key, value]).map(drop))
    }

    pub(crate) fn put_archive(&self, row: &ArchiveRow) -> Result<(), StoreError> {
        self.with(|c| {
            let mut put = c.prepare_cached(&format!(
                "INSERT OR REPLACE INTO archives ({ARCHIVE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            ))?;
            put.execute(params![
                row.id,
                row.name.as_ref().map(ObjectName::as_str),
                row.standing as i64,
                row.size as i64,
                row.tree,
                row.created.0,
                row.description,
                row.receipt,
                row.gone.map(|t| t.0),
                row.inventoried.map(|t| t.0),
                row.differs
            ])
            .map(drop)
        })
    }

    pub(crate) fn archive(&self, id: &str) -> Result<Option<ArchiveRow>, StoreError> {
        self.with(|c| {
            let mut query = c.prepare_cached(&format!("SELECT {ARCHIVE} FROM archives WHERE id = ?1"))?;
            query.query_row([id], archive).optional()
        })
    }

    /// The archive that holds an object.
    pub(crate) fn archive_of(&self, name: &ObjectName) -> Result<Option<ArchiveRow>, StoreError> {
        self.with(|c| {
            let mut query =
                c.prepare_cached(&format!("SELECT {ARCHIVE} FROM archives WHERE name = ?1 AND standing = 0"))?;
            query.query_row([name.as_str()], archive).optional()
        })
    }

    /// All archives with an object, also duplicates and those that are gone.
    pub(crate) fn archives_of(&self, name: &ObjectName) -> Result<Vec<ArchiveRow>, StoreError> {
        self.with(|c| {
            let mut query = c.prepare_cached(&format!("SELECT {ARCHIVE} FROM archives WHERE name = ?1 ORDER BY id"))?;
            query.query_map([name.as_str()], archive)?.collect()
        })
    }

    /// The objects of this store whose names begin so, by name.
    pub(crate) fn ours(&self, prefix: &str) -> Result<Vec<ArchiveRow>, StoreError> {
        // Names are of a small alphabet: all with the prefix lie below the prefix and `~`.
        let end = format!("{prefix}~");
        self.with(|c| {
            let mut query = c.prepare_cached(&format!(
                "SELECT {ARCHIVE} FROM archives WHERE name >= ?1 AND name < ?2 AND standing = 0 ORDER BY name"
            ))?;
            query.query_map([prefix, &end], archive)?.collect()
        })
    }

    /// The companion is new: no receipt is known to be there, and none is known to have been taken away.
    pub(crate) fn forget_receipts(&self) -> Result<(), StoreError> {
        self.with(|c| {
            c.execute_batch(
                "UPDATE archives SET receipt = 0 WHERE standing = 0; UPDATE archives SET gone = NULL WHERE standing = 3;",
            )
        })
    }

    /// Archives after this id, a page of them.
    pub(crate) fn page(&self, after: &str) -> Result<Vec<ArchiveRow>, StoreError> {
        self.with(|c| {
            let mut query =
                c.prepare_cached(&format!("SELECT {ARCHIVE} FROM archives WHERE id > ?1 ORDER BY id LIMIT 1000"))?;
            query.query_map([after], archive)?.collect()
        })
    }

    pub(crate) fn upload(&self, name: &ObjectName) -> Result<Option<UploadRow>, StoreError> {
        let row = |row: &Row<'_>| {
            Ok(UploadRow {
                name: name.clone(),
                upload: row.get(0)?,
                size: row.get::<_, i64>(1)? as u64,
                tree: row.get(2)?,
                part: row.get::<_, i64>(3)? as u64,
                began: Time(row.get(4)?),
            })
        };
        let query = "SELECT upload, size, tree, part, began FROM uploads WHERE name = ?1";
        self.with(|c| c.query_row(query, [name.as_str()], row).optional())
    }

    pub(crate) fn put_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        let put =
            "INSERT OR REPLACE INTO uploads (name, upload, size, tree, part, began) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let UploadRow { name, upload, size, tree, part, began } = row;
        self.with(|c| {
            c.execute(put, params![name.as_str(), upload, *size as i64, tree, *part as i64, began.0]).map(drop)
        })
    }

    pub(crate) fn drop_upload(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.with(|c| c.execute("DELETE FROM uploads WHERE name = ?1", [name.as_str()]).map(drop))
    }

    pub(crate) fn drop_upload_id(&self, upload: &str) -> Result<(), StoreError> {
        self.with(|c| c.execute("DELETE FROM uploads WHERE upload = ?1", [upload]).map(drop))
    }

    pub(crate) fn put_job(&self, row: &JobRow, seen: Time) -> Result<(), StoreError> {
        self.with(|c| {
            let mut put = c.prepare_cached(&format!(
                "INSERT OR REPLACE INTO jobs ({JOB}, seen)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            ))?;
            put.execute(params![
                row.id,
                row.kind as i64,
                row.archive,
                row.state as i64,
                row.tier.map(|tier| tier.as_str()),
                row.span.map(|s| s.from as i64),
                row.span.map(|s| s.to as i64),
                row.tree,
                row.size.map(|n| n as i64),
                row.created.0,
                row.completed.map(|t| t.0),
                row.description,
                seen.0
            ])
            .map(drop)
        })
    }

    /// All jobs, the oldest first.
    pub(crate) fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.with(|c| {
            let mut query = c.prepare_cached(&format!("SELECT {JOB} FROM jobs ORDER BY created, id"))?;
            query.query_map([], job)?.collect()
        })
    }

    /// The jobs that bring an archive, the newest first.
    pub(crate) fn jobs_of(&self, archive: &str) -> Result<Vec<JobRow>, StoreError> {
        self.with(|c| {
            let mut query =
                c.prepare_cached(&format!("SELECT {JOB} FROM jobs WHERE archive = ?1 ORDER BY created DESC, id"))?;
            query.query_map([archive], job)?.collect()
        })
    }

    pub(crate) fn drop_job(&self, id: &str) -> Result<(), StoreError> {
        self.with(|c| c.execute("DELETE FROM jobs WHERE id = ?1", [id]).map(drop))
    }

    /// After a complete list: forgets the jobs that it did not show, unless they are so young that a
    /// list need not show them.
    pub(crate) fn forget_jobs(&self, seen_before: Time, created_before: Time) -> Result<(), StoreError> {
        let delete = "DELETE FROM jobs WHERE seen < ?1 AND created < ?2";
        self.with(|c| c.execute(delete, [seen_before.0, created_before.0]).map(drop))
    }
}
