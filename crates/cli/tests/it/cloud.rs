//! The account: `init --cloud` and `cloud`, against ministack, which here refuses nobody anything.

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
