//! Configurations that are checked, kept and given back: encryption, public access block,
//! ownership controls, tags, Intelligent-Tiering, inventory.

use std::sync::Arc;

use http::StatusCode;
use s3s::dto::*;
use s3s::xml::{Deserialize, Serialize};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Answer;
use super::convert::{from_xml, to_xml};
use super::errors::custom;
use crate::sim::Sim;
use crate::state::Record;
use crate::state::model::Bucket;

/// Configurations of one kind in one bucket.
const CONFIGS_MAX: usize = 1000;

fn missing(code: &'static str, message: &'static str) -> S3Error {
    custom(StatusCode::NOT_FOUND, code, message)
}

fn load<T: for<'xml> Deserialize<'xml>>(sim: &Sim, bucket: &str, name: &str) -> S3Result<Option<T>> {
    let text = sim.with(|state| Ok::<_, S3Error>(state.bucket(bucket)?.config.get(name).cloned()))?;
    text.map(|text| from_xml(&text)).transpose()
}

fn store<T: Serialize>(sim: &Sim, bucket: &str, name: &str, value: &T) -> S3Result<()> {
    let text = to_xml(value)?;
    sim.with(|state| {
        state.bucket_mut(bucket)?.config.insert(name.to_string(), text);
        state.dirty.insert(Record::Bucket(bucket.to_string()));
        Ok(())
    })
}

fn remove(sim: &Sim, bucket: &str, name: &str) -> S3Result<bool> {
    sim.with(|state| {
        let removed = state.bucket_mut(bucket)?.config.remove(name).is_some();
        state.dirty.insert(Record::Bucket(bucket.to_string()));
        Ok(removed)
    })
}

/// All of one kind, by id.
fn load_all<T: for<'xml> Deserialize<'xml>>(sim: &Sim, bucket: &str, kind: &str) -> S3Result<Vec<T>> {
    let texts: Vec<String> = sim.with(|state| {
        let all = state.bucket(bucket)?.config.iter().filter(|(name, _)| name.starts_with(kind));
        Ok::<_, S3Error>(all.map(|(_, text)| text.clone()).collect())
    })?;
    texts.iter().map(|text| from_xml(text)).collect()
}

pub(super) fn get_bucket_encryption(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketEncryptionInput>,
) -> Answer<GetBucketEncryptionOutput> {
    let config = load(sim, &req.input.bucket, "encryption")?;
    // Without a configuration S3 encrypts with its own keys.
    let config = config.unwrap_or_else(|| ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                kms_master_key_id: None,
                sse_algorithm: ServerSideEncryption::from_static("AES256"),
            }),
            bucket_key_enabled: Some(false),
        }],
    });
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(config) }))
}

pub(super) fn put_bucket_encryption(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketEncryptionInput>,
) -> Answer<PutBucketEncryptionOutput> {
    let input = req.input;
    let config = input.server_side_encryption_configuration;
    let [rule] = config.rules.as_slice() else {
        return Err(s3_error!(MalformedXML, "an encryption configuration has one rule"));
    };
    let by_default = rule.apply_server_side_encryption_by_default.as_ref();
    if let Some(by_default) = by_default {
        let algorithm = by_default.sse_algorithm.as_str();
        if !matches!(algorithm, "AES256" | "aws:kms" | "aws:kms:dsse") {
            return Err(s3_error!(MalformedXML, "`{algorithm}` is no way of encryption"));
        }
        if algorithm == "AES256" && by_default.kms_master_key_id.is_some() {
            return Err(s3_error!(InvalidArgument, "a KMS key goes with aws:kms only"));
        }
    }
    store(sim, &input.bucket, "encryption", &config)?;
    Ok(S3Response::new(PutBucketEncryptionOutput::default()))
}

pub(super) fn delete_bucket_encryption(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketEncryptionInput>,
) -> Answer<DeleteBucketEncryptionOutput> {
    remove(sim, &req.input.bucket, "encryption")?;
    Ok(S3Response::new(DeleteBucketEncryptionOutput::default()))
}

