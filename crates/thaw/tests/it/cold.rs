//! A cold store on a virtual clock: thaws take their time, thawed copies vanish, every request is
//! billed by figures of its own, and any call can be made to fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use darkslide_store::{
    BulkEngine, BulkResult, BulkState, Capabilities, Listed, OnListed, PutFacts, PutOutcome, ReadOutcome, Store,
    StoreError, ThawAsk, ThawOutcome,
};
use darkslide_words::{Bytes, ObjectName, Readable, StorageClass, Tier, Time};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Frost {
    Frozen,
    Thawing { ready: Time, tier: Tier, days: Option<u32> },
    Thawed { until: Option<Time> },
}

#[derive(Debug, Clone)]
struct Object {
    size: u64,
    class: StorageClass,
    frost: Frost,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the request is out.
    DieBefore,
    /// The process dies when the request is done, and nobody is told.
    DieAfter,
    /// The connection breaks before the request is out.
    BreakBefore,
    /// The connection breaks when the request is done.
    BreakAfter,
}

#[derive(Debug, Default)]
struct Inner {
    now: Time,
    objects: BTreeMap<ObjectName, Object>,
    /// What each request and its copy cost, in dollars.
    bill: f64,
    /// Requests that cost a retrieval, by name.
    begun: BTreeMap<ObjectName, u32>,
    requests: u64,
    lists: u64,
    calls: u64,
    fault: Option<(u64, Fault)>,
    outcomes: VecDeque<Result<ThawOutcome, StoreError>>,
    failed: BTreeSet<String>,
    jobs: BTreeMap<String, (String, Vec<BulkResult>)>,
    /// Jobs report to be at work so many times.
    work: u32,
}

#[derive(Debug)]
pub struct ColdStore {
    pub label: String,
    pub with_bulk: bool,
    /// Thaws take so long, whatever was asked for.
    pub delay: Option<Duration>,
    inner: Mutex<Inner>,
}

/// Dollars for one request and one GiB, from the S3 pricing page for us-east-1.
fn rates(class: &StorageClass, tier: Tier) -> (f64, f64) {
    match (class, tier) {
        (StorageClass::DeepArchive, Tier::Bulk) => (0.000_025, 0.0025),
        (StorageClass::DeepArchive, Tier::Standard) => (0.0001, 0.02),
        (StorageClass::Glacier, Tier::Bulk) => (0.0, 0.0),
        (StorageClass::Glacier, Tier::Standard) => (0.000_05, 0.01),
        (StorageClass::Glacier, Tier::Expedited) => (0.01, 0.03),
        _ => (0.0, 0.0),
    }
}

/// The slow end of what AWS documents.
fn delay(class: &StorageClass, tier: Tier) -> Duration {
    match (class, tier) {
        (StorageClass::Glacier, Tier::Bulk) => HOUR * 12,
        (StorageClass::Glacier, Tier::Standard) => HOUR * 5,
        (StorageClass::Glacier, Tier::Expedited) => Duration::from_secs(300),
        (_, Tier::Bulk) => HOUR * 48,
        _ => HOUR * 12,
    }
}

fn gib(size: u64) -> f64 {
    size as f64 / (1u64 << 30) as f64
}

impl Inner {
    /// Lets time pass for one object.
    fn settle(now: Time, object: &mut Object) {
        if let Frost::Thawing { ready, days, .. } = object.frost
            && ready <= now
        {
            object.frost = Frost::Thawed { until: days.map(|days| ready.plus(DAY * days)) };
        }
        if let Frost::Thawed { until: Some(until) } = object.frost
            && until <= now
        {
            object.frost = Frost::Frozen;
        }
    }

