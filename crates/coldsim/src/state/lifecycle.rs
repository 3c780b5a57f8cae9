//! Lifecycle rules, applied each midnight UTC of virtual time.

use std::collections::BTreeMap;

use darkslide_words::{StorageClass, Time};
use s3s::dto::{BucketLifecycleConfiguration, LifecycleRule, Timestamp};

use super::State;
use super::events::Happening;
use super::model::{Bucket, Upload, Version, Versioning};
use crate::clock::{days_later, midnight_from};
use crate::s3::convert::{from_xml, to_time};

/// Below this many bytes nothing moves, unless the rule or the bucket says otherwise.
const MOVED_BYTES_MIN: u64 = 128 * 1024;

/// What a rule wants done to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Move(String, String, StorageClass, Time),
    MarkDeleted(String),
    Remove(String, String),
}

/// When something is due so many days after `start`: the next midnight, as S3 rounds.
fn due(start: Time, days: i32) -> Time {
    midnight_from(days_later(start, i64::from(days)))
}

/// What a rule selects by.
struct Selection<'a> {
    prefix: &'a str,
    tags: Vec<(&'a str, &'a str)>,
    larger_than: Option<i64>,
    smaller_than: Option<i64>,
}

impl<'a> Selection<'a> {
    fn of(rule: &'a LifecycleRule) -> Self {
        let mut found = Self {
            prefix: rule.prefix.as_deref().unwrap_or_default(),
            tags: Vec::new(),
            larger_than: None,
            smaller_than: None,
        };
        let pair =
            |tag: &'a s3s::dto::Tag| (tag.key.as_deref().unwrap_or_default(), tag.value.as_deref().unwrap_or_default());
        if let Some(filter) = &rule.filter {
            found.prefix = filter.prefix.as_deref().unwrap_or(found.prefix);
            found.tags.extend(filter.tag.as_ref().map(pair));
            found.larger_than = filter.object_size_greater_than;
            found.smaller_than = filter.object_size_less_than;
            if let Some(and) = &filter.and {
                found.prefix = and.prefix.as_deref().unwrap_or(found.prefix);
                found.tags.extend(and.tags.iter().flatten().map(pair));
                found.larger_than = and.object_size_greater_than.or(found.larger_than);
                found.smaller_than = and.object_size_less_than.or(found.smaller_than);
            }
        }
        found
    }

    fn has_size(&self) -> bool {
        self.larger_than.is_some() || self.smaller_than.is_some()
    }

    fn takes(&self, key: &str, version: &Version) -> bool {
        let tagged = |(name, value): &(&str, &str)| version.tags.get(*name).is_some_and(|v| v == value);
        let size = i64::try_from(version.size).unwrap_or(i64::MAX);
        key.starts_with(self.prefix)
            && self.tags.iter().all(tagged)
            && self.larger_than.is_none_or(|limit| size > limit)
            && self.smaller_than.is_none_or(|limit| size < limit)
    }
}

/// True if S3 moves objects of one class into the other: only downwards.
fn moves_down(from: &StorageClass, to: &StorageClass) -> bool {
    let rank = |class: &StorageClass| match class {
        StorageClass::Standard | StorageClass::Other(_) | StorageClass::Vault => 0,
        StorageClass::StandardIa => 1,
        StorageClass::IntelligentTiering => 2,
        StorageClass::OnezoneIa => 3,
        StorageClass::GlacierIr => 4,
        StorageClass::Glacier => 5,
        StorageClass::DeepArchive => 6,
    };
    rank(from) < rank(to)
}

/// The lowest class whose time has come.
fn best_move(
    now: Time,
    from: &StorageClass,
    moves: impl Iterator<Item = (Time, StorageClass)>,
) -> Option<(StorageClass, Time)> {
    let mut best: Option<(StorageClass, Time)> = None;
    for (at, class) in moves {
        let above = best.as_ref().map_or(from, |(class, _)| class);
        if at <= now && moves_down(above, &class) {
            best = Some((class, at));
        }
    }
    best
}

/// Current versions: expiry first, then moves.
fn for_current(rule: &LifecycleRule, minimum: u64, bucket: &Bucket, key: &str, now: Time) -> Option<Action> {
    let versions = bucket.objects.get(key)?;
    let version = versions.first()?;
    let at = |date: &Option<Timestamp>, days: Option<i32>| match (date, days) {
        (Some(date), _) => to_time(date),
        (None, Some(days)) => due(version.modified, days),
        (None, None) => Time(i64::MAX),
    };
    let selection = Selection::of(rule);
    if let Some(expiration) = &rule.expiration {
        if version.marker {
            let lonely = versions.len() == 1 && expiration.expired_object_delete_marker == Some(true);
            return (lonely && key.starts_with(selection.prefix))
                .then(|| Action::Remove(key.to_string(), version.id.clone()));
        }
        if selection.takes(key, version) && at(&expiration.date, expiration.days) <= now {
            return Some(match bucket.versioning {
                Versioning::Off => Action::Remove(key.to_string(), version.id.clone()),
                _ => Action::MarkDeleted(key.to_string()),
            });
        }
    }
    if version.marker || !selection.takes(key, version) || (version.size < minimum && !selection.has_size()) {
        return None;
    }
    let moves = rule
        .transitions
        .iter()
        .flatten()
        .filter_map(|t| Some((at(&t.date, t.days), StorageClass::from_name(t.storage_class.as_ref()?.as_str()))));
    let (class, at) = best_move(now, &version.class, moves)?;
    Some(Action::Move(key.to_string(), version.id.clone(), class, at))
}

