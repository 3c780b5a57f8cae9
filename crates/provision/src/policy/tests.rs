//! Sizes that AWS's limits bind, partitions, and the programs' lists.

use std::collections::BTreeSet;

use serde_json::Value;

use super::nas::{QNAP_EVERYWHERE, QNAP_VAULT};
use super::*;
use crate::desired::{
    AccountId, Boundary, BucketDesired, BucketName, BudgetAlarm, Encryption, Form, IamName, IamPath, Identity,
    KeyPrefix, Mfa, Namespace, NasProgram, OldVersions, QueueName, Region, RetrievalLimit, VaultDesired, VaultName,
};

/// Everything that can be wanted, with names so long as they may be in practice.
fn large(region: &str) -> Desired {
    let region = Region::new(region).unwrap();
    let mut desired = Desired::new(AccountId::new("123456789012").unwrap(), region, "x");
    let path = IamPath::new("/photographs/of-the-studio/").unwrap();
    desired.bucket = Some(BucketDesired {
        name: BucketName::new("photographs-of-the-studio-in-the-c").unwrap(),
        namespace: Namespace::Global,
        prefix: KeyPrefix::new("studio/").unwrap(),
        cold_class: darkslide_words::StorageClass::DeepArchive,
        warm_class: darkslide_words::StorageClass::IntelligentTiering,
        encryption: Encryption::S3,
        lock: None,
        old_versions: OldVersions { expire_days: 30, archive_days: None },
        abort_uploads_days: 3,
        tiering: None,
        transitions: Vec::new(),
        inventory: None,
    });
    let vault = |name: &str| VaultDesired {
        name: VaultName::new(name).unwrap(),
        notify: true,
        keep_days: Some(365),
        lock_days: Some(3_650),
    };
    desired.vaults = vec![vault("photographs")];
    desired.thaw_events.queue = Some(QueueName::new("darkslide-thaws").unwrap());
    desired.thaw_events.topic = Some(QueueName::new("darkslide-thaws").unwrap());
    desired.identities = IdentityKind::ALL
        .into_iter()
        .map(|kind| Identity {
            kind,
            name: IamName::new(format!("darkslide-{kind}")).unwrap(),
            path: path.clone(),
            form: Form::User,
        })
        .collect();
    desired.boundary = Boundary::Managed { path, name: IamName::new("darkslide-boundary").unwrap() };
    desired.retrieval = Some(RetrievalLimit::FreeTier);
    desired.budget = Some(BudgetAlarm {
        name: "photographs".into(),
        monthly: darkslide_words::Money::parse("20").unwrap(),
        at_percent: 80,
        emails: Vec::new(),
    });
    desired
}

#[test]
fn documents_fit_where_they_go() {
    for region in ["eu-central-1", "us-gov-west-1", "cn-north-1"] {
        let desired = large(region);
        check(&desired).unwrap_or_else(|error| panic!("in {region}: {error}"));
        let chars = bucket(&desired).unwrap().to_string().len();
        assert!(chars <= 20 * 1_024, "the bucket's policy: {chars} bytes");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let mut desired = large("eu-central-1");
    let bucket = desired.bucket.as_mut().unwrap();
    bucket.name = BucketName::new("p".repeat(63)).unwrap();
    bucket.prefix = KeyPrefix::new(format!("{}/", "s".repeat(200))).unwrap();
    let refused = check(&desired).unwrap_err().to_string();
    assert!(refused.contains("the writer") && refused.contains("or make it a role"), "{refused}");
    for identity in &mut desired.identities {
        identity.form = Form::Role { trusted: Vec::new(), mfa: Mfa::NotAsked, session_seconds: 3_600 };
    }
    check(&desired).unwrap();
}

#[test]
fn nothing_names_another_partition() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let desired = large(region);
        let mut all: Vec<Value> = IdentityKind::ALL.into_iter().map(|kind| document(kind, &desired)).collect();
        all.extend([bucket(&desired), queue(&desired), topic(&desired)].into_iter().flatten());
        all.extend([boundary(&desired), trust(&desired, &[], Mfa::Required)]);
        let vault = &desired.vaults[0];
        all.extend([vault_access(&desired, vault), vault_lock(&desired, vault)].into_iter().flatten());
        let program = NasProgram::QnapGlacier { vault: vault.name.clone() };
        all.push(nas(&desired, &program));
        for text in all.iter().map(Value::to_string) {
            let foreign = text.matches("\"arn:").count()
                - text.matches("\"arn:*:s3:::*/").count()
                - text.matches(&format!("\"arn:{partition}:")).count();
            assert_eq!(foreign, 0, "{text}");
        }
    }
}

