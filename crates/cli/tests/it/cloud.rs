//! The account: `init --cloud` and `cloud`, against ministack, which here refuses nobody anything, and against
//! the simulator, which holds everybody to the policies.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Ran, World};
use crate::library::small;

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

impl Server {
    fn start() -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/conformance/bin/ministack");
        let named =
            std::env::var_os("SNS_SERVER_PYTHON").map(|python| PathBuf::from(python).with_file_name("ministack"));
        if let Some(named) = &named {
            assert!(named.is_file(), "{} is not there", named.display());
        }
        let Some(program) = named.or(Some(beside)).filter(|program| program.is_file()) else {
            eprintln!("SKIPPED: no server of others that speaks IAM; `ci.sh` makes one, or set SNS_SERVER_PYTHON");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        let folder = tempfile::tempdir().unwrap();
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        command.env("HOME", folder.path()).current_dir(folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, port, _folder: folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "ministack does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// Runs the binary as the administrator.
    fn run(&self, world: &World, line: &str) -> Ran {
        let mut command = world.command(line);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", world.path("none"));
        command.env("AWS_SHARED_CREDENTIALS_FILE", world.path("none"));
        Ran::of(format!("darkslide {line}"), &command.output().unwrap())
    }

    fn init(&self) -> String {
        format!(
            "init --library library --store s3://photos-of-mine/repo --endpoint http://127.0.0.1:{} --region eu-central-1 \
             --class STANDARD --identity identity.txt --pack-size 16 --cloud",
            self.port
        )
    }
}

#[test]
fn nothing_is_made_before_somebody_says_yes() {
    let Some(server) = Server::start() else { return };
    let world = World::new();
    small(&world.library());
    server.run(&world, &server.init()).exits(1).says("+ bucket photos-of-mine").says("--yes");
    assert!(!world.path("identity.txt").exists() && !world.path("darkslide.toml").exists());
    assert!(!world.path("cloud-keys").exists());
    let again = server.run(&world, &format!("{} --yes", server.init())).exits(0);
    assert!(again.err.contains("Create bucket photos-of-mine"), "{}", again.err);
}

#[test]
fn an_account_is_set_up_used_and_taken_down() {
    let Some(server) = Server::start() else { return };
    let world = World::new();
    small(&world.library());
    let made = server.run(&world, &format!("{} --yes", server.init())).exits(0);
    let file = world.path("cloud-keys/darkslide-writer.credentials");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("aws_secret_access_key = ")).unwrap().to_string()
    };
    let first = secret(&file);
    assert!(!made.out.contains(&first) && !made.err.contains(&first), "the secret is on the screen");

    let plan = server.run(&world, "cloud plan --json").exits(0).json();
    let acts: Vec<&str> =
        plan[0]["steps"].as_array().unwrap().iter().map(|step| step["act"].as_str().unwrap()).collect();
    assert!(acts.len() > 20 && acts.iter().all(|act| *act == "leave"), "{acts:?}");
    // The writer's own key, and no environment.
    world.run("backup").exits(0);
    server.run(&world, "cloud rotate writer").exits(0).says("gone: ");
    assert_ne!(secret(&file), first);
    world.run("backup").exits(0);

    // It enforces no policy: each refusal that does not come is a surprise.
    let found = server.run(&world, "cloud verify --json").exits(1).json();
    assert_eq!(found[0]["good"], false);
    let rows = found[0]["matrix"]["rows"].as_array().unwrap();
    let bad = |row: &&serde_json::Value| row["expected"] == "refused" && row["tried"] == "allowed";
    assert!(rows.iter().any(|row| bad(&row) && row["identity"] == "writer"), "{rows:#?}");
    server.run(&world, "cloud verify").exits(1).says("! writer");

    server.run(&world, "cloud destroy --yes").exits(3).says("bucket photos-of-mine").says("it holds objects");
    world.run("backup").exits(1);
}

#[test]
fn a_scheduled_check_tells_of_drift() {
    let Some(server) = Server::start() else { return };
    let world = World::new();
    small(&world.library());
    server.run(&world, &format!("{} --yes", server.init())).exits(0);
    let config = world.path("darkslide.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        format!("{text}\n[[job]]\nname = \"rights\"\nkind = \"cloud-verify\"\nschedule = \"weekly sun 03:00\"\n"),
    )
    .unwrap();
    server.run(&world, "run rights").exits(3).says("surprises");
    server.run(&world, "logs rights").exits(0).says("cloud-verify");
}

/// Runs a command with the keys in a file of shared credentials, and nothing else.
fn with_keys(world: &World, line: &str) -> Ran {
    let mut command = world.command(line);
    command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", world.path("none")).env("AWS_SHARED_CREDENTIALS_FILE", world.path("keys"));
    Ran::of(format!("darkslide {line}"), &command.output().unwrap())
}

