//! Mail, against aiosmtpd: plain, STARTTLS, TLS, with and without a login.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use darkslide_notify::{Channel, Details, Email, Encryption, Kind, Patience, Way};
use serde_json::Value;

use crate::room::{PATIENCE, channel, message, secret, send};
use crate::server::{Act, Server, tls};

/// A Python that has aiosmtpd: the one that the test command names (then it must be there), or the one
/// that it made earlier.
fn python() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/smtp/bin/python");
    let named = std::env::var_os("SMTP_SINK_PYTHON").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "SMTP_SINK_PYTHON names {}, which is not there", named.display());
    }
    let found = named.or(Some(beside)).filter(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no server that takes mail; `ci.sh` makes one, or set SMTP_SINK_PYTHON");
    }
    found
}

struct Sink {
    port: u16,
    out: BufReader<ChildStdout>,
    child: Child,
}

impl Sink {
    fn new(python: &Path, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_sink.py");
        let mut command = Command::new(python);
        command.arg(script).args(arguments);
        if arguments[0] != "plain" {
            command.arg("--cert").arg(tls("server.pem")).arg("--key").arg(tls("server.key"));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut sink = Self { port: 0, out, child };
        sink.port = sink.line()["port"].as_u64().unwrap().try_into().unwrap();
        sink
    }

    /// The next thing that it saw.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mailbox(port: u16, encryption: Encryption) -> Email {
    Email {
        host: "localhost".into(),
        port: Some(port),
        encryption,
        login: None,
        from: "Darkslide <darkslide@nas.example>".into(),
        to: vec!["me@example.org".into(), "You <you@example.org>".into()],
        ca: (encryption != Encryption::None).then(|| tls("ca.pem")),
    }
}

/// Unfolds headers and decodes quoted-printable far enough to look for words.
fn plain(mail: &Value) -> String {
    let text = mail["mail"].as_str().unwrap();
    text.replace("\r\n ", " ").replace("=\r\n", "").replace("\r\n", "\n")
}

#[test]
fn a_mail_arrives_whole() {
    let Some(python) = python() else { return };
    let mut sink = Sink::new(&python, &["plain"]);
    let channel = channel(Way::Email(mailbox(sink.port, Encryption::None)));
    assert_eq!(send(&channel, &message(Kind::Failure)).why, None);
    let got = sink.line();
    assert_eq!(got["sender"], "darkslide@nas.example");
    assert_eq!(got["receivers"], serde_json::json!(["me@example.org", "you@example.org"]));
    let mail = plain(&got);
    for part in [
        "From: Darkslide <darkslide@nas.example>",
        "Date: Mon, 21 Sep 2026 14:13:20 +0000",
        "Auto-Submitted: auto-generated",
        "X-Darkslide-Event: failure",
        "darkslide logs",
        "Darkslide on nas",
    ] {
        assert!(mail.contains(part), "{part} is not in {mail}");
    }
    assert!(mail.contains("Message-ID: <") && mail.contains("@nas.example>"), "{mail}");
    assert!(mail.contains("Subject: backup of =?utf-8?b?"), "the subject has a letter beyond ASCII: {mail}");
    assert!(!mail.contains("IMG_1"));
    let asked = Channel { details: Details::Shown, ..channel };
    assert_eq!(send(&asked, &message(Kind::Failure)).why, None);
    assert!(plain(&sink.line()).contains("IMG_1.CR3: permission denied"));
}

#[test]
fn starttls_and_tls_with_a_login() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (word, encryption) in [("starttls", Encryption::StartTls), ("tls", Encryption::Tls)] {
        let mut sink = Sink::new(&python, &[word, "--user", "me", "--password", "open sesame"]);
        let login = Some(("me".into(), secret(folder.path(), "good", "open sesame\n")));
        let way = Email { login, ..mailbox(sink.port, encryption) };
        assert_eq!(send(&channel(Way::Email(way)), &message(Kind::Failure)).why, None, "{word}");
        assert_eq!(sink.line()["good"], true);
        let got = sink.line();
        assert_eq!((&got["tls"], &got["login"]), (&true.into(), &true.into()), "{word}");
        // A wrong password is said once, and not tried three times: servers lock people out.
        let login = Some(("me".into(), secret(folder.path(), "bad", "open barley")));
        let way = Email { login, ..mailbox(sink.port, encryption) };
        let done = send(&channel(Way::Email(way)), &message(Kind::Failure));
        let why = done.why.unwrap();
        assert!(done.attempts == 1 && why.contains("535"), "{why}");
        assert!(!why.contains("barley"), "{why}");
    }
}

