//! Where secrets may lie, and that they are seen nowhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use darkslide_notify::{
    Begins, Channel, Email, Encryption, Hook, HookPoint, Kind, MaybeSecret, Ntfy, Patience, Ping, Program, SecretError,
    SecretRef, Signal, Surroundings, Way, Webhook, Weight,
};
use darkslide_words::SystemClock;
use serde::Deserialize;

use crate::room::{PATIENCE, channel, file, message, secret, send, signal};
use crate::server::{Act, Server};

fn text(secret: &SecretRef) -> Result<String, SecretError> {
    use secrecy::ExposeSecret as _;
    secret.read().map(|text| text.expose_secret().to_string())
}

#[test]
fn a_file_is_read_if_its_user_alone_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(text(&secret(folder.path(), "a", "open sesame\r\n")).unwrap(), "open sesame");
    assert_eq!(text(&SecretRef::File(file(folder.path(), "b", " kept ", 0o400))).unwrap(), " kept ");
    for mode in [0o640, 0o604, 0o660, 0o644, 0o620] {
        let path = file(folder.path(), "c", "open sesame", mode);
        let error = text(&SecretRef::File(path.clone())).unwrap_err();
        assert_eq!(error, SecretError::Exposed { path: path.clone() }, "{mode:o}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())));
    }
    let empty = text(&secret(folder.path(), "d", "\n")).unwrap_err();
    assert!(matches!(empty, SecretError::Empty { .. }));
    let path = folder.path().join("e");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(text(&SecretRef::File(path)).unwrap_err(), SecretError::NotText { .. }));
    let huge = secret(folder.path(), "f", &"x".repeat(70_000));
    assert!(matches!(text(&huge).unwrap_err(), SecretError::NotText { .. }));
    assert!(matches!(text(&SecretRef::File("/no/such".into())).unwrap_err(), SecretError::File { .. }));
    assert!(text(&SecretRef::File(folder.path().into())).unwrap_err().to_string().contains("no file"));
    // A pipe would be waited for, for ever.
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(text(&SecretRef::File(pipe)).unwrap_err().to_string().contains("no file"));
}

#[test]
fn the_environment_gives_one_too() {
    assert_eq!(text(&SecretRef::Env("CARGO_PKG_NAME".into())).unwrap(), "darkslide-notify");
    let error = text(&SecretRef::Env("DARKSLIDE_NO_SUCH".into())).unwrap_err();
    assert!(error.to_string().contains("DARKSLIDE_NO_SUCH"));
}

/// This test once more with another PATH, in which a program stands for the keyring.
fn with_keyring(folder: &Path, script: Option<&str>, expected: &str) {
    if let Some(script) = script {
        file(folder, "secret-tool", &format!("#!/bin/sh\n{script}\n"), 0o700);
    }
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let path = if script.is_some() { path } else { folder.display().to_string() };
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "secrets::the_keyring_of_the_system_gives_one_too", "--nocapture"])
        .env("PATH", path)
        .env("DARKSLIDE_TEST_KEYRING", expected)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{out}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_keyring_of_the_system_gives_one_too() {
    let Ok(expected) = std::env::var("DARKSLIDE_TEST_KEYRING") else {
        let folder = tempfile::tempdir().unwrap();
        let good = "[ \"$*\" = 'lookup service mail.example username me@example.org' ] && printf 'open sesame'";
        with_keyring(folder.path(), Some(good), "open sesame");
        with_keyring(folder.path(), Some("echo open-barley; echo open-barley >&2; exit 1"), "no such entry");
        let bare = tempfile::tempdir().unwrap();
        with_keyring(bare.path(), None, "libsecret-tools");
        return;
    };
    let keyring = SecretRef::Keyring { service: "mail.example".into(), user: "me@example.org".into() };
    match text(&keyring) {
        Ok(found) => assert_eq!(found, expected),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains(&expected) && !error.contains("barley"), "{error}");
            assert!(error.contains("file ="), "what else one can do is said: {error}");
        }
    }
}

#[derive(Debug, Deserialize)]
struct Settings {
    token: SecretRef,
    url: MaybeSecret,
}