#[test]
fn sids_are_ours_and_differ() {
    let desired = large("eu-central-1");
    let all = [bucket(&desired), queue(&desired), topic(&desired), Some(boundary(&desired))];
    for policy in all.into_iter().flatten() {
        let statements = policy["Statement"].as_array().unwrap();
        let sids: BTreeSet<&str> = statements.iter().map(|s| s["Sid"].as_str().unwrap()).collect();
        assert_eq!(sids.len(), statements.len(), "{policy}");
        assert!(sids.iter().all(|sid| sid.starts_with("Darkslide")), "{policy}");
    }
}

#[test]
fn qnap_gets_two_actions_everywhere_and_twenty_on_its_vault() {
    let desired = large("eu-west-1");
    let program = NasProgram::QnapGlacier { vault: VaultName::new("QNAP-Vault").unwrap() };
    let policy = nas(&desired, &program);
    let [everywhere, vault] = policy["Statement"].as_array().unwrap().as_slice() else { panic!("{policy}") };
    assert_eq!((everywhere["Action"].as_array().unwrap().len(), &everywhere["Resource"]), (2, &json!("*")));
    assert_eq!(vault["Action"].as_array().unwrap().len(), 20);
    assert_eq!(vault["Resource"], "arn:aws:glacier:eu-west-1:123456789012:vaults/QNAP-Vault");
    let all: BTreeSet<&str> = QNAP_EVERYWHERE.iter().chain(&QNAP_VAULT).copied().collect();
    assert_eq!(all.len(), 22);
    for action in ["glacier:CreateVault", "glacier:AddTagsToVault", "glacier:RemoveTagsFromVault"] {
        assert!(QNAP_VAULT.contains(&action));
    }
}

#[test]
fn a_second_factor_is_asked_for_where_it_is_wanted() {
    let desired = large("eu-west-1");
    let with = trust(&desired, &["arn:aws:iam::123456789012:user/anna".into()], Mfa::Required);
    assert_eq!(with["Statement"][0]["Condition"]["Bool"]["aws:MultiFactorAuthPresent"], "true");
    let without = trust(&desired, &[], Mfa::NotAsked);
    assert!(without["Statement"][0].get("Condition").is_none());
    assert_eq!(without["Statement"][0]["Principal"]["AWS"][0], "arn:aws:iam::123456789012:root");
}

#[test]
fn names_of_objects_are_those_of_the_format() {
    use darkslide_format::names::Kind;
    let kinds = [
        (Kind::Header, "darkslide.json"),
        (Kind::Config, "config/"),
        (Kind::Keys, "keys/"),
        (Kind::Writers, "writers/"),
        (Kind::Trees, "trees/"),
        (Kind::Index, "index/"),
        (Kind::Refs, "refs/"),
        (Kind::Snapshots, "snapshots/"),
        (Kind::Previews, "previews/"),
    ];
    for (kind, prefix) in kinds {
        assert_eq!(kind.prefix(), prefix);
        assert!(HOT.contains(&prefix), "{prefix}");
    }
    assert_eq!((Kind::Packs.prefix(), Kind::Warm.prefix()), (COLD[0], WARM[0]));
    assert_eq!(Kind::Condemned.prefix(), CONDEMNED);
}
