//! Runs: one execution of a job, a row that survives a power cut.

use darkslide_words::{Name, Time};
use rusqlite::params;

use crate::{Catalog, CatalogError};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// All of it.
    Complete,
    /// Done, but some files could not be.
    Incomplete,
    /// It gave up.
    Failed,
}

impl RunOutcome {
    fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number.
    pub id: i64,
    /// Job.
    pub job: String,
    /// What kind of work.
    pub kind: String,
    /// When it began.
    pub started: Time,
    /// When it ended; nothing if it runs or was cut off.
    pub ended: Option<Time>,
    /// How.
    pub outcome: Option<String>,
    /// In a line.
    pub summary: Option<String>,
}

impl Catalog {
    /// A run begins.
    pub fn begin_run(&self, job: &str, kind: &str, at: Time) -> Result<i64, CatalogError> {
        self.conn.execute("INSERT INTO runs (job, kind, started) VALUES (?1, ?2, ?3)", params![job, kind, at.0])?;
        Ok(self.conn.last_insert_rowid())
    }

    /// A run ends.
    pub fn end_run(&self, run: i64, at: Time, outcome: RunOutcome, summary: &str) -> Result<(), CatalogError> {
        self.conn.execute(
            "UPDATE runs SET ended = ?2, outcome = ?3, summary = ?4 WHERE id = ?1",
            params![run, at.0, outcome.word(), summary],
        )?;
        Ok(())
    }

    /// A file that a run could not do.
    pub fn add_failure(&self, run: i64, path: &Name, reason: &str) -> Result<(), CatalogError> {
        self.conn.execute(
            "INSERT INTO failures (run, path, reason) VALUES (?1, ?2, ?3)",
            params![run, path.as_bytes(), reason],
        )?;
        Ok(())
    }

    /// What a run could not do.
    pub fn failures(&self, run: i64) -> Result<Vec<(Name, String)>, CatalogError> {
        let mut query = self.conn.prepare("SELECT path, reason FROM failures WHERE run = ?1 ORDER BY rowid")?;
        let rows = query.query_map([run], |row| Ok((Name::new(row.get::<_, Vec<u8>>(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest runs first.
    pub fn runs(&self, most: u32) -> Result<Vec<RunRow>, CatalogError> {
        let mut query = self
            .conn
            .prepare("SELECT id, job, kind, started, ended, outcome, summary FROM runs ORDER BY id DESC LIMIT ?1")?;
        let rows = query.query_map([most], |row| {
            Ok(RunRow {
                id: row.get(0)?,
                job: row.get(1)?,
                kind: row.get(2)?,
                started: Time(row.get(3)?),
                ended: row.get::<_, Option<i64>>(4)?.map(Time),
                outcome: row.get(5)?,
                summary: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
