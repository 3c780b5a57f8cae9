//! A bucket's settings that are one list for everybody: lifecycle, notifications; and Intelligent-Tiering
//! and inventory, which have an id each.
//!
//! **Invariant:** what is not ours goes back as S3 sent it: it is read again just before the write, and
//! never through our own shape, which knows less.

use aws_sdk_s3::types::BucketLifecycleConfiguration;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, Event, EventBridgeConfiguration, ExpirationStatus, FilterRule, FilterRuleName,
    IntelligentTieringAccessTier, IntelligentTieringConfiguration, IntelligentTieringFilter, IntelligentTieringStatus,
    InventoryConfiguration, InventoryDestination, InventoryFilter, InventoryFormat, InventoryFrequency,
    InventoryIncludedObjectVersions, InventoryOptionalField, InventoryS3BucketDestination, InventorySchedule,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, NoncurrentVersionTransition,
    NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, Tiering,
    TopicConfiguration, Transition, TransitionStorageClass,
};
use serde_json::{Value, json};

use super::bucket::unset;
use super::{AwsCloud, days, text, unfit};
use crate::cloud::{CloudError, Item};
use crate::wanted::OUR_ID;

/// Id of our Intelligent-Tiering configuration and of our inventory.
const ID: &str = "darkslide";

fn is_ours(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.starts_with(OUR_ID))
}

impl AwsCloud {
    fn lifecycle(&self, item: &Item, name: &str) -> Result<Option<Vec<LifecycleRule>>, CloudError> {
        let asked = self.s3.get_bucket_lifecycle_configuration().bucket(name).send();
        Ok(unset(self.ask("GetBucketLifecycleConfiguration", item, asked))?
            .map(|answer| answer.rules.unwrap_or_default()))
    }

    pub(super) fn read_lifecycle(&self, item: &Item, name: &str) -> Result<Option<Value>, CloudError> {
        Ok(self.lifecycle(item, name)?.map(|rules| rules.iter().map(shown).collect()))
    }

    pub(super) fn write_lifecycle(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let call = "PutBucketLifecycleConfiguration";
        let mut rules = self.lifecycle(item, name)?.unwrap_or_default();
        rules.retain(|rule| !is_ours(rule.id()));
        for rule in state.as_array().into_iter().flatten().filter(|rule| is_ours(rule["id"].as_str())) {
            rules.push(lifecycle_rule(rule).map_err(|bad| unfit(call, item, bad))?);
        }
        let all = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let all = all.map_err(|bad| unfit(call, item, bad))?;
        let put = self.s3.put_bucket_lifecycle_configuration().bucket(name).lifecycle_configuration(all).send();
        self.ask(call, item, put).map(|_| ())
    }

    pub(super) fn read_tiering(&self, item: &Item, name: &str) -> Result<Option<Value>, CloudError> {
        let asked = self.s3.get_bucket_intelligent_tiering_configuration().bucket(name).id(ID).send();
        let answer = unset(self.ask("GetBucketIntelligentTieringConfiguration", item, asked))?;
        Ok(answer.and_then(|answer| answer.intelligent_tiering_configuration).map(|found| {
            let tier = |wanted: IntelligentTieringAccessTier| {
                found.tierings.iter().find(|tier| tier.access_tier == wanted).map(|tier| tier.days)
            };
            let prefix = found.filter.as_ref().and_then(|filter| filter.prefix.clone()).unwrap_or_default();
            let mut out = json!({"prefix": prefix,
                "archive_days": tier(IntelligentTieringAccessTier::ArchiveAccess),
                "deep_archive_days": tier(IntelligentTieringAccessTier::DeepArchiveAccess)});
            if found.status != IntelligentTieringStatus::Enabled {
                out["status"] = json!(found.status.as_str());
            }
            out
        }))
    }

    pub(super) fn write_tiering(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let call = "PutBucketIntelligentTieringConfiguration";
        let mut made = IntelligentTieringConfiguration::builder().id(ID).status(IntelligentTieringStatus::Enabled);
        if !text(state, "prefix").is_empty() {
            made = made.filter(IntelligentTieringFilter::builder().prefix(text(state, "prefix")).build());
        }
        for (key, tier) in [
            ("archive_days", IntelligentTieringAccessTier::ArchiveAccess),
            ("deep_archive_days", IntelligentTieringAccessTier::DeepArchiveAccess),
        ] {
            if let Some(days) = days(&state[key]) {
                let one = Tiering::builder().access_tier(tier).days(days).build();
                made = made.tierings(one.map_err(|bad| unfit(call, item, bad))?);
            }
        }
        let made = made.build().map_err(|bad| unfit(call, item, bad))?;
        let put = self.s3.put_bucket_intelligent_tiering_configuration().bucket(name).id(ID);
        self.ask(call, item, put.intelligent_tiering_configuration(made).send()).map(|_| ())
    }

