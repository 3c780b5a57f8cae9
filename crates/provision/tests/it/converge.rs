//! A call fails, each in turn, before and after it was done; the next run ends in the same account.

use darkslide_provision::ProvisionError;
use darkslide_provision::model::{Fails, ModelCloud};

use crate::setup::{account, applied, desired, keys_are_whole, planned};

#[test]
fn whichever_call_fails_the_next_run_ends_in_the_same_account() {
    let desired = desired();
    let folder = tempfile::tempdir().unwrap();
    let good = ModelCloud::new(account());
    good.fail_at(u32::MAX, Fails::Before);
    applied(&desired, &good, &folder.path().join("good")).unwrap();
    let calls = good.calls();
    assert!(calls > 100, "{calls}");
    let mut wanted = good.settings();
    // Which key a user has is the only thing that may differ.
    let blank = |settings: &mut std::collections::BTreeMap<_, serde_json::Value>| {
        for value in settings.values_mut().filter(|value| !value["darkslide-key"].is_null()) {
            value["darkslide-key"] = "handed over".into();
        }
    };
    blank(&mut wanted);
    for how in [Fails::Before, Fails::After] {
        for n in 1..=calls {
            let keys = folder.path().join(format!("{how:?}-{n}"));
            let cloud = ModelCloud::new(account());
            cloud.fail_at(n, how);
            let failed = applied(&desired, &cloud, &keys);
            assert!(matches!(failed, Err(ProvisionError::Cloud(_))), "call {n}: {failed:?}");
            applied(&desired, &cloud, &keys).unwrap_or_else(|error| panic!("after call {n} ({how:?}): {error}"));
            let mut got = cloud.settings();
            blank(&mut got);
            assert_eq!(got, wanted, "call {n} ({how:?})");
            assert_eq!(cloud.all_keys().len(), 4);
            keys_are_whole(&cloud, &keys);
            let rest = planned(&desired, &cloud, &keys).unwrap();
            assert!(rest.is_empty(), "call {n} ({how:?}):\n{rest}");
        }
    }
}

#[test]
fn a_second_run_writes_nothing() {
    let (desired, folder) = (desired(), tempfile::tempdir().unwrap());
    let cloud = ModelCloud::new(account());
    let first = applied(&desired, &cloud, folder.path()).unwrap();
    assert_eq!(first.keys.len(), 4);
    let log = cloud.log();
    let second = applied(&desired, &cloud, folder.path()).unwrap();
    assert_eq!((second, cloud.log()), (darkslide_provision::Applied::default(), log));
}

#[test]
fn a_plan_that_was_made_twice_is_applied_once() {
    let (desired, folder) = (desired(), tempfile::tempdir().unwrap());
    let cloud = ModelCloud::new(account());
    let plan = planned(&desired, &cloud, folder.path()).unwrap();
    let keeper = darkslide_provision::KeyFiles::new(folder.path());
    darkslide_provision::apply(&plan, &cloud, &keeper, &mut |_: &_| {}).unwrap();
    let (keys, settings) = (cloud.all_keys(), cloud.settings());
    darkslide_provision::apply(&plan, &cloud, &keeper, &mut |_: &_| {}).unwrap();
    assert_eq!((cloud.all_keys(), cloud.settings()), (keys, settings));
}
