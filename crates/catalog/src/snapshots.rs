//! Snapshots that this machine knows, and where each job stands.

use darkslide_words::{ObjectId, ObjectName, Time};
use rusqlite::{OptionalExtension as _, params};

use crate::{Catalog, CatalogError, PackSet};

/// A snapshot as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Object name.
    pub name: ObjectName,
    /// Its time.
    pub time: Time,
    /// Its payload, where it was made or opened here.
    pub payload: Option<Vec<u8>>,
    /// How its writer stood when it was opened here.
    pub standing: Option<String>,
}

/// Where a job stands: its last snapshot and what that needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobState {
    /// Its last snapshot.
    pub snapshot: Option<ObjectName>,
    /// That one's refs.
    pub refs: Option<ObjectId>,
    /// Length of the chain behind them.
    pub refs_depth: u32,
    /// The packs that they name.
    pub packs: PackSet,
    /// The packs of previews that they name.
    pub previews: std::collections::BTreeSet<ObjectName>,
}

impl Catalog {
    /// Remembers a snapshot; never forgets a payload that is known.
    pub fn put_snapshot(&self, row: &SnapshotRow) -> Result<(), CatalogError> {
        self.conn.execute(
            "INSERT INTO snapshots (name, time, payload, standing) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET payload = coalesce(excluded.payload, payload),
               standing = coalesce(excluded.standing, standing)",
            params![row.name.as_str(), row.time.0, row.payload, row.standing],
        )?;
        Ok(())
    }

    /// All known snapshots, oldest first.
    pub fn snapshots(&self) -> Result<Vec<SnapshotRow>, CatalogError> {
        let mut query = self.conn.prepare("SELECT name, time, payload, standing FROM snapshots ORDER BY time, name")?;
        let rows = query
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?)))?;
        let mut out = Vec::new();
        for row in rows {
            let (name, time, payload, standing) = row?;
            let name = ObjectName::new(name).map_err(|_| CatalogError::BrokenRow { what: "a snapshot" })?;
            out.push(SnapshotRow { name, time: Time(time), payload, standing });
        }
        Ok(out)
    }

    /// Forgets a snapshot that is in no store any more.
    pub fn drop_snapshot(&self, name: &ObjectName) -> Result<(), CatalogError> {
        self.conn.execute("DELETE FROM snapshots WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    /// Where a job stands.
    pub fn job(&self, job: &str) -> Result<JobState, CatalogError> {
        let mut query =
            self.conn.prepare("SELECT snapshot, refs, refs_depth, packs, previews FROM jobs WHERE job = ?1")?;
        let found = query
            .query_row([job], |row| {
                let (snapshot, refs): (Option<String>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
                let packs: Option<Vec<u8>> = row.get(3)?;
                let mut set = PackSet::default();
                set.decode_into(&packs.unwrap_or_default());
                let previews: Option<String> = row.get(4)?;
                Ok(JobState {
                    snapshot: snapshot.and_then(|s| ObjectName::new(s).ok()),
                    refs: refs.and_then(|r| ObjectId::from_slice(&r)),
                    refs_depth: row.get(2)?,
                    packs: set,
                    previews: previews.unwrap_or_default().lines().filter_map(|n| ObjectName::new(n).ok()).collect(),
                })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Records where a job stands.
    pub fn set_job(&self, job: &str, state: &JobState) -> Result<(), CatalogError> {
        self.conn.execute(
            "INSERT OR REPLACE INTO jobs (job, snapshot, refs, refs_depth, packs, previews)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                job,
                state.snapshot.as_ref().map(ObjectName::as_str),
                state.refs.map(|r| r.as_bytes().to_vec()),
                state.refs_depth,
                state.packs.encode(),
                state.previews.iter().map(ObjectName::as_str).collect::<Vec<_>>().join("\n")
            ],
        )?;
        Ok(())
    }
}
