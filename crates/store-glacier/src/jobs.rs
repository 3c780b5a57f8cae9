//! Retrieval jobs: an archive, or a part of it, is asked for, and hours later its bytes can be
//! read for a day. What is asked for is remembered here, and found again through the list of jobs.

use std::ops::Range;
use std::time::Duration;

use darkslide_price::{Pace, is_tree_aligned, midnight_after, midnight_before, retrieval_span, vault_times};
use darkslide_store::vault::{Job, JobKind, JobState, RetrievalPolicy};
use darkslide_store::{ReadOutcome, Readable, StoreError, ThawAsk, ThawOutcome};
use darkslide_words::{Bytes, ObjectName, Span, StorageClass, Tier, Time};

use crate::VaultStore;
use crate::failure::Failure;
use crate::record::{ArchiveRow, JobRow};
use crate::service::{JobAsk, JobFacts};
use crate::tree::Sums;

/// Outputs are kept at least so long after a job ended.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);
/// A job so young need not be in a list yet.
const SETTLING: Duration = Duration::from_secs(15 * 60);
/// How long what was heard of the policy is believed, and how long a refusal is.
const HOUR: Duration = Duration::from_secs(3600);
/// How soon it is tried again whether a job has ended that may have by now.
const SOON: Duration = Duration::from_secs(15 * 60);
/// How old what is known of jobs may be before a read asks again.
const FRESH: Duration = Duration::from_secs(60);

/// What was last heard of the account's policy, and when.
pub(crate) type Policy = Option<(Time, RetrievalPolicy)>;

impl JobRow {
    pub(crate) fn until(&self) -> Option<Time> {
        self.completed.map(|at| at.plus(KEPT))
    }

    fn is_ready(&self, now: Time) -> bool {
        self.state == JobState::Ready && self.until().is_some_and(|until| until > now)
    }

    /// The part of an archive of that size that it brings.
    fn brings(&self, size: u64) -> Span {
        self.span.unwrap_or(Span { from: 0, to: size })
    }

    pub(crate) fn shown(self, name: Option<ObjectName>) -> Job {
        Job {
            until: self.until(),
            id: self.id,
            kind: self.kind,
            state: self.state,
            archive: self.archive,
            name,
            tier: self.tier,
            span: self.span,
            tree: self.tree,
            created: self.created,
            completed: self.completed,
            description: self.description,
        }
    }
}

pub(crate) fn row(facts: JobFacts) -> JobRow {
    JobRow {
        state: match facts.succeeded {
            None => JobState::Working,
            Some(true) => JobState::Ready,
            Some(false) => JobState::Failed,
        },
        size: facts.archive_size.or(facts.inventory_size),
        id: facts.id,
        kind: facts.kind,
        archive: facts.archive,
        tier: facts.tier,
        span: facts.span,
        tree: facts.tree,
        created: facts.created,
        completed: facts.completed,
        description: facts.description,
    }
}

impl VaultStore {
    /// Asks the service for all jobs of the vault, and remembers them.
    pub(crate) fn refresh_jobs(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let jobs = self.service.jobs().map_err(|f| self.error(&f, "listing jobs", None))?;
        self.record.transaction(|| {
            jobs.into_iter().try_for_each(|job| self.record.put_job(&row(job), now))?;
            let settled = Time(now.0.saturating_sub(SETTLING.as_nanos() as i64));
            self.record.forget_jobs(now, settled)?;
            self.record.set_meta("jobs", &now.0.to_string())
        })
    }

    /// When the jobs were listed last.
    fn refreshed(&self) -> Result<Option<Time>, StoreError> {
        Ok(self.record.meta("jobs")?.and_then(|text| text.parse().ok()).map(Time))
    }

    /// Whether a part of an archive can be read, by what is known of its jobs.
    pub(crate) fn readable(&self, row: &ArchiveRow, wanted: Span) -> Result<Readable, StoreError> {
        let now = self.clock.now();
        let jobs = self.record.jobs_of(&row.id)?;
        let covering = || jobs.iter().filter(|job| job.brings(row.size).covers(wanted));
        if let Some(until) = covering().filter(|job| job.is_ready(now)).filter_map(JobRow::until).max() {
            return Ok(Readable::Until(until));
        }
        let working = covering().any(|job| job.state == JobState::Working);
        Ok(if working { Readable::Thawing } else { Readable::Cold })
    }

