//! Desired state, setting by setting, in the order in which it can be made. Pure.
//!
//! **Invariant:** whatever a setting needs stands before it. What belongs to others in a shared setting
//! (tags, rules, statements, notifications) is kept: [`merged`] adds ours to theirs.

use serde_json::{Map, Value, json};

use crate::cloud::{Aspect, Item, Thing};
use crate::desired::{
    Boundary, BucketDesired, Desired, Encryption, Form, Identity, LockMode, MADE_TAG, Namespace, NasUser,
    RetrievalLimit, Transport, VaultDesired,
};
use crate::policy;

/// Ids of our lifecycle rules and notifications begin so.
pub(crate) const OUR_ID: &str = "darkslide-";
/// Sids of our statements in policies of resources begin so.
pub(crate) const OUR_SID: &str = "Darkslide";
/// Sids of the statements that demand TLS begin so.
const TLS_SID: &str = "DarkslideTls";
/// The tag that tells which key of a user was handed over.
pub(crate) const KEY_TAG: &str = "darkslide-key";
/// The tag that tells which key a handed over one has taken the place of.
pub(crate) const OLD_KEY_TAG: &str = "darkslide-key-old";
/// Name of the inline policy of users and roles.
pub(crate) const INLINE: &str = "darkslide";

/// One setting as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Want {
    pub(crate) item: Item,
    pub(crate) state: Value,
    /// Why it is wanted, for the plan.
    pub(crate) why: String,
}

/// Everything, in the order of making.
pub(crate) fn wanted(desired: &Desired) -> Vec<Want> {
    let mut list = List(Vec::new());
    if let Boundary::Managed { path, name } = &desired.boundary {
        let thing = Thing::Policy(path.clone(), name.clone());
        let document = policy::boundary(desired);
        list.add(&thing, Aspect::Itself, json!({"document": document, "tags": desired.all_tags()}), BOUNDARY);
        list.add(&thing, Aspect::Tags, json!(desired.all_tags()), "marks whose it is");
        list.add(&thing, Aspect::Policy, document, BOUNDARY);
    }
    events(desired, &mut list);
    if let Some(bucket) = &desired.bucket {
        bucket_wants(desired, bucket, &mut list);
    }
    for vault in &desired.vaults {
        vault_wants(desired, vault, &mut list);
    }
    if let Some(limit) = desired.retrieval {
        list.add(&Thing::Retrieval, Aspect::Limit, retrieval(limit), "a cap on what retrievals from vaults may cost");
    }
    desired.identities.iter().for_each(|identity| identity_wants(desired, identity, &mut list));
    desired.nas.iter().for_each(|user| nas_wants(desired, user, &mut list));
    if let Some(budget) = &desired.budget {
        let state = json!({"monthly": budget.monthly, "at_percent": budget.at_percent, "emails": budget.emails});
        list.add(&Thing::Budget(budget.name.clone()), Aspect::Limit, state, "somebody is told before the bill grows");
    }
    list.0
}

const BOUNDARY: &str = "the most that any identity here can ever be given";

struct List(Vec<Want>);

impl List {
    fn add(&mut self, thing: &Thing, aspect: Aspect, state: Value, why: &str) {
        self.0.push(Want { item: Item::new(thing.clone(), aspect), state, why: why.to_string() });
    }
}

fn events(desired: &Desired, list: &mut List) {
    let tags = json!(desired.all_tags());
    let mut born = tags.clone();
    born[MADE_TAG] = json!(desired.owner_tag);
    if let Some(name) = &desired.thaw_events.topic {
        let thing = Thing::Topic(name.clone());
        list.add(&thing, Aspect::Itself, json!({"tags": born}), "tells people of finished thaws");
        list.add(&thing, Aspect::Tags, tags.clone(), "marks whose it is");
        if let Some(policy) = reachable(desired, policy::topic(desired)) {
            list.add(&thing, Aspect::Policy, policy, "lets the bucket and the vaults publish, and nobody else");
        }
        for address in &desired.thaw_events.emails {
            list.add(&thing, Aspect::Email(address.clone()), json!({}), "who is told; the address has to confirm");
        }
    }
    if let Some(name) = &desired.thaw_events.queue {
        let thing = Thing::Queue(name.clone());
        list.add(&thing, Aspect::Itself, json!({"tags": born}), "keeps the news of finished thaws until they are read");
        list.add(&thing, Aspect::Tags, tags, "marks whose it is");
        if let Some(policy) = reachable(desired, policy::queue(desired)) {
            list.add(&thing, Aspect::Policy, policy, "lets the bucket send, and nobody else");
        }
    }
}

