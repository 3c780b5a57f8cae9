//! Runs: one execution of a job, a row that survives a power cut; and since when a job is
//! scheduled.

use std::time::Duration;

use darkslide_words::{Bytes, Count, Money, Name, Time};
use rusqlite::{OptionalExtension as _, Row, params};

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
    /// It was told to stop; a later run goes on.
    Cancelled,
    /// Its process or the machine died.
    CutOff,
}

impl RunOutcome {
    const ALL: [Self; 5] = [Self::Complete, Self::Incomplete, Self::Failed, Self::Cancelled, Self::CutOff];

    /// As it stands in the catalog.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::CutOff => "cut off",
        }
    }

    /// True if the work was done, though perhaps not for every file.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Complete | Self::Incomplete)
    }
}

/// Who or what started a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunOrigin {
    /// Somebody, by hand.
    #[default]
    Manual,
    /// Its schedule.
    Schedule,
    /// Its schedule, later than it should have been.
    Missed,
    /// A card that was put in.
    Insertion,
    /// The end of another job.
    After,
}

impl RunOrigin {
    const ALL: [Self; 5] = [Self::Manual, Self::Schedule, Self::Missed, Self::Insertion, Self::After];

    /// As it stands in the catalog.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Missed => "missed",
            Self::Insertion => "insertion",
            Self::After => "after",
        }
    }
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// The library, mirror or card.
    pub job: String,
    /// The `[[job]]` that it was started as.
    pub task: Option<String>,
    /// What kind of work.
    pub kind: String,
    /// When.
    pub at: Time,
    /// Who or what started it.
    pub origin: RunOrigin,
    /// The time of its schedule that it serves.
    pub slot: Option<Time>,
    /// The run of another job that it follows.
    pub cause: Option<i64>,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// How.
    pub outcome: RunOutcome,
    /// In a line.
    pub summary: String,
    /// Files that it brought, stored, or looked at.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// What its requests cost.
    pub money: Money,
    /// Warnings that it gave; each stands in its log.
    pub warnings: Count,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number.
    pub id: i64,
    /// The library, mirror or card.
    pub job: String,
    /// The `[[job]]` that it was started as.
    pub task: Option<String>,
    /// What kind of work.
    pub kind: String,
    /// When it began.
    pub started: Time,
    /// When it ended; of one that was cut off, its last sign of life.
    pub ended: Option<Time>,
    /// How; nothing while it runs.
    pub outcome: Option<String>,
    /// In a line.
    pub summary: Option<String>,
    /// Who or what started it.
    pub origin: RunOrigin,
    /// The time of its schedule that it serves.
    pub slot: Option<Time>,
    /// The run of another job that it follows.
    pub cause: Option<i64>,
    /// Files that it brought, stored, or looked at.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// What its requests cost.
    pub money: Money,
    /// Warnings that it gave.
    pub warnings: Count,
}

impl RunRow {
    /// How it ended; nothing while it runs.
    pub fn how(&self) -> Option<RunOutcome> {
        RunOutcome::ALL.into_iter().find(|outcome| Some(outcome.word()) == self.outcome.as_deref())
    }
}

/// Whose runs are meant.
#[derive(Debug, Clone, Copy)]
pub struct RunsOf<'a> {
    /// Name of a `[[job]]`.
    pub task: &'a str,
    /// The kind of work that it does.
    pub kind: &'a str,
    /// Its library or mirror.
    pub target: &'a str,
}

/// Since when a job is scheduled as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its schedule.
    pub text: String,
    /// Since when.
    pub since: Time,
    /// The last run of any job at that time.
    pub since_run: i64,
}

const COLUMNS: &str =
    "id, job, kind, started, ended, outcome, summary, origin, slot, cause, files, bytes, money, warnings, task";

