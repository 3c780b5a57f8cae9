//! A bucket and its plain settings. Those that are shared with others are in `bucket_rules`.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketNamespace, BucketVersioningStatus, CreateBucketConfiguration, DefaultRetention,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};
use serde_json::{Map, Value, json};

use super::{AwsCloud, absent, days, document, foreign, gone, pairs, text, unfit};
use crate::cloud::{Aspect, CloudError, Contents, Item};
use crate::desired::BucketName;

const NO_BUCKET: &[&str] = &["NoSuchBucket", "NotFound"];
/// What S3 says of a setting that nobody made.
const UNSET: &[&str] = &[
    "NoSuchTagSet",
    "NoSuchTagSetError",
    "OwnershipControlsNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchConfiguration",
];

/// Nothing where nobody made the setting.
pub(super) fn unset<T>(done: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    absent(done, UNSET)
}

impl AwsCloud {
    pub(super) fn read_bucket(&self, item: &Item, bucket: &BucketName) -> Result<Option<Value>, CloudError> {
        let (s3, name) = (&self.s3, bucket.as_str());
        Ok(match item.aspect {
            Aspect::Itself => {
                // Of another account it is refused, which is told as it is.
                let asked = s3.head_bucket().bucket(name).expected_bucket_owner(self.own_account()?.as_str()).send();
                absent(self.ask("HeadBucket", item, asked), NO_BUCKET)?.map(|_| json!({}))
            }
            Aspect::Tags => {
                let asked = self.ask("GetBucketTagging", item, s3.get_bucket_tagging().bucket(name).send());
                unset(asked)?.map(|answer| {
                    let tags = answer.tag_set().iter().map(|tag| (tag.key().to_string(), json!(tag.value())));
                    Value::Object(tags.collect::<Map<_, _>>())
                })
            }
            Aspect::Ownership => {
                let asked = s3.get_bucket_ownership_controls().bucket(name).send();
                let answer = unset(self.ask("GetBucketOwnershipControls", item, asked))?;
                answer
                    .and_then(|answer| Some(json!(answer.ownership_controls?.rules.first()?.object_ownership.as_str())))
            }
            Aspect::PublicAccess => {
                let asked = s3.get_public_access_block().bucket(name).send();
                let answer = unset(self.ask("GetPublicAccessBlock", item, asked))?;
                answer.and_then(|answer| answer.public_access_block_configuration).map(|block| {
                    json!({"block_acls": block.block_public_acls.unwrap_or(false),
                        "ignore_acls": block.ignore_public_acls.unwrap_or(false),
                        "block_policy": block.block_public_policy.unwrap_or(false),
                        "restrict": block.restrict_public_buckets.unwrap_or(false)})
                })
            }
            Aspect::Versioning => {
                let asked = s3.get_bucket_versioning().bucket(name).send();
                self.ask("GetBucketVersioning", item, asked)?.status.map(|status| json!(status.as_str()))
            }
            Aspect::Encryption => {
                let asked = s3.get_bucket_encryption().bucket(name).send();
                let answer = unset(self.ask("GetBucketEncryption", item, asked))?;
                answer.and_then(|answer| encrypted(answer.server_side_encryption_configuration?))
            }
            Aspect::Lock => {
                let asked = s3.get_object_lock_configuration().bucket(name).send();
                let answer = unset(self.ask("GetObjectLockConfiguration", item, asked))?;
                answer.and_then(|answer| retained(answer.object_lock_configuration?))
            }
            Aspect::Policy => {
                let asked = self.ask("GetBucketPolicy", item, s3.get_bucket_policy().bucket(name).send());
                unset(asked)?.and_then(|answer| answer.policy).map(|policy| document(&policy))
            }
            Aspect::Lifecycle => self.read_lifecycle(item, name)?,
            Aspect::Tiering => self.read_tiering(item, name)?,
            Aspect::Notifications => self.read_notifications(item, name)?,
            Aspect::Inventory => self.read_inventory(item, name)?,
            _ => return Err(foreign("Read", item)),
        })
    }

    pub(super) fn write_bucket(&self, item: &Item, bucket: &BucketName, state: &Value) -> Result<(), CloudError> {
        let (s3, name) = (&self.s3, bucket.as_str());
        match item.aspect {
            Aspect::Itself => self.make_bucket(item, name, state),
            Aspect::Tags => {
                let call = "PutBucketTagging";
                let one =
                    |(key, value)| Tag::builder().key(key).value(value).build().map_err(|bad| unfit(call, item, bad));
                let tags = pairs(state).into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
                let tagging =
                    Tagging::builder().set_tag_set(Some(tags)).build().map_err(|bad| unfit(call, item, bad))?;
                self.ask(call, item, s3.put_bucket_tagging().bucket(name).tagging(tagging).send()).map(|_| ())
            }
            Aspect::Ownership => {
                let call = "PutBucketOwnershipControls";
                let ownership = ObjectOwnership::from(state.as_str().unwrap_or_default());
                let rule = OwnershipControlsRule::builder().object_ownership(ownership).build();
                let rule = rule.map_err(|bad| unfit(call, item, bad))?;
                let controls =
                    OwnershipControls::builder().rules(rule).build().map_err(|bad| unfit(call, item, bad))?;
                let put = s3.put_bucket_ownership_controls().bucket(name).ownership_controls(controls).send();
                self.ask(call, item, put).map(|_| ())
            }
            Aspect::PublicAccess => {
                let is = |key: &str| state[key].as_bool().unwrap_or(true);
                let block = PublicAccessBlockConfiguration::builder()
                    .block_public_acls(is("block_acls"))
                    .ignore_public_acls(is("ignore_acls"))
                    .block_public_policy(is("block_policy"))
                    .restrict_public_buckets(is("restrict"))
                    .build();
                let put = s3.put_public_access_block().bucket(name).public_access_block_configuration(block).send();
                self.ask("PutPublicAccessBlock", item, put).map(|_| ())
            }
            Aspect::Versioning => {
                let status = BucketVersioningStatus::from(state.as_str().unwrap_or_default());
                let versioning = VersioningConfiguration::builder().status(status).build();
                let put = s3.put_bucket_versioning().bucket(name).versioning_configuration(versioning).send();
                self.ask("PutBucketVersioning", item, put).map(|_| ())
            }
            Aspect::Encryption => self.encrypt(item, name, state),
            Aspect::Lock => self.retain(item, name, state),
            Aspect::Policy => {
                let put = s3.put_bucket_policy().bucket(name).policy(state.to_string()).send();
                self.ask("PutBucketPolicy", item, put).map(|_| ())
            }
            Aspect::Lifecycle => self.write_lifecycle(item, name, state),
            Aspect::Tiering => self.write_tiering(item, name, state),
            Aspect::Notifications => self.write_notifications(item, name, state),
            Aspect::Inventory => self.write_inventory(item, name, state),
            _ => Err(foreign("Write", item)),
        }
    }