    fn thaw(&mut self, name: &ObjectName, ask: &ThawAsk, takes: Option<Duration>) -> ThawOutcome {
        let now = self.now;
        self.requests += 1;
        let Some(object) = self.objects.get_mut(name) else {
            return ThawOutcome::Missing;
        };
        Self::settle(now, object);
        if !object.class.may_be_cold() {
            return ThawOutcome::NotCold;
        }
        let (request, per_gib) = rates(&object.class, ask.tier);
        let copy = ask.days.map_or(0.0, |days| gib(object.size) * 0.023 * f64::from(days) / 30.0);
        let ready = now.plus(takes.unwrap_or(delay(&object.class, ask.tier)));
        match object.frost {
            Frost::Thawing { tier, .. } if tier >= ask.tier => return ThawOutcome::InProgress,
            Frost::Thawing { days, .. } => {
                self.bill += request + gib(object.size) * per_gib;
                object.frost = Frost::Thawing { ready, tier: ask.tier, days };
            }
            Frost::Thawed { until: None } => return ThawOutcome::NotCold,
            Frost::Thawed { .. } => {
                self.bill += request + copy;
                object.frost = Frost::Thawed { until: ask.days.map(|days| now.plus(DAY * days)) };
                return ThawOutcome::Extended;
            }
            Frost::Frozen => {
                self.bill += request + gib(object.size) * per_gib + copy;
                object.frost = Frost::Thawing { ready, tier: ask.tier, days: ask.days };
                *self.begun.entry(name.clone()).or_default() += 1;
            }
        }
        ThawOutcome::Started
    }
}

impl ColdStore {
    pub fn new(now: Time) -> Self {
        let inner = Inner { now, ..Inner::default() };
        Self { label: "s3".into(), with_bulk: false, delay: None, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn add(&self, name: &ObjectName, size: u64, class: StorageClass) {
        let frost = Frost::Frozen;
        self.inner().objects.insert(name.clone(), Object { size, class, frost });
    }

    pub fn remove(&self, name: &ObjectName) {
        self.inner().objects.remove(name);
    }

    pub fn reclass(&self, name: &ObjectName, class: StorageClass) {
        self.inner().objects.get_mut(name).unwrap().class = class;
    }

    pub fn set_now(&self, now: Time) {
        self.inner().now = now;
    }

    /// Somebody else's thaw.
    pub fn thaw_elsewhere(&self, name: &ObjectName, ask: &ThawAsk) -> ThawOutcome {
        let mut inner = self.inner();
        let bill = inner.bill;
        let outcome = inner.thaw(name, ask, self.delay);
        (inner.bill, inner.requests) = (bill, inner.requests - 1);
        inner.begun.remove(name);
        outcome
    }

    /// The outcomes of the next requests, whatever the objects say.
    pub fn answer(&self, outcomes: impl IntoIterator<Item = Result<ThawOutcome, StoreError>>) {
        self.inner().outcomes.extend(outcomes);
    }

    /// The n-th call from now on (from 1) goes wrong.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.calls + call, fault));
    }

    pub fn fault_is_over(&self) -> bool {
        self.inner().fault.is_none()
    }

    /// Dollars.
    pub fn bill(&self) -> f64 {
        self.inner().bill
    }

    pub fn begun(&self) -> BTreeMap<ObjectName, u32> {
        self.inner().begun.clone()
    }

    /// Thaw requests and listings so far.
    pub fn asked(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.requests, inner.lists)
    }

    pub fn jobs(&self) -> usize {
        self.inner().jobs.len()
    }

    /// The jobs so far turn out to have ended without asking for anything.
    pub fn fail_jobs(&self) {
        let mut inner = self.inner();
        let failed: Vec<String> = inner.jobs.values().map(|(job, _)| job.clone()).collect();
        inner.failed.extend(failed);
        inner.begun.clear();
        inner.objects.values_mut().for_each(|object| object.frost = Frost::Frozen);
    }

    pub fn jobs_take(&self, looks: u32) {
        self.inner().work = looks;
    }

    fn broken(&self) -> StoreError {
        StoreError::Unreachable { store: self.label.clone(), source: std::io::Error::other("connection reset") }
    }

    /// A call, with whatever shall go wrong with it.
    fn call<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> Result<T, StoreError> {
        let fault = {
            let mut inner = self.inner();
            inner.calls += 1;
            let now = inner.calls;
            inner.fault.take_if(|(at, _)| *at == now).map(|(_, fault)| fault)
        };
        match fault {
            Some(Fault::DieBefore) => std::panic::panic_any("power cut"),
            Some(Fault::BreakBefore) => return Err(self.broken()),
            _ => {}
        }
        let done = work(&mut self.inner());
        match fault {
            Some(Fault::DieAfter) => std::panic::panic_any("power cut"),
            Some(Fault::BreakAfter) => Err(self.broken()),
            _ => Ok(done),
        }
    }
}