/// True if the bucket refuses policies that make it public, as a new bucket does.
pub(super) fn blocks_public_policies(bucket: &Bucket) -> S3Result<bool> {
    match bucket.config.get("public-access-block") {
        Some(text) => Ok(from_xml::<PublicAccessBlockConfiguration>(text)?.block_public_policy == Some(true)),
        None => Ok(!bucket.config.contains_key("public-access-block-removed")),
    }
}

pub(super) fn get_public_access_block(
    sim: &Arc<Sim>,
    req: S3Request<GetPublicAccessBlockInput>,
) -> Answer<GetPublicAccessBlockOutput> {
    let config = load(sim, &req.input.bucket, "public-access-block")?;
    // All on, as in every new bucket, until somebody deletes it.
    let removed = sim.with(|state| {
        Ok::<_, S3Error>(state.bucket(&req.input.bucket)?.config.contains_key("public-access-block-removed"))
    })?;
    if removed && config.is_none() {
        let message = "The public access block configuration was not found";
        return Err(missing("NoSuchPublicAccessBlockConfiguration", message));
    }
    let config = config.unwrap_or(PublicAccessBlockConfiguration {
        block_public_acls: Some(true),
        block_public_policy: Some(true),
        ignore_public_acls: Some(true),
        restrict_public_buckets: Some(true),
    });
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(config) }))
}

pub(super) fn put_public_access_block(
    sim: &Arc<Sim>,
    req: S3Request<PutPublicAccessBlockInput>,
) -> Answer<PutPublicAccessBlockOutput> {
    let input = req.input;
    store(sim, &input.bucket, "public-access-block", &input.public_access_block_configuration)?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub(super) fn delete_public_access_block(
    sim: &Arc<Sim>,
    req: S3Request<DeletePublicAccessBlockInput>,
) -> Answer<DeletePublicAccessBlockOutput> {
    remove(sim, &req.input.bucket, "public-access-block")?;
    sim.with(|state| {
        let config = &mut state.bucket_mut(&req.input.bucket)?.config;
        config.insert("public-access-block-removed".into(), String::new());
        state.dirty.insert(Record::Bucket(req.input.bucket.clone()));
        Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
    })
}

pub(super) fn get_bucket_ownership_controls(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketOwnershipControlsInput>,
) -> Answer<GetBucketOwnershipControlsOutput> {
    let config: Option<OwnershipControls> = load(sim, &req.input.bucket, "ownership-controls")?;
    let enforced = OwnershipControlsRule { object_ownership: ObjectOwnership::from_static("BucketOwnerEnforced") };
    let config = config.unwrap_or_else(|| OwnershipControls { rules: vec![enforced] });
    Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls: Some(config) }))
}

pub(super) fn put_bucket_ownership_controls(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketOwnershipControlsInput>,
) -> Answer<PutBucketOwnershipControlsOutput> {
    let input = req.input;
    let known = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(s3_error!(MalformedXML, "ownership controls have one rule"));
    };
    if !known.contains(&rule.object_ownership.as_str()) {
        return Err(s3_error!(MalformedXML, "`{}` is no object ownership", rule.object_ownership.as_str()));
    }
    store(sim, &input.bucket, "ownership-controls", &input.ownership_controls)?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
}

pub(super) fn delete_bucket_ownership_controls(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Answer<DeleteBucketOwnershipControlsOutput> {
    remove(sim, &req.input.bucket, "ownership-controls")?;
    Ok(S3Response::new(DeleteBucketOwnershipControlsOutput::default()))
}

pub(super) fn get_bucket_tagging(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketTaggingInput>,
) -> Answer<GetBucketTaggingOutput> {
    let config: Option<Tagging> = load(sim, &req.input.bucket, "tagging")?;
    let config = config.ok_or_else(|| missing("NoSuchTagSet", "The TagSet does not exist"))?;
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: config.tag_set }))
}