fn bucket_wants(desired: &Desired, bucket: &BucketDesired, list: &mut List) {
    let thing = Thing::Bucket(bucket.name.clone());
    let regional = bucket.namespace == Namespace::AccountRegional;
    let made = json!({"account_regional": regional, "lock": bucket.lock.is_some()});
    list.add(&thing, Aspect::Itself, made, "where the repository lies");
    let block = json!({"block_acls": true, "ignore_acls": true, "block_policy": true, "restrict": true});
    list.add(&thing, Aspect::PublicAccess, block, "nothing in it can be made public by mistake");
    list.add(&thing, Aspect::Tags, json!(desired.all_tags()), "marks whose it is");
    list.add(&thing, Aspect::Ownership, json!("BucketOwnerEnforced"), "no access control lists");
    list.add(&thing, Aspect::Encryption, encryption(&bucket.encryption), "encrypted at rest, besides the seals");
    list.add(&thing, Aspect::Versioning, json!("Enabled"), "what is replaced or deleted stays as an old version");
    if let Some(lock) = &bucket.lock {
        let mode = match lock.mode {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        };
        list.add(&thing, Aspect::Lock, json!({"mode": mode, "days": lock.days}), "no version goes before its days");
    }
    if let Some(policy) = reachable(desired, policy::bucket(desired)) {
        list.add(&thing, Aspect::Policy, policy, "what nobody may do, whatever his own policy says");
    }
    list.add(&thing, Aspect::Lifecycle, lifecycle(bucket), "unfinished uploads and old versions do not pile up");
    if let Some(tiering) = &bucket.tiering {
        let state = json!({
            "prefix": bucket.prefix,
            "archive_days": tiering.archive_days,
            "deep_archive_days": tiering.deep_archive_days,
        });
        list.add(&thing, Aspect::Tiering, state, "idle objects of INTELLIGENT_TIERING become cheaper");
    }
    if let Some(inventory) = &bucket.inventory {
        let state = json!({
            "bucket": format!("arn:{}:s3:::{}", desired.partition(), inventory.bucket),
            "prefix": inventory.prefix,
            "below": bucket.prefix,
            "frequency": match inventory.frequency {
                crate::desired::Frequency::Daily => "Daily",
                crate::desired::Frequency::Weekly => "Weekly",
            },
        });
        list.add(&thing, Aspect::Inventory, state, "S3 itself lists what is there");
    }
    if let Some(state) = notifications(desired, bucket) {
        list.add(&thing, Aspect::Notifications, state, "a finished thaw is told, not asked for");
    }
}

/// A policy without its demand for TLS where there is none; nothing where no more stands in it.
fn reachable(desired: &Desired, policy: Option<Value>) -> Option<Value> {
    let mut policy = policy?;
    if desired.transport == Transport::Plain {
        let statements = policy["Statement"].as_array_mut()?;
        statements.retain(|one| !one["Sid"].as_str().is_some_and(|sid| sid.starts_with(TLS_SID)));
        if statements.is_empty() {
            return None;
        }
    }
    Some(policy)
}

fn encryption(encryption: &Encryption) -> Value {
    match encryption {
        Encryption::S3 => json!({"algorithm": "AES256"}),
        Encryption::Kms { key_arn } => json!({"algorithm": "aws:kms", "key": key_arn}),
    }
}