#[test]
fn under_its_policies_everybody_can_do_what_he_must() {
    use darkslide_coldsim::{ColdSim, Options};
    use darkslide_words::{Clock as _, SystemClock};
    let real = std::sync::Arc::new(SystemClock::default());
    let sim = ColdSim::open(Options { enforce: true, ..Options::new(real.now()) }, real).unwrap();
    let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
    let world = World::new();
    small(&world.library());
    let admin = |line: &str| {
        let mut command = world.command(line);
        command.env("AWS_ACCESS_KEY_ID", "coldsim").env("AWS_SECRET_ACCESS_KEY", "coldsim-secret");
        Ran::of(format!("darkslide {line}"), &command.output().unwrap())
    };
    let init = format!(
        "init --library library --store s3://photos-of-mine/repo --endpoint {} --region us-east-1 \
         --identity identity.txt --pack-size 16 --cloud --yes",
        running.url()
    );
    let made = admin(&init).exits(0);
    assert!(!made.err.contains("could not be probed"), "{}", made.err);
    assert!(made.err.contains("allow s3:RestoreObject on"), "policies read as sentences: {}", made.err);

    let mut keys = String::new();
    for who in ["restorer", "auditor", "pruner"] {
        keys += &std::fs::read_to_string(world.path(format!("cloud-keys/darkslide-{who}.credentials"))).unwrap();
    }
    std::fs::write(world.path("keys"), keys).unwrap();
    let config = world.path("darkslide.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let profiles = "reader_profile = \"darkslide-restorer\"\nauditor_profile = \"darkslide-auditor\"\n\
        pruner_profile = \"darkslide-pruner\"\n[[backup]]";
    std::fs::write(&config, text.replacen("[[backup]]", profiles, 1)).unwrap();

    with_keys(&world, "backup").exits(0);
    let found = admin("cloud verify").exits(0);
    assert!(found.out.contains("0 surprises, 0 not looked at"), "{}", found.out);
    with_keys(&world, "audit").exits(0);
    with_keys(&world, "restore latest --to out --identity identity.txt --yes").exits(4).says("being thawed");
    sim.advance(Duration::from_secs(49 * 3600));
    with_keys(&world, "restore latest --to out --identity identity.txt --yes").exits(0).says("verified");
    crate::trees::assert_same(&world.library(), &world.path("out"), crate::trees::Same::Everything);

    // A backup that needs no pack of the last one; its packs are condemned by the pruner.
    for path in crate::trees::walk(&world.library()) {
        let path = world.library().join(path);
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::write(world.library().join("IMG_9.CR3"), vec![9; 300_000]).unwrap();
    with_keys(&world, "backup").exits(0);
    with_keys(&world, "forget --keep-last 1").exits(0);
    with_keys(&world, "prune --yes").exits(0);

    // Drift: somebody turns a setting off, the check tells, apply heals.
    admin("cloud verify").exits(0);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[cloud]\nold_versions_days = 365\n")).unwrap();
    admin("cloud verify").exits(1).says("not as it shall be: bucket photos-of-mine: lifecycle rules");
    admin("cloud apply --yes").exits(0);
    admin("cloud verify").exits(0);
}

#[test]
fn exports_are_written_once_and_need_no_configuration_for_a_nas() {
    let world = World::new();
    world.run("cloud export --for qnap-glacier --vault QNAP-1 --to tf").exits(1).says("--region");
    let place = "--account 123456789012 --region eu-central-1";
    world.run(&format!("cloud export --for qnap-glacier --vault QNAP-1 {place} --to tf")).exits(0).says("README.md");
    let main = std::fs::read_to_string(world.path("tf/main.tf")).unwrap();
    assert!(main.contains("aws_iam_user"), "{main}");
    world.run(&format!("cloud export --for qnap-glacier --vault QNAP-1 {place} --to tf")).exits(1).says("already");
    let policy = world.run(&format!("cloud export --for qnap-glacier --vault QNAP-1 {place} --format policy --json"));
    let policy = policy.exits(0).json();
    let text = policy[0]["files"].to_string();
    assert!(text.contains("arn:aws:glacier:eu-central-1:123456789012:vaults/QNAP-1"), "{text}");
    assert!(text.contains("glacier:CreateVault"), "{text}");
    world.run("cloud export --for hyper-backup --bucket nas-backup --format policy --to hb").exits(0);
    world.run("cloud export --to all").exits(1).says("darkslide.toml");
    small(&world.library());
    world.run("init --library library --store repository --identity identity.txt").exits(0);
    let config = world.path("darkslide.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let store = "[[store]]\nurl = \"s3://photos-1/repo\"\nregion = \"eu-central-1\"\n[[backup]]";
    std::fs::write(&config, text.replacen("[[backup]]", store, 1)).unwrap();
    world.run("cloud export --format cloudformation --to cfn").exits(0);
    world.run("cloud export --format policy --to policy").exits(1).says("account");
}
