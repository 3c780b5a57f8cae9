//! Archive retrieval: tiers, ranges, the policy that limits it, capacity for Expedited.

use std::time::Duration;

use darkslide_words::Tier;

use super::jobs::WantedJob;
use super::model::{JobKind, JobState, Retrieval, RetrievalPolicy, VaultJob};
use super::tree::Stretch;
use super::{Call, Failure, Outcome};
use crate::bill::VaultUse;
use crate::blobs::Segment;
use crate::clock::{DAY_NANOS, midnight_after};
use crate::state::{Charge, State};

/// The documented window of Standard, in minutes; inventories come as fast.
pub(super) const STANDARD_MINUTES: (u64, u64) = (3 * 60, 5 * 60);
/// A job's rate is its bytes over so many hours (Glacier FAQ: the time a job typically takes).
const RATE_HOURS: u64 = 4;
/// Free each month, spread over its days (Glacier FAQ).
const FREE_BYTES_A_MONTH: u64 = 10 << 30;
/// What a capacity unit warrants, and in which time.
const UNIT_JOBS: usize = 3;
const UNIT_TIME: Duration = Duration::from_secs(5 * 60);

/// The documented window of a tier, in minutes.
fn window(tier: Tier) -> (u64, u64) {
    match tier {
        Tier::Expedited => (1, 5),
        Tier::Standard => STANDARD_MINUTES,
        Tier::Bulk => (5 * 60, 12 * 60),
    }
}

/// As the API writes it.
pub(super) fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Expedited => "Expedited",
        Tier::Standard => "Standard",
        Tier::Bulk => "Bulk",
    }
}

fn tier_of(text: Option<&str>) -> Outcome<Tier> {
    match text {
        None | Some("Standard") => Ok(Tier::Standard),
        Some("Expedited") => Ok(Tier::Expedited),
        Some("Bulk") => Ok(Tier::Bulk),
        Some(other) => Err(Failure::invalid(format!("Invalid tier: {other}"))),
    }
}

/// `0-1048575` of an archive of `size`, or all of it.
fn stretch_of(text: Option<&str>, size: u64) -> Outcome<Stretch> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Stretch::whole(size)) };
    let bad = |why: &str| Failure::invalid(format!("Invalid byte range: {text}; {why}"));
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse::<u64>().ok()?)));
    let (from, last) = ends.ok_or_else(|| bad("it reads FIRST-LAST"))?;
    if from > last || last >= size {
        return Err(bad(&format!("the archive has {size} bytes")));
    }
    let stretch = Stretch { from, to: last + 1 };
    if !stretch.is_mib_aligned(size) {
        return Err(bad("it begins and ends on a MiB, or at the end of the archive"));
    }
    Ok(stretch)
}

fn refused_by_policy() -> Failure {
    let message = "The request has been denied by the current data retrieval policy.";
    Failure::new(400, "PolicyEnforcedException", message)
}

impl Retrieval {
    /// The hash that DescribeJob tells: none for a range that has none, and for a whole archive
    /// only when the job has ended.
    pub fn told_hash(&self, ended: bool) -> Option<String> {
        let whole = self.stretch == Stretch::whole(self.size);
        (self.stretch.is_tree_aligned(self.size) && (ended || !whole)).then(|| self.leaves.root())
    }
}

impl State {
    pub(super) fn begin_retrieval(&mut self, call: &Call<'_>, wanted: &WantedJob) -> Outcome<(Retrieval, (u64, u64))> {
        let id = wanted.archive_id.as_ref().ok_or_else(|| Failure::missing("ArchiveId"))?;
        let archive = self.vault(&call.named.vault)?.archives.get(id);
        let archive = archive.ok_or_else(|| Failure::not_found(format!("The archive ID was not found: {id}")))?;
        let tier = tier_of(wanted.tier.as_deref())?;
        if wanted.format.is_some() || wanted.inventory_retrieval_parameters.is_some() {
            return Err(Failure::invalid("Invalid job: Format and InventoryRetrievalParameters are for inventories"));
        }
        let stretch = stretch_of(wanted.retrieval_byte_range.as_deref(), archive.size)?;
        let retrieval = Retrieval {
            archive: id.clone(),
            archive_description: archive.description.clone(),
            size: archive.size,
            tree_hash: archive.leaves.root(),
            stretch,
            leaves: archive.leaves.of(stretch),
            tier,
        };
        match tier {
            Tier::Standard if !self.policy_lets(stretch.bytes()) => return Err(refused_by_policy()),
            Tier::Expedited if call.no_capacity && !self.has_capacity() => {
                let message = "Expedited retrievals are currently not available, please try again later";
                return Err(Failure::new(400, "InsufficientCapacityException", message));
            }
            _ => {}
        }
        self.charge(Charge::Vault(VaultUse::Retrieval(tier), 1));
        self.charge(Charge::Vault(VaultUse::Retrieved(tier), stretch.bytes()));
        Ok((retrieval, window(tier)))
    }

    /// The retrievals of all vaults, each with its job.
    fn retrievals(&self, tier: Tier) -> impl Iterator<Item = (&VaultJob, &Retrieval)> {
        let jobs = self.glacier.vaults.values().flat_map(|vault| vault.jobs.values());
        jobs.filter_map(move |job| match &job.kind {
            JobKind::Archive(retrieval) if retrieval.tier == tier => Some((job, retrieval)),
            _ => None,
        })
    }

    /// True if the data retrieval policy lets so many more bytes through now. It is about
    /// Standard retrievals only.
    fn policy_lets(&self, bytes: u64) -> bool {
        let standard = || self.retrievals(Tier::Standard);
        match self.glacier.account.retrieval {
            RetrievalPolicy::None => true,
            RetrievalPolicy::BytesPerHour(most) => {
                let rate = |bytes: u64| bytes.div_ceil(RATE_HOURS);
                let running = standard().filter(|(job, _)| job.progress == JobState::Running);
                running.map(|(_, retrieval)| rate(retrieval.stretch.bytes())).sum::<u64>() + rate(bytes) <= most
            }
            RetrievalPolicy::FreeTier => {
                // Jobs of today are all still there: none is forgotten within a day.
                let today = midnight_after(self.now).0 - DAY_NANOS;
                let of_today = standard().filter(|(job, _)| job.created.0 >= today);
                let used: u64 = of_today.map(|(_, retrieval)| retrieval.stretch.bytes()).sum();
                used + bytes <= FREE_BYTES_A_MONTH / crate::bill::days_in_month(self.now)
            }
        }
    }

    /// True if bought capacity has room for an Expedited retrieval.
    fn has_capacity(&self) -> bool {
        let now = self.now;
        let units = self.glacier.account.capacity.iter().filter(|unit| unit.from <= now && now < unit.to).count();
        let recent = self.retrievals(Tier::Expedited).filter(|(job, _)| job.created.until(now) < UNIT_TIME);
        recent.count() < units * UNIT_JOBS
    }

    /// What a job brings now that its time has come; none if it lies ready already.
    pub(super) fn finished_output(&self, vault: &str, id: &str) -> Result<Option<Vec<Segment>>, String> {
        let vault = self.glacier.vaults.get(vault);
        let Some((vault, job)) = vault.and_then(|vault| Some((vault, vault.jobs.get(id)?))) else { return Ok(None) };
        let JobKind::Archive(retrieval) = &job.kind else { return Ok(None) };
        match vault.archives.get(&retrieval.archive) {
            Some(archive) => Ok(Some(retrieval.stretch.cut(&archive.body))),
            None => Err("The archive was deleted while it was being retrieved.".to_string()),
        }
    }
}
