//! Bulk jobs: a wave asked for by the store's own engine.
//!
//! A pack's row says how far its job is: `submit:TOKEN` before the job's id is known, `job:ID`
//! after. The token stands in the rows before the first attempt, so that an attempt whose answer
//! was lost is made again with the same token and the same names, and finds the same job.

use std::collections::BTreeMap;

use darkslide_catalog::{LedgerRow, PackStep};
use darkslide_store::{BulkEngine, BulkState, StoreError, ThawAsk};
use darkslide_words::{Money, ObjectName};

use crate::work::{Kind, LOST, Work};
use crate::{ThawError, cost};

const SUBMIT: &str = "submit:";
const JOB: &str = "job:";

impl Work<'_> {
    /// Sends a wave to the engine, if the money for all of it is there.
    pub(crate) fn submit(&mut self, bulk: &dyn BulkEngine, label: &str, group: &[usize]) -> Result<(), ThawError> {
        if self.stop.is_some() {
            return Ok(());
        }
        let fee = cost::job(self.prices(label), group.len() as u64);
        let before = self.left;
        if let Err(over) = self.left.take(fee) {
            self.stop = Some(over.into());
            return Ok(());
        }
        // The time makes it this attempt's own, also after the catalog was rebuilt and counts anew.
        let first = group.first().map_or(0, |at| *at);
        let token = format!("thaw-{}-{}-{:x}-{first}", self.thaw.id, self.packs[first].wave, self.now.0);
        let mut asking = Vec::new();
        for at in group {
            let Some(mut change) = self.take(*at, Kind::Ask)? else {
                self.left = before;
                return Ok(());
            };
            change.row.job = Some(format!("{SUBMIT}{token}"));
            asking.push(change);
        }
        self.record(asking)?;
        self.send(bulk, label, &token, group)
    }

    fn send(&mut self, bulk: &dyn BulkEngine, label: &str, token: &str, group: &[usize]) -> Result<(), ThawError> {
        let of_group = |at: &usize| ThawAsk { tier: self.packs[*at].tier, days: self.packs[*at].days, span: None };
        let Some(ask) = group.first().map(of_group) else {
            return Ok(());
        };
        let names: Vec<ObjectName> = group.iter().map(|at| self.packs[*at].name.clone()).collect();
        match bulk.submit(&names, &ask, token) {
            Ok(job) => self.submitted(label, &job, group),
            Err(error) if error.is_transient() && !matches!(error, StoreError::Busy { .. }) => {
                self.without(label, error)
            }
            Err(error) => {
                let undone = group.iter().map(|at| self.undone(*at, Kind::Ask, self.now, "")).collect::<Vec<_>>();
                undone.iter().for_each(|change| self.release(change));
                self.record(undone)?;
                self.left.give(cost::job(self.prices(label), group.len() as u64));
                if error.is_transient() { self.without(label, error) } else { Err(error.into()) }
            }
        }
    }

    /// The job is made, and its fee due; with the rows in one transaction.
    fn submitted(&mut self, label: &str, job: &str, group: &[usize]) -> Result<(), ThawError> {
        let fee = cost::job(self.prices(label), group.len() as u64);
        let (id, catalog) = (self.thaw.id, self.catalog());
        for at in group {
            self.packs[*at].job = Some(format!("{JOB}{job}"));
        }
        let ledger = LedgerRow {
            at: self.now,
            kind: "bulk job".into(),
            reference: format!("thaw {id}"),
            what: format!("{job}, {} packs, {label}", group.len()),
            quoted: fee,
            actual: fee,
        };
        catalog.transaction(|| -> Result<(), ThawError> {
            group.iter().try_for_each(|at| catalog.put_thaw_pack(id, &self.packs[*at]))?;
            if fee != Money::ZERO {
                catalog.add_spent(id, fee)?;
                catalog.add_ledger(&ledger)?;
            }
            Ok(())
        })?;
        self.thaw.spent += fee;
        Ok(())
    }

    /// True if an engine answers for the pack, and no listing.
    pub(crate) fn has_job(&self, at: usize) -> bool {
        let row = &self.packs[at];
        row.job.is_some() && self.executor.stores.get(&row.store).is_some_and(|store| store.bulk().is_some())
    }

    /// Goes on with jobs that were begun.
    pub(crate) fn run_jobs(&mut self) -> Result<(), ThawError> {
        let mut jobs: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (at, row) in self.packs.iter().enumerate() {
            if let (PackStep::Asking, Some(job), true) = (row.step, &row.job, self.has_job(at)) {
                jobs.entry((row.store.clone(), job.clone())).or_default().push(at);
            }
        }
        for ((label, job), group) in jobs {
            let Some(bulk) = self.store(&label)?.and_then(|store| store.bulk()) else {
                continue;
            };
            if let Some(token) = job.strip_prefix(SUBMIT) {
                self.send(bulk, &label, token, &group)?;
            } else if let Some(job) = job.strip_prefix(JOB) {
                match bulk.state(job) {
                    Ok(state) => self.job(state, job, &group)?,
                    Err(error) => self.without(&label, error)?,
                }
            }
        }
        Ok(())
    }

    fn job(&mut self, state: BulkState, job: &str, group: &[usize]) -> Result<(), ThawError> {
        let mut changes = Vec::new();
        match state {
            BulkState::Working { done, of } => {
                self.notes.push(format!("the bulk job {job} has made {done} of {of} requests"));
            }
            BulkState::Failed(why) => {
                let why = format!("the bulk job {job} ended without asking for it: {why}");
                changes.extend(group.iter().map(|at| self.failed(*at, Kind::Ask, &why)));
            }
            BulkState::Finished(results) => {
                let mut by_name: BTreeMap<ObjectName, _> = results.into_iter().map(|r| (r.name, r.outcome)).collect();
                for at in group {
                    changes.push(match by_name.remove(&self.packs[*at].name) {
                        Some(Ok(outcome)) => self.outcome(*at, Kind::Ask, outcome)?,
                        Some(Err(words)) => self.failed(*at, Kind::Ask, &words),
                        None => self.undone(*at, Kind::Ask, self.now, LOST),
                    });
                }
            }
        }
        changes.iter().for_each(|change| self.release(change));
        self.record(changes)
    }
}