    pub(super) fn read_notifications(&self, item: &Item, name: &str) -> Result<Option<Value>, CloudError> {
        let asked = self.s3.get_bucket_notification_configuration().bucket(name).send();
        let found = self.ask("GetBucketNotificationConfiguration", item, asked)?;
        let mut rules: Vec<Value> = Vec::new();
        for queue in found.queue_configurations() {
            rules.push(told(queue.id(), "queue", queue.queue_arn(), queue.events(), queue.filter()));
        }
        for topic in found.topic_configurations() {
            rules.push(told(topic.id(), "topic", topic.topic_arn(), topic.events(), topic.filter()));
        }
        for function in found.lambda_function_configurations() {
            let arn = function.lambda_function_arn();
            rules.push(told(function.id(), "function", arn, function.events(), function.filter()));
        }
        let bridge = found.event_bridge_configuration().is_some();
        Ok((bridge || !rules.is_empty()).then(|| json!({"rules": rules, "event_bridge": bridge})))
    }

    pub(super) fn write_notifications(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let call = "PutBucketNotificationConfiguration";
        let asked = self.s3.get_bucket_notification_configuration().bucket(name).send();
        let found = self.ask("GetBucketNotificationConfiguration", item, asked)?;
        let mut queues = found.queue_configurations().to_vec();
        let mut topics = found.topic_configurations().to_vec();
        queues.retain(|queue| !is_ours(queue.id()));
        topics.retain(|topic| !is_ours(topic.id()));
        for rule in state["rules"].as_array().into_iter().flatten().filter(|rule| is_ours(rule["id"].as_str())) {
            let (filter, events) = (below(text(rule, "prefix")), events(&rule["events"]));
            if let Some(arn) = rule["queue"].as_str() {
                let queue = QueueConfiguration::builder().id(text(rule, "id")).queue_arn(arn).set_events(Some(events));
                queues.push(queue.set_filter(filter).build().map_err(|bad| unfit(call, item, bad))?);
            } else if let Some(arn) = rule["topic"].as_str() {
                let topic = TopicConfiguration::builder().id(text(rule, "id")).topic_arn(arn).set_events(Some(events));
                topics.push(topic.set_filter(filter).build().map_err(|bad| unfit(call, item, bad))?);
            }
        }
        let bridge = found.event_bridge_configuration().map(|_| EventBridgeConfiguration::builder().build());
        let all = NotificationConfiguration::builder()
            .set_queue_configurations(Some(queues))
            .set_topic_configurations(Some(topics))
            .set_lambda_function_configurations(Some(found.lambda_function_configurations().to_vec()))
            .set_event_bridge_configuration(bridge)
            .build();
        let put = self.s3.put_bucket_notification_configuration().bucket(name).notification_configuration(all).send();
        self.ask(call, item, put).map(|_| ())
    }

    pub(super) fn read_inventory(&self, item: &Item, name: &str) -> Result<Option<Value>, CloudError> {
        let asked = self.s3.get_bucket_inventory_configuration().bucket(name).id(ID).send();
        let answer = unset(self.ask("GetBucketInventoryConfiguration", item, asked))?;
        Ok(answer.and_then(|answer| answer.inventory_configuration).map(|found| {
            let to = found.destination.and_then(|to| to.s3_bucket_destination);
            let below = found.filter.map(|filter| filter.prefix).unwrap_or_default();
            let frequency = found.schedule.map(|schedule| schedule.frequency.as_str().to_string());
            let mut out = json!({"below": below, "frequency": frequency,
                "bucket": to.as_ref().map(|to| to.bucket.clone()),
                "prefix": to.and_then(|to| to.prefix).unwrap_or_default()});
            if !found.is_enabled {
                out["enabled"] = json!(false);
            }
            out
        }))
    }

    pub(super) fn write_inventory(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let call = "PutBucketInventoryConfiguration";
        let made = || -> Result<InventoryConfiguration, aws_smithy_types::error::operation::BuildError> {
            let to = InventoryS3BucketDestination::builder()
                .bucket(text(state, "bucket"))
                .format(InventoryFormat::Csv)
                .set_prefix(Some(text(state, "prefix").to_string()).filter(|prefix| !prefix.is_empty()))
                .build()?;
            let schedule = InventorySchedule::builder().frequency(InventoryFrequency::from(text(state, "frequency")));
            let mut made = InventoryConfiguration::builder()
                .id(ID)
                .is_enabled(true)
                .included_object_versions(InventoryIncludedObjectVersions::All)
                .destination(InventoryDestination::builder().s3_bucket_destination(to).build())
                .schedule(schedule.build()?)
                .optional_fields(InventoryOptionalField::Size)
                .optional_fields(InventoryOptionalField::StorageClass)
                .optional_fields(InventoryOptionalField::ETag)
                .optional_fields(InventoryOptionalField::IntelligentTieringAccessTier);
            if !text(state, "below").is_empty() {
                made = made.filter(InventoryFilter::builder().prefix(text(state, "below")).build()?);
            }
            made.build()
        };
        let made = made().map_err(|bad| unfit(call, item, bad))?;
        let put = self.s3.put_bucket_inventory_configuration().bucket(name).id(ID).inventory_configuration(made).send();
        self.ask(call, item, put).map(|_| ())
    }
}

