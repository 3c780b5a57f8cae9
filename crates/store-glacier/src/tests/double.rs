//! A double of the service in memory, for tests: archives, uploads, jobs and inventories on a
//! clock that tests turn, and a cut before or after the n-th call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkslide_store::vault::{JobKind, Notifications, RetrievalPolicy, VaultInfo, VaultLock};
use darkslide_words::{Bytes, Clock, Count, FixedClock, Span, Tier, Time};

use crate::failure::Failure;
use crate::service::{Body, JobAsk, JobFacts, Message, OpenUpload, Output, Part, Service, Uploaded};
use crate::tree::Sums;

type Answer<T> = Result<T, Failure>;

#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) description: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) created: Time,
}

#[derive(Debug, Clone)]
struct Upload {
    description: String,
    part: u64,
    parts: BTreeMap<u64, Vec<u8>>,
    created: Time,
    /// Once completed: its archive.
    archive: Option<String>,
}

#[derive(Debug, Clone)]
struct Asked {
    ask: JobAsk,
    created: Time,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) archives: BTreeMap<String, Kept>,
    uploads: BTreeMap<String, Upload>,
    jobs: BTreeMap<String, Asked>,
    /// The vault as the daily inventory saw it.
    inventory: Option<(Time, BTreeMap<String, Kept>)>,
    pub(crate) policy: Option<RetrievalPolicy>,
    pub(crate) refuse: Option<Failure>,
    tags: BTreeMap<String, String>,
    access: Option<String>,
    told: Option<Notifications>,
    lock: Option<VaultLock>,
    serial: u64,
    pub(crate) calls: u64,
    /// The call at which the line is cut, and whether the call arrives.
    pub(crate) cut: Option<(u64, bool)>,
    pub(crate) log: Vec<&'static str>,
    pub(crate) queue: Vec<Message>,
}

#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Arc<FixedClock>,
}

