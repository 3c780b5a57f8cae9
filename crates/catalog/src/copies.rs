//! Verified copies of files in places, and the cards that were seen: a memory of what was read,
//! which reading again gives back.

use darkslide_words::{Bytes, ContentHash, Name, Time};
use rusqlite::{OptionalExtension as _, params};

use crate::{Catalog, CatalogError};

/// A copy that was read back and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// Path within the place.
    pub path: Name,
    /// Bytes.
    pub size: Bytes,
    /// Its time of change when it was verified.
    pub mtime: Time,
    /// Its content.
    pub hash: ContentHash,
    /// When it was verified.
    pub verified: Time,
}

/// A card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// Number.
    pub id: i64,
    /// What tells it from other cards: its file system's id, else its label and size.
    pub volume: String,
    /// Its label.
    pub label: String,
    /// When it was seen first.
    pub first: Time,
    /// When it was seen last.
    pub last: Time,
    /// What was said of it last, in a line.
    pub verdict: String,
}

/// A file of a card as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFileRow {
    /// Path on the card.
    pub path: Name,
    /// Bytes.
    pub size: Bytes,
    /// Its time of change.
    pub mtime: Time,
    /// Its content.
    pub hash: ContentHash,
}

fn hash(bytes: &[u8]) -> Result<ContentHash, CatalogError> {
    ContentHash::from_slice(bytes).ok_or(CatalogError::BrokenRow { what: "a content hash" })
}

impl Catalog {
    /// Remembers a verified copy in a place.
    pub fn put_copy(&self, place: &str, row: &CopyRow) -> Result<(), CatalogError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO copies (place, path, size, mtime, hash, verified) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        insert.execute(params![
            place,
            row.path.as_bytes(),
            row.size.0 as i64,
            row.mtime.0,
            row.hash.as_bytes().as_slice(),
            row.verified.0
        ])?;
        Ok(())
    }

    /// What is remembered of a path in a place.
    pub fn copy(&self, place: &str, path: &Name) -> Result<Option<CopyRow>, CatalogError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT size, mtime, hash, verified FROM copies WHERE place = ?1 AND path = ?2")?;
        let found = query
            .query_row(params![place, path.as_bytes()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((size, mtime, bytes, verified)) = found else { return Ok(None) };
        Ok(Some(CopyRow {
            path: path.clone(),
            size: Bytes(size as u64),
            mtime: Time(mtime),
            hash: hash(&bytes)?,
            verified: Time(verified),
        }))
    }

    /// Forgets a copy: the file is gone, or another.
    pub fn remove_copy(&self, place: &str, path: &Name) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM copies WHERE place = ?1 AND path = ?2")?;
        delete.execute(params![place, path.as_bytes()])?;
        Ok(())
    }

    /// The card of a volume, made where it was never seen; it is seen now.
    pub fn card(&self, volume: &str, label: &str, now: Time) -> Result<CardRow, CatalogError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO cards (volume, label, first, last, verdict) VALUES (?1, ?2, ?3, ?3, '')
             ON CONFLICT (volume) DO UPDATE SET label = ?2, last = ?3",
        )?;
        insert.execute(params![volume, label, now.0])?;
        let mut query =
            self.conn.prepare_cached("SELECT id, volume, label, first, last, verdict FROM cards WHERE volume = ?1")?;
        Ok(query.query_row([volume], card_row)?)
    }

    /// All cards, the last seen first.
    pub fn cards(&self) -> Result<Vec<CardRow>, CatalogError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id, volume, label, first, last, verdict FROM cards ORDER BY last DESC, id DESC")?;
        let rows = query.query_map([], card_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers what was said of a card.
    pub fn set_verdict(&self, card: i64, verdict: &str) -> Result<(), CatalogError> {
        self.conn.execute("UPDATE cards SET verdict = ?2 WHERE id = ?1", params![card, verdict])?;
        Ok(())
    }

    /// Remembers a file of a card.
    pub fn put_card_file(&self, card: i64, row: &CardFileRow) -> Result<(), CatalogError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO card_files (card, path, size, mtime, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![
            card,
            row.path.as_bytes(),
            row.size.0 as i64,
            row.mtime.0,
            row.hash.as_bytes().as_slice()
        ])?;
        Ok(())
    }

    /// What is remembered of a file of a card.
    pub fn card_file(&self, card: i64, path: &Name) -> Result<Option<CardFileRow>, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT size, mtime, hash FROM card_files WHERE card = ?1 AND path = ?2")?;
        let found = query
            .query_row(params![card, path.as_bytes()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        let Some((size, mtime, bytes)) = found else { return Ok(None) };
        Ok(Some(CardFileRow { path: path.clone(), size: Bytes(size as u64), mtime: Time(mtime), hash: hash(&bytes)? }))
    }

    /// Forgets a card's files: it was formatted, and its names come again.
    pub fn forget_card_files(&self, card: i64) -> Result<(), CatalogError> {
        self.conn.execute("DELETE FROM card_files WHERE card = ?1", [card])?;
        Ok(())
    }
}

fn card_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<CardRow> {
    Ok(CardRow {
        id: row.get(0)?,
        volume: row.get(1)?,
        label: row.get(2)?,
        first: Time(row.get(3)?),
        last: Time(row.get(4)?),
        verdict: row.get(5)?,
    })
}