#[test]
fn settings_hold_references_and_forget_what_is_none() {
    let read = |token: &str| toml::from_str::<Settings>(&format!("token = {token}\nurl = \"https://x/hush-hush\""));
    let found = |token: &str| read(token).unwrap().token;
    assert_eq!(found("{ file = \"a/b\" }").under(Path::new("/etc")), SecretRef::File("/etc/a/b".into()));
    assert_eq!(found("{ file = \"/a/b\" }").under(Path::new("/etc")), SecretRef::File("/a/b".into()));
    assert_eq!(found("{ env = \"X\" }"), SecretRef::Env("X".into()));
    let keyring = SecretRef::Keyring { service: "imap/mail".into(), user: "me".into() };
    assert_eq!(found("{ keyring = \"imap/mail/me\" }"), keyring);
    for odd in ["{ file = \"a\", env = \"b\" }", "{}", "{ fil = \"a\" }", "7"] {
        let error = read(odd).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{odd}: {error}");
    }
    for empty in ["{ keyring = \"only\" }", "{ env = \"\" }", "{ file = \"\" }"] {
        assert!(found(empty).problem().unwrap().contains("names nothing"), "{empty}");
    }
    // The secret itself: forgotten, and said by whoever checks the settings.
    let inline = read("\"open sesame\"").unwrap();
    assert!(inline.token.problem().unwrap().contains("must not stand in the configuration"));
    assert!(!format!("{inline:?}").contains("sesame") && !format!("{inline:?}").contains("hush"));
    assert!(text(&inline.token).is_err());
    let shown = serde_json::to_string(&(inline.token, inline.url)).unwrap();
    assert!(!shown.contains("sesame") && !shown.contains("hush"), "{shown}");
    let shown = serde_json::to_string(&keyring).unwrap();
    assert_eq!(shown, r#"{"keyring":"imap/mail/me"}"#);
}

/// Words that are secret; each is long enough to be searched for.
const SECRETS: &[&str] =
    &["tok-en/Ω\"quote", "passw0rd+sp ace", "signing-key-1", "T0123456/B0123456/hookhookhook", "env-value-xyz"];

/// A server's answer that repeats what it was sent, these secrets in several forms first.
fn echo(status: u16, known: &[usize]) -> Act {
    use base64::Engine as _;
    let forms = known.iter().map(|n| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(SECRETS[*n]);
        format!("{} {encoded} {}", SECRETS[*n], serde_json::to_string(SECRETS[*n]).unwrap())
    });
    Act::Echo(status, forms.collect::<Vec<_>>().join(" "))
}

fn place(folder: &Path, n: usize) -> SecretRef {
    secret(folder, &format!("secret-{n}"), SECRETS[n])
}

/// Every kind of channel with a secret in each of its settings, each towards a server that repeats it.
fn channels(folder: &Path, status: u16) -> Vec<(Server, Channel)> {
    let server = |known: &[usize]| Server::new((0..9).map(|_| echo(status, known)));
    let url = |server: &Server, n: usize| -> MaybeSecret {
        secret(folder, &format!("url-{n}"), &format!("{}/services/{}?key=passw0rd%2Bsp%20ace", server.url, SECRETS[3]))
            .into()
    };
    let mut out = Vec::new();
    let at = server(&[1, 2, 3]);
    let mut way = Webhook { url: url(&at, 0), headers: Default::default(), sign: Some(place(folder, 2)), ca: None };
    way.headers.insert("x-token".into(), place(folder, 1).into());
    out.push((at, channel(Way::Webhook(way))));
    let at = server(&[3]);
    let way = Webhook {
        url: MaybeSecret::Plain(format!("{}/services/{}", at.url, SECRETS[3])),
        headers: Default::default(),
        sign: None,
        ca: None,
    };
    out.push((at, channel(Way::Webhook(way))));
    let at = server(&[0, 1, 3]);
    let way = Ntfy {
        server: Some(url(&at, 1)),
        topic: place(folder, 0).into(),
        priority: None,
        tags: Vec::new(),
        token: None,
        login: Some(("me".into(), place(folder, 1))),
        ca: None,
    };
    out.push((at, channel(Way::Ntfy(way))));
    let at = server(&[1, 3]);
    let way = Ping { url: url(&at, 2), start: Begins::Told, ca: None };
    out.push((at, channel(Way::Ping(way))));
    let argv = vec![file(folder, "leaky", "#!/bin/sh\necho \"$TOKEN\" >&2; exit 1\n", 0o700).display().to_string()];
    let env = [("TOKEN".to_string(), place(folder, 4).into())].into();
    out.push((server(&[]), channel(Way::Command(Program { argv, env }))));
    let at = server(&[]);
    let way = Email {
        host: "localhost".into(),
        port: at.url.rsplit(':').next().unwrap().parse().ok(),
        encryption: Encryption::None,
        login: Some(("me".into(), place(folder, 1))),
        from: "a@example.org".into(),
        to: vec!["b@example.org".into()],
        ca: None,
    };
    // It waits for a greeting, and this server for a request.
    let patience = Patience { attempt: Duration::from_millis(200), attempts_max: 2, ..PATIENCE };
    out.push((at, Channel { patience, ..channel(Way::Email(way)) }));
    out
}

