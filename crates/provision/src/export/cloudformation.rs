//! A template for CloudFormation, in JSON.
//!
//! **Invariant:** no secret is an output, which everybody who may look at a stack could read: a key that is
//! asked for goes to Secrets Manager.

mod holders;

use serde_json::{Map, Value, json};

use super::{ExportFile, Places, only_bucket, only_vault, substitute};
use crate::desired::{BucketDesired, Desired, Encryption, Frequency, LockMode};
use crate::policy;

const PLACES: Places = Places {
    partition: "${AWS::Partition}",
    region: "${AWS::Region}",
    account: "${AWS::AccountId}",
    bucket: "${BucketName}",
    vault: "${VaultName}",
};

/// A template's resources, parameters and outputs, by name.
#[derive(Default)]
struct Template {
    parameters: Map<String, Value>,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
}

/// The file, and what it leaves out.
pub(super) fn files(desired: &Desired) -> (Vec<ExportFile>, Vec<String>) {
    let mut template = Template::default();
    if let Some(bucket) = only_bucket(desired) {
        template.parameter("BucketName", "Name of the bucket.", bucket);
    }
    if let Some(vault) = only_vault(desired) {
        template.parameter("VaultName", "Name of the vault.", vault);
    }
    if let Some(bucket) = &desired.bucket {
        template.bucket(desired, bucket);
    }
    template.events(desired);
    template.budget(desired);
    holders::add(&mut template, desired);
    let left = left_out(desired);
    let mut whole = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The cloud side of a Darkslide repository, set up with the least privilege",
        "Parameters": template.parameters,
        "Resources": template.resources,
    });
    if !left.is_empty() {
        whole["Metadata"] = json!({ "LeftOut": left });
    }
    if template.parameters.contains_key("CreateAccessKeys") {
        whole["Conditions"] = json!({ "WithKeys": { "Fn::Equals": [{ "Ref": "CreateAccessKeys" }, "true"] } });
    }
    if !template.outputs.is_empty() {
        whole["Outputs"] = Value::Object(template.outputs);
    }
    let content = format!("{whole:#}\n");
    (vec![ExportFile { name: "template.json".into(), content }], left)
}

fn left_out(desired: &Desired) -> Vec<String> {
    let mut left: Vec<String> = desired
        .vaults
        .iter()
        .map(|vault| {
            format!(
                "The vault {}: CloudFormation has no resource for Amazon Glacier. Make it, its notifications, access \
                 policy and lock with `darkslide cloud apply` or the Terraform export.",
                vault.name
            )
        })
        .collect();
    if desired.retrieval.is_some() {
        left.push(
            "The limit on retrievals from vaults: CloudFormation has no resource for it. Set it with `darkslide cloud \
             apply`."
                .into(),
        );
    }
    if desired.bucket.as_ref().is_some_and(|b| b.namespace == crate::desired::Namespace::AccountRegional) {
        left.push(
            "The bucket's account-regional namespace: make the bucket with `darkslide cloud apply` and import it into \
             the stack."
                .into(),
        );
    }
    left
}

/// A text, or `Fn::Sub` of it where something is to be filled in.
fn filled(plain: &str, desired: &Desired) -> Value {
    let text = substitute(plain, desired, &PLACES);
    if text == PLACES.account {
        json!({ "Ref": "AWS::AccountId" })
    } else if text.contains("${") {
        json!({ "Fn::Sub": text })
    } else {
        json!(text)
    }
}

/// A document with what differs filled in.
fn document(value: &Value, desired: &Desired) -> Value {
    match value {
        Value::String(plain) => filled(plain, desired),
        Value::Array(items) => items.iter().map(|item| document(item, desired)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), document(value, desired))).collect())
        }
        other => other.clone(),
    }
}

