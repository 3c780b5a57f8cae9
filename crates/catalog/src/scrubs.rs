//! What scrubs and audits found of each object's bytes in each store: when they were read last, and
//! how they were. So a rotation goes on where it was, and a repair knows what to mend. Reading
//! again gives all of it back.

use std::collections::BTreeSet;

use darkslide_words::{Bytes, ObjectName, Time};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{Catalog, CatalogError};

/// The tables. A pack is `lost` when no store holds its bytes any more, though some still list it.
pub(crate) const TABLES: &str = "
CREATE TABLE scrubs (
  store TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, checked INTEGER NOT NULL, outcome INTEGER NOT NULL,
  why TEXT NOT NULL, PRIMARY KEY (store, name)) WITHOUT ROWID;
CREATE INDEX scrubs_damaged ON scrubs (store, name) WHERE outcome <> 0;
CREATE TABLE lost (name TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
";

/// How an object's bytes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// As they should be.
    Good,
    /// Damaged.
    Damaged,
    /// As they should be, but the parity beside them is damaged.
    Worn,
}

impl Checked {
    fn code(self) -> i64 {
        match self {
            Self::Good => 0,
            Self::Damaged => 1,
            Self::Worn => 2,
        }
    }

    fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Good,
            2 => Self::Worn,
            _ => Self::Damaged,
        }
    }
}

/// The last look at an object's bytes in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubRow {
    /// The object.
    pub name: ObjectName,
    /// Its bytes then.
    pub size: Bytes,
    /// When it was read.
    pub checked: Time,
    /// How it was.
    pub outcome: Checked,
    /// What was wrong, in words.
    pub why: String,
}

const COLUMNS: &str = "name, size, checked, outcome, why";

fn scrub(row: &Row<'_>) -> Result<ScrubRow, CatalogError> {
    let broken = || CatalogError::BrokenRow { what: "a scrub" };
    Ok(ScrubRow {
        name: ObjectName::new(row.get::<_, String>(0)?).map_err(|_| broken())?,
        size: Bytes(row.get::<_, i64>(1)? as u64),
        checked: Time(row.get(2)?),
        outcome: Checked::from_code(row.get(3)?),
        why: row.get(4)?,
    })
}

impl Catalog {
    /// Remembers looks at objects of a store. Call it in a transaction: many rows are one commit then.
    pub fn put_scrubs(&self, store: &str, rows: &[ScrubRow]) -> Result<(), CatalogError> {
        let mut put = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO scrubs (store, name, size, checked, outcome, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for row in rows {
            let (size, outcome) = (row.size.0 as i64, row.outcome.code());
            put.execute(params![store, row.name.as_str(), size, row.checked.0, outcome, row.why])?;
        }
        Ok(())
    }

    /// The last look at an object.
    pub fn scrub(&self, store: &str, name: &ObjectName) -> Result<Option<ScrubRow>, CatalogError> {
        let mut query =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM scrubs WHERE store = ?1 AND name = ?2"))?;
        query.query_row(params![store, name.as_str()], |row| Ok(scrub(row))).optional()?.transpose()
    }

    /// All looks at a store's objects, by name.
    pub fn for_each_scrub<E: From<CatalogError>>(
        &self,
        store: &str,
        mut each: impl FnMut(ScrubRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let step = |e| E::from(CatalogError::Sqlite(e));
        let sql = format!("SELECT {COLUMNS} FROM scrubs WHERE store = ?1 ORDER BY name");
        let mut query = self.conn.prepare_cached(&sql).map_err(step)?;
        let mut rows = query.query([store]).map_err(step)?;
        while let Some(row) = rows.next().map_err(step)? {
            each(scrub(row)?)?;
        }
        Ok(())
    }

    /// The objects of a store that were damaged at the last look, or whose parity was.
    pub fn damaged_in(&self, store: &str) -> Result<Vec<ScrubRow>, CatalogError> {
        let sql = format!("SELECT {COLUMNS} FROM scrubs WHERE store = ?1 AND outcome <> 0 ORDER BY name");
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query([store])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(scrub(row)?);
        }
        Ok(out)
    }

    /// Forgets the looks at an object: it is gone, or another's bytes are in its place.
    pub fn forget_scrub(&self, store: &str, name: &ObjectName) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM scrubs WHERE store = ?1 AND name = ?2")?;
        delete.execute(params![store, name.as_str()])?;
        Ok(())
    }

    /// Remembers that no store holds a pack's bytes any more.
    pub fn put_lost(&self, name: &ObjectName, since: Time) -> Result<(), CatalogError> {
        let mut put = self.conn.prepare_cached("INSERT OR IGNORE INTO lost (name, since) VALUES (?1, ?2)")?;
        put.execute(params![name.as_str(), since.0])?;
        Ok(())
    }

    /// A pack that was lost is there again.
    pub fn forget_lost(&self, name: &ObjectName) -> Result<(), CatalogError> {
        self.conn.execute("DELETE FROM lost WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    /// Packs whose bytes no store holds any more: nothing new may rely on them, though they are listed.
    pub fn lost(&self) -> Result<BTreeSet<ObjectName>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT name FROM lost")?;
        let rows = query.query_map([], |row| row.get::<_, String>(0))?;
        let mut out = BTreeSet::new();
        for row in rows {
            out.insert(ObjectName::new(row?).map_err(|_| CatalogError::BrokenRow { what: "a lost pack" })?);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_remembered_per_store_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&folder.path().join("catalog.sqlite")).unwrap();
        let name = |n: u8| ObjectName::new(format!("packs/{n}")).unwrap();
        let row = |n, checked, outcome| ScrubRow {
            name: name(n),
            size: Bytes(7),
            checked: Time(checked),
            outcome,
            why: "rot".into(),
        };
        catalog.put_scrubs("a", &[row(2, 5, Checked::Damaged), row(1, 6, Checked::Good)]).unwrap();
        catalog.put_scrubs("b", &[row(1, 9, Checked::Damaged)]).unwrap();
        assert_eq!(catalog.damaged_in("a").unwrap(), [row(2, 5, Checked::Damaged)]);
        catalog.put_scrubs("a", &[row(2, 8, Checked::Good)]).unwrap();
        assert_eq!(catalog.damaged_in("a").unwrap(), []);
        assert_eq!(catalog.scrub("a", &name(2)).unwrap(), Some(row(2, 8, Checked::Good)));
        assert_eq!(catalog.scrub("c", &name(2)).unwrap(), None);
        let mut seen = Vec::new();
        catalog
            .for_each_scrub::<CatalogError>("a", |row| {
                seen.push(row.name);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [name(1), name(2)]);
        catalog.forget_scrub("b", &name(1)).unwrap();
        assert_eq!(catalog.damaged_in("b").unwrap(), []);
        catalog.put_lost(&name(3), Time(1)).unwrap();
        catalog.put_lost(&name(3), Time(2)).unwrap();
        assert_eq!(catalog.lost().unwrap(), BTreeSet::from([name(3)]));
        catalog.forget_lost(&name(3)).unwrap();
        assert_eq!(catalog.lost().unwrap(), BTreeSet::new());
    }
}