pub(super) fn put_bucket_tagging(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketTaggingInput>,
) -> Answer<PutBucketTaggingOutput> {
    let input = req.input;
    if input.tagging.tag_set.len() > 50 {
        return Err(s3_error!(InvalidTag, "a bucket has at most 50 tags"));
    }
    store(sim, &input.bucket, "tagging", &input.tagging)?;
    let mut answer = S3Response::new(PutBucketTaggingOutput::default());
    answer.headers.insert(super::errors::NOTE_STATUS, http::HeaderValue::from_static("204"));
    Ok(answer)
}

pub(super) fn delete_bucket_tagging(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketTaggingInput>,
) -> Answer<DeleteBucketTaggingOutput> {
    remove(sim, &req.input.bucket, "tagging")?;
    Ok(S3Response::new(DeleteBucketTaggingOutput::default()))
}

fn no_such_configuration() -> S3Error {
    missing("NoSuchConfiguration", "The specified configuration does not exist.")
}

fn check_id(given: &str, in_body: &str, others: usize) -> S3Result<()> {
    if given != in_body || given.is_empty() || given.len() > 64 {
        return Err(s3_error!(InvalidArgument, "the id is that of the request, with 1 to 64 characters"));
    }
    if others >= CONFIGS_MAX {
        let message = "the bucket has 1000 configurations already";
        return Err(custom(StatusCode::BAD_REQUEST, "TooManyConfigurations", message));
    }
    Ok(())
}

/// Tiers are archive tiers, each once, with days in the documented range.
fn check_tierings(config: &IntelligentTieringConfiguration) -> S3Result<()> {
    if !matches!(config.status.as_str(), "Enabled" | "Disabled") {
        return Err(s3_error!(MalformedXML, "the status is Enabled or Disabled"));
    }
    let mut days_of = std::collections::BTreeMap::new();
    for tiering in &config.tierings {
        let least = match tiering.access_tier.as_str() {
            "ARCHIVE_ACCESS" => 90,
            "DEEP_ARCHIVE_ACCESS" => 180,
            other => return Err(s3_error!(MalformedXML, "`{other}` is no archive access tier")),
        };
        if !(least..=730).contains(&tiering.days) {
            let tier = tiering.access_tier.as_str();
            return Err(s3_error!(InvalidArgument, "Days for {tier} are {least} to 730, not {}", tiering.days));
        }
        if days_of.insert(tiering.access_tier.as_str(), tiering.days).is_some() {
            return Err(s3_error!(InvalidArgument, "an access tier is named twice"));
        }
    }
    if days_of.is_empty() {
        return Err(s3_error!(MalformedXML, "a configuration has at least one Tiering"));
    }
    if let (Some(archive), Some(deep)) = (days_of.get("ARCHIVE_ACCESS"), days_of.get("DEEP_ARCHIVE_ACCESS"))
        && archive >= deep
    {
        return Err(s3_error!(InvalidArgument, "DEEP_ARCHIVE_ACCESS needs more days than ARCHIVE_ACCESS"));
    }
    Ok(())
}

pub(super) fn get_bucket_intelligent_tiering_configuration(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketIntelligentTieringConfigurationInput>,
) -> Answer<GetBucketIntelligentTieringConfigurationOutput> {
    let name = format!("intelligent-tiering/{}", req.input.id);
    let config = load(sim, &req.input.bucket, &name)?.ok_or_else(no_such_configuration)?;
    Ok(S3Response::new(GetBucketIntelligentTieringConfigurationOutput {
        intelligent_tiering_configuration: Some(config),
    }))
}

