//! Intelligent-Tiering: objects move down while nobody reads them, and up when somebody does.

use darkslide_words::Time;
use s3s::dto::{IntelligentTieringConfiguration, Tag};

use super::model::{Bucket, Version};
use super::{State, TIERED_BYTES_MIN};
use crate::bill::Access;
use crate::clock::days_later;
use crate::s3::convert::from_xml;

/// Idle days until the Infrequent Access tier.
const INFREQUENT_DAYS: i64 = 30;
/// Idle days until the Archive Instant Access tier.
const INSTANT_DAYS: i64 = 90;

fn takes(config: &IntelligentTieringConfiguration, key: &str, version: &Version) -> bool {
    let Some(filter) = &config.filter else { return true };
    let tagged = |tag: &Tag| {
        let value = version.tags.get(tag.key.as_deref().unwrap_or_default());
        value.map(String::as_str) == tag.value.as_deref()
    };
    let (and_prefix, and_tags) = filter.and.as_ref().map_or((None, None), |a| (a.prefix.as_deref(), a.tags.as_ref()));
    key.starts_with(filter.prefix.as_deref().unwrap_or_default())
        && key.starts_with(and_prefix.unwrap_or_default())
        && filter.tag.iter().all(tagged)
        && and_tags.into_iter().flatten().all(tagged)
}

/// Where a version idle since `touched` belongs.
fn tier_for(configs: &[IntelligentTieringConfiguration], key: &str, version: &Version, now: Time) -> Access {
    let touched = version.tiering.as_ref().map_or(now, |t| t.touched);
    let idle = |days: i64| days_later(touched, days) <= now;
    let mut tier = Access::Frequent;
    if idle(INFREQUENT_DAYS) {
        tier = Access::Infrequent;
    }
    if idle(INSTANT_DAYS) {
        tier = Access::ArchiveInstant;
    }
    let mut archive = None;
    for config in configs.iter().filter(|c| takes(c, key, version)) {
        for tiering in config.tierings.iter().filter(|t| idle(i64::from(t.days))) {
            let target = match tiering.access_tier.as_str() {
                "DEEP_ARCHIVE_ACCESS" => Access::DeepArchive,
                _ => Access::Archive,
            };
            archive = archive.max(Some(target));
        }
    }
    archive.unwrap_or(tier)
}

fn moves(bucket: &Bucket, now: Time) -> Vec<(String, String, Access)> {
    let configs = bucket.config.iter().filter(|(name, _)| name.starts_with("intelligent-tiering/"));
    let configs: Vec<IntelligentTieringConfiguration> = configs
        .filter_map(|(_, text)| from_xml(text).ok())
        .filter(|c: &IntelligentTieringConfiguration| c.status.as_str() == "Enabled")
        .collect();
    let mut found = Vec::new();
    for (key, versions) in &bucket.objects {
        for version in versions.iter().filter(|v| v.size >= TIERED_BYTES_MIN && v.restore.is_none()) {
            let Some(current) = version.access() else { continue };
            let tier = tier_for(&configs, key, version, now);
            // Down only: the way up is a read or a restore.
            if tier > current {
                found.push((key.clone(), version.id.clone(), tier));
            }
        }
    }
    found
}

impl State {
    pub(super) fn run_tiering(&mut self) {
        let names: Vec<String> = self.buckets.keys().cloned().collect();
        for name in names {
            let found = self.buckets.get(&name).map(|bucket| moves(bucket, self.now)).unwrap_or_default();
            for (key, id, tier) in found {
                self.set_access(&name, &key, &id, tier);
            }
        }
    }

    fn set_access(&mut self, bucket: &str, key: &str, id: &str, tier: Access) {
        self.bill_version(bucket, key, id);
        if let Ok(version) = self.object_mut(bucket, key, Some(id))
            && let Some(tiering) = &mut version.tiering
        {
            tiering.access = tier;
        }
    }

    /// A read: the object is in Frequent again, and its idle days begin anew.
    pub(super) fn touch_tiering(&mut self, bucket: &str, key: &str, id: &str, now: Time) {
        self.set_access(bucket, key, id, Access::Frequent);
        if let Ok(version) = self.object_mut(bucket, key, Some(id))
            && let Some(tiering) = &mut version.tiering
        {
            tiering.touched = now;
        }
    }
}
