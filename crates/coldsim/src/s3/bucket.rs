//! Buckets, and the configurations that the simulator acts on: versioning, policy, notification,
//! lifecycle.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{from_xml, timestamp, to_xml};
use super::errors::custom;
use crate::iam::{Decision, PolicyDocument, PrincipalOf, Request, evaluate};
use crate::sim::Sim;
use crate::state::model::Versioning;
use crate::state::{ACCOUNT, Record};

/// Rules of one lifecycle configuration.
const RULES_MAX: usize = 1000;
/// Bytes of a bucket policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;

pub(super) fn create_bucket(sim: &Arc<Sim>, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
    let input = req.input;
    let location = input.create_bucket_configuration.and_then(|c| c.location_constraint);
    let location = location.as_ref().map_or("us-east-1", |l| l.as_str());
    if location != sim.region {
        let region = &sim.region;
        let message = format!(
            "The {location} location constraint is incompatible for the region {region} this request was sent to."
        );
        return Err(S3Error::with_message(s3s::S3ErrorCode::IllegalLocationConstraintException, message));
    }
    let lock = input.object_lock_enabled_for_bucket == Some(true);
    sim.with(|state| state.create_bucket(&input.bucket, lock))?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) }))
}

pub(super) fn head_bucket(sim: &Arc<Sim>, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
    sim.with(|state| state.bucket(&req.input.bucket).map(drop))?;
    Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(sim.region.clone()), ..Default::default() }))
}

pub(super) fn delete_bucket(sim: &Arc<Sim>, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
    sim.with(|state| state.delete_bucket(&req.input.bucket))?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) fn get_bucket_location(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketLocationInput>,
) -> Answer<GetBucketLocationOutput> {
    sim.with(|state| state.bucket(&req.input.bucket).map(drop))?;
    // us-east-1 is written as nothing.
    let constraint = (sim.region != "us-east-1").then(|| BucketLocationConstraint::from(sim.region.clone()));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: constraint }))
}

pub(super) fn list_buckets(sim: &Arc<Sim>, req: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
    let prefix = req.input.prefix.unwrap_or_default();
    let buckets = sim.with(|state| {
        let all = state.buckets.values().filter(|b| b.name.starts_with(&prefix));
        let shown = all.map(|bucket| Bucket {
            bucket_region: Some(state.region.clone()),
            creation_date: Some(timestamp(bucket.created)),
            name: Some(bucket.name.clone()),
        });
        shown.collect()
    });
    let owner = Some(Owner { display_name: None, id: Some(ACCOUNT.to_string()) });
    Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), owner, ..Default::default() }))
}

pub(super) fn get_bucket_versioning(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let versioning = sim.with(|state| state.bucket(&req.input.bucket).map(|b| b.versioning))?;
    let status = match versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static("Enabled")),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static("Suspended")),
    };
    Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
}

pub(super) fn put_bucket_versioning(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketVersioningInput>,
) -> Answer<PutBucketVersioningOutput> {
    let input = req.input;
    let config = input.versioning_configuration;
    if config.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == "Enabled") {
        return Err(s3_error!(NotImplemented, "MFA delete is not simulated; use Object Lock"));
    }
    let wanted = match config.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => return Err(s3_error!(IllegalVersioningConfigurationException, "the status is Enabled or Suspended")),
    };
    sim.with(|state| {
        let bucket = state.bucket_mut(&input.bucket)?;
        if bucket.lock && wanted == Versioning::Suspended {
            let message =
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(s3_error!(InvalidBucketState, "{message}"));
        }
        bucket.versioning = wanted;
        state.dirty.insert(Record::Bucket(input.bucket.clone()));
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    })
}

pub(super) fn get_bucket_policy(sim: &Arc<Sim>, req: S3Request<GetBucketPolicyInput>) -> Answer<GetBucketPolicyOutput> {
    let policy = sim.with(|state| Ok::<_, S3Error>(state.bucket(&req.input.bucket)?.config.get("policy").cloned()))?;
    let policy = policy.ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
}

pub(super) fn put_bucket_policy(sim: &Arc<Sim>, req: S3Request<PutBucketPolicyInput>) -> Answer<PutBucketPolicyOutput> {
    let input = req.input;
    if input.policy.len() > POLICY_BYTES_MAX {
        return Err(custom(http::StatusCode::BAD_REQUEST, "PolicyTooLarge", "a bucket policy has at most 20 KiB"));
    }
    let policy =
        PolicyDocument::parse_resource(&input.policy).map_err(|error| s3_error!(MalformedPolicy, "{error}"))?;
    sim.with(|state| {
        let blocked = super::config::blocks_public_policies(state.bucket(&input.bucket)?)?;
        if blocked && is_public(&input.bucket, &policy) {
            let message = "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access";
            return Err(s3_error!(AccessDenied, "{message}"));
        }
        state.bucket_mut(&input.bucket)?.config.insert("policy".into(), input.policy.clone());
        state.dirty.insert(Record::Bucket(input.bucket.clone()));
        Ok::<_, S3Error>(())
    })?;
    let mut answer = S3Response::new(PutBucketPolicyOutput::default());
    answer.headers.insert(super::errors::NOTE_STATUS, http::HeaderValue::from_static("204"));
    Ok(answer)
}

