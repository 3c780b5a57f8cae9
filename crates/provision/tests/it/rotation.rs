//! A key is exchanged: whichever call fails, somebody always holds a key that works, and at the end there is one.

use std::path::Path;
use std::time::Duration;

use darkslide_provision::cloud::{KeyId, NewKey};
use darkslide_provision::keys::{KeyKeeper as _, KeyProver, Slot};
use darkslide_provision::model::{Fails, ModelCloud};
use darkslide_provision::{KeyFiles, OldKey, ProvisionError, Rotated, finish_rotation, rotate};

use crate::setup::{account, applied, desired, keys_are_whole, name, planned};

/// Knows whether the account has such a key.
struct Prover<'a>(&'a ModelCloud);

impl KeyProver for Prover<'_> {
    fn works(&self, key: &NewKey) -> Result<(), String> {
        let known = self.0.all_keys().iter().any(|(_, id)| *id == key.id);
        if known { Ok(()) } else { Err("InvalidClientTokenId".into()) }
    }
    fn pause(&self, _: Duration) {}
}

/// AWS does not know the key for ever.
struct Never;

impl KeyProver for Never {
    fn works(&self, _: &NewKey) -> Result<(), String> {
        Err("InvalidClientTokenId".into())
    }
    fn pause(&self, _: Duration) {}
}

fn turned(cloud: &ModelCloud, keys: &Path) -> Result<Rotated, ProvisionError> {
    rotate(&name("darkslide-writer"), cloud, &KeyFiles::new(keys), &Prover(cloud), OldKey::Deleted)
}

fn held(keys: &Path) -> KeyId {
    KeyFiles::new(keys).held(&name("darkslide-writer"), Slot::Current).unwrap().unwrap()
}

#[test]
fn the_new_key_works_before_the_old_one_goes() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let old = held(folder.path());
    cloud.use_key(&old);
    let done = turned(&cloud, folder.path()).unwrap();
    assert_eq!(held(folder.path()), done.new);
    assert_eq!(done.gone.len(), 1);
    assert!(done.gone[0].info.id == old && done.gone[0].last_use.is_some());
    let log = cloud.log().join("\n");
    let at = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what}\n{log}"));
    assert!(at(&format!("{old} of darkslide-writer: Inactive")) < at(&format!("delete {old}")));
    keys_are_whole(&cloud, folder.path());
    assert!(planned(&desired(), &cloud, folder.path()).unwrap().is_empty());
}

#[test]
fn a_key_that_does_not_work_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let old = held(folder.path());
    let error =
        rotate(&name("darkslide-writer"), &cloud, &KeyFiles::new(folder.path()), &Never, OldKey::Deleted).unwrap_err();
    assert!(matches!(error, ProvisionError::KeyUnproven { .. }), "{error}");
    assert_eq!(held(folder.path()), old);
    assert!(cloud.all_keys().iter().any(|(_, id)| *id == old));
    turned(&cloud, folder.path()).unwrap();
    keys_are_whole(&cloud, folder.path());
}

#[test]
fn whichever_call_fails_the_next_rotation_ends_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let good = ModelCloud::new(account());
    applied(&desired(), &good, &folder.path().join("good")).unwrap();
    good.fail_at(u32::MAX, Fails::Before);
    turned(&good, &folder.path().join("good")).unwrap();
    for how in [Fails::Before, Fails::After] {
        for n in 1..=good.calls() {
            for then in ["rotate", "apply and rotate"] {
                let keys = folder.path().join(format!("{how:?}-{n}-{then}"));
                let cloud = ModelCloud::new(account());
                applied(&desired(), &cloud, &keys).unwrap();
                let old = held(&keys);
                cloud.use_key(&old);
                cloud.fail_at(n, how);
                assert!(turned(&cloud, &keys).is_err(), "call {n}");
                let now = held(&keys);
                assert!(
                    cloud.all_keys().iter().any(|(_, id)| *id == now),
                    "call {n} ({how:?}): the machine is locked out"
                );
                if then == "apply and rotate" {
                    applied(&desired(), &cloud, &keys).unwrap();
                }
                turned(&cloud, &keys).unwrap_or_else(|error| panic!("after call {n} ({how:?}, {then}): {error}"));
                keys_are_whole(&cloud, &keys);
                assert!(!cloud.all_keys().iter().any(|(_, id)| *id == old), "call {n} ({how:?}, {then})");
            }
        }
    }
}

#[test]
fn two_keys_of_others_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let foreign = darkslide_provision::Cloud::create_key(&cloud, &name("darkslide-writer")).unwrap().id;
    cloud.use_key(&foreign);
    let error = turned(&cloud, folder.path()).unwrap_err();
    assert!(matches!(error, ProvisionError::TwoKeys { .. }), "{error}");
    assert_eq!(cloud.all_keys().iter().filter(|(user, _)| *user == name("darkslide-writer")).count(), 2);
}

#[test]
fn a_key_in_other_hands_works_until_the_rotation_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder.path()).unwrap();
    let (old, keys, user) = (held(folder.path()), KeyFiles::new(folder.path()), name("darkslide-writer"));
    cloud.use_key(&old);
    let begun = rotate(&user, &cloud, &keys, &Prover(&cloud), OldKey::Kept).unwrap();
    assert_eq!((begun.gone.len(), begun.kept[0].info.id.clone()), (0, old.clone()));
    assert_eq!(held(folder.path()), begun.new);
    // Neither another rotation nor an apply takes it away.
    let again = rotate(&user, &cloud, &keys, &Prover(&cloud), OldKey::Kept).unwrap_err();
    assert!(matches!(again, ProvisionError::RotationUnderWay { .. }), "{again}");
    applied(&desired(), &cloud, folder.path()).unwrap();
    assert!(cloud.all_keys().iter().any(|(_, id)| *id == old));
    let ended = finish_rotation(&user, &cloud, &keys, &Prover(&cloud)).unwrap();
    assert_eq!((ended.new, ended.gone.len()), (begun.new, 1));
    keys_are_whole(&cloud, folder.path());
}