    /// Asks for what is wanted of an archive, unless it is on its way already.
    pub(crate) fn thaw_archive(&self, row: &ArchiveRow, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        let all = Span { from: 0, to: row.size };
        let wanted = ask.span.unwrap_or(all);
        let span = retrieval_span(wanted, Bytes(row.size));
        let now = self.clock.now();
        for job in self.record.jobs_of(&row.id)?.into_iter().filter(|job| job.brings(row.size).covers(wanted)) {
            if job.is_ready(now) {
                return Ok(ThawOutcome::NotCold);
            }
            if job.state == JobState::Working && job.tier.is_some_and(|tier| tier >= ask.tier) {
                return Ok(ThawOutcome::InProgress);
            }
        }
        if let Some(until) = self.held_back(ask.tier, Bytes(span.len()), now)? {
            return Ok(ThawOutcome::HeldBack { until });
        }
        let part = (span != all).then_some(span);
        match self.begin(&row.id, ask.tier, part, &row.description) {
            Ok(_) => Ok(ThawOutcome::Started),
            Err(failure) if failure.is_policy() => Ok(ThawOutcome::HeldBack { until: now.plus(HOUR) }),
            Err(failure) if failure.is_no_capacity() => Ok(ThawOutcome::NoCapacity),
            Err(failure) if failure.is_missing() && !failure.is_vault_missing() => Ok(ThawOutcome::Missing),
            Err(failure) => Err(self.error(&failure, "asking for", row.name.as_ref())),
        }
    }

    /// Begins a job, and remembers it.
    pub(crate) fn begin(&self, archive: &str, tier: Tier, span: Option<Span>, said: &str) -> Result<String, Failure> {
        let (archive, description) = (archive.to_string(), said.to_string());
        let ask = JobAsk::Archive { archive: archive.clone(), tier, span, description: description.clone() };
        let id = self.service.begin_job(&ask)?;
        let now = self.clock.now();
        let size = self.record.archive(&archive).ok().flatten().map(|row| row.size);
        let row = JobRow {
            id: id.clone(),
            kind: JobKind::Archive,
            archive: Some(archive),
            state: JobState::Working,
            tier: Some(tier),
            span,
            tree: None,
            size,
            created: now,
            completed: None,
            description,
        };
        // What cannot be written down here is found again in the list of jobs.
        let _ = self.record.put_job(&row, now);
        Ok(id)
    }

    /// Until when a retrieval has to wait so that the account's policy would not refuse it. The service
    /// counts what is in progress at the tier Standard, or was asked for today; so does this, over the
    /// jobs that are known. What the policy never lets through is an error.
    fn held_back(&self, tier: Tier, bytes: Bytes, now: Time) -> Result<Option<Time>, StoreError> {
        if tier != Tier::Standard {
            return Ok(None);
        }
        let policy = self.policy(now)?;
        let (Some(pace), Some(window)) = (Pace::of(policy, tier), vault_times(tier)) else { return Ok(None) };
        let wanted = pace.takes(bytes);
        if wanted > pace.at_once {
            return Err(StoreError::Setup {
                store: self.label.clone(),
                why: format!("is under a data retrieval policy ({policy}) that never lets {bytes} through at once"),
                advice: "thaw at the tier bulk, which is not under it, or change it: \
                         `darkslide vault retrieval-policy set`"
                    .into(),
            });
        }
        let today = midnight_before(now);
        let counts = |job: &JobRow| {
            let standard = job.kind == JobKind::Archive && job.tier == Some(Tier::Standard);
            standard && if pace.daily { job.created >= today } else { job.state == JobState::Working }
        };
        let mut counted: Vec<(Time, Bytes)> = self
            .record
            .jobs()?
            .into_iter()
            .filter(counts)
            .map(|job| (job.created, pace.takes(Bytes(job.span.map_or(job.size.unwrap_or(0), Span::len)))))
            .collect();
        counted.sort_unstable();
        let mut taken: Bytes = counted.iter().map(|(_, bytes)| *bytes).sum();
        if taken + wanted <= pace.at_once {
            return Ok(None);
        }
        if pace.daily {
            return Ok(Some(midnight_after(now)));
        }
        // Once so many of the oldest are done that it fits; whether they are, the next look tells.
        let mut until = now;
        for (created, bytes) in counted {
            until = until.max(created.plus(window.first));
            taken = Bytes(taken.0.saturating_sub(bytes.0));
            if taken + wanted <= pace.at_once {
                break;
            }
        }
        Ok(Some(until.max(now.plus(SOON))))
    }

