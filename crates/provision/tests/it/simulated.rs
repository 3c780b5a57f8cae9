//! The real client against the simulator, which enforces every policy: set up by an administrator, then each
//! identity tries with its own key what it may and may not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_provision::aws::{AwsCloud, AwsSettings, PathStyle, ProbeBucket};
use darkslide_provision::cloud::{Aspect, CloudError, Item, KeyId, NewKey, Thing};
use darkslide_provision::desired::{Desired, Form, IdentityKind, Region, Transport};
use darkslide_provision::keys::read_key_file;
use darkslide_provision::verify::{Outcome, Probe, ProbeOpener, Verified, verify};
use darkslide_provision::{Cloud, KeyFiles, Purpose, apply, observe, plan, plan_destroy};
use darkslide_words::{SystemClock, Time};
use secrecy::SecretString;

use crate::failing::Failing;
use crate::table;

struct World {
    desired: Desired,
    cloud: AwsCloud,
    keys: PathBuf,
    url: String,
    _server: Running,
    _sim: ColdSim,
    _folder: tempfile::TempDir,
}

fn region() -> Region {
    Region::new("us-east-1").unwrap()
}

fn settings(url: &str, key: NewKey) -> AwsSettings {
    AwsSettings { profile: None, key: Some(key), endpoint: Some(url.into()), path_style: PathStyle::Path }
}

fn root() -> NewKey {
    NewKey { id: KeyId("coldsim".into()), secret: SecretString::from("coldsim-secret".to_string()) }
}

/// As the table has it, with all that the simulator can set.
fn desired() -> Desired {
    let mut desired = table::desired();
    desired.transport = Transport::Plain;
    desired
}

