//! What a bucket's rules mean for a repository in it.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, PublicAccessBlockConfiguration, VersioningConfiguration,
};
use darkslide_store::Store as _;
use darkslide_store::rules::Standing;

use crate::cloud::Cloud;

#[test]
fn a_bucket_tells_what_protects_and_what_endangers_a_repository() {
    let cloud = Cloud::new();
    let store = cloud.store();
    let said = |what: &str| store.rules().unwrap().into_iter().find(|rule| rule.what == what).unwrap();
    assert_eq!(said("versioning").standing, Standing::Weak);
    assert_eq!(said("lifecycle").standing, Standing::Good);
    // New buckets are closed; somebody opened this one a little.
    assert_eq!(said("public access").standing, Standing::Good);
    let (admin, bucket) = (cloud.admin(), cloud.settings().bucket);
    admin.runtime.block_on(admin.s3.delete_public_access_block().bucket(&bucket).send()).unwrap();
    assert_eq!(said("public access").standing, Standing::Weak);
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let set = admin.s3.put_bucket_versioning().bucket(&bucket).versioning_configuration(on);
    admin.runtime.block_on(set.send()).unwrap();
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let set = admin.s3.put_public_access_block().bucket(&bucket).public_access_block_configuration(block);
    admin.runtime.block_on(set.send()).unwrap();
    let rule = LifecycleRule::builder()
        .id("tidy up")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(30).build())
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    let set = admin.s3.put_bucket_lifecycle_configuration().bucket(&bucket).lifecycle_configuration(rules);
    admin.runtime.block_on(set.send()).unwrap();
    assert_eq!(said("versioning").standing, Standing::Good);
    assert_eq!(said("public access").standing, Standing::Good);
    let deletes = said("lifecycle");
    assert!(deletes.standing == Standing::Bad && deletes.text.contains("tidy up"), "{deletes:?}");
}