pub(super) fn delete_bucket_policy(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketPolicyInput>,
) -> Answer<DeleteBucketPolicyOutput> {
    sim.with(|state| {
        state.bucket_mut(&req.input.bucket)?.config.remove("policy");
        state.dirty.insert(Record::Bucket(req.input.bucket.clone()));
        Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
    })
}

pub(super) fn get_bucket_policy_status(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketPolicyStatusInput>,
) -> Answer<GetBucketPolicyStatusOutput> {
    let policy = sim.with(|state| Ok::<_, S3Error>(state.bucket(&req.input.bucket)?.config.get("policy").cloned()))?;
    let policy = policy.ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
    let policy = PolicyDocument::parse(&policy).map_err(|error| s3_error!(MalformedPolicy, "{error}"))?;
    let public = is_public(&req.input.bucket, &policy);
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public: Some(public) }) }))
}

/// True if the policy lets anybody list, read, write or delete.
fn is_public(bucket: &str, policy: &PolicyDocument) -> bool {
    let context = std::collections::BTreeMap::new();
    let (of_bucket, of_object) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/any"));
    let actions = [
        ("s3:ListBucket", &of_bucket),
        ("s3:GetObject", &of_object),
        ("s3:PutObject", &of_object),
        ("s3:DeleteObject", &of_object),
    ];
    actions.into_iter().any(|(action, resource)| {
        let request = Request { action, resource, principal: PrincipalOf::Anonymous, context: &context };
        evaluate(&[], None, Some(policy), &request) == Decision::Allow
    })
}

pub(super) fn get_bucket_notification_configuration(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketNotificationConfigurationInput>,
) -> Answer<GetBucketNotificationConfigurationOutput> {
    let text =
        sim.with(|state| Ok::<_, S3Error>(state.bucket(&req.input.bucket)?.config.get("notification").cloned()))?;
    let config: NotificationConfiguration = text.map(|text| from_xml(&text)).transpose()?.unwrap_or_default();
    Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: config.event_bridge_configuration,
        lambda_function_configurations: config.lambda_function_configurations,
        queue_configurations: config.queue_configurations,
        topic_configurations: config.topic_configurations,
    }))
}

pub(super) fn put_bucket_notification_configuration(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketNotificationConfigurationInput>,
) -> Answer<PutBucketNotificationConfigurationOutput> {
    let input = req.input;
    let mut config = input.notification_configuration;
    let unnamed = config.queue_configurations.iter_mut().flatten().filter(|queue| queue.id.is_none());
    for (number, queue) in unnamed.enumerate() {
        queue.id = Some(format!("configuration-{number}"));
    }
    let unnamed = config.topic_configurations.iter_mut().flatten().filter(|topic| topic.id.is_none());
    for (number, topic) in unnamed.enumerate() {
        topic.id = Some(format!("topic-configuration-{number}"));
    }
    let text = to_xml(&config)?;
    let validate = input.skip_destination_validation != Some(true);
    sim.with(|state| {
        state.bucket(&input.bucket)?;
        let queues = config.queue_configurations.iter().flatten().map(|queue| &queue.queue_arn);
        let topics = config.topic_configurations.iter().flatten().map(|topic| &topic.topic_arn);
        for arn in queues.chain(topics) {
            let takes = !sim.enforce || state.takes_events(arn, &input.bucket);
            if !(takes && state.send_test_event(arn, &input.bucket)) && validate {
                let message = "Unable to validate the following destination configurations";
                return Err(s3_error!(InvalidArgument, "{message}: {arn}"));
            }
        }
        state.bucket_mut(&input.bucket)?.config.insert("notification".into(), text);
        state.dirty.insert(Record::Bucket(input.bucket.clone()));
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
    })
}

pub(super) fn get_bucket_lifecycle_configuration(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Answer<GetBucketLifecycleConfigurationOutput> {
    let (text, minimum) = sim.with(|state| {
        let config = &state.bucket(&req.input.bucket)?.config;
        Ok::<_, S3Error>((config.get("lifecycle").cloned(), config.get("lifecycle-minimum").cloned()))
    })?;
    let missing = || s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist");
    let config: BucketLifecycleConfiguration = from_xml(&text.ok_or_else(missing)?)?;
    let minimum = minimum.unwrap_or_else(|| "all_storage_classes_128K".to_string());
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(config.rules),
        transition_default_minimum_object_size: Some(minimum.into()),
    }))
}

