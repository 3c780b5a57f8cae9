//! The bucket's bulk engine behind the `Store` trait: a job's id carries its token,
//! so that its report is found again after a restart.

use std::time::Duration;

use darkslide_store::{BulkEngine, BulkResult, BulkState as Far, StoreError, Sums, ThawAsk, ThawOutcome, Warmed};
use darkslide_words::{ObjectName, Time};

use crate::bulk::{Bulk, BulkOutcome, BulkSettings, BulkState, BulkWork};
use crate::events::{Event, ThawEvents};
use crate::{LockMode, S3Store};

impl S3Store {
    /// The same store, with batch jobs for bulk thaws.
    pub fn with_bulk(mut self, settings: BulkSettings) -> Result<Self, StoreError> {
        self.bulk = Some(Bulk::new(&self, settings)?);
        Ok(self)
    }
}

impl S3Store {
    /// The same store, with a queue that gets the bucket's restore events.
    pub fn with_events(mut self, queue_url: &str) -> Self {
        let endpoint = self.settings.endpoint.clone();
        self.events = Some(ThawEvents::new(&self, queue_url, endpoint.as_deref()));
        self
    }

    /// What the queue says was thawed. The messages are deleted at once: an event
    /// that is lost with the process is made up for by a listing, which whoever asks
    /// does when something is overdue.
    pub(crate) fn drain(&self) -> Result<Option<Warmed>, StoreError> {
        let Some(queue) = &self.events else { return Ok(None) };
        let mut warmed = Vec::new();
        loop {
            let drained = queue.drain(Duration::ZERO)?;
            let done = drained.events.is_empty();
            for (name, event) in &drained.events {
                if let Event::Completed { until } = event {
                    warmed.push((name.clone(), *until));
                }
            }
            queue.confirm(drained)?;
            if done {
                return Ok(Some(warmed));
            }
        }
    }

    /// The mode in which locks are extended; nothing where the bucket has none, as far
    /// as may be asked.
    fn locks(&self) -> Result<Option<LockMode>, StoreError> {
        if let Some(mode) = self.lock_mode.get() {
            return Ok(*mode);
        }
        let (lock, retention) = self.lock_facts()?;
        let mode = match lock.known() {
            Some(true) => Some(retention.known().flatten().map_or(LockMode::Governance, |r| r.mode)),
            _ => None,
        };
        Ok(*self.lock_mode.get_or_init(|| mode))
    }

    /// Until when an object is locked. One call for the bucket, and only where that has
    /// Object Lock one for each object: a deletion there would hide what is still paid for.
    pub(crate) fn lock_end(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        match self.locks()? {
            Some(_) => Ok(self.lock_state(name)?.map(|lock| lock.until)),
            None => Ok(None),
        }
    }

    /// Extends the lock of an object in the mode of the bucket's default retention.
    pub(crate) fn keep_locked(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        let Some(mode) = self.locks()? else { return Ok(false) };
        self.extend_lock_to(name, until, mode)?;
        Ok(true)
    }
}

impl BulkEngine for Bulk {
    fn submit(&self, names: &[ObjectName], ask: &ThawAsk, token: &str) -> Result<String, StoreError> {
        let job = self.start(token, names, &BulkWork::Thaw { tier: ask.tier, days: ask.days })?;
        Ok(format!("{token}/{job}"))
    }

    fn submit_checksums(&self, names: &[ObjectName], token: &str) -> Result<Option<String>, StoreError> {
        let job = self.start(token, names, &BulkWork::Checksum)?;
        Ok(Some(format!("{token}/{job}")))
    }

    fn checksums(&self, job: &str) -> Result<Option<Sums>, StoreError> {
        let (token, id) = job.split_once('/').unwrap_or(("", job));
        if !self.describe(id)?.state.is_over() {
            return Ok(None);
        }
        let sum = |outcome| match outcome {
            BulkOutcome::Checksum(sum) => Ok(sum),
            BulkOutcome::Missing => Err("no such object".to_string()),
            BulkOutcome::Failed { code, message } => Err(format!("{code}: {message}")),
            other => Err(format!("the report gives no checksum ({other:?})")),
        };
        let outcomes = self.reported(token, id)?;
        Ok(Some(outcomes.into_iter().map(|(name, outcome)| (name, sum(outcome))).collect()))
    }

    fn state(&self, job: &str) -> Result<Far, StoreError> {
        let (token, id) = job.split_once('/').unwrap_or(("", job));
        let status = self.describe(id)?;
        Ok(match status.state {
            BulkState::Done => {
                let outcomes = self.reported(token, id)?;
                Far::Finished(outcomes.into_iter().map(|(name, outcome)| result(name, outcome)).collect())
            }
            BulkState::Failed(reasons) => Far::Failed(reasons.join("; ")),
            BulkState::Cancelled => Far::Failed("it was cancelled".into()),
            _ => Far::Working { done: status.succeeded + status.failed, of: status.total },
        })
    }
}

fn result(name: ObjectName, outcome: BulkOutcome) -> BulkResult {
    let outcome = match outcome {
        BulkOutcome::Done | BulkOutcome::Checksum(_) => Ok(ThawOutcome::Started),
        BulkOutcome::InProgress => Ok(ThawOutcome::InProgress),
        BulkOutcome::NotCold => Ok(ThawOutcome::NotCold),
        BulkOutcome::Missing => Ok(ThawOutcome::Missing),
        BulkOutcome::Failed { code, message } => Err(format!("{code}: {message}")),
        BulkOutcome::Unreported => Err("the report does not name it".into()),
    };
    BulkResult { name, outcome }
}
