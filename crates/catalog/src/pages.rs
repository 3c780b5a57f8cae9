//! The local cache of pages: what this machine itself wrote, so that it can list
//! its own snapshots without an identity.

use darkslide_words::ChunkId;
use rusqlite::{OptionalExtension as _, params};

use crate::{Catalog, CatalogError};

impl Catalog {
    /// A page, as it was put (compressed by the caller).
    pub fn page(&self, id: ChunkId) -> Result<Option<Vec<u8>>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT data FROM pages WHERE id = ?1")?;
        Ok(query.query_row([id.as_bytes().as_slice()], |row| row.get(0)).optional()?)
    }

    /// Remembers a page.
    pub fn put_page(&self, id: ChunkId, data: &[u8]) -> Result<(), CatalogError> {
        let mut insert = self.conn.prepare_cached("INSERT OR IGNORE INTO pages (id, data) VALUES (?1, ?2)")?;
        insert.execute(params![id.as_bytes().as_slice(), data])?;
        Ok(())
    }
}
