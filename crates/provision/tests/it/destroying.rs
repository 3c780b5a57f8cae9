//! What a destroy takes away, and what it never does.

use std::path::Path;

use darkslide_provision::cloud::{Aspect, Item, Thing};
use darkslide_provision::model::{Fails, ModelCloud};
use darkslide_provision::{Applied, KeyFiles, ProvisionError, Purpose, apply, observe, plan_destroy};
use serde_json::json;

use crate::setup::{account, applied, bucket, desired};

fn destroyed(cloud: &ModelCloud, keys: &Path) -> Result<(Applied, Vec<String>), ProvisionError> {
    let (desired, keeper) = (desired(), KeyFiles::new(keys));
    let facts = observe(&desired, cloud, &keeper, Purpose::Destroy)?;
    let plan = plan_destroy(&desired, &facts)?;
    Ok((apply(&plan, cloud, &keeper, &mut |_: &_| {})?, plan.remains))
}

fn things(cloud: &ModelCloud) -> Vec<String> {
    let own = cloud.settings().into_keys().filter(|item| item.aspect == Aspect::Itself);
    own.map(|item| item.thing.to_string()).collect()
}

#[test]
fn a_bucket_and_a_vault_with_data_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let (photos, vault) = (Thing::Bucket(bucket().name), Thing::Vault(desired().vaults[0].name.clone()));
    cloud.fill(photos.clone(), "objects");
    cloud.fill(vault.clone(), "archives");
    let of_data = |cloud: &ModelCloud| {
        let mut settings = cloud.settings();
        settings.retain(|item, _| item.thing == photos || item.thing == vault);
        settings
    };
    let before = of_data(&cloud);
    let (_, remains) = destroyed(&cloud, folder.path()).unwrap();
    assert_eq!(remains.len(), 2, "{remains:?}");
    assert!(remains.iter().any(|line| line.contains("photos-123456789012") && line.contains("objects")));
    assert_eq!(of_data(&cloud), before);
    assert_eq!(things(&cloud), ["bucket photos-123456789012", "vault old"]);
    assert!(cloud.all_keys().is_empty());
    cloud.fill(photos, "");
    cloud.fill(vault, "");
    let (_, remains) = destroyed(&cloud, folder.path()).unwrap();
    assert_eq!((remains, things(&cloud)), (Vec::new(), Vec::new()));
}

#[test]
fn what_a_backup_wrote_after_the_plan_is_not_touched_either() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let keeper = KeyFiles::new(folder.path());
    let facts = observe(&desired(), &cloud, &keeper, Purpose::Destroy).unwrap();
    let plan = plan_destroy(&desired(), &facts).unwrap();
    cloud.fill(Thing::Bucket(bucket().name), "objects");
    let error = apply(&plan, &cloud, &keeper, &mut |_: &_| {}).unwrap_err();
    assert!(matches!(error, ProvisionError::HoldsData { .. }), "{error}");
}

#[test]
fn things_of_others_are_not_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    let user = Thing::User(desired().identities[0].name.clone());
    cloud.meddle(Item::new(user.clone(), Aspect::Itself), Some(json!({"path": "/darkslide/"})));
    let (done, remains) = destroyed(&cloud, folder.path()).unwrap();
    assert_eq!((done.removed.len(), remains.len()), (0, 1), "{remains:?}");
    assert!(cloud.settings().contains_key(&Item::new(user, Aspect::Itself)));
}

#[test]
fn whichever_call_fails_the_next_destroy_ends_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = ModelCloud::new(account());
    applied(&desired(), &full, &folder.path().join("full")).unwrap();
    full.fail_at(u32::MAX, Fails::Before);
    destroyed(&full, &folder.path().join("full")).unwrap();
    assert!(things(&full).is_empty() && full.all_keys().is_empty(), "{:?}", things(&full));
    for how in [Fails::Before, Fails::After] {
        for n in 1..=full.calls() {
            let keys = folder.path().join(format!("{how:?}-{n}"));
            let cloud = ModelCloud::new(account());
            applied(&desired(), &cloud, &keys).unwrap();
            cloud.fail_at(n, how);
            assert!(destroyed(&cloud, &keys).is_err(), "call {n}");
            destroyed(&cloud, &keys).unwrap_or_else(|error| panic!("after call {n} ({how:?}): {error}"));
            assert!(things(&cloud).is_empty() && cloud.all_keys().is_empty(), "call {n} ({how:?})");
        }
    }
}

#[test]
fn a_topic_that_was_there_before_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    let topic = Thing::Topic(desired().thaw_events.topic.unwrap());
    cloud.meddle(Item::new(topic.clone(), Aspect::Itself), Some(json!({})));
    applied(&desired(), &cloud, folder.path()).unwrap();
    let (_, remains) = destroyed(&cloud, folder.path()).unwrap();
    assert!(remains.iter().any(|line| line.contains("before this setup")), "{remains:?}");
    assert_eq!(things(&cloud), [topic.to_string()]);
}