fn check_transitions(rule: &LifecycleRule) -> S3Result<()> {
    let mut last = -1;
    for transition in rule.transitions.iter().flatten() {
        let class = transition.storage_class.as_ref().map_or("", |c| c.as_str());
        let known = ["GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR"];
        if !known.contains(&class) {
            return Err(s3_error!(MalformedXML, "`{class}` is no storage class that objects can move into"));
        }
        let days = transition.days.unwrap_or(0);
        if days < 0 || (transition.days.is_some() && transition.date.is_some()) {
            return Err(s3_error!(InvalidArgument, "a transition has Days of at least 0 or a Date"));
        }
        if transition.days.is_some() && days < 30 && matches!(class, "STANDARD_IA" | "ONEZONE_IA") {
            let message = "'Days' in Transition action must be greater than or equal to 30 for storageClass";
            return Err(s3_error!(InvalidArgument, "{message} '{class}'"));
        }
        if transition.days.is_some() && days <= last {
            return Err(s3_error!(InvalidArgument, "transitions have different and increasing days"));
        }
        last = days;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> S3Result<()> {
    if rule.id.as_ref().is_some_and(|id| id.len() > 255) {
        return Err(s3_error!(InvalidArgument, "ID length should not exceed allowed limit of 255"));
    }
    if !matches!(rule.status.as_str(), "Enabled" | "Disabled") {
        return Err(s3_error!(MalformedXML, "the status of a rule is Enabled or Disabled"));
    }
    let acts = rule.transitions.as_ref().is_some_and(|t| !t.is_empty())
        || rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|t| !t.is_empty())
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(s3_error!(InvalidRequest, "At least one action needs to be specified in a rule"));
    }
    if rule.filter.is_none() && rule.prefix.is_none() {
        return Err(s3_error!(MalformedXML, "a rule has a Filter or a Prefix"));
    }
    if let Some(expiration) = &rule.expiration {
        let last = rule.transitions.iter().flatten().filter_map(|t| t.days).max();
        if expiration.days.is_some_and(|days| days < 1 || last.is_some_and(|last| days <= last)) {
            let message = "'Days' in the Expiration action must be positive and greater than that of each Transition";
            return Err(s3_error!(InvalidArgument, "{message}"));
        }
    }
    if rule.noncurrent_version_expiration.as_ref().is_some_and(|e| e.noncurrent_days.is_none_or(|days| days < 1)) {
        return Err(s3_error!(
            InvalidArgument,
            "'NoncurrentDays' for NoncurrentVersionExpiration must be a positive integer"
        ));
    }
    check_transitions(rule)
}

pub(super) fn put_bucket_lifecycle_configuration(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Answer<PutBucketLifecycleConfigurationOutput> {
    let input = req.input;
    let Some(mut config) = input.lifecycle_configuration else {
        return Err(s3_error!(MalformedXML, "LifecycleConfiguration is missing"));
    };
    if config.rules.is_empty() || config.rules.len() > RULES_MAX {
        return Err(s3_error!(MalformedXML, "a lifecycle configuration has 1 to {RULES_MAX} rules"));
    }
    config.rules.iter().try_for_each(check_rule)?;
    for (number, rule) in config.rules.iter_mut().enumerate() {
        rule.id.get_or_insert_with(|| format!("rule-{number}"));
    }
    let mut ids: Vec<&String> = config.rules.iter().filter_map(|rule| rule.id.as_ref()).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(s3_error!(InvalidArgument, "Rule ID must be unique"));
    }
    let text = to_xml(&config)?;
    let minimum = input.transition_default_minimum_object_size;
    let name = minimum.as_ref().map_or("all_storage_classes_128K", |m| m.as_str()).to_string();
    if !matches!(name.as_str(), "all_storage_classes_128K" | "varies_by_storage_class") {
        return Err(s3_error!(InvalidArgument, "x-amz-transition-default-minimum-object-size has an unknown value"));
    }
    sim.with(|state| {
        let bucket = state.bucket_mut(&input.bucket)?;
        bucket.config.insert("lifecycle".into(), text);
        bucket.config.insert("lifecycle-minimum".into(), name.clone());
        state.dirty.insert(Record::Bucket(input.bucket.clone()));
        Ok::<_, S3Error>(())
    })?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(name.into()),
    }))
}

pub(super) fn delete_bucket_lifecycle(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketLifecycleInput>,
) -> Answer<DeleteBucketLifecycleOutput> {
    sim.with(|state| {
        let bucket = state.bucket_mut(&req.input.bucket)?;
        bucket.config.remove("lifecycle");
        bucket.config.remove("lifecycle-minimum");
        state.dirty.insert(Record::Bucket(req.input.bucket.clone()));
        Ok(S3Response::new(DeleteBucketLifecycleOutput::default()))
    })
}