fn hours(tier: Tier) -> Duration {
    Duration::from_secs(match tier {
        Tier::Expedited => 300,
        Tier::Standard => 4 * 3600,
        Tier::Bulk => 10 * 3600,
    })
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn iso(at: Time) -> String {
    at.to_rfc3339_seconds()
}

fn missing(what: &str) -> Failure {
    Failure::refused(404, "ResourceNotFoundException", &format!("The {what} was not found"))
}

fn wrong(what: &str) -> Failure {
    Failure::refused(400, "InvalidParameterValueException", what)
}

impl Double {
    pub(crate) fn new(start: Time) -> Self {
        Self { world: Arc::default(), clock: Arc::new(FixedClock::new(start)) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.set(self.clock.now().plus(by));
    }

    /// The service takes its daily inventory.
    pub(crate) fn take_inventory(&self) {
        let mut world = self.world.lock().unwrap();
        world.inventory = Some((self.clock.now(), world.archives.clone()));
    }

    pub(crate) fn count(&self, call: &str) -> usize {
        self.world.lock().unwrap().log.iter().filter(|c| **c == call).count()
    }

    fn call<T>(&self, name: &'static str, work: impl FnOnce(&mut World, Time) -> Answer<T>) -> Answer<T> {
        let now = self.clock.now();
        let mut world = self.world.lock().unwrap();
        world.calls += 1;
        let at = world.calls;
        let cut = world.cut.filter(|(n, _)| at >= *n);
        // From there on the line is dead: the process is taken to be gone.
        if cut.is_some_and(|(n, arrives)| at > n || !arrives) {
            return Err(Failure::no_answer("cut"));
        }
        world.log.push(name);
        if let Some(failure) = world.refuse.clone() {
            return Err(failure);
        }
        let done = work(&mut world, now);
        if cut.is_some() { Err(Failure::no_answer("cut")) } else { done }
    }

    fn facts(world: &World, id: &str, asked: &Asked, now: Time) -> JobFacts {
        let (kind, archive, tier, span, description, takes) = match &asked.ask {
            JobAsk::Archive { archive, tier, span, description } => {
                (JobKind::Archive, Some(archive.clone()), Some(*tier), *span, description, hours(*tier))
            }
            JobAsk::Inventory { description } => {
                (JobKind::Inventory, None, None, None, description, hours(Tier::Standard))
            }
        };
        let end = asked.created.plus(takes);
        let done = end <= now;
        let kept = archive.as_ref().and_then(|id| world.archives.get(id));
        let inventory = (kind == JobKind::Inventory).then(|| inventory_json(world).len() as u64);
        JobFacts {
            id: id.to_string(),
            kind,
            archive,
            description: description.clone(),
            created: asked.created,
            completed: done.then_some(end),
            succeeded: done.then_some(true),
            tier,
            span,
            archive_size: kept.map(|k| k.bytes.len() as u64),
            tree: kept.filter(|_| done && span.is_none()).map(|k| Sums::of(&k.bytes).tree()),
            inventory_size: inventory.filter(|_| done),
        }
    }
}

fn inventory_json(world: &World) -> Vec<u8> {
    let (date, archives) = world.inventory.clone().unwrap_or_default();
    let list: Vec<serde_json::Value> = archives
        .iter()
        .map(|(id, kept)| {
            serde_json::json!({"ArchiveId": id, "ArchiveDescription": kept.description, "CreationDate": iso(kept.created),
                "Size": kept.bytes.len(), "SHA256TreeHash": Sums::of(&kept.bytes).tree()})
        })
        .collect();
    let all = serde_json::json!({"VaultARN": "arn", "InventoryDate": iso(date), "ArchiveList": list});
    serde_json::to_vec(&all).unwrap()
}

fn keep(world: &mut World, description: &str, bytes: Vec<u8>, now: Time) -> Uploaded {
    world.serial += 1;
    let archive = format!("archive-{:04}", world.serial);
    let tree = Some(Sums::of(&bytes).tree());
    world.archives.insert(archive.clone(), Kept { description: description.into(), bytes, created: now });
    Uploaded { archive, tree }
}

impl Service for Double {
    fn messages(&self, _: &str) -> Answer<Vec<Message>> {
        self.call("messages", |world, _| Ok(world.queue.clone()))
    }
    fn forget_messages(&self, _: &str, handles: &[String]) -> Answer<()> {
        self.call("forget_messages", |world, _| {
            world.queue.retain(|message| !handles.contains(&message.handle));
            Ok(())
        })
    }
    fn upload(&self, description: &str, body: &Body) -> Answer<Uploaded> {
        self.call("upload", |world, now| match body.tree == Sums::of(&body.bytes).tree() {
            true => Ok(keep(world, description, body.bytes.to_vec(), now)),
            false => Err(wrong("Checksum mismatch: the tree hash does not match")),
        })
    }

    fn begin_upload(&self, description: &str, part: u64) -> Answer<String> {
        self.call("begin_upload", |world, now| {
            world.serial += 1;
            let id = format!("upload-{:04}", world.serial);
            let (description, parts) = (description.into(), BTreeMap::new());
            world.uploads.insert(id.clone(), Upload { description, part, parts, created: now, archive: None });
            Ok(id)
        })
    }

    fn put_part(&self, upload: &str, from: u64, body: &Body) -> Answer<Option<String>> {
        self.call("put_part", |world, _| {
            let upload =
                world.uploads.get_mut(upload).filter(|u| u.archive.is_none()).ok_or_else(|| missing("upload"))?;
            let tree = Sums::of(&body.bytes).tree();
            if !from.is_multiple_of(upload.part) || body.bytes.len() as u64 > upload.part || tree != body.tree {
                return Err(wrong("part"));
            }
            upload.parts.insert(from, body.bytes.to_vec());
            Ok(Some(tree))
        })
    }

    fn complete_upload(&self, id: &str, size: u64, tree: &str) -> Answer<Uploaded> {
        self.call("complete_upload", |world, now| {
            let upload = world.uploads.get(id).cloned().ok_or_else(|| missing("upload"))?;
            let bytes: Vec<u8> = upload.parts.values().flatten().copied().collect();
            if bytes.len() as u64 != size || Sums::of(&bytes).tree() != tree {
                return Err(wrong("Checksum mismatch: the tree hash does not match"));
            }
            // Completing again says the same again.
            if let Some(archive) = upload.archive {
                return Ok(Uploaded { archive, tree: Some(tree.into()) });
            }
            let done = keep(world, &upload.description, bytes, now);
            world.uploads.insert(id.into(), Upload { archive: Some(done.archive.clone()), ..upload });
            Ok(done)
        })
    }

    fn abort_upload(&self, upload: &str) -> Answer<()> {
        self.call("abort_upload", |world, _| {
            world.uploads.remove(upload).filter(|u| u.archive.is_none()).map(drop).ok_or_else(|| missing("upload"))
        })
    }

    fn parts(&self, upload: &str) -> Answer<Vec<Part>> {
        self.call("parts", |world, _| {
            let upload = world.uploads.get(upload).filter(|u| u.archive.is_none()).ok_or_else(|| missing("upload"))?;
            Ok(upload.parts.iter().map(|(from, b)| Part { from: *from, tree: Sums::of(b).tree() }).collect())
        })
    }

    fn uploads(&self) -> Answer<Vec<OpenUpload>> {
        self.call("uploads", |world, _| {
            let open = world.uploads.iter().filter(|(_, u)| u.archive.is_none());
            let shown = |(id, u): (&String, &Upload)| OpenUpload {
                id: id.clone(),
                description: u.description.clone(),
                created: u.created,
            };
            Ok(open.map(shown).collect())
        })
    }

    fn delete(&self, archive: &str) -> Answer<()> {
        self.call("delete", |world, _| world.archives.remove(archive).map(drop).ok_or_else(|| missing("archive")))
    }

    fn begin_job(&self, ask: &JobAsk) -> Answer<String> {
        self.call("begin_job", |world, now| {
            match ask {
                JobAsk::Archive { archive, span, .. } => {
                    let kept = world.archives.get(archive).ok_or_else(|| missing("archive ID"))?;
                    let all = kept.bytes.len() as u64;
                    let at_mib = |n: u64| n.is_multiple_of(1 << 20);
                    if span.is_some_and(|s| {
                        !at_mib(s.from) || !(at_mib(s.to) || s.to == all) || s.to > all || s.is_empty()
                    }) {
                        return Err(wrong("range"));
                    }
                }
                JobAsk::Inventory { .. } if world.inventory.is_none() => return Err(missing("inventory")),
                JobAsk::Inventory { .. } => {}
            }
            world.serial += 1;
            let id = format!("job-{:04}", world.serial);
            world.jobs.insert(id.clone(), Asked { ask: ask.clone(), created: now });
            Ok(id)
        })
    }

    fn jobs(&self) -> Answer<Vec<JobFacts>> {
        self.call("jobs", |world, now| {
            let facts = world.jobs.iter().map(|(id, asked)| Self::facts(world, id, asked, now));
            Ok(facts.filter(|job| job.completed.is_none_or(|at| at.plus(DAY) > now)).collect())
        })
    }

    fn job(&self, id: &str) -> Answer<JobFacts> {
        self.call("job", |world, now| {
            let asked = world.jobs.get(id).ok_or_else(|| missing("job ID"))?;
            Ok(Self::facts(world, id, asked, now))
        })
    }

    fn output(&self, job: &str, part: Option<Span>) -> Answer<Output> {
        self.call("output", |world, now| {
            let asked = world.jobs.get(job).ok_or_else(|| missing("job ID"))?;
            let facts = Self::facts(world, job, asked, now);
            let end = facts.completed.ok_or_else(|| wrong("The job is not completed"))?;
            if end.plus(DAY) <= now {
                return Err(missing("job ID"));
            }
            let bytes = match &asked.ask {
                JobAsk::Inventory { .. } => inventory_json(world),
                JobAsk::Archive { archive, span, .. } => {
                    let all = &world.archives.get(archive).ok_or_else(|| missing("archive ID"))?.bytes;
                    let span = span.unwrap_or(Span { from: 0, to: all.len() as u64 });
                    all[span.from as usize..span.to as usize].to_vec()
                }
            };
            let part = part.unwrap_or(Span { from: 0, to: bytes.len() as u64 });
            let bytes = bytes.get(part.from as usize..part.to as usize).ok_or_else(|| wrong("range"))?.to_vec();
            Ok(Output { tree: Some(Sums::of(&bytes).tree()), bytes })
        })
    }

    fn describe(&self) -> Answer<VaultInfo> {
        self.call("describe", |world, _| {
            let seen = world.inventory.as_ref();
            Ok(VaultInfo {
                name: "photos".into(),
                arn: "arn".into(),
                created: None,
                inventoried: seen.map(|(at, _)| *at),
                archives: Count(seen.map_or(0, |(_, a)| a.len() as u64)),
                bytes: Bytes(0),
            })
        })
    }

    fn create(&self) -> Answer<()> {
        self.call("create", |_, _| Ok(()))
    }
    fn vaults(&self) -> Answer<Vec<VaultInfo>> {
        Ok(vec![self.describe()?])
    }
    fn notifications(&self) -> Answer<Option<Notifications>> {
        self.call("notifications", |world, _| Ok(world.told.clone()))
    }
    fn set_notifications(&self, notifications: Option<&Notifications>) -> Answer<()> {
        self.call("set_notifications", |world, _| {
            world.told = notifications.cloned();
            Ok(())
        })
    }
    fn access_policy(&self) -> Answer<Option<String>> {
        self.call("access_policy", |world, _| Ok(world.access.clone()))
    }
    fn set_access_policy(&self, policy: Option<&str>) -> Answer<()> {
        self.call("set_access_policy", |world, _| {
            world.access = policy.map(str::to_string);
            Ok(())
        })
    }
    fn tags(&self) -> Answer<BTreeMap<String, String>> {
        self.call("tags", |world, _| Ok(world.tags.clone()))
    }
    fn add_tags(&self, tags: &BTreeMap<String, String>) -> Answer<()> {
        self.call("add_tags", |world, _| {
            world.tags.extend(tags.clone());
            Ok(())
        })
    }
    fn remove_tags(&self, keys: &[String]) -> Answer<()> {
        self.call("remove_tags", |world, _| {
            keys.iter().for_each(|key| drop(world.tags.remove(key)));
            Ok(())
        })
    }
    fn lock(&self) -> Answer<Option<VaultLock>> {
        self.call("lock", |world, _| Ok(world.lock.clone()))
    }
    fn initiate_lock(&self, policy: &str) -> Answer<String> {
        self.call("initiate_lock", |world, now| {
            let (policy, state) = (policy.into(), "InProgress".into());
            world.lock = Some(VaultLock { policy, state, expires: Some(now.plus(DAY)), created: Some(now) });
            Ok("lock-1".into())
        })
    }
    fn complete_lock(&self, _id: &str) -> Answer<()> {
        self.call("complete_lock", |world, _| {
            world.lock.as_mut().map(|lock| lock.state = "Locked".into()).ok_or_else(|| missing("lock"))
        })
    }
    fn abort_lock(&self) -> Answer<()> {
        self.call("abort_lock", |world, _| {
            world.lock = None;
            Ok(())
        })
    }
    fn retrieval_policy(&self) -> Answer<RetrievalPolicy> {
        self.call("retrieval_policy", |world, _| Ok(world.policy.unwrap_or(RetrievalPolicy::None)))
    }
    fn set_retrieval_policy(&self, policy: RetrievalPolicy) -> Answer<()> {
        self.call("set_retrieval_policy", |world, _| {
            world.policy = Some(policy);
            Ok(())
        })
    }
}