/// Our rules. Each is `{id, prefix, …}`; days are numbers.
fn lifecycle(bucket: &BucketDesired) -> Value {
    let prefix = bucket.prefix.as_str();
    let mut old = json!({"id": "darkslide-old-versions", "prefix": prefix,
        "old_versions_expire_days": bucket.old_versions.expire_days, "drop_delete_markers": true});
    if let Some(days) = bucket.old_versions.archive_days {
        old["old_versions_archive"] = json!({"days": days, "class": "DEEP_ARCHIVE"});
    }
    let mut rules = vec![
        json!({"id": "darkslide-uploads", "prefix": prefix, "abort_uploads_days": bucket.abort_uploads_days}),
        old,
    ];
    for transition in &bucket.transitions {
        let name = transition.below.trim_end_matches('/').replace('/', "-");
        rules.push(json!({"id": format!("darkslide-{name}-to-{}", transition.class.as_str().to_ascii_lowercase()),
            "prefix": format!("{prefix}{}", transition.below),
            "transition": {"days": transition.days, "class": transition.class.as_str()}}));
    }
    json!(rules)
}

/// The queue hears of finished thaws; the topic where there is no queue: S3 tells one event once.
fn notifications(desired: &Desired, bucket: &BucketDesired) -> Option<Value> {
    let to = match (&desired.thaw_events.queue, &desired.thaw_events.topic) {
        (Some(queue), _) => json!({"queue": desired.queue_arn(queue)}),
        (None, Some(topic)) => json!({"topic": desired.topic_arn(topic)}),
        (None, None) => return None,
    };
    let mut one = json!({"id": "darkslide-thaws", "prefix": bucket.prefix, "events": ["s3:ObjectRestore:*"]});
    if let (Value::Object(one), Value::Object(to)) = (&mut one, to) {
        one.extend(to);
    }
    Some(json!({"rules": [one], "event_bridge": false}))
}