impl Catalog {
    /// A run begins.
    pub fn begin_run(&self, start: &RunStart) -> Result<i64, CatalogError> {
        self.conn.execute(
            "INSERT INTO runs (job, kind, started, origin, slot, cause, task) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                start.job,
                start.kind,
                start.at.0,
                start.origin.word(),
                start.slot.map(|t| t.0),
                start.cause,
                start.task
            ],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// A run ends.
    pub fn end_run(&self, run: i64, at: Time, end: &RunEnd) -> Result<(), CatalogError> {
        self.conn.execute(
            "UPDATE runs SET ended = ?2, outcome = ?3, summary = ?4, files = ?5, bytes = ?6, money = ?7, warnings = ?8
             WHERE id = ?1",
            params![
                run,
                at.0,
                end.outcome.word(),
                end.summary,
                signed(end.files.0),
                signed(end.bytes.0),
                end.money.0,
                signed(end.warnings.0)
            ],
        )?;
        Ok(())
    }

    /// A run whose process is gone. False if it had ended by itself in the meantime.
    pub fn cut_off(&self, run: i64, last_seen: Time) -> Result<bool, CatalogError> {
        let changed = self.conn.execute(
            "UPDATE runs SET ended = ?2, outcome = ?3 WHERE id = ?1 AND outcome IS NULL",
            params![run, last_seen.0, RunOutcome::CutOff.word()],
        )?;
        Ok(changed > 0)
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

    fn select_runs(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<RunRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM runs {rest}"))?;
        Ok(query.query_map(values, read)?.collect::<Result<_, _>>()?)
    }

    /// The newest runs first.
    pub fn runs(&self, most: u32) -> Result<Vec<RunRow>, CatalogError> {
        self.select_runs("ORDER BY id DESC LIMIT ?1", [most])
    }

    /// A run by its number.
    pub fn run(&self, id: i64) -> Result<Option<RunRow>, CatalogError> {
        Ok(self.select_runs("WHERE id = ?1", [id])?.pop())
    }

    /// The runs of a name, be it that of a library, mirror, card or `[[job]]`; the newest first.
    pub fn runs_of(&self, name: &str, most: u32) -> Result<Vec<RunRow>, CatalogError> {
        self.select_runs("WHERE job = ?1 OR task = ?1 ORDER BY id DESC LIMIT ?2", params![name, most])
    }

    /// What a `[[job]]` ran that served a slot from `floor` on, or began since; also by hand, when
    /// it did the same kind of work with the same target. What began after `limit` was told by a
    /// clock that was wrong, or is looked at by one.
    pub fn runs_since(&self, of: &RunsOf<'_>, floor: Time, limit: Time) -> Result<Vec<RunRow>, CatalogError> {
        let rest = "WHERE (task = ?1 OR (task IS NULL AND kind = ?2 AND job = ?3)) AND void = 0
             AND (slot >= ?4 OR started >= ?4) AND started <= ?5 ORDER BY id";
        self.select_runs(rest, params![of.task, of.kind, of.target, floor.0, limit.0])
    }

    /// The same, of runs that came after a run of any job.
    pub fn runs_after(&self, of: &RunsOf<'_>, run: i64) -> Result<Vec<RunRow>, CatalogError> {
        let rest = "WHERE (task = ?1 OR (task IS NULL AND kind = ?2 AND job = ?3)) AND id > ?4 ORDER BY id";
        self.select_runs(rest, params![of.task, of.kind, of.target, run])
    }

    /// The same, the newest first.
    pub fn latest_runs(&self, of: &RunsOf<'_>, most: u32) -> Result<Vec<RunRow>, CatalogError> {
        let rest = "WHERE task = ?1 OR (task IS NULL AND kind = ?2 AND job = ?3) ORDER BY id DESC LIMIT ?4";
        self.select_runs(rest, params![of.task, of.kind, of.target, most])
    }

    /// Runs that have not ended.
    pub fn runs_going_on(&self) -> Result<Vec<RunRow>, CatalogError> {
        self.select_runs("WHERE outcome IS NULL ORDER BY id", [])
    }

    /// The number of the last run of all; 0 if there was none.
    pub fn last_run(&self) -> Result<i64, CatalogError> {
        Ok(self.conn.query_row("SELECT coalesce(max(id), 0) FROM runs", [], |row| row.get(0))?)
    }

    /// Runs that began after `limit`, and after which runs before it went on for `long`: the clock
    /// that told of them was wrong, and no schedule goes by them any more, not even when their time
    /// comes. How many there were. Where less went by, the clock of now may be the wrong one.
    pub fn void_runs_after(&self, limit: Time, long: Duration) -> Result<usize, CatalogError> {
        const WRONG: &str = "void = 0 AND started > ?1 AND
             (SELECT max(later.started) - min(later.started) FROM runs later
              WHERE later.id > runs.id AND later.started <= ?1) >= ?2";
        let long = i64::try_from(long.as_nanos()).unwrap_or(i64::MAX);
        // Mostly there are none, and a look takes no lock.
        let any = format!("SELECT EXISTS (SELECT 1 FROM runs WHERE {WRONG})");
        if !self.conn.query_row(&any, [limit.0, long], |row| row.get::<_, bool>(0))? {
            return Ok(0);
        }
        Ok(self.conn.execute(&format!("UPDATE runs SET void = 1 WHERE {WRONG}"), [limit.0, long])?)
    }

    /// Since when a job is scheduled.
    pub fn scheduled(&self, job: &str) -> Result<Option<Scheduled>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT text, since, since_run FROM scheduled WHERE job = ?1")?;
        let read =
            |row: &Row<'_>| Ok(Scheduled { text: row.get(0)?, since: Time(row.get(1)?), since_run: row.get(2)? });
        Ok(query.query_row([job], read).optional()?)
    }

    /// Remembers since when a job is scheduled.
    pub fn set_scheduled(&self, job: &str, scheduled: &Scheduled) -> Result<(), CatalogError> {
        self.conn.execute(
            "INSERT OR REPLACE INTO scheduled (job, text, since, since_run) VALUES (?1, ?2, ?3, ?4)",
            params![job, scheduled.text, scheduled.since.0, scheduled.since_run],
        )?;
        Ok(())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let count = |at: usize| -> rusqlite::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0)) };
    let origin: String = row.get(7)?;
    Ok(RunRow {
        id: row.get(0)?,
        job: row.get(1)?,
        kind: row.get(2)?,
        started: Time(row.get(3)?),
        ended: row.get::<_, Option<i64>>(4)?.map(Time),
        outcome: row.get(5)?,
        summary: row.get(6)?,
        origin: RunOrigin::ALL.into_iter().find(|one| one.word() == origin).unwrap_or_default(),
        slot: row.get::<_, Option<i64>>(8)?.map(Time),
        cause: row.get(9)?,
        files: Count(count(10)?),
        bytes: Bytes(count(11)?),
        money: Money(row.get(12)?),
        warnings: Count(count(13)?),
        task: row.get(14)?,
    })
}