impl World {
    fn new() -> Self {
        let sim = ColdSim::open(Options::new(Time::from_parts(1_768_478_400, 0)), Arc::new(SystemClock::default()));
        let sim = sim.unwrap();
        let server = sim.start("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = server.url();
        let folder = tempfile::tempdir().unwrap();
        let cloud = AwsCloud::open(&region(), &settings(&url, root())).unwrap();
        let keys = folder.path().join("keys");
        Self { desired: desired(), cloud, keys, url, _server: server, _sim: sim, _folder: folder }
    }

    fn apply(&self, cloud: &dyn Cloud, keys: &Path) -> Result<(), darkslide_provision::ProvisionError> {
        let keeper = KeyFiles::new(keys);
        let plan = plan(&self.desired, &observe(&self.desired, cloud, &keeper, Purpose::Apply)?, None)?;
        apply(&plan, cloud, &keeper, &mut |_: &_| {}).map(|_| ())
    }

    /// What a plan would change.
    fn left(&self) -> Vec<String> {
        let facts = observe(&self.desired, &self.cloud, &KeyFiles::new(&self.keys), Purpose::Apply).unwrap();
        plan(&self.desired, &facts, None).unwrap().changes().map(|step| step.item.to_string()).collect()
    }

    fn verify(&self) -> Verified {
        verify(&self.desired, &self.cloud, self).unwrap()
    }
}

impl ProbeOpener for World {
    fn open(&self, kind: IdentityKind) -> Result<Option<Box<dyn Probe>>, CloudError> {
        let identity = self.desired.identity(kind).unwrap();
        if !matches!(identity.form, Form::User) {
            return Ok(None);
        }
        let file = self.keys.join(format!("{}.credentials", identity.name));
        let key = read_key_file(&file).unwrap().unwrap();
        let bucket = self.desired.bucket.as_ref().unwrap();
        let probe = ProbeBucket::open(&region(), &settings(&self.url, key), &bucket.name, &bucket.prefix)?;
        Ok(Some(Box::new(probe)))
    }
}

#[test]
fn an_account_that_was_set_up_holds_everybody_to_the_table() {
    let world = World::new();
    world.apply(&world.cloud, &world.keys).unwrap();
    let again = Failing::new(&world.cloud, u32::MAX);
    world.apply(&again, &world.keys).unwrap();
    assert_eq!(again.writes(), 0, "a second run writes");
    let found = world.verify();
    assert!(found.is_good() && found.left_out.is_empty(), "{found}");
    let tried = found.rows.iter().filter(|row| row.tried.is_some()).count();
    assert!(found.rows.len() > 400 && tried > 200, "{} lines, {tried} tried", found.rows.len());
    // What was tried has left nothing behind, and taken nothing.
    let facts = observe(&world.desired, &world.cloud, &KeyFiles::new(&world.keys), Purpose::Destroy).unwrap();
    let plan = plan_destroy(&world.desired, &facts).unwrap();
    assert!(plan.remains.is_empty(), "{plan}");
}

#[test]
fn every_setting_of_a_bucket_is_set_read_back_and_changed() {
    use darkslide_provision::desired::{Frequency, InventoryDesired, LockDesired, LockMode, Tiering, Transition};
    let mut world = World::new();
    let bucket = world.desired.bucket.as_mut().unwrap();
    bucket.lock = Some(LockDesired { mode: LockMode::Governance, days: 30 });
    bucket.old_versions.archive_days = Some(10);
    bucket.tiering = Some(Tiering::default());
    let class = darkslide_words::StorageClass::Glacier;
    bucket.transitions = vec![Transition { below: "packs/".into(), days: 1, class }];
    let (bucket_of_lists, prefix) = (bucket.name.clone(), "lists".to_string());
    bucket.inventory = Some(InventoryDesired { bucket: bucket_of_lists, prefix, frequency: Frequency::Weekly });
    world.apply(&world.cloud, &world.keys).unwrap();
    type Change = fn(&mut darkslide_provision::desired::BucketDesired);
    let changes: [(&str, Change); 5] = [
        ("object lock", |bucket| bucket.lock = Some(LockDesired { mode: LockMode::Governance, days: 31 })),
        ("lifecycle rules", |bucket| bucket.old_versions.archive_days = None),
        ("Intelligent-Tiering archive", |bucket| {
            bucket.tiering = Some(Tiering { archive_days: None, deep_archive_days: Some(365) });
        }),
        ("lifecycle rules", |bucket| bucket.transitions.clear()),
        ("inventory", |bucket| bucket.inventory.as_mut().unwrap().frequency = Frequency::Daily),
    ];
    for (what, change) in changes {
        assert_eq!(world.left(), Vec::<String>::new());
        change(world.desired.bucket.as_mut().unwrap());
        assert_eq!(world.left(), [format!("bucket photographs: {what}")]);
        world.apply(&world.cloud, &world.keys).unwrap();
    }
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn whoever_was_given_more_is_found_by_simulation_and_by_trying() {
    let world = World::new();
    world.apply(&world.cloud, &world.keys).unwrap();
    let pruner = world.desired.identity(IdentityKind::Pruner).unwrap();
    let item = Item::new(Thing::User(pruner.name.clone()), Aspect::Policy);
    let all = serde_json::json!({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    world.cloud.write(&item, &all).unwrap();
    let found = world.verify();
    let surprise = found.surprises().find(|row| row.what == "s3:GetObject packs/ab/1").unwrap();
    assert_eq!(surprise.identity, IdentityKind::Pruner);
    assert_eq!((surprise.simulated, surprise.tried), (Some(Outcome::Allowed), Some(Outcome::Allowed)));
    assert!(found.surprises().all(|row| row.identity == IdentityKind::Pruner), "{found}");
    // The next apply heals it.
    world.apply(&world.cloud, &world.keys).unwrap();
    assert!(world.verify().is_good());
}

#[test]
fn whichever_answer_is_lost_the_next_run_ends_whole() {
    let world = World::new();
    let count = Failing::new(&world.cloud, u32::MAX);
    world.apply(&count, &world.keys).unwrap();
    let writes = count.writes();
    assert!(writes > 20, "{writes}");
    for n in 1..=writes {
        let world = World::new();
        let failing = Failing::new(&world.cloud, n);
        assert!(world.apply(&failing, &world.keys).is_err(), "write {n}");
        world.apply(&world.cloud, &world.keys).unwrap_or_else(|error| panic!("after write {n}: {error}"));
        let keeper = KeyFiles::new(&world.keys);
        let rest = observe(&world.desired, &world.cloud, &keeper, Purpose::Apply).unwrap();
        let rest = plan(&world.desired, &rest, None).unwrap();
        assert!(rest.is_empty(), "after write {n}\n{rest}");
        for user in world.desired.identities.iter().filter(|one| one.form == Form::User) {
            assert_eq!(world.cloud.keys(&user.name).unwrap().len(), 1, "after write {n}: {}", user.name);
        }
    }
}
