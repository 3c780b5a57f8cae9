//! The bucket, and all that is set for it.

use super::super::hcl::{Expr, Item, block, raw, set, text};
use super::{bucket_name, document};
use crate::desired::{BucketDesired, Desired, Encryption, Frequency, LockMode};
use crate::policy;

fn resource(kind: &str, name: &str, mut items: Vec<Item>) -> Item {
    if kind != "aws_s3_bucket" {
        items.insert(0, set("bucket", raw("aws_s3_bucket.repository.id")));
    }
    block(format!("resource \"{kind}\" \"{name}\""), items)
}

/// All of it.
pub(super) fn items(desired: &Desired) -> Vec<Item> {
    let Some(bucket) = &desired.bucket else { return Vec::new() };
    let mut itself = vec![set("bucket", bucket_name())];
    if bucket.lock.is_some() {
        itself.push(set("object_lock_enabled", raw("true")));
    }
    itself.push(block("lifecycle", vec![set("prevent_destroy", raw("true"))]));
    let mut all = vec![
        resource("aws_s3_bucket", "repository", itself),
        resource(
            "aws_s3_bucket_versioning",
            "repository",
            vec![block("versioning_configuration", vec![set("status", text("Enabled"))])],
        ),
        resource(
            "aws_s3_bucket_public_access_block",
            "repository",
            ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"]
                .map(|name| set(name, raw("true")))
                .to_vec(),
        ),
        resource(
            "aws_s3_bucket_ownership_controls",
            "repository",
            vec![block("rule", vec![set("object_ownership", text("BucketOwnerEnforced"))])],
        ),
        encryption(bucket),
        lifecycle(bucket),
    ];
    all.extend(lock(bucket));
    all.extend(tiering(bucket));
    all.extend(inventory(bucket, desired));
    if let Some(policy) = policy::bucket(desired) {
        let mut items = vec![set("policy", document(&policy, desired))];
        items.push(set("depends_on", Expr::List(vec![raw("aws_s3_bucket_public_access_block.repository")])));
        all.push(resource("aws_s3_bucket_policy", "repository", items));
    }
    all
}

fn encryption(bucket: &BucketDesired) -> Item {
    let by_default = match &bucket.encryption {
        Encryption::S3 => vec![set("sse_algorithm", text("AES256"))],
        Encryption::Kms { key_arn } => {
            vec![set("sse_algorithm", text("aws:kms")), set("kms_master_key_id", text(key_arn.as_str()))]
        }
    };
    let mut rule = vec![block("apply_server_side_encryption_by_default", by_default)];
    if matches!(bucket.encryption, Encryption::Kms { .. }) {
        rule.insert(0, set("bucket_key_enabled", raw("true")));
    }
    resource("aws_s3_bucket_server_side_encryption_configuration", "repository", vec![block("rule", rule)])
}

fn rule(id: &str, prefix: &str, mut items: Vec<Item>) -> Item {
    let mut all = vec![set("id", text(id)), set("status", text("Enabled"))];
    all.push(block("filter", vec![set("prefix", text(prefix))]));
    all.append(&mut items);
    block("rule", all)
}

fn lifecycle(bucket: &BucketDesired) -> Item {
    let prefix = bucket.prefix.as_str();
    let days = |name: &str, days: u32| set(name, raw(days.to_string()));
    let mut old = Vec::new();
    if let Some(archive) = bucket.old_versions.archive_days {
        let items = vec![days("noncurrent_days", archive), set("storage_class", text("DEEP_ARCHIVE"))];
        old.push(block("noncurrent_version_transition", items));
    }
    let expire = vec![days("noncurrent_days", bucket.old_versions.expire_days)];
    old.push(block("noncurrent_version_expiration", expire));
    let abort = vec![days("days_after_initiation", bucket.abort_uploads_days)];
    let abort = vec![block("abort_incomplete_multipart_upload", abort)];
    // A delete marker without a version behind it is of no use.
    old.push(block("expiration", vec![set("expired_object_delete_marker", raw("true"))]));
    let mut rules = vec![rule("darkslide-uploads", prefix, abort), rule("darkslide-old-versions", prefix, old)];
    for transition in &bucket.transitions {
        let items = vec![days("days", transition.days), set("storage_class", text(transition.class.as_str()))];
        let id = super::super::transition_id(transition);
        let below = format!("{prefix}{}", transition.below);
        rules.push(rule(&id, &below, vec![block("transition", items)]));
    }
    let mut items = rules;
    items.push(set("depends_on", Expr::List(vec![raw("aws_s3_bucket_versioning.repository")])));
    resource("aws_s3_bucket_lifecycle_configuration", "repository", items)
}

fn lock(bucket: &BucketDesired) -> Option<Item> {
    let lock = bucket.lock?;
    let mode = match lock.mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    };
    let retention = vec![set("mode", text(mode)), set("days", raw(lock.days.to_string()))];
    let rule = block("rule", vec![block("default_retention", retention)]);
    Some(resource("aws_s3_bucket_object_lock_configuration", "repository", vec![rule]))
}

fn tiering(bucket: &BucketDesired) -> Option<Item> {
    let tiering = bucket.tiering?;
    let tier = |name: &str, days: u32| {
        block("tiering", vec![set("access_tier", text(name)), set("days", raw(days.to_string()))])
    };
    let mut items = vec![set("name", text("darkslide"))];
    if !bucket.prefix.as_str().is_empty() {
        items.push(block("filter", vec![set("prefix", text(bucket.prefix.as_str()))]));
    }
    items.extend(tiering.archive_days.map(|days| tier("ARCHIVE_ACCESS", days)));
    items.extend(tiering.deep_archive_days.map(|days| tier("DEEP_ARCHIVE_ACCESS", days)));
    Some(resource("aws_s3_bucket_intelligent_tiering_configuration", "repository", items))
}

fn inventory(bucket: &BucketDesired, desired: &Desired) -> Option<Item> {
    let inventory = bucket.inventory.as_ref()?;
    let frequency = match inventory.frequency {
        Frequency::Daily => "Daily",
        Frequency::Weekly => "Weekly",
    };
    let target = format!("arn:{}:s3:::{}", "${data.aws_partition.current.partition}", inventory.bucket);
    let mut to = vec![set("format", text("CSV")), set("bucket_arn", text(target))];
    if !inventory.prefix.is_empty() {
        to.push(set("prefix", text(inventory.prefix.as_str())));
    }
    to.push(set("account_id", raw("data.aws_caller_identity.current.account_id")));
    let fields = ["Size", "LastModifiedDate", "StorageClass", "ETag", "IntelligentTieringAccessTier"];
    let mut items = vec![
        set("name", text("darkslide")),
        set("included_object_versions", text("Current")),
        set("optional_fields", Expr::List(fields.map(text).to_vec())),
    ];
    if let Some(own) = desired.bucket.as_ref().filter(|own| !own.prefix.as_str().is_empty()) {
        items.push(block("filter", vec![set("prefix", text(own.prefix.as_str()))]));
    }
    items.push(block("schedule", vec![set("frequency", text(frequency))]));
    items.push(block("destination", vec![block("bucket", to)]));
    Some(resource("aws_s3_bucket_inventory", "repository", items))
}