    fn make_bucket(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let mut made = self.s3.create_bucket().bucket(name).object_ownership(ObjectOwnership::BucketOwnerEnforced);
        // The oldest region has no name of its own here.
        if self.region.as_str() != "us-east-1" {
            let place = BucketLocationConstraint::from(self.region.as_str());
            let place = CreateBucketConfiguration::builder().location_constraint(place).build();
            made = made.create_bucket_configuration(place);
        }
        if state["lock"] == true {
            made = made.object_lock_enabled_for_bucket(true);
        }
        if state["account_regional"] == true {
            made = made.bucket_namespace(BucketNamespace::AccountRegional);
        }
        self.ask("CreateBucket", item, made.send()).map(|_| ())
    }

    fn encrypt(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let call = "PutBucketEncryption";
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::from(text(state, "algorithm")))
            .set_kms_master_key_id(state["key"].as_str().map(str::to_string))
            .build()
            .map_err(|bad| unfit(call, item, bad))?;
        let kms = state["key"].is_string();
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let rule = rule.set_bucket_key_enabled(kms.then_some(true)).build();
        let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build();
        let encryption = encryption.map_err(|bad| unfit(call, item, bad))?;
        let put = self.s3.put_bucket_encryption().bucket(name).server_side_encryption_configuration(encryption).send();
        self.ask(call, item, put).map(|_| ())
    }

    fn retain(&self, item: &Item, name: &str, state: &Value) -> Result<(), CloudError> {
        let retention = DefaultRetention::builder()
            .mode(ObjectLockRetentionMode::from(text(state, "mode")))
            .set_days(days(&state["days"]))
            .build();
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build())
            .build();
        let put = self.s3.put_object_lock_configuration().bucket(name).object_lock_configuration(lock).send();
        self.ask("PutObjectLockConfiguration", item, put).map(|_| ())
    }

    pub(super) fn delete_bucket(&self, item: &Item, bucket: &BucketName) -> Result<(), CloudError> {
        match item.aspect {
            Aspect::Itself => {
                let deleted = self.s3.delete_bucket().bucket(bucket.as_str()).send();
                gone(self.ask("DeleteBucket", item, deleted), NO_BUCKET)
            }
            _ => Err(foreign("Delete", item)),
        }
    }

    /// One version of anything, or one unfinished upload, is data.
    pub(super) fn bucket_contents(&self, bucket: &BucketName) -> Result<Contents, CloudError> {
        let name = bucket.as_str();
        let listed =
            self.ask("ListObjectVersions", bucket, self.s3.list_object_versions().bucket(name).max_keys(1).send());
        let Some(versions) = absent(listed, NO_BUCKET)? else { return Ok(Contents::Nothing) };
        let key = versions.versions().iter().filter_map(|version| version.key()).next();
        let marker = versions.delete_markers().iter().filter_map(|marker| marker.key()).next();
        if let Some(key) = key {
            return Ok(Contents::Data(format!("objects or old versions of them, the first is {key}")));
        }
        if let Some(key) = marker {
            return Ok(Contents::Data(format!("delete markers, the first is of {key}")));
        }
        let uploads = self.ask(
            "ListMultipartUploads",
            bucket,
            self.s3.list_multipart_uploads().bucket(name).max_uploads(1).send(),
        )?;
        Ok(match uploads.uploads().first().and_then(|upload| upload.key()) {
            Some(key) => Contents::Data(format!("unfinished uploads, the first is of {key}")),
            None => Contents::Nothing,
        })
    }
}

fn encrypted(found: ServerSideEncryptionConfiguration) -> Option<Value> {
    let default = found.rules.into_iter().next()?.apply_server_side_encryption_by_default?;
    let mut out = json!({"algorithm": default.sse_algorithm.as_str()});
    if let Some(key) = default.kms_master_key_id {
        out["key"] = json!(key);
    }
    Some(out)
}

fn retained(found: ObjectLockConfiguration) -> Option<Value> {
    let retention = found.rule?.default_retention?;
    // Whoever wrote years meant 365 days each.
    let days = retention.days.or(retention.years.map(|years| years.saturating_mul(365)))?;
    Some(json!({"mode": retention.mode?.as_str(), "days": days}))
}