fn tags(desired: &Desired) -> Value {
    desired.all_tags().into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

impl Template {
    fn parameter(&mut self, name: &str, description: &str, default: &str) {
        let value = json!({ "Type": "String", "Description": description, "Default": default });
        self.parameters.insert(name.to_string(), value);
    }

    fn resource(&mut self, name: &str, kind: &str, properties: Value) {
        self.resources.insert(name.to_string(), json!({ "Type": kind, "Properties": properties }));
    }

    fn output(&mut self, name: &str, description: &str, value: Value) {
        self.outputs.insert(name.to_string(), json!({ "Description": description, "Value": value }));
    }

    fn bucket(&mut self, desired: &Desired, bucket: &BucketDesired) {
        let all = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
        let block: Map<String, Value> = all.into_iter().map(|name| (name.to_string(), json!(true))).collect();
        let by_default = match &bucket.encryption {
            Encryption::S3 => json!({ "SSEAlgorithm": "AES256" }),
            Encryption::Kms { key_arn } => json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn }),
        };
        let mut properties = json!({
            "BucketName": { "Ref": "BucketName" },
            "VersioningConfiguration": { "Status": "Enabled" },
            "PublicAccessBlockConfiguration": block,
            "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": by_default }],
            },
            "LifecycleConfiguration": { "Rules": rules(bucket) },
            "Tags": tags(desired),
        });
        if let Some(lock) = bucket.lock {
            let mode = if lock.mode == LockMode::Governance { "GOVERNANCE" } else { "COMPLIANCE" };
            properties["ObjectLockEnabled"] = json!(true);
            properties["ObjectLockConfiguration"] = json!({
                "ObjectLockEnabled": "Enabled",
                "Rule": { "DefaultRetention": { "Mode": mode, "Days": lock.days } },
            });
        }
        if let Some(tiering) = tierings(bucket) {
            properties["IntelligentTieringConfigurations"] = json!([tiering]);
        }
        if let Some(inventory) = inventory(desired, bucket) {
            properties["InventoryConfigurations"] = json!([inventory]);
        }
        let (events, after) = notification(desired);
        if !events.is_null() {
            properties["NotificationConfiguration"] = events;
        }
        self.resource("Repository", "AWS::S3::Bucket", properties);
        self.resources["Repository"]["DeletionPolicy"] = json!("Retain");
        self.resources["Repository"]["UpdateReplacePolicy"] = json!("Retain");
        if let Some(after) = after {
            self.resources["Repository"]["DependsOn"] = json!(after);
        }
        if let Some(policy) = policy::bucket(desired) {
            let properties = json!({ "Bucket": { "Ref": "Repository" }, "PolicyDocument": document(&policy, desired) });
            self.resource("RepositoryPolicy", "AWS::S3::BucketPolicy", properties);
        }
        self.output("BucketArn", "ARN of the bucket.", json!({ "Fn::GetAtt": ["Repository", "Arn"] }));
    }

    fn events(&mut self, desired: &Desired) {
        let events = &desired.thaw_events;
        if let Some(queue) = &events.queue {
            let properties = json!({
                "QueueName": queue, "MessageRetentionPeriod": 1_209_600, "SqsManagedSseEnabled": true,
                "Tags": tags(desired),
            });
            self.resource("ThawQueue", "AWS::SQS::Queue", properties);
            self.output("QueueUrl", "URL of the queue of finished thaws.", json!({ "Ref": "ThawQueue" }));
        }
        if let Some(policy) = policy::queue(desired) {
            let properties =
                json!({ "Queues": [{ "Ref": "ThawQueue" }], "PolicyDocument": document(&policy, desired) });
            self.resource("ThawQueuePolicy", "AWS::SQS::QueuePolicy", properties);
        }
        if let Some(topic) = &events.topic {
            let properties = json!({ "TopicName": topic, "Tags": tags(desired) });
            self.resource("ThawTopic", "AWS::SNS::Topic", properties);
        }
        if let Some(policy) = policy::topic(desired) {
            let properties =
                json!({ "Topics": [{ "Ref": "ThawTopic" }], "PolicyDocument": document(&policy, desired) });
            self.resource("ThawTopicPolicy", "AWS::SNS::TopicPolicy", properties);
            for (number, email) in events.emails.iter().enumerate() {
                let properties = json!({ "TopicArn": { "Ref": "ThawTopic" }, "Protocol": "email", "Endpoint": email });
                self.resource(&format!("ThawTopicEmail{}", number + 1), "AWS::SNS::Subscription", properties);
            }
        }
    }

    fn budget(&mut self, desired: &Desired) {
        let Some(budget) = &desired.budget else { return };
        let told: Value =
            budget.emails.iter().map(|email| json!({ "SubscriptionType": "EMAIL", "Address": email })).collect();
        let properties = json!({
            "Budget": {
                "BudgetName": budget.name,
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": { "Amount": budget.monthly.usd(), "Unit": "USD" },
            },
            "NotificationsWithSubscribers": [{
                "Notification": {
                    "NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN",
                    "Threshold": budget.at_percent, "ThresholdType": "PERCENTAGE",
                },
                "Subscribers": told,
            }],
        });
        self.resource("Alarm", "AWS::Budgets::Budget", properties);
    }
}