#[test]
fn a_certificate_of_nobody_is_refused_before_the_password_goes() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (word, encryption) in [("starttls", Encryption::StartTls), ("tls", Encryption::Tls)] {
        let sink = Sink::new(&python, &[word, "--user", "me", "--password", "open sesame"]);
        let login = Some(("me".into(), secret(folder.path(), "good", "open sesame")));
        let way = Email { login, ca: None, ..mailbox(sink.port, encryption) };
        let done = send(&channel(Way::Email(way)), &message(Kind::Failure));
        let why = done.why.unwrap();
        assert!(why.contains("certificate") && why.contains("`ca`"), "{word}: {why}");
        assert_eq!(done.attempts, 1);
    }
}

#[test]
fn a_server_without_starttls_gets_nothing() {
    let Some(python) = python() else { return };
    let sink = Sink::new(&python, &["plain"]);
    let done = send(&channel(Way::Email(mailbox(sink.port, Encryption::StartTls))), &message(Kind::Failure));
    let why = done.why.unwrap();
    assert!(why.to_lowercase().contains("starttls"), "{why}");
}

#[test]
fn a_server_that_is_busy_is_tried_again() {
    let Some(python) = python() else { return };
    let mut sink = Sink::new(&python, &["plain", "--fail", "2"]);
    let done = send(&channel(Way::Email(mailbox(sink.port, Encryption::None))), &message(Kind::Failure));
    assert_eq!((done.why.as_deref(), done.attempts), (None, 3));
    assert_eq!((sink.line()["refused"].clone(), sink.line()["refused"].clone()), (true.into(), true.into()));
    assert_eq!(sink.line()["sender"], "darkslide@nas.example");
}

#[test]
fn a_server_that_hangs_or_is_none_ends_in_time() {
    let patience = Patience { attempt: Duration::from_millis(500), attempts_max: 2, ..PATIENCE };
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hangs.local_addr().unwrap().port();
    let way = |port| Email { host: "127.0.0.1".into(), ..mailbox(port, Encryption::None) };
    let done = send(&Channel { patience, ..channel(Way::Email(way(port))) }, &message(Kind::Failure));
    assert_eq!(done.attempts, 2);
    let why = done.why.unwrap();
    assert!(why.contains("time") || why.contains("within"), "{why}");
    drop(hangs);
    let done = send(&channel(Way::Email(way(port))), &message(Kind::Failure));
    assert!(!done.is_delivered() && done.attempts == 3);
    let web = Server::new([Act::Garbage]);
    let port = web.url.rsplit(':').next().unwrap().parse().unwrap();
    assert!(!send(&Channel { patience, ..channel(Way::Email(way(port))) }, &message(Kind::Failure)).is_delivered());
}

#[test]
fn mistakes_are_said_before_anything_is_sent() {
    let good = mailbox(25, Encryption::None);
    assert_eq!(good.problem(), None);
    for (bad, words) in [
        (Email { host: "smtp://x".into(), ..good.clone() }, "no name of a server"),
        (Email { to: vec!["me".into()], ..good.clone() }, "no address"),
        (Email { to: Vec::new(), ..good.clone() }, "nobody"),
        (
            Email {
                host: "mail.example".into(),
                login: Some(("me".into(), darkslide_notify::SecretRef::Env("X".into()))),
                ..good.clone()
            },
            "unsealed",
        ),
    ] {
        let done = send(&channel(Way::Email(bad)), &message(Kind::Failure));
        assert!(done.attempts == 1 && done.why.as_ref().unwrap().contains(words), "{:?}", done.why);
    }
}