pub(super) fn put_bucket_intelligent_tiering_configuration(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketIntelligentTieringConfigurationInput>,
) -> Answer<PutBucketIntelligentTieringConfigurationOutput> {
    let input = req.input;
    let config = input.intelligent_tiering_configuration;
    check_tierings(&config)?;
    let all: Vec<IntelligentTieringConfiguration> = load_all(sim, &input.bucket, "intelligent-tiering/")?;
    let others = all.iter().filter(|other| other.id != input.id).count();
    check_id(&input.id, &config.id, others)?;
    store(sim, &input.bucket, &format!("intelligent-tiering/{}", input.id), &config)?;
    Ok(S3Response::new(PutBucketIntelligentTieringConfigurationOutput::default()))
}

pub(super) fn delete_bucket_intelligent_tiering_configuration(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketIntelligentTieringConfigurationInput>,
) -> Answer<DeleteBucketIntelligentTieringConfigurationOutput> {
    if !remove(sim, &req.input.bucket, &format!("intelligent-tiering/{}", req.input.id))? {
        return Err(no_such_configuration());
    }
    Ok(S3Response::new(DeleteBucketIntelligentTieringConfigurationOutput::default()))
}

pub(super) fn list_bucket_intelligent_tiering_configurations(
    sim: &Arc<Sim>,
    req: S3Request<ListBucketIntelligentTieringConfigurationsInput>,
) -> Answer<ListBucketIntelligentTieringConfigurationsOutput> {
    let all = load_all(sim, &req.input.bucket, "intelligent-tiering/")?;
    Ok(S3Response::new(ListBucketIntelligentTieringConfigurationsOutput {
        intelligent_tiering_configuration_list: Some(all),
        is_truncated: Some(false),
        ..Default::default()
    }))
}

pub(super) fn get_bucket_inventory_configuration(
    sim: &Arc<Sim>,
    req: S3Request<GetBucketInventoryConfigurationInput>,
) -> Answer<GetBucketInventoryConfigurationOutput> {
    let config = load(sim, &req.input.bucket, &format!("inventory/{}", req.input.id))?;
    let config = config.ok_or_else(no_such_configuration)?;
    Ok(S3Response::new(GetBucketInventoryConfigurationOutput { inventory_configuration: Some(config) }))
}

pub(super) fn put_bucket_inventory_configuration(
    sim: &Arc<Sim>,
    req: S3Request<PutBucketInventoryConfigurationInput>,
) -> Answer<PutBucketInventoryConfigurationOutput> {
    let input = req.input;
    let config = input.inventory_configuration;
    let all: Vec<InventoryConfiguration> = load_all(sim, &input.bucket, "inventory/")?;
    let others = all.iter().filter(|other| other.id != input.id).count();
    check_id(&input.id, &config.id, others)?;
    let frequency = config.schedule.frequency.as_str();
    if !matches!(frequency, "Daily" | "Weekly") {
        return Err(s3_error!(MalformedXML, "the frequency of an inventory is Daily or Weekly, not `{frequency}`"));
    }
    store(sim, &input.bucket, &format!("inventory/{}", input.id), &config)?;
    Ok(S3Response::new(PutBucketInventoryConfigurationOutput::default()))
}

pub(super) fn delete_bucket_inventory_configuration(
    sim: &Arc<Sim>,
    req: S3Request<DeleteBucketInventoryConfigurationInput>,
) -> Answer<DeleteBucketInventoryConfigurationOutput> {
    if !remove(sim, &req.input.bucket, &format!("inventory/{}", req.input.id))? {
        return Err(no_such_configuration());
    }
    Ok(S3Response::new(DeleteBucketInventoryConfigurationOutput::default()))
}

pub(super) fn list_bucket_inventory_configurations(
    sim: &Arc<Sim>,
    req: S3Request<ListBucketInventoryConfigurationsInput>,
) -> Answer<ListBucketInventoryConfigurationsOutput> {
    let all = load_all(sim, &req.input.bucket, "inventory/")?;
    Ok(S3Response::new(ListBucketInventoryConfigurationsOutput {
        inventory_configuration_list: Some(all),
        is_truncated: Some(false),
        ..Default::default()
    }))
}