fn vault_wants(desired: &Desired, vault: &VaultDesired, list: &mut List) {
    let thing = Thing::Vault(vault.name.clone());
    list.add(&thing, Aspect::Itself, json!({}), "a store of archives; one that exists is welcome");
    list.add(&thing, Aspect::Tags, json!(desired.all_tags()), "marks whose it is");
    if let Some(policy) = policy::vault_access(desired, vault) {
        list.add(&thing, Aspect::Policy, policy, "young archives are not deleted");
    }
    if let (true, Some(topic)) = (vault.notify, &desired.thaw_events.topic) {
        let state = json!({"topic": desired.topic_arn(topic),
            "events": ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"]});
        list.add(&thing, Aspect::Notifications, state, "finished retrievals and inventories are told");
    }
}

fn retrieval(limit: RetrievalLimit) -> Value {
    match limit {
        RetrievalLimit::FreeTier => json!({"strategy": "FreeTier"}),
        RetrievalLimit::BytesPerHour(bytes) => json!({"strategy": "BytesPerHour", "bytes": bytes}),
        RetrievalLimit::Unlimited => json!({"strategy": "None"}),
    }
}

fn identity_wants(desired: &Desired, identity: &Identity, list: &mut List) {
    let boundary = desired.boundary_arn();
    let document = policy::document(identity.kind, desired);
    let may = match identity.kind {
        crate::IdentityKind::Writer => "puts new objects; reads no photograph, deletes nothing",
        crate::IdentityKind::Restorer => "thaws and reads",
        crate::IdentityKind::Auditor => "lists, and asks for checksums",
        crate::IdentityKind::Pruner => "deletes what prune condemned",
        crate::IdentityKind::Admin => "sets all of this up",
    };
    let mut made = json!({"path": identity.path, "boundary": boundary, "tags": desired.all_tags()});
    let thing = match &identity.form {
        Form::User => Thing::User(identity.name.clone()),
        Form::Role { trusted, mfa, session_seconds } => {
            made["trust"] = policy::trust(desired, trusted, *mfa);
            made["session_seconds"] = json!(session_seconds);
            Thing::Role(identity.name.clone())
        }
    };
    person(&thing, made, document, may, list);
    if let Form::Role { trusted, mfa, .. } = &identity.form {
        list.add(&thing, Aspect::Trust, policy::trust(desired, trusted, *mfa), "who may take it on");
    }
}

fn nas_wants(desired: &Desired, user: &NasUser, list: &mut List) {
    let thing = Thing::User(user.name.clone());
    let made = json!({"path": user.path, "boundary": desired.boundary_arn(), "tags": desired.all_tags()});
    person(&thing, made, policy::nas(desired, &user.program), "what the program on the NAS needs, and no more", list);
}

/// A user or role, and for a user its key at the end.
fn person(thing: &Thing, made: Value, document: Value, may: &str, list: &mut List) {
    let (boundary, tags) = (made["boundary"].clone(), made["tags"].clone());
    list.add(thing, Aspect::Itself, made, may);
    if !boundary.is_null() {
        list.add(thing, Aspect::Boundary, boundary, BOUNDARY);
    }
    list.add(thing, Aspect::Tags, tags, "marks whose it is");
    list.add(thing, Aspect::Policy, document, may);
    if matches!(thing, Thing::User(_)) {
        list.add(thing, Aspect::Key, json!({}), "handed over once, kept nowhere else");
    }
}

/// What the setting becomes: ours, with what of `observed` belongs to others.
pub(crate) fn merged(item: &Item, observed: Option<&Value>, ours: &Value) -> Value {
    let Some(there) = observed else { return ours.clone() };
    match (&item.aspect, &item.thing) {
        // What can be given only at the making is compared by the plan.
        (Aspect::Itself | Aspect::Email(_), _) => there.clone(),
        (Aspect::Tags, _) => overlaid(there, ours),
        (Aspect::Policy, Thing::Bucket(_) | Thing::Queue(_) | Thing::Topic(_) | Thing::Vault(_)) => {
            let mut out = ours.clone();
            out["Statement"] = kept(&there["Statement"], &ours["Statement"], "Sid", OUR_SID);
            same_or(there, out)
        }
        (Aspect::Lifecycle, _) => same_or(there, kept(there, ours, "id", OUR_ID)),
        (Aspect::Notifications, Thing::Bucket(_)) => {
            let mut out = there.clone();
            out["rules"] = kept(&there["rules"], &ours["rules"], "id", OUR_ID);
            same_or(there, out)
        }
        _ => same_or(there, ours.clone()),
    }
}

/// Theirs as they are now, then ours. Ours are those whose name begins with `mark`, on either side: what
/// is to be written may carry theirs from when the plan was made.
fn kept(there: &Value, ours: &Value, name: &str, mark: &str) -> Value {
    let one = [there.clone()];
    let list = |value: &Value| value.as_array().cloned();
    let there = list(there).unwrap_or_else(|| if there.is_object() { one.to_vec() } else { Vec::new() });
    let is_ours = |rule: &Value| rule[name].as_str().is_some_and(|id| id.starts_with(mark));
    let theirs = there.into_iter().filter(|rule| !is_ours(rule));
    let ours = list(ours).unwrap_or_default().into_iter().filter(is_ours);
    Value::Array(theirs.chain(ours).collect())
}

fn overlaid(there: &Value, ours: &Value) -> Value {
    let mut out: Map<String, Value> = there.as_object().cloned().unwrap_or_default();
    out.extend(ours.as_object().cloned().unwrap_or_default());
    Value::Object(out)
}

/// The observed value where both mean the same: no change that changes nothing.
fn same_or(there: &Value, out: Value) -> Value {
    if canonical(there) == canonical(&out) { there.clone() } else { out }
}

/// Two documents of policy mean the same though one writes a list of one as a word, or lists in
/// another order. Keys are sorted by `serde_json` already; what is null counts as absent.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(key, value)| (key.clone(), canonical(value))).collect())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(canonical).collect();
            if let [Value::String(_)] = &list[..] {
                return list.remove(0);
            }
            list.sort_by_cached_key(Value::to_string);
            Value::Array(list)
        }
        other => other.clone(),
    }
}