/// Versions that are no longer current, `rank` of them newer and not current either.
fn for_noncurrent(
    rule: &LifecycleRule,
    minimum: u64,
    key: &str,
    (rank, version): (usize, &Version),
    now: Time,
) -> Option<Action> {
    let since = version.noncurrent_since?;
    let selection = Selection::of(rule);
    let kept = |newer: Option<i32>| newer.is_some_and(|keep| rank < usize::try_from(keep).unwrap_or(0));
    if !selection.takes(key, version) {
        return None;
    }
    if let Some(expiration) = &rule.noncurrent_version_expiration
        && !kept(expiration.newer_noncurrent_versions)
        && expiration.noncurrent_days.is_some_and(|days| due(since, days) <= now)
    {
        return Some(Action::Remove(key.to_string(), version.id.clone()));
    }
    if version.marker || (version.size < minimum && !selection.has_size()) {
        return None;
    }
    let moves = rule.noncurrent_version_transitions.iter().flatten();
    let moves = moves.filter(|t| !kept(t.newer_noncurrent_versions)).filter_map(|t| {
        Some((due(since, t.noncurrent_days?), StorageClass::from_name(t.storage_class.as_ref()?.as_str())))
    });
    let (class, at) = best_move(now, &version.class, moves)?;
    Some(Action::Move(key.to_string(), version.id.clone(), class, at))
}

fn actions_of(rule: &LifecycleRule, minimum: u64, bucket: &Bucket, now: Time) -> Vec<Action> {
    let mut actions = Vec::new();
    for (key, versions) in &bucket.objects {
        actions.extend(for_current(rule, minimum, bucket, key, now));
        let old = versions.iter().skip(1).enumerate();
        actions.extend(old.filter_map(|numbered| for_noncurrent(rule, minimum, key, numbered, now)));
    }
    actions
}

fn stale_uploads(rule: &LifecycleRule, uploads: &BTreeMap<String, Upload>, now: Time) -> Vec<String> {
    let days = rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation);
    let Some(days) = days else { return Vec::new() };
    let prefix = Selection::of(rule).prefix;
    let stale = |upload: &Upload| upload.key.starts_with(prefix) && due(upload.initiated, days) <= now;
    uploads.iter().filter(|(_, upload)| stale(upload)).map(|(id, _)| id.clone()).collect()
}

impl State {
    /// Applies all rules of all buckets.
    pub(super) fn run_lifecycle(&mut self) {
        let names: Vec<String> = self.buckets.keys().cloned().collect();
        for name in names {
            let Some(bucket) = self.buckets.get(&name) else { continue };
            let Some(text) = bucket.config.get("lifecycle") else { continue };
            let Ok(config) = from_xml::<BucketLifecycleConfiguration>(text) else { continue };
            let by_class = bucket.config.get("lifecycle-minimum").is_some_and(|m| m == "varies_by_storage_class");
            for rule in config.rules.iter().filter(|rule| rule.status.as_str() == "Enabled") {
                self.apply_rule(&name, rule, if by_class { 0 } else { MOVED_BYTES_MIN });
            }
        }
    }

    fn apply_rule(&mut self, name: &str, rule: &LifecycleRule, minimum: u64) {
        let Some(bucket) = self.buckets.get(name) else { return };
        let actions = actions_of(rule, minimum, bucket, self.now);
        let stale = stale_uploads(rule, &bucket.uploads, self.now);
        for action in actions {
            self.act(name, action);
        }
        for id in stale {
            self.end_upload(name, &id);
        }
    }

    fn act(&mut self, bucket: &str, action: Action) {
        match action {
            Action::Move(key, id, class, at) => self.transition(bucket, &key, &id, &class, at),
            Action::MarkDeleted(key) => {
                let version = self.mark_deleted(bucket, &key);
                let event = "LifecycleExpiration:DeleteMarkerCreated";
                self.emit(&Happening { event, bucket, key: &key, version: &version, glacier: None });
            }
            Action::Remove(key, id) => {
                let locked = |v: &Version| self.check_unlocked(v, false).is_err();
                if self.buckets.get(bucket).and_then(|b| b.version(&key, Some(&id))).is_some_and(locked) {
                    return;
                }
                if let Some(version) = self.remove_version(bucket, &key, &id) {
                    let event = "LifecycleExpiration:Delete";
                    self.emit(&Happening { event, bucket, key: &key, version: &version, glacier: None });
                }
            }
        }
    }
}