/// A rule in our shape. Of others' rules only the name counts.
fn shown(rule: &LifecycleRule) -> Value {
    let mut out = json!({"id": rule.id()});
    if !is_ours(rule.id()) {
        out["theirs"] = json!(format!("{rule:?}"));
        return out;
    }
    #[expect(deprecated)]
    let prefix = rule.filter().and_then(|filter| filter.prefix()).or(rule.prefix()).unwrap_or_default();
    out["prefix"] = json!(prefix);
    if *rule.status() != ExpirationStatus::Enabled {
        out["status"] = json!(rule.status().as_str());
    }
    if let Some(days) = rule.abort_incomplete_multipart_upload().and_then(|abort| abort.days_after_initiation()) {
        out["abort_uploads_days"] = json!(days);
    }
    if let Some(days) = rule.noncurrent_version_expiration().and_then(|old| old.noncurrent_days()) {
        out["old_versions_expire_days"] = json!(days);
    }
    if let Some(old) = rule.noncurrent_version_transitions().first() {
        let class = old.storage_class().map(TransitionStorageClass::as_str);
        out["old_versions_archive"] = json!({"days": old.noncurrent_days(), "class": class});
    }
    if let Some(expiration) = rule.expiration() {
        match expiration.expired_object_delete_marker() {
            Some(true) => out["drop_delete_markers"] = json!(true),
            _ => out["expire_days"] = json!(expiration.days()),
        }
    }
    if let Some(move_to) = rule.transitions().first() {
        let class = move_to.storage_class().map(TransitionStorageClass::as_str);
        out["transition"] = json!({"days": move_to.days(), "class": class});
    }
    out
}

fn lifecycle_rule(rule: &Value) -> Result<LifecycleRule, aws_smithy_types::error::operation::BuildError> {
    let mut made = LifecycleRule::builder()
        .id(text(rule, "id"))
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(text(rule, "prefix")).build());
    if let Some(days) = days(&rule["abort_uploads_days"]) {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
        made = made.abort_incomplete_multipart_upload(abort);
    }
    if let Some(days) = days(&rule["old_versions_expire_days"]) {
        made = made.noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(days).build());
    }
    if let Some(days) = days(&rule["old_versions_archive"]["days"]) {
        let class = TransitionStorageClass::from(text(&rule["old_versions_archive"], "class"));
        let old = NoncurrentVersionTransition::builder().noncurrent_days(days).storage_class(class).build();
        made = made.noncurrent_version_transitions(old);
    }
    if rule["drop_delete_markers"] == true {
        made = made.expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build());
    }
    if let Some(days) = days(&rule["transition"]["days"]) {
        let class = TransitionStorageClass::from(text(&rule["transition"], "class"));
        made = made.transitions(Transition::builder().days(days).storage_class(class).build());
    }
    made.build()
}

fn told(
    id: Option<&str>,
    kind: &str,
    arn: &str,
    events: &[Event],
    filter: Option<&NotificationConfigurationFilter>,
) -> Value {
    let rules = filter.and_then(|filter| filter.key()).map(|key| key.filter_rules()).unwrap_or_default();
    let is_prefix = |rule: &&FilterRule| rule.name().is_some_and(|name| name.as_str().eq_ignore_ascii_case("prefix"));
    let prefix = rules.iter().find(is_prefix).and_then(|rule| rule.value()).unwrap_or_default();
    let events: Vec<&str> = events.iter().map(Event::as_str).collect();
    json!({"id": id, kind: arn, "events": events, "prefix": prefix})
}

fn below(prefix: &str) -> Option<NotificationConfigurationFilter> {
    let rule = FilterRule::builder().name(FilterRuleName::Prefix).value(prefix).build();
    let key = S3KeyFilter::builder().filter_rules(rule).build();
    (!prefix.is_empty()).then(|| NotificationConfigurationFilter::builder().key(key).build())
}

fn events(names: &Value) -> Vec<Event> {
    names.as_array().into_iter().flatten().filter_map(Value::as_str).map(Event::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_ours_comes_back_as_it_went() {
        for rule in [
            json!({"id": "darkslide-uploads", "prefix": "repo/", "abort_uploads_days": 2}),
            json!({"id": "darkslide-old-versions", "prefix": "", "old_versions_expire_days": 180,
                "drop_delete_markers": true, "old_versions_archive": {"days": 30, "class": "DEEP_ARCHIVE"}}),
            json!({"id": "darkslide-packs-to-deep_archive", "prefix": "packs/",
                "transition": {"days": 0, "class": "DEEP_ARCHIVE"}}),
        ] {
            assert_eq!(shown(&lifecycle_rule(&rule).unwrap()), rule);
        }
    }

    #[test]
    fn a_rule_of_others_shows_that_it_changed() {
        let one = |days| {
            let expiration = LifecycleExpiration::builder().days(days).build();
            let rule = LifecycleRule::builder().id("logs").status(ExpirationStatus::Enabled).expiration(expiration);
            shown(&rule.build().unwrap())
        };
        assert_ne!(one(30), one(31));
        assert_eq!(one(30)["id"], "logs");
    }
}
