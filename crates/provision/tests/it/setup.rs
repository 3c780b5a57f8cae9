//! An account with everything in it.

use std::path::Path;

use darkslide_provision::apply::Applied;
use darkslide_provision::desired::{
    AccountId, Boundary, BucketDesired, BucketName, BudgetAlarm, Encryption, Form, IamName, IamPath, Identity,
    KeyPrefix, LockDesired, LockMode, Mfa, Namespace, NasProgram, NasUser, OldVersions, QueueName, Region,
    RetrievalLimit, ThawEvents, Tiering, VaultDesired, VaultName,
};
use darkslide_provision::model::ModelCloud;
use darkslide_provision::{Desired, IdentityKind, KeyFiles, Plan, ProvisionError, Purpose, apply, observe, plan};
use darkslide_words::{Money, StorageClass};

pub const OWNER: &str = "0123456789abcdef";

pub fn account() -> AccountId {
    AccountId::new("123456789012").unwrap()
}

pub fn name(text: &str) -> IamName {
    IamName::new(text).unwrap()
}

pub fn path() -> IamPath {
    IamPath::new("/darkslide/").unwrap()
}

pub fn bucket() -> BucketDesired {
    BucketDesired {
        name: BucketName::new("photos-123456789012").unwrap(),
        namespace: Namespace::Global,
        prefix: KeyPrefix::new("repo/").unwrap(),
        cold_class: StorageClass::DeepArchive,
        warm_class: StorageClass::Standard,
        encryption: Encryption::S3,
        lock: Some(LockDesired { mode: LockMode::Governance, days: 30 }),
        old_versions: OldVersions { expire_days: 180, archive_days: None },
        abort_uploads_days: 2,
        tiering: Some(Tiering::default()),
        transitions: Vec::new(),
        inventory: None,
    }
}

/// Everything at once.
pub fn desired() -> Desired {
    let mut desired = Desired::new(account(), Region::new("eu-central-1").unwrap(), OWNER);
    desired.bucket = Some(bucket());
    desired.boundary = Boundary::Managed { path: path(), name: name("darkslide-boundary") };
    desired.thaw_events = ThawEvents {
        queue: Some(QueueName::new("darkslide-thaws").unwrap()),
        topic: Some(QueueName::new("darkslide-news").unwrap()),
        emails: vec!["me@example.org".into()],
    };
    let vault = |name: &str| VaultName::new(name).unwrap();
    desired.vaults = vec![VaultDesired { name: vault("old"), notify: true, keep_days: Some(90), lock_days: None }];
    desired.retrieval = Some(RetrievalLimit::FreeTier);
    for kind in [IdentityKind::Writer, IdentityKind::Restorer, IdentityKind::Auditor, IdentityKind::Pruner] {
        let form = match kind {
            IdentityKind::Restorer => Form::Role { trusted: Vec::new(), mfa: Mfa::Required, session_seconds: 3600 },
            _ => Form::User,
        };
        desired.identities.push(Identity { kind, name: name(&format!("darkslide-{kind}")), path: path(), form });
    }
    let program = NasProgram::QnapGlacier { vault: vault("QNAP-Vault") };
    desired.nas = vec![NasUser { name: name("qnap"), path: path(), program }];
    let emails = vec!["me@example.org".into()];
    desired.budget =
        Some(BudgetAlarm { name: "darkslide".into(), monthly: Money::from_usd(5.0), at_percent: 80, emails });
    desired
}

/// A plan of what is missing.
pub fn planned(desired: &Desired, cloud: &ModelCloud, keys: &Path) -> Result<Plan, ProvisionError> {
    plan(desired, &observe(desired, cloud, &KeyFiles::new(keys), Purpose::Apply)?, None)
}

/// Plan and apply.
pub fn applied(desired: &Desired, cloud: &ModelCloud, keys: &Path) -> Result<Applied, ProvisionError> {
    apply(&planned(desired, cloud, keys)?, cloud, &KeyFiles::new(keys), &mut |_: &_| {})
}

/// Each user has exactly the one key whose secret lies in the folder.
pub fn keys_are_whole(cloud: &ModelCloud, keys: &Path) {
    use darkslide_provision::keys::{KeyKeeper as _, Slot};
    let files = KeyFiles::new(keys);
    let all = cloud.all_keys();
    let users: Vec<&IamName> = all.iter().map(|(user, _)| user).collect();
    for (user, id) in &all {
        assert_eq!(users.iter().filter(|other| **other == user).count(), 1, "one key for {user}: {all:?}");
        assert_eq!(files.held(user, Slot::Current).unwrap().as_ref(), Some(id), "the key of {user} is an orphan");
        assert_eq!(files.held(user, Slot::Next).unwrap(), None);
    }
}
