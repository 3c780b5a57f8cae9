//! The page as a process: beside the daemon and by itself, to whom it answers and to whom not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exposition::Exposition;
use crate::harness::World;

/// A page that is served, and how to talk with it.
struct Page {
    child: Child,
    address: String,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Page {
    /// Starts `darkslide LINE` and waits until it says where the page is.
    fn of(world: &World, line: &str) -> Self {
        let mut child = world.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = said.next().expect("it says where the page is").unwrap();
            if let Some((_, rest)) = line.split_once("://") {
                break rest.trim_end_matches('/').to_string();
            }
        };
        std::thread::spawn(move || said.for_each(drop));
        Self { child, address }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| *name != "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_string(), body: body.to_string() }
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "")
    }

    fn log_in(&self, name: &str, secret: &str) -> Answer {
        let body = json!({"name": name, "secret": secret}).to_string();
        self.ask("POST", "/api/v1/login", &[("Content-Type", "application/json")], &body)
    }

    fn metrics(&self) -> Exposition {
        let answer = self.get("/metrics", &[]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        Exposition::read(&answer.body)
    }

    /// Metrics, as soon as they are so.
    #[track_caller]
    fn metrics_until(&self, is: impl Fn(&Exposition) -> bool) -> Exposition {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let read = self.metrics();
            if is(&read) {
                return read;
            }
            assert!(Instant::now() < end, "it did not come: {read:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as a system does; how long it took.
    fn end(mut self) -> Duration {
        let began = Instant::now();
        let kill = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        began.elapsed()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configured(text: &str) -> World {
    let world = World::founded(|library| std::fs::write(library.join("a.CR3"), vec![7u8; 300_000]).unwrap());
    let path = world.path("darkslide.toml");
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{old}\n{text}")).unwrap();
    world
}

const SERVE: &str = "[serve]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn the_daemon_serves_metrics_of_what_it_does() {
    let often = "[[job]]\nname = \"often\"\nkind = \"backup\"\nschedule = \"every second\"\n";
    let world = configured(&format!("{often}{SERVE}"));
    let page = Page::of(&world, "daemon");
    let job = [("job", "often"), ("kind", "backup")];
    let success = "darkslide_job_last_success_timestamp_seconds";
    let read =
        page.metrics_until(|read| read.find(success, &job).is_some() && read.find("darkslide_safe", &[]).is_some());
    let now = read.value("darkslide_now_timestamp_seconds", &[]);
    assert!((now - read.value(success, &job)).abs() < 120.0);
    assert_eq!(read.value("darkslide_job_refused", &job), 0.0);
    assert!(read.value("darkslide_job_next_timestamp_seconds", &job) > now - 120.0);
    assert_eq!(read.value("darkslide_month_cost_usd", &[]), 0.0);
    assert_eq!(read.value("darkslide_rule", &[("part", "copies")]), 3.0);
    // Once it was counted after a backup: two copies, the library's and the store's, are too few.
    let read = page.metrics_until(|read| read.find("darkslide_files", &[]) == Some(1.0));
    assert_eq!(read.value("darkslide_safe", &[]), 0.0);
    assert_eq!(read.value("darkslide_rule_lacking_files", &[("part", "copies")]), 1.0);
    assert_eq!(read.value("darkslide_bytes", &[]), 300_000.0);
    let success = read.value(success, &job);
    let later = page.metrics_until(|read| read.value("darkslide_job_last_success_timestamp_seconds", &job) > success);
    assert_eq!(later.value("darkslide_job_last_outcome", &[("job", "often"), ("outcome", "complete")]), 1.0);
    assert!(page.end() < Duration::from_secs(15));
}

#[test]
fn metrics_are_for_this_machine_or_for_whoever_has_the_token() {
    let world = configured(SERVE);
    let page = Page::of(&world, "serve");
    assert_eq!(page.get("/metrics", &[]).status, 200);
    for (name, value) in [("X-Forwarded-For", "10.1.1.1"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(page.get("/metrics", &[(name, value)]).status, 401, "{name}");
    }
    assert_eq!(page.get("/metrics", &[("Host", "rebound.example")]).status, 421, "no foreign name");
    assert!(page.end() < Duration::from_secs(10));

    std::fs::write(world.path("metrics.token"), "s3cret-of-metrics\n").unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(world.path("metrics.token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = world.path("darkslide.toml");
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{old}metrics_token = {{ file = \"metrics.token\" }}\n")).unwrap();
    let page = Page::of(&world, "serve");
    assert_eq!(page.get("/metrics", &[]).status, 401);
    assert_eq!(page.get("/metrics", &[("Authorization", "Bearer wrong")]).status, 401);
    let shown = [("Authorization", "Bearer s3cret-of-metrics"), ("X-Forwarded-For", "10.1.1.1")];
    assert_eq!(page.get("/metrics", &shown).status, 200);
}

#[test]
fn a_first_token_lies_in_a_file_and_logs_in() {
    let world = configured(SERVE);
    let page = Page::of(&world, "serve");
    let path = world.path("darkslide-state/serve-token");
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap();
    assert_eq!(page.get("/api/v1/login", &[]).status, 401);
    let answer = page.log_in("", token.trim());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let cookie = answer.header("set-cookie").unwrap().to_string();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let who = page.get("/api/v1/login", &[("Cookie", cookie)]);
    assert_eq!((who.status, &who.json()["role"]), (200, &json!("operator")));
    let csrf = answer.json()["csrf"].as_str().unwrap().to_string();
    // A cookie alone changes nothing, nor does a foreign page.
    assert_eq!(page.ask("DELETE", "/api/v1/login", &[("Cookie", cookie)], "").status, 403);
    let foreign = [("Cookie", cookie), ("X-Darkslide-Csrf", csrf.as_str()), ("Origin", "https://evil.example")];
    assert_eq!(page.ask("DELETE", "/api/v1/login", &foreign, "").status, 403);
    let own = [("Cookie", cookie), ("X-Darkslide-Csrf", csrf.as_str())];
    assert_eq!(page.ask("DELETE", "/api/v1/login", &own, "").status, 204);
    assert_eq!(page.get("/api/v1/login", &[("Cookie", cookie)]).status, 401);
    let policy = who.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn passwords_are_hashed_and_whoever_guesses_waits() {
    let world = configured(SERVE);
    std::fs::write(world.path("password"), "correct horse battery\n").unwrap();
    world.run("serve password anna --role reader --password-file password").exits(0);
    let token = world.run("serve token prometheus --role reader").exits(0).out;
    let page = Page::of(&world, "serve");
    assert!(!world.path("darkslide-state/serve-token").exists(), "somebody can log in already");
    assert_eq!(page.log_in("anna", "correct horse battery").json()["role"], "reader");
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(page.get("/api/v1/login", &[("Authorization", &bearer)]).json()["name"], "prometheus");
    let answers: Vec<u16> = (0..6).map(|_| page.log_in("anna", "a guess of mine").status).collect();
    assert_eq!(answers, [401, 401, 401, 401, 401, 429], "the sixth waits");
    let kept = std::fs::read_to_string(world.path("darkslide-state/serve-logins.json")).unwrap();
    assert!(kept.contains("$argon2id$") && !kept.contains("correct horse") && !kept.contains(token.trim()));
    world.run("serve logins").exits(0).says("anna: reader, by password").says("prometheus: reader, by token");
    world.run("serve remove anna").exits(0);
    assert_eq!(world.run("serve logins --json").exits(0).json().len(), 1);
}

#[test]
fn tls_by_ones_own_certificate() {
    crate::harness::needs(&["openssl", "curl"]);
    let world = configured("[serve]\nlisten = \"127.0.0.1:0\"\ncertificate = \"page.pem\"\nkey = \"page.key\"\n");
    let made = world
        .program("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "page.key"])
        .args(["-out", "page.pem"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let page = Page::of(&world, "serve");
    let port = page.address.rsplit(':').next().unwrap().to_string();
    let curl = |what: &str, more: &[&str]| {
        let url = format!("{what}://localhost:{port}/api/v1/login");
        world.program("curl").args(["-sS", "-i", "--cacert", "page.pem", &url]).args(more).output().unwrap()
    };
    let token = std::fs::read_to_string(world.path("darkslide-state/serve-token")).unwrap();
    let login = json!({"secret": token.trim()}).to_string();
    let told = curl("https", &["-H", "content-type: application/json", "-d", &login]);
    let told = String::from_utf8_lossy(&told.stdout).to_lowercase();
    assert!(told.starts_with("http/1.1 200"), "{told}");
    assert!(told.contains("set-cookie: __host-darkslide=") && told.contains("; secure"), "{told}");
    assert!(told.contains("strict-transport-security"), "{told}");
    assert!(!curl("http", &[]).status.success(), "nothing is said in the clear");
}