fn assert_hidden(shown: &str, what: &str) {
    use base64::Engine as _;
    for secret in SECRETS.iter().copied().chain(["hookhookhook", "B0123456", "sp%20ace"]) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        let quoted = serde_json::to_string(secret).unwrap();
        for form in [secret, encoded.as_str(), quoted.trim_matches('"')] {
            assert!(!shown.contains(form), "{what}: `{form}` is seen in {shown}");
        }
    }
}

#[test]
fn no_outcome_no_debug_and_no_json_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    for status in [200, 400, 401, 500] {
        for (server, channel) in channels(folder.path(), status) {
            let told = message(Kind::Failure);
            let done = match channel.way {
                Way::Ping(_) => signal(&channel, Signal::Fail, &told),
                _ => send(&channel, &told),
            };
            assert!(status == 200 || !done.is_delivered(), "{done:?}");
            let what = format!("{} at {status}", channel.way.word());
            assert_hidden(&format!("{done:?} {done} {}", serde_json::to_string(&done).unwrap()), &what);
            assert_hidden(&format!("{channel:?}"), &what);
            drop(server);
        }
    }
    // The same where nobody is there, and where the secret itself is none that can be used.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = secret(folder.path(), "gone", &format!("http://{free}/services/{}", SECRETS[3]));
    let mut way = Webhook { url: url.into(), headers: Default::default(), sign: None, ca: None };
    assert_hidden(&format!("{:?}", send(&channel(Way::Webhook(way.clone())), &message(Kind::Test))), "gone");
    way.headers.insert("x-token".into(), secret(folder.path(), "broken", "signing-key-1\nx: y").into());
    let done = send(&channel(Way::Webhook(way.clone())), &message(Kind::Test));
    assert!(done.why.as_ref().unwrap().contains("line break"));
    assert_hidden(&format!("{done:?}"), "broken header");
    way.url = secret(folder.path(), "bad", &format!("http://[{}", SECRETS[3])).into();
    assert_hidden(&format!("{:?}", send(&channel(Way::Webhook(way)), &message(Kind::Test))), "no url");
}

#[test]
fn hooks_show_none_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = std::collections::BTreeMap::new();
    env.insert("TOKEN".to_string(), MaybeSecret::from(place(folder.path(), 4)));
    let command: PathBuf = file(folder.path(), "leaky", "#!/bin/sh\necho \"got $TOKEN\" >&2; exit 1\n", 0o700);
    let hook = Hook {
        name: "leaky".into(),
        on: [HookPoint::After].into(),
        jobs: Default::default(),
        command: vec![command.display().to_string()],
        env,
        limit: Duration::from_secs(10),
        weight: Weight::Required,
    };
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    let done = hook.run(HookPoint::After, None, &serde_json::json!({}), &around);
    assert_eq!(done.stderr, ["got …"]);
    assert_hidden(&format!("{done:?} {done} {} {hook:?}", serde_json::to_string(&done).unwrap()), "hook");
    let exposed = file(folder.path(), "open", SECRETS[4], 0o644);
    let hook = Hook { env: [("TOKEN".to_string(), SecretRef::File(exposed).into())].into(), ..hook };
    let done = hook.run(HookPoint::After, None, &serde_json::json!({}), &around);
    assert!(!done.is_good() && done.to_string().contains("chmod 600"));
    assert_hidden(&format!("{done:?}"), "exposed");
}