    /// The account's policy, asked for once an hour. Whoever may not ask goes by refusals alone.
    fn policy(&self, now: Time) -> Result<RetrievalPolicy, StoreError> {
        let mut known = self.policy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, policy)) = *known
            && at.plus(HOUR) > now
        {
            return Ok(policy);
        }
        let policy = match self.service.retrieval_policy() {
            Ok(policy) => policy,
            Err(failure) if failure.is_denied() => RetrievalPolicy::None,
            Err(failure) => return Err(self.error(&failure, "asking for the data retrieval policy", None)),
        };
        *known = Some((now, policy));
        Ok(policy)
    }

    /// Forgets what was heard of the policy: it was changed.
    pub(crate) fn forget_policy(&self) {
        *self.policy.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Reads an archive, or a part of it, out of a job's output.
    pub(crate) fn read_archive(&self, row: &ArchiveRow, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        // invariant: only objects have rows that are read by name.
        let name = row.name.clone().expect("an object's row has its name");
        let all = Span { from: 0, to: row.size };
        let wanted = range.map_or(all, |range| Span { from: range.start, to: range.end });
        if !all.covers(wanted) {
            return Err(StoreError::Short { name, size: row.size });
        }
        let now = self.clock.now();
        for fresh in [false, true] {
            let jobs = self.record.jobs_of(&row.id)?;
            let ready = |job: &&JobRow| job.is_ready(now) && job.brings(row.size).covers(wanted);
            if let Some(job) = jobs.iter().find(ready) {
                return self.read_output(row, &name, job, wanted);
            }
            let working = jobs.iter().find(|job| job.state == JobState::Working && job.brings(row.size).covers(wanted));
            let old = self.refreshed()?.is_none_or(|at| at.plus(FRESH) < now);
            match working {
                Some(_) if !fresh && old => self.refresh_jobs()?,
                Some(job) => return Ok(ReadOutcome::Thawing { since: Some(job.created) }),
                None => break,
            }
        }
        Ok(ReadOutcome::Cold { class: StorageClass::Vault.to_string() })
    }

    fn read_output(
        &self,
        row: &ArchiveRow,
        name: &ObjectName,
        job: &JobRow,
        wanted: Span,
    ) -> Result<ReadOutcome, StoreError> {
        if wanted.is_empty() {
            return Ok(ReadOutcome::Bytes(Vec::new()));
        }
        let brought = job.brings(row.size);
        let part = Span { from: wanted.from - brought.from, to: wanted.to - brought.from };
        let output = match self.service.output(&job.id, (wanted != brought).then_some(part)) {
            Ok(output) => output,
            Err(failure) if failure.is_missing() && !failure.is_vault_missing() => {
                // Its day is over.
                self.record.drop_job(&job.id)?;
                return Ok(ReadOutcome::Cold { class: StorageClass::Vault.to_string() });
            }
            Err(failure) => return Err(self.error(&failure, "reading", Some(name))),
        };
        let corrupted = || StoreError::Corrupted { store: self.label.clone(), name: name.clone() };
        if output.bytes.len() as u64 != wanted.len() {
            return Err(corrupted());
        }
        let whole = wanted.from == 0 && wanted.to == row.size;
        let aligned = is_tree_aligned(wanted, Bytes(row.size));
        // Of the whole we know the hash; of an aligned part the service tells it.
        let theirs = if whole { Some(row.tree.clone()) } else { output.tree.filter(|_| aligned) };
        if theirs.is_some_and(|theirs| theirs != Sums::of(&output.bytes).tree()) {
            return Err(corrupted());
        }
        Ok(ReadOutcome::Bytes(output.bytes))
    }
}
