//! What listings said of each object in each store: its class, its size, and
//! whether it can be read. So a quote needs no call to any store.

use darkslide_words::{Bytes, Count, ObjectName, Readable, StorageClass, Time};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{Catalog, CatalogError};

/// What is known of an object in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRow {
    /// The object.
    pub name: ObjectName,
    /// Its storage class there.
    pub class: StorageClass,
    /// Whether it could be read when it was seen.
    pub readable: Readable,
    /// Stored bytes.
    pub size: Bytes,
    /// When a listing showed it.
    pub seen: Time,
}

const COLUMNS: &str = "name, class, readable, until, size, seen";

/// A code, and the time that belongs to one of them.
fn encode(readable: Readable) -> (i64, Option<i64>) {
    match readable {
        Readable::Now => (0, None),
        Readable::Cold => (1, None),
        Readable::Thawing => (2, None),
        Readable::Until(time) => (3, Some(time.0)),
        Readable::Unknown => (4, None),
    }
}

fn decode(code: i64, until: Option<i64>) -> Option<Readable> {
    Some(match (code, until) {
        (0, None) => Readable::Now,
        (1, None) => Readable::Cold,
        (2, None) => Readable::Thawing,
        (3, Some(time)) => Readable::Until(Time(time)),
        (4, None) => Readable::Unknown,
        _ => return None,
    })
}

fn place(row: &Row<'_>) -> Result<PlaceRow, CatalogError> {
    let broken = || CatalogError::BrokenRow { what: "a place" };
    Ok(PlaceRow {
        name: ObjectName::new(row.get::<_, String>(0)?).map_err(|_| broken())?,
        class: StorageClass::from_name(&row.get::<_, String>(1)?),
        readable: decode(row.get(2)?, row.get(3)?).ok_or_else(broken)?,
        size: Bytes(row.get::<_, i64>(4)? as u64),
        seen: Time(row.get(5)?),
    })
}

impl Catalog {
    /// Remembers what a listing of `store` (by its label) showed. Call it in a
    /// transaction: many rows are one commit then.
    pub fn put_places(&self, store: &str, rows: &[PlaceRow]) -> Result<(), CatalogError> {
        let mut put = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO places (store, name, class, readable, until, size, seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for row in rows {
            let (readable, until) = encode(row.readable);
            let size = row.size.0 as i64;
            put.execute(params![store, row.name.as_str(), row.class.as_str(), readable, until, size, row.seen.0])?;
        }
        Ok(())
    }

    /// What is known of an object in a store.
    pub fn place(&self, store: &str, name: &ObjectName) -> Result<Option<PlaceRow>, CatalogError> {
        let mut query =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM places WHERE store = ?1 AND name = ?2"))?;
        query.query_row(params![store, name.as_str()], |row| Ok(place(row))).optional()?.transpose()
    }

    /// All that is known of a store, by name.
    pub fn for_each_place<E: From<CatalogError>>(
        &self,
        store: &str,
        mut each: impl FnMut(PlaceRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let step = |e| E::from(CatalogError::Sqlite(e));
        let mut query = self
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM places WHERE store = ?1 ORDER BY name"))
            .map_err(step)?;
        let mut rows = query.query([store]).map_err(step)?;
        while let Some(row) = rows.next().map_err(step)? {
            each(place(row)?)?;
        }
        Ok(())
    }

    /// Objects and bytes that a store holds, by class.
    pub fn holdings(&self, store: &str) -> Result<Vec<(StorageClass, Count, Bytes)>, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT class, count(*), sum(size) FROM places WHERE store = ?1 GROUP BY class ORDER BY class",
        )?;
        let rows = query.query_map([store], |row| {
            let class = StorageClass::from_name(&row.get::<_, String>(0)?);
            Ok((class, Count(row.get::<_, i64>(1)? as u64), Bytes(row.get::<_, i64>(2)? as u64)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// After a complete listing: forgets the objects that it did not show; how
    /// many there were.
    pub fn forget_places(&self, store: &str, seen_before: Time) -> Result<u64, CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM places WHERE store = ?1 AND seen < ?2")?;
        Ok(delete.execute(params![store, seen_before.0])? as u64)
    }
}
