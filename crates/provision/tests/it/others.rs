//! The real client against a server of others, ministack: set up, whichever answer is lost, and taken down
//! again. It knows no vaults and no Intelligent-Tiering configuration. moto knows vaults, though none of their
//! settings (and it tells a bucket's versioning and notifications in a shape that the SDK does not take).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use darkslide_provision::aws::{AwsCloud, AwsSettings, PathStyle};
use darkslide_provision::cloud::{KeyId, NewKey};
use darkslide_provision::desired::Region;
use darkslide_provision::keys::{KeyKeeper as _, Slot};
use darkslide_provision::{Cloud, Desired, KeyFiles, OldKey, Purpose, apply, observe, plan, plan_destroy, rotate};
use secrecy::SecretString;

use crate::failing::Failing;
use crate::setup::{self, name};

/// A server, ended with the test.
struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder with the programs: the one that the test command names (then it must be there), or the one
/// of the tests against other servers.
fn programs() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/conformance/bin");
    let named = std::env::var_os("SNS_SERVER_PYTHON")
        .map(PathBuf::from)
        .and_then(|python| Some(python.parent()?.to_path_buf()));
    if let Some(named) = &named {
        assert!(named.join("ministack").is_file(), "there is no ministack in {}", named.display());
    }
    let found = named.or(Some(beside)).filter(|folder| folder.join("ministack").is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no server of others that speaks IAM; `ci.sh` makes one, or set SNS_SERVER_PYTHON");
    }
    found
}

impl Server {
    fn start(kind: &str) -> Option<Self> {
        let programs = programs()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(programs.join(kind));
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("AUTH", "true");
        command.env("HOME", folder.path()).current_dir(folder.path());
        if kind == "moto_server" {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), port, _folder: folder };
        let answers = || {
            std::thread::sleep(Duration::from_millis(100));
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        };
        assert!((0..1_200).any(|_| answers()), "{kind} does not answer");
        Some(server)
    }

    fn cloud(&self) -> AwsCloud {
        let key = NewKey { id: KeyId("test".into()), secret: SecretString::from("test".to_string()) };
        let endpoint = Some(format!("http://127.0.0.1:{}", self.port));
        let settings = AwsSettings { profile: None, key: Some(key), endpoint, path_style: PathStyle::Path };
        AwsCloud::open(&region(), &settings).unwrap()
    }
}

fn region() -> Region {
    Region::new("eu-central-1").unwrap()
}

/// What the server knows, with names of its own so that many setups fit into one account.
fn desired(cloud: &AwsCloud, n: u32) -> Desired {
    let mut desired = setup::desired();
    desired.account = cloud.caller().unwrap().account;
    desired.owner_tag = format!("setup-{n}");
    desired.transport = darkslide_provision::desired::Transport::Plain;
    desired.vaults.clear();
    desired.retrieval = None;
    desired.budget = None;
    desired.nas.clear();
    desired.thaw_events.emails.clear();
    let path = darkslide_provision::desired::IamPath::new(format!("/n{n}/")).unwrap();
    for identity in &mut desired.identities {
        identity.name = name(&format!("n{n}-{}", identity.kind));
        identity.path = path.clone();
    }
    desired.boundary = darkslide_provision::desired::Boundary::Managed { path, name: name(&format!("n{n}-boundary")) };
    let queue = |what: &str| darkslide_provision::desired::QueueName::new(format!("n{n}-{what}")).unwrap();
    desired.thaw_events.queue = Some(queue("thaws"));
    desired.thaw_events.topic = Some(queue("news"));
    let bucket = desired.bucket.as_mut().unwrap();
    bucket.name = darkslide_provision::desired::BucketName::new(format!("photos-n{n}")).unwrap();
    bucket.tiering = None;
    bucket.lock = None;
    desired
}

fn run(desired: &Desired, cloud: &dyn Cloud, keys: &Path) -> Result<(), darkslide_provision::ProvisionError> {
    let keeper = KeyFiles::new(keys);
    let plan = plan(desired, &observe(desired, cloud, &keeper, Purpose::Apply)?, None)?;
    apply(&plan, cloud, &keeper, &mut |_: &_| {}).map(|_| ())
}