impl Store for ColdStore {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { create_only: true, ranges: true, cold: true, delete: false, puts: 1 }
    }

    fn put(&self, name: &ObjectName, _: &[u8], _: &PutFacts) -> Result<PutOutcome, StoreError> {
        Err(StoreError::Different { store: self.label.clone(), name: name.clone() })
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let source = std::io::Error::other("not allowed");
        Err(StoreError::Denied { store: self.label.clone(), name: name.to_string(), source })
    }

    fn read(&self, name: &ObjectName, _: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        let mut inner = self.inner();
        let now = inner.now;
        let Some(object) = inner.objects.get_mut(name) else {
            return Ok(ReadOutcome::Missing);
        };
        Inner::settle(now, object);
        Ok(match object.frost {
            _ if !object.class.may_be_cold() => ReadOutcome::Bytes(Vec::new()),
            Frost::Thawed { .. } => ReadOutcome::Bytes(Vec::new()),
            Frost::Thawing { .. } => ReadOutcome::Thawing { since: None },
            Frost::Frozen => ReadOutcome::Cold { class: object.class.to_string() },
        })
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let page = self.call(|inner| {
            inner.lists += 1;
            let now = inner.now;
            let all = inner.objects.iter_mut().filter(|(name, _)| name.as_str().starts_with(prefix));
            let listed = all.map(|(name, object)| {
                Inner::settle(now, object);
                let moving = object.class == StorageClass::IntelligentTiering;
                let readable = match object.frost {
                    _ if !object.class.may_be_cold() => Readable::Now,
                    Frost::Thawing { .. } => Readable::Thawing,
                    Frost::Thawed { until: Some(until) } => Readable::Until(until),
                    _ if moving => Readable::Unknown,
                    _ => Readable::Cold,
                };
                let (name, size, class) = (name.clone(), Bytes(object.size), object.class.clone());
                Listed { name, size, modified: Time(0), class, readable }
            });
            listed.collect::<Vec<_>>()
        })?;
        page.into_iter().try_for_each(each)
    }

    fn bulk(&self) -> Option<&dyn BulkEngine> {
        self.with_bulk.then_some(self)
    }

    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        let scripted = self.inner().outcomes.pop_front();
        match scripted {
            Some(outcome) => self.call(|_| ()).and(outcome),
            None => self.call(|inner| inner.thaw(name, ask, self.delay)),
        }
    }
}

impl BulkEngine for ColdStore {
    fn submit(&self, names: &[ObjectName], ask: &ThawAsk, token: &str) -> Result<String, StoreError> {
        assert!(token.len() <= 64 && ObjectName::new(token).is_ok() && !token.contains('/'), "{token}");
        self.call(|inner| {
            if let Some((job, results)) = inner.jobs.get(token) {
                assert!(results.iter().map(|r| &r.name).eq(names), "the same token with other names");
                return job.clone();
            }
            let result =
                |name: &ObjectName| BulkResult { name: name.clone(), outcome: Ok(inner.thaw(name, ask, self.delay)) };
            let results = names.iter().map(result).collect::<Vec<_>>();
            inner.bill += 0.25 + names.len() as f64 * 1e-6;
            let job = format!("job-{}", inner.jobs.len());
            inner.jobs.insert(token.to_string(), (job.clone(), results));
            job
        })
    }

    fn state(&self, job: &str) -> Result<BulkState, StoreError> {
        self.call(|inner| {
            let results = inner.jobs.values().find(|(id, _)| id == job).map(|(_, results)| results.clone());
            match (results, inner.work) {
                (None, _) => BulkState::Failed("no such job".into()),
                _ if inner.failed.contains(job) => BulkState::Failed("the role may not read the manifest".into()),
                (Some(results), 0) => BulkState::Finished(results),
                (Some(results), _) => {
                    inner.work -= 1;
                    BulkState::Working { done: 0, of: results.len() as u64 }
                }
            }
        })
    }
}