fn rules(bucket: &BucketDesired) -> Vec<Value> {
    let rule = |id: &str, prefix: &str, fields: Value| {
        let mut rule = json!({ "Id": id, "Status": "Enabled", "Prefix": prefix });
        for (name, value) in fields.as_object().into_iter().flatten() {
            rule[name] = value.clone();
        }
        rule
    };
    let prefix = bucket.prefix.as_str();
    let abort = json!({ "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": bucket.abort_uploads_days } });
    let mut old = json!({ "NoncurrentVersionExpiration": { "NoncurrentDays": bucket.old_versions.expire_days } });
    if let Some(days) = bucket.old_versions.archive_days {
        old["NoncurrentVersionTransitions"] = json!([{ "TransitionInDays": days, "StorageClass": "DEEP_ARCHIVE" }]);
    }
    old["ExpiredObjectDeleteMarker"] = json!(true);
    let mut all = vec![rule("darkslide-uploads", prefix, abort), rule("darkslide-old-versions", prefix, old)];
    for transition in &bucket.transitions {
        let id = super::transition_id(transition);
        let to = json!([{ "TransitionInDays": transition.days, "StorageClass": transition.class.as_str() }]);
        all.push(rule(&id, &format!("{prefix}{}", transition.below), json!({ "Transitions": to })));
    }
    all
}

fn tierings(bucket: &BucketDesired) -> Option<Value> {
    let tiering = bucket.tiering?;
    let tier = |name: &str, days: Option<u32>| days.map(|days| json!({ "AccessTier": name, "Days": days }));
    let tiers = [tier("ARCHIVE_ACCESS", tiering.archive_days), tier("DEEP_ARCHIVE_ACCESS", tiering.deep_archive_days)];
    let tiers: Vec<Value> = tiers.into_iter().flatten().collect();
    let mut value = json!({ "Id": "darkslide", "Status": "Enabled", "Tierings": tiers });
    if !bucket.prefix.as_str().is_empty() {
        value["Prefix"] = json!(bucket.prefix);
    }
    Some(value)
}

fn inventory(desired: &Desired, bucket: &BucketDesired) -> Option<Value> {
    let inventory = bucket.inventory.as_ref()?;
    let arn = format!("arn:{}:s3:::{}", desired.partition(), inventory.bucket);
    let mut to = json!({
        "BucketArn": filled(&arn, desired), "Format": "CSV", "BucketAccountId": { "Ref": "AWS::AccountId" },
    });
    if !inventory.prefix.is_empty() {
        to["Prefix"] = json!(inventory.prefix);
    }
    let frequency = if inventory.frequency == Frequency::Daily { "Daily" } else { "Weekly" };
    let mut value = json!({
        "Id": "darkslide", "Enabled": true, "IncludedObjectVersions": "Current", "ScheduleFrequency": frequency,
        "OptionalFields": ["Size", "LastModifiedDate", "StorageClass", "ETag", "IntelligentTieringAccessTier"],
        "Destination": to,
    });
    if !bucket.prefix.as_str().is_empty() {
        value["Prefix"] = json!(bucket.prefix);
    }
    Some(value)
}

/// Where the bucket's events go, and what has to be there before.
fn notification(desired: &Desired) -> (Value, Option<&'static str>) {
    let Some(bucket) = &desired.bucket else { return (Value::Null, None) };
    let mut one = json!({ "Event": "s3:ObjectRestore:*" });
    if !bucket.prefix.as_str().is_empty() {
        one["Filter"] = json!({ "S3Key": { "Rules": [{ "Name": "prefix", "Value": bucket.prefix }] } });
    }
    if desired.thaw_events.queue.is_some() {
        one["Queue"] = json!({ "Fn::GetAtt": ["ThawQueue", "Arn"] });
        (json!({ "QueueConfigurations": [one] }), Some("ThawQueuePolicy"))
    } else if desired.thaw_events.topic.is_some() {
        one["Topic"] = json!({ "Ref": "ThawTopic" });
        (json!({ "TopicConfigurations": [one] }), Some("ThawTopicPolicy"))
    } else {
        (Value::Null, None)
    }
}
