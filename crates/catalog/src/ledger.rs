//! The ledger: what was quoted, and what was paid, entry by entry. Entries are
//! added and never changed.

use darkslide_words::{Money, Time};
use rusqlite::params;

use crate::{Catalog, CatalogError};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// When it was paid.
    pub at: Time,
    /// For what kind of work: `thaw`, `download` …
    pub kind: String,
    /// What it belongs to: a thaw, a run.
    pub reference: String,
    /// For what exactly, for people.
    pub what: String,
    /// What had been quoted for it.
    pub quoted: Money,
    /// What it cost, by the price table.
    pub actual: Money,
}

impl Catalog {
    /// Adds an entry.
    pub fn add_ledger(&self, row: &LedgerRow) -> Result<(), CatalogError> {
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO ledger (at, kind, reference, what, quoted, actual) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        insert.execute(params![row.at.0, row.kind, row.reference, row.what, row.quoted.0, row.actual.0])?;
        Ok(())
    }

    /// The entries from `since` on, oldest first.
    pub fn ledger(&self, since: Time) -> Result<Vec<LedgerRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(
            "SELECT at, kind, reference, what, quoted, actual FROM ledger WHERE at >= ?1 ORDER BY at, id",
        )?;
        let rows = query.query_map([since.0], |row| {
            Ok(LedgerRow {
                at: Time(row.get(0)?),
                kind: row.get(1)?,
                reference: row.get(2)?,
                what: row.get(3)?,
                quoted: Money(row.get(4)?),
                actual: Money(row.get(5)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was paid from `since` on.
    pub fn spent(&self, since: Time) -> Result<Money, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT coalesce(sum(actual), 0) FROM ledger WHERE at >= ?1")?;
        Ok(Money(query.query_row([since.0], |row| row.get(0))?))
    }
}