/// Nothing left to do, and each user has the one key whose secret is here.
fn is_whole(desired: &Desired, cloud: &dyn Cloud, keys: &Path, when: &str) {
    let keeper = KeyFiles::new(keys);
    let rest = plan(desired, &observe(desired, cloud, &keeper, Purpose::Apply).unwrap(), None).unwrap();
    assert!(rest.is_empty(), "{when}\n{rest}");
    for user in desired.identities.iter().filter(|one| one.form == darkslide_provision::desired::Form::User) {
        let there: Vec<KeyId> = cloud.keys(&user.name).unwrap().into_iter().map(|key| key.id).collect();
        let held = keeper.held(&user.name, Slot::Current).unwrap();
        assert_eq!(there, held.into_iter().collect::<Vec<_>>(), "{when}: {}", user.name);
    }
}

fn sets_up_and_takes_down(kind: &str) {
    let Some(server) = Server::start(kind) else { return };
    let cloud = server.cloud();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("0");
    let desired = desired(&cloud, 0);
    run(&desired, &cloud, &keys).unwrap_or_else(|error| panic!("{kind}: {error}"));
    is_whole(&desired, &cloud, &keys, kind);
    let again = Failing::new(&cloud, u32::MAX);
    run(&desired, &again, &keys).unwrap();
    assert_eq!(again.writes(), 0, "{kind}: a second run writes");

    let keeper = KeyFiles::new(&keys);
    let turned = rotate(&name("n0-writer"), &cloud, &keeper, &cloud, OldKey::Deleted).unwrap();
    assert_eq!(turned.gone.len(), 1);
    is_whole(&desired, &cloud, &keys, "after a rotation");

    let facts = observe(&desired, &cloud, &keeper, Purpose::Destroy).unwrap();
    let plan = plan_destroy(&desired, &facts).unwrap();
    assert!(plan.remains.is_empty(), "{plan}");
    apply(&plan, &cloud, &keeper, &mut |_: &_| {}).unwrap_or_else(|error| panic!("{kind}: {error}"));
    let facts = observe(&desired, &cloud, &keeper, Purpose::Destroy).unwrap();
    let left: Vec<_> = facts.states.iter().filter(|(_, state)| state.is_some()).collect();
    assert!(left.is_empty() && facts.strays.is_empty(), "{kind}: {left:?}");
}

#[test]
fn an_account_of_ministack_is_set_up_and_taken_down() {
    sets_up_and_takes_down("ministack");
}

#[test]
fn vaults_of_moto_are_made_and_seen() {
    use darkslide_provision::cloud::{Aspect, Contents, Item, Thing};
    let Some(server) = Server::start("moto_server") else { return };
    let cloud = server.cloud();
    let thing = Thing::Vault(darkslide_provision::desired::VaultName::new("photographs").unwrap());
    let vault = Item::new(thing.clone(), Aspect::Itself);
    assert_eq!(cloud.read(&vault).unwrap(), None);
    for _ in 0..2 {
        // One that exists is welcome.
        cloud.write(&vault, &serde_json::json!({})).unwrap();
        assert!(cloud.read(&vault).unwrap().is_some());
    }
    // It deletes vaults, too, and answers that with its own error 500.
    assert_eq!(cloud.contents(&thing).unwrap(), Contents::Nothing);
}

#[test]
fn whichever_answer_of_ministack_is_lost_the_next_run_ends_whole() {
    let Some(server) = Server::start("ministack") else { return };
    let cloud = server.cloud();
    let folder = tempfile::tempdir().unwrap();
    let count = Failing::new(&cloud, u32::MAX);
    run(&desired(&cloud, 0), &count, &folder.path().join("0")).unwrap();
    let writes = count.writes();
    assert!(writes > 20, "{writes}");
    for n in 1..=writes {
        let (desired, keys) = (desired(&cloud, n), folder.path().join(n.to_string()));
        let failing = Failing::new(&cloud, n);
        assert!(run(&desired, &failing, &keys).is_err(), "write {n}");
        run(&desired, &cloud, &keys).unwrap_or_else(|error| panic!("after write {n}: {error}"));
        is_whole(&desired, &cloud, &keys, &format!("after write {n}"));
    }
}
