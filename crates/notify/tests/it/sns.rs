//! Amazon SNS, against a server that writes down the request; a profile gives the credentials.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use darkslide_notify::{Kind, Sns, Way};

use crate::room::{channel, message, send};
use crate::server::{Act, Server};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:photos";
const GOOD: &str = r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult><ResponseMetadata><RequestId>2</RequestId></ResponseMetadata></PublishResponse>"#;

fn error(code: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>{code}</Code><Message>no such luck</Message></Error><RequestId>2</RequestId></ErrorResponse>"#
    )
}

/// This test program once more, with an environment in which AWS finds the credentials of the test
/// and nothing else: the environment of a running process must not change.
fn in_environment(folder: &Path, name: &str, endpoint: &str) {
    let file = folder.join("credentials");
    std::fs::write(&file, "[mail]\naws_access_key_id = AKIDTEST\naws_secret_access_key = hush-hush-hush\n").unwrap();
    let program = std::env::current_exe().unwrap();
    let done = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env("AWS_SHARED_CREDENTIALS_FILE", &file)
        .env("AWS_CONFIG_FILE", folder.join("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_ACCESS_KEY_ID")
        .env("DARKSLIDE_TEST_SNS", endpoint)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A Python that has moto: the one that the test command names (then it must be there), or the one of
/// the tests against other servers.
fn python() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/conformance/bin/python");
    let named = std::env::var_os("SNS_SERVER_PYTHON").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_file(), "SNS_SERVER_PYTHON names {}, which is not there", named.display());
    }
    let found = named.or(Some(beside)).filter(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no server of others that speaks SNS; `ci.sh` makes one, or set SNS_SERVER_PYTHON");
    }
    found
}

#[test]
fn a_server_of_others_hands_the_message_on() {
    const NAME: &str = "sns::a_server_of_others_hands_the_message_on";
    if let Ok(found) = std::env::var("DARKSLIDE_TEST_SNS") {
        let (endpoint, topic) = found.split_once(' ').unwrap();
        let way =
            Sns { topic: topic.into(), region: None, profile: Some("mail".into()), endpoint: Some(endpoint.into()) };
        assert_eq!(send(&channel(Way::Sns(way.clone())), &message(Kind::Failure)).why, None);
        let gone = Sns { topic: format!("{topic}-gone"), ..way };
        let why = send(&channel(Way::Sns(gone)), &message(Kind::Failure)).why.unwrap();
        assert!(why.contains("NotFound"), "{why}");
        return;
    }
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sns_server.py");
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = || -> serde_json::Value {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let at = line();
    let folder = tempfile::tempdir().unwrap();
    let found = format!("{} {}", at["endpoint"].as_str().unwrap(), at["topic"].as_str().unwrap());
    in_environment(folder.path(), NAME, &found);
    let got = line();
    assert_eq!((&got["TopicArn"], &got["Subject"]), (&at["topic"], &"backup of n?chtlich failed on nas".into()));
    assert!(got["Message"].as_str().unwrap().contains("`darkslide logs nächtlich --run 7`"), "{got}");
    assert_eq!(got["MessageAttributes"]["severity"]["Value"], "failure");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn topic(endpoint: &str, profile: Option<&str>) -> Sns {
    Sns { topic: TOPIC.into(), region: None, profile: profile.map(str::to_string), endpoint: Some(endpoint.into()) }
}

#[test]
fn a_message_is_published_and_throttling_is_tried_again() {
    let Some(endpoint) = std::env::var("DARKSLIDE_TEST_SNS").ok() else {
        let busy = Act::Answer(400, vec![("content-type", "text/xml".into())], error("Throttling"));
        let good = Act::Answer(200, vec![("content-type", "text/xml".into())], GOOD.into());
        let server = Server::new([busy, good]);
        let folder = tempfile::tempdir().unwrap();
        in_environment(folder.path(), "sns::a_message_is_published_and_throttling_is_tried_again", &server.url);
        let got = server.requests();
        assert_eq!(got.len(), 2);
        let body = String::from_utf8(got[1].body.clone()).unwrap();
        for part in [
            "Action=Publish",
            "TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Aphotos",
            "Subject=backup%20of%20n%3Fchtlich%20failed%20on%20nas",
            "Message=The%20job%20could%20not",
            "Value.StringValue=failure",
        ] {
            assert!(body.contains(part), "{part} is not in {body}");
        }
        let signed = &got[1].headers["authorization"];
        assert!(signed.contains("AKIDTEST") && signed.contains("/eu-central-1/sns/"), "{signed}");
        assert!(!body.contains("hush") && !body.contains("IMG_1"));
        return;
    };
    let done = send(&channel(Way::Sns(topic(&endpoint, Some("mail")))), &message(Kind::Failure));
    assert_eq!((done.why.as_deref(), done.attempts), (None, 2));
}

#[test]
fn a_refusal_and_absent_credentials_say_what_to_do() {
    let Some(endpoint) = std::env::var("DARKSLIDE_TEST_SNS").ok() else {
        let no = Act::Answer(403, vec![("content-type", "text/xml".into())], error("AuthorizationError"));
        let server = Server::new([no]);
        let folder = tempfile::tempdir().unwrap();
        in_environment(folder.path(), "sns::a_refusal_and_absent_credentials_say_what_to_do", &server.url);
        assert_eq!(server.requests().len(), 1);
        return;
    };
    let done = send(&channel(Way::Sns(topic(&endpoint, Some("mail")))), &message(Kind::Failure));
    let why = done.why.unwrap();
    assert!(done.attempts == 1 && why.contains("AuthorizationError") && why.contains("sns:Publish"), "{why}");
    assert!(!why.contains("hush"));
    let done = send(&channel(Way::Sns(topic(&endpoint, Some("nobody")))), &message(Kind::Failure));
    let why = done.why.unwrap();
    assert!(done.attempts == 1 && why.contains("credentials"), "{why}");
    let done = send(&channel(Way::Sns(Sns { topic: "photos".into(), ..topic(&endpoint, None) })), &message(Kind::Test));
    assert!(done.why.unwrap().contains("set `region`"));
}
