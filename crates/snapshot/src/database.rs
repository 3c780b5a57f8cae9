//! SQLite databases in the library: Lightroom's and others' catalogs.
//!
//! One that nobody has open is stored byte for byte. A live one, or one whose
//! write-ahead log was left behind, is never copied as it lies: such copies were
//! torn in every try, or lost all rows and still passed `integrity_check`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_catalog::Stat;
use darkslide_format::tree::DatabaseFacts;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Flock, FlockType};

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where SQLite's locks lie in a file, and how many bytes they span.
const LOCKS: std::ops::Range<u64> = 0x4000_0000..0x4000_0200;
/// Pages copied between looks at whether somebody waits.
const PAGES_PER_STEP: i32 = 1000;

/// True if the file begins as a SQLite database. Those consist of whole pages of
/// 512 bytes at least, which spares most other files the look.
pub fn is_database(file: &File, size: u64) -> bool {
    use std::os::unix::fs::FileExt as _;
    if size == 0 || !size.is_multiple_of(512) {
        return false;
    }
    let mut head = [0u8; 16];
    file.read_exact_at(&mut head, 0).is_ok() && begins(&head)
}

/// True for what a SQLite database begins with.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Files that belong to a database and are never archived on their own.
pub fn belongs_to_database(name: &[u8]) -> Option<&[u8]> {
    [&b"-wal"[..], b"-shm", b"-journal"].iter().find_map(|suffix| name.strip_suffix(*suffix))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Size and time of the write-ahead log, mixed into one number; 0 without one.
pub fn wal_stamp(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    match fs::metadata(beside(path, "-wal")) {
        Ok(meta) if meta.len() > 0 => {
            let mixed = meta.len() ^ (meta.mtime() as u64).rotate_left(20) ^ (meta.mtime_nsec() as u64).rotate_left(40);
            mixed | 1
        }
        _ => 0,
    }
}

/// How a database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has it open; the file is all of it.
    Closed,
    /// A log or journal was left behind by a program that is gone.
    LeftBehind,
    /// Somebody has it open.
    Live,
}

/// Finds out how a database stands.
pub fn state(path: &Path, file: &File) -> State {
    let log = wal_stamp(path) != 0 || fs::metadata(beside(path, "-journal")).is_ok_and(|m| m.len() > 0);
    let lock_file = beside(path, ".lock").exists();
    match (is_locked(file) || shm_is_locked(path) || lock_file, log) {
        (true, _) => State::Live,
        (false, true) => State::LeftBehind,
        (false, false) => State::Closed,
    }
}

fn is_locked(file: &File) -> bool {
    let wanted = Flock { start: LOCKS.start, length: LOCKS.end - LOCKS.start, ..Flock::from(FlockType::WriteLock) };
    rustix::process::fcntl_getlk(file, &wanted).is_ok_and(|held| held.is_some())
}

/// In WAL mode the locks are on the shared-memory file.
fn shm_is_locked(path: &Path) -> bool {
    let Ok(shm) = File::open(beside(path, "-shm")) else {
        return false;
    };
    let wanted = Flock { start: 120, length: 9, ..Flock::from(FlockType::WriteLock) };
    rustix::process::fcntl_getlk(&shm, &wanted).is_ok_and(|held| held.is_some())
}

/// Why a database could not be copied consistently.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It stays locked.
    #[error("the database is busy and stays so: close the program that has it open, or try later")]
    Busy,
    /// The copy does not pass SQLite's check.
    #[error("the copy of the database does not pass SQLite's quick_check ({0}): the database itself may be damaged")]
    Check(String),
    /// It changed while it was copied.
    #[error("the database changed while it was copied")]
    Changed,
    /// SQLite said no.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A consistent copy in `staging`, checked.
pub fn copy(path: &Path, state: State, staging: &Path) -> Result<DatabaseFacts, DatabaseError> {
    let remove = || {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(staging, suffix));
        }
    };
    remove();
    let copied = match state {
        State::Live => backup(path, staging).map(|()| "backup-api"),
        _ => copy_with_log(path, staging).map(|()| "copy-with-wal"),
    };
    let checked = copied.and_then(|method| {
        let check = check(staging)?;
        match check.as_str() {
            "ok" => Ok(DatabaseFacts { check, method: method.into() }),
            _ => Err(DatabaseError::Check(check)),
        }
    });
    if checked.is_err() {
        remove();
    }
    checked
}

