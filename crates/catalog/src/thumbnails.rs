//! Thumbnails that are kept on this machine: a file of their own beside the catalog, bounded, whose loss
//! costs a look into a store.

use std::path::Path;

use darkslide_words::{Bytes, ContentHash, Count};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::CatalogError;

const TABLES: &str = "
PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8000;
CREATE TABLE IF NOT EXISTS thumbnails (
  hash BLOB PRIMARY KEY, bytes INTEGER NOT NULL, used INTEGER NOT NULL, jpeg BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS thumbnails_used ON thumbnails (used, bytes);
";
/// Thumbnails after which the bound is looked at.
const LOOK_EVERY: u64 = 256;
/// What is left of the bound when it was reached.
const KEPT_PERCENT: u64 = 90;

/// The thumbnails on this machine.
pub struct Thumbnails {
    conn: Connection,
    bytes_max: Bytes,
    added: u64,
}

impl std::fmt::Debug for Thumbnails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Thumbnails({:?}, {} bytes at most)", self.conn.path(), self.bytes_max.0)
    }
}

impl Thumbnails {
    /// Opens the file, made where it is absent, readable by this user alone. One that is damaged begins anew.
    pub fn open(path: &Path, bytes_max: Bytes) -> Result<Self, CatalogError> {
        let conn = match connect(path) {
            Ok(conn) => conn,
            Err(rusqlite::Error::SqliteFailure(error, _))
                if matches!(error.code, rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) =>
            {
                let _ = std::fs::remove_file(path);
                connect(path)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { conn, bytes_max, added: 0 })
    }

    /// The thumbnail of a content; `day` is remembered as that of its last use.
    pub fn get(&self, hash: &ContentHash, day: i64) -> Result<Option<Vec<u8>>, CatalogError> {
        let hash = hash.as_bytes().as_slice();
        let mut query = self.conn.prepare_cached("SELECT jpeg, used FROM thumbnails WHERE hash = ?1")?;
        let found = query.query_row([hash], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).optional()?;
        let Some((jpeg, used)) = found else { return Ok(None) };
        if used < day {
            self.conn.execute("UPDATE thumbnails SET used = ?2 WHERE hash = ?1", params![hash, day])?;
        }
        Ok(Some(jpeg))
    }

    /// True if the thumbnail is kept.
    pub fn has(&self, hash: &ContentHash) -> Result<bool, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT 1 FROM thumbnails WHERE hash = ?1")?;
        Ok(query.exists([hash.as_bytes().as_slice()])?)
    }

    /// Keeps thumbnails, in one transaction; those that were not used for longest go where there are too many.
    pub fn keep(&mut self, all: &[(ContentHash, &[u8])], day: i64) -> Result<(), CatalogError> {
        let transaction = self.conn.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO thumbnails (hash, bytes, used, jpeg) VALUES (?1, ?2, ?3, ?4)")?;
            for (hash, jpeg) in all {
                insert.execute(params![hash.as_bytes().as_slice(), jpeg.len() as i64, day, jpeg])?;
            }
        }
        transaction.commit()?;
        let before = self.added / LOOK_EVERY;
        self.added += all.len() as u64;
        match self.added / LOOK_EVERY > before {
            true => self.bound(),
            false => Ok(()),
        }
    }

    /// How many there are, and their bytes.
    pub fn size(&self) -> Result<(Count, Bytes), CatalogError> {
        let (count, bytes) = self.conn.query_row(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM thumbnails INDEXED BY thumbnails_used",
            [],
            |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)),
        )?;
        Ok((Count(count), Bytes(bytes)))
    }

    /// Lets the longest unused go until the bound holds.
    pub fn bound(&mut self) -> Result<(), CatalogError> {
        let (_, bytes) = self.size()?;
        if bytes <= self.bytes_max {
            return Ok(());
        }
        let mut spare = bytes.0 - self.bytes_max.0 / 100 * KEPT_PERCENT;
        let mut going = Vec::new();
        {
            let mut query = self.conn.prepare("SELECT rowid, bytes FROM thumbnails ORDER BY used, bytes")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()?.filter(|_| spare > 0) {
                going.push(row.get::<_, i64>(0)?);
                spare = spare.saturating_sub(row.get::<_, i64>(1)? as u64);
            }
        }
        let transaction = self.conn.transaction()?;
        for row in going {
            transaction.prepare_cached("DELETE FROM thumbnails WHERE rowid = ?1")?.execute([row])?;
        }
        Ok(transaction.commit()?)
    }
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // The thumbnails are plain: made by SQLite, the file would be readable by others.
    let _ = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_CREATE;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(60))?;
    conn.execute_batch(TABLES)?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> ContentHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        ContentHash::new(bytes)
    }

    #[test]
    fn the_bound_holds_and_the_longest_unused_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thumbnails.sqlite");
        let mut kept = Thumbnails::open(&path, Bytes(100_000)).unwrap();
        for n in 0..90 {
            kept.keep(&[(hash(n), &[n as u8; 1000])], n as i64 % 3).unwrap();
        }
        assert_eq!(kept.get(&hash(3), 9).unwrap(), Some(vec![3; 1000]), "used today");
        assert_eq!(kept.size().unwrap(), (Count(90), Bytes(90_000)));
        for n in 90..400 {
            kept.keep(&[(hash(n), &[n as u8; 1000])], 5).unwrap();
        }
        kept.bound().unwrap();
        assert!(kept.size().unwrap().1 <= Bytes(100_000));
        assert!(kept.has(&hash(3)).unwrap(), "what was used stays");
        assert!(!kept.has(&hash(0)).unwrap());
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thumbnails.sqlite");
        std::fs::write(&path, vec![b'x'; 40_000]).unwrap();
        let mut kept = Thumbnails::open(&path, Bytes(1000)).unwrap();
        kept.keep(&[(hash(1), b"jpeg")], 1).unwrap();
        assert_eq!(kept.get(&hash(1), 1).unwrap().as_deref(), Some(&b"jpeg"[..]));
    }
}
