//! Alarms that no run raises: a library without a backup for too long, a thaw that has come.

use std::time::Duration;

use darkslide_catalog::{Catalog, RunOutcome, ThawState};
use darkslide_format::canon;
use darkslide_format::snapshot::Snapshot;
use darkslide_words::Time;

use crate::events::{Event, EventKind};
use crate::schedule::span_text;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError};

/// Between two alarms about the same.
const AGAIN_AFTER: Duration = Duration::from_secs(86_400);

fn key(backup: &str) -> String {
    format!("no backup: {backup}")
}

fn time_in(value: Option<Vec<u8>>) -> Option<Time> {
    value.and_then(|bytes| bytes.try_into().ok()).map(|bytes| Time(i64::from_le_bytes(bytes)))
}

impl Engine {
    /// The dead man's switch: tells of each library that had no backup for longer than it may be,
    /// once a day. Which ones.
    pub fn no_backup_alarms(&self) -> Result<Vec<String>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let (now, most) = (self.clock.now(), self.settings.daemon.no_backup_for());
        let secrets = secrets::path(&self.settings.state_dir());
        let own = WriterFile::load(&secrets).ok().map(|file| file.secrets.id());
        let mut told = Vec::new();
        for job in &self.settings.backups {
            // A machine that never backed up does not; one whose secrets are lost or broken should.
            let first = format!("first seen: {}", job.name);
            if own.is_none() && !secrets.exists() && catalog.meta(&first)?.is_none() {
                continue;
            }
            let mut last: Option<Time> = None;
            for row in catalog.snapshots()? {
                let Some(payload) = row.payload else { continue };
                let snapshot: Snapshot = canon::from_bytes("a snapshot's row", &payload)?;
                if snapshot.job == job.name && snapshot.complete && own.is_none_or(|own| snapshot.writer == own) {
                    last = last.max(Some(row.time));
                }
            }
            // Never backed up: since it was first looked at.
            let seen = time_in(catalog.meta(&first)?).filter(|seen| *seen <= now);
            if seen.is_none() {
                catalog.set_meta(&first, &now.0.to_le_bytes())?;
            }
            let age = last.or(seen).unwrap_or(now).until(now);
            let before = time_in(catalog.meta(&key(&job.name))?).filter(|at| *at <= now);
            let again = before.is_none_or(|at| at.until(now) >= AGAIN_AFTER);
            if age <= most || !again {
                continue;
            }
            let since = match last {
                Some(at) => format!("The last backup of {} was {}, {} ago.", job.name, at.local(), span_text(age)),
                None => format!("{} was never backed up.", job.name),
            };
            let title = format!("no backup of {} for {}", job.name, span_text(age));
            let text = format!("{since} `darkslide logs {}` tells what the last runs did.", job.name);
            let event = Event::new(EventKind::NoBackupFor, now, title, text).of_job(&job.name);
            let last = last.map(|at| at.to_string());
            self.tell(&event.fact("seconds", age.as_secs()).fact("limit_seconds", most.as_secs()).fact("last", last));
            // Only now: a process that dies before has told nobody.
            catalog.set_meta(&key(&job.name), &now.0.to_le_bytes())?;
            told.push(job.name.clone());
        }
        Ok(told)
    }

    /// True if the alarm stood for this library; a backup that is done ends it.
    pub(crate) fn was_missing(
        &self,
        catalog: &Catalog,
        target: &str,
        kind: &str,
        outcome: RunOutcome,
    ) -> Result<bool, EngineError> {
        if kind != "backup" || !outcome.is_done() {
            return Ok(false);
        }
        let stood = catalog.meta(&key(target))?.is_some_and(|value| !value.is_empty());
        if stood {
            catalog.set_meta(&key(target), b"")?;
        }
        Ok(stood)
    }

    /// Goes on with open thaws where this machine may, and tells of each that can be read, once.
    pub fn thaw_alarms(&self) -> Result<Vec<i64>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let open = |state| state == ThawState::Open;
        if !catalog.thaws()?.iter().any(|row| open(row.state)) {
            return Ok(Vec::new());
        }
        let reads = self.settings.stores.iter().any(|store| store.reader_profile.is_some());
        let mut told = Vec::new();
        for id in self.thaws()?.into_iter().filter(|thaw| open(thaw.row.state)).map(|thaw| thaw.id) {
            // A store that cannot be asked just now tells nothing; the next look does.
            if reads && self.stopped_thaw(id).is_err() {
                continue;
            }
            let Some(thaw) = self.thaws()?.into_iter().find(|thaw| thaw.id == id) else { continue };
            let (progress, now) = (&thaw.progress, self.clock.now());
            let frozen = progress.cold.packs.0 + progress.asked.packs.0;
            let by_now = progress.ready_about.is_some_and(|at| at <= now) && progress.cold.packs.0 == 0;
            let (once, ready) = (format!("thaw told: {id}"), frozen == 0 || by_now);
            if !ready || catalog.meta(&once)?.is_some() {
                continue;
            }
            let sure = if frozen == 0 { "can be read" } else { "should be readable by now" };
            let text = format!(
                "What thaw {id} asked for {sure}: {}. The same restore again, or `darkslide thaw wait {id}`, brings it \
                 to {}. Thawed copies do not stay for ever.",
                progress.warm.bytes,
                thaw.to.display()
            );
            let event = Event::new(EventKind::ThawReady, now, format!("thaw {id} is ready"), text);
            self.tell(&event.fact("thaw", id).fact("to", thaw.to.display().to_string()));
            catalog.set_meta(&once, &now.0.to_le_bytes())?;
            told.push(id);
        }
        Ok(told)
    }
}