/// Through SQLite's backup API, as another reader.
fn backup(path: &Path, staging: &Path) -> Result<(), DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(path, flags)?;
    source.busy_timeout(Duration::from_secs(10))?;
    let mut target = Connection::open(staging)?;
    {
        let backup = rusqlite::backup::Backup::new(&source, &mut target)?;
        let mut busy = 0;
        loop {
            use rusqlite::backup::StepResult;
            match backup.step(PAGES_PER_STEP)? {
                StepResult::Done => break,
                StepResult::More => busy = 0,
                _ if busy == 100 => return Err(DatabaseError::Busy),
                _ => {
                    busy += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }
    settle(target)
}

/// Database and log copied as they lie, twice looked at, recovered by SQLite in
/// the copy. The original is not touched: opening it would write beside it.
fn copy_with_log(path: &Path, staging: &Path) -> Result<(), DatabaseError> {
    let look = || -> io::Result<Vec<Option<Stat>>> {
        let parts = ["", "-wal", "-journal"];
        Ok(parts.iter().map(|s| fs::metadata(beside(path, s)).ok().map(|m| crate::listing::stat_of(&m))).collect())
    };
    let before = look()?;
    for suffix in ["", "-wal", "-journal"] {
        let from = beside(path, suffix);
        if from.exists() {
            let mut bytes = crate::facts::open(&from)?;
            io::copy(&mut bytes.by_ref(), &mut File::create(beside(staging, suffix))?)?;
        }
    }
    if look()? != before {
        return Err(DatabaseError::Changed);
    }
    settle(Connection::open(staging)?)
}

/// Brings a staging copy into one file.
fn settle(target: Connection) -> Result<(), DatabaseError> {
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, e)| e)?;
    Ok(())
}

fn check(staging: &Path) -> Result<String, DatabaseError> {
    let conn = Connection::open_with_flags(staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap()
    }

    fn database(path: &Path, mode: &str) -> Connection {
        let conn = Connection::open(path).unwrap();
        conn.pragma_update(None, "journal_mode", mode).unwrap();
        conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3);").unwrap();
        conn
    }

    #[test]
    fn a_live_database_is_seen_and_copied_with_all_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.lrcat");
        let conn = database(&path, "WAL");
        // Locks of this very process do not count against it, so ask for the log.
        assert_ne!(wal_stamp(&path), 0);
        let staging = folder.path().join("copy");
        let facts = copy(&path, State::Live, &staging).unwrap();
        assert_eq!((facts.check.as_str(), facts.method.as_str()), ("ok", "backup-api"));
        assert_eq!(rows(&staging), 3);
        drop(conn);
    }

    #[test]
    fn a_log_left_behind_is_part_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("live.lrcat");
        let conn = database(&live, "WAL");
        // What a crash leaves: the files as they lie while it was open.
        let path = folder.path().join("crashed.lrcat");
        fs::copy(&live, &path).unwrap();
        fs::copy(beside(&live, "-wal"), beside(&path, "-wal")).unwrap();
        drop(conn);
        assert_eq!(state(&path, &File::open(&path).unwrap()), State::LeftBehind);
        let before = fs::read_dir(folder.path()).unwrap().count();
        let staging = folder.path().join("copy");
        let facts = copy(&path, State::LeftBehind, &staging).unwrap();
        assert_eq!(facts.method, "copy-with-wal");
        assert_eq!(rows(&staging), 3);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 1, "nothing beside the original");
    }

    #[test]
    fn a_torn_copy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.lrcat");
        let conn = database(&path, "DELETE");
        conn.execute_batch(
            "CREATE TABLE big (x); INSERT INTO big SELECT randomblob(900) FROM t a, t b, t c, t d, t e;",
        )
        .unwrap();
        drop(conn);
        assert_eq!(state(&path, &File::open(&path).unwrap()), State::Closed);
        let mut bytes = fs::read(&path).unwrap();
        let len = bytes.len();
        bytes[4096..len / 2].fill(0x5a);
        fs::write(&path, bytes).unwrap();
        assert!(copy(&path, State::LeftBehind, &folder.path().join("copy")).is_err());
        assert!(!folder.path().join("copy").exists());
    }
}
