//! Channels and hooks as people write them, and as they should not.

use std::fs;
use std::path::Path;

use darkslide_notify::{Details, HookPoint, Kind, MaybeSecret, SecretRef, Way, Weight};

use crate::{EngineError, Settings};

const BASE: &str = "state = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n\
    [[backup]]\nname = \"nas\"\nlibrary = \"l\"\n";
/// The line after `BASE`.
const NEXT: usize = 10;

fn load(text: &str) -> Result<Settings, EngineError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("darkslide.toml");
    fs::write(&path, format!("{BASE}{text}")).unwrap();
    Settings::load(&path)
}

fn refused(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

const ALL: &str = r#"
[[notify]]
name = "home"
kind = "webhook"
url = { file = "hook.url" }
sign = { env = "HOOK_KEY" }
headers = { X-House = "mine", Authorization = { keyring = "home/me" } }
on = "failure"
jobs = "nas"
repeat = "3d"
details = true

[[notify]]
name = "phone"
kind = "ntfy"
topic = { file = "/etc/topic" }
priority = 5
tags = ["camera"]
token = { file = "token" }
on = ["failure", "no_backup", "thaw_ready", "card-safe", "cut_off"]

[[notify]]
name = "mail"
kind = "email"
host = "mail.example.org"
user = "me"
password = { file = "pw" }
from = "Darkslide <nas@example.org>"
to = "me@example.org"
ca = "ca.pem"

[[notify]]
name = "aws"
kind = "sns"
topic_arn = "arn:aws:sns:eu-central-1:123456789012:photos"

[[notify]]
name = "say"
kind = "command"
command = ["espeak", "-s", "120"]
attempts = 1
timeout = "10s"

[[notify]]
name = "watch"
kind = "ping"
url = "https://hc.example/ping/0123"
start = false

[[hook]]
name = "mount"
on = ["before"]
command = ["/usr/local/bin/mount-nas"]
required = true
timeout = "2 min"

[[hook]]
name = "lights"
on = ["after", "failure", "no-backup-for"]
jobs = ["nas", "cards"]
command = ["lights"]
env = { TOKEN = { file = "lights.token" } }
"#;

#[test]
fn every_kind_is_read_with_paths_beside_the_file() {
    let settings = load(ALL).unwrap();
    let folder = settings.path.parent().unwrap();
    let channels: Vec<_> = settings.notify.iter().map(|one| one.channel(&settings)).collect();
    let ways: Vec<_> = channels.iter().map(|channel| channel.way.word()).collect();
    assert_eq!(ways, ["webhook", "ntfy", "email", "sns", "command", "ping"]);
    let home = &channels[0];
    assert_eq!((home.details, home.repeat.as_secs()), (Details::Shown, 3 * 86_400));
    assert!(home.on.iter().eq(&[Kind::Failure]) && home.jobs.contains("nas"));
    let Way::Webhook(hook) = &home.way else { panic!("{home:?}") };
    assert_eq!(hook.url, MaybeSecret::Ref(SecretRef::File(folder.join("hook.url"))));
    assert_eq!(hook.sign, Some(SecretRef::Env("HOOK_KEY".into())));
    assert_eq!(hook.headers["X-House"], MaybeSecret::from("mine"));
    let Way::Ntfy(phone) = &channels[1].way else { panic!() };
    assert_eq!(phone.topic, MaybeSecret::Ref(SecretRef::File("/etc/topic".into())));
    assert!(channels[1].on.contains(&Kind::NoBackupFor) && channels[1].on.contains(&Kind::CutOff));
    let Way::Email(mail) = &channels[2].way else { panic!() };
    assert_eq!(mail.login, Some(("me".into(), SecretRef::File(folder.join("pw")))));
    assert_eq!((mail.to.len(), mail.ca.as_deref()), (1, Some(&*folder.join("ca.pem"))));
    assert_eq!(channels[4].patience.attempts_max, 1);
    let hooks: Vec<_> = settings.hooks.iter().map(|one| one.hook(&settings)).collect();
    assert_eq!((hooks[0].weight, hooks[0].limit.as_secs()), (Weight::Required, 120));
    assert!(hooks[1].on.contains(&HookPoint::On(Kind::NoBackupFor)) && hooks[1].on.contains(&HookPoint::After));
    // What is shown of it, and read again, is the same but for what must not be shown.
    let shown = settings.shown().unwrap();
    assert!(!shown.contains("0123") && !shown.contains("\"mine\""), "{shown}");
    assert!(shown.contains("hook.url") && shown.contains("home/me"));
    let again: Settings = toml::from_str(&shown).unwrap();
    assert_eq!((again.notify.len(), &again.notify[1], &again.hooks), (6, &settings.notify[1], &settings.hooks));
}

#[test]
fn mistakes_are_told_with_line_and_hint() {
    let phone = "[[notify]]\nname = \"phone\"\nkind = \"ntfy\"\ntopic = \"t\"\n";
    let hook = "[[hook]]\nname = \"h\"\non = \"before\"\ncommand = [\"x\"]\n";
    let cases = [
        (phone.replace("topic", "topik"), NEXT + 3, "unknown field `topik`"),
        (phone.replace("ntfy", "nfty"), NEXT + 2, "unknown variant `nfty`"),
        (phone.replace("topic = \"t\"\n", ""), NEXT, "ntfy needs `topic`"),
        (format!("{phone}url = \"https://x/y\"\n"), NEXT, "`url` is no key of ntfy, which has: topic, server"),
        (format!("{phone}on = [\"failur\"]\n"), NEXT + 4, "unknown variant `failur`"),
        (format!("{phone}on = \"test\"\n"), NEXT, "darkslide notify test"),
        (format!("{phone}jobs = [\"nsa\"]\n"), NEXT, "there is no job `nsa`; did you mean `nas`?"),
        (format!("{phone}priority = 6\n"), NEXT, "from 1 (quiet) to 5 (loud)"),
        (format!("{phone}repeat = \"often\"\n"), NEXT + 4, "no span of time"),
        (format!("{phone}timeout = \"1h\"\n"), NEXT, "5 min at most"),
        (format!("{phone}attempts = 0\n"), NEXT, "from 1 to 10"),
        (format!("{phone}user = \"me\"\n"), NEXT, "go together"),
        (format!("{phone}token = {{ file = \"a\" }}\nuser = \"b\"\npassword = {{ env = \"C\" }}\n"), NEXT, "not both"),
        (format!("{phone}token = {{ keyring = \"alone\" }}\n"), NEXT, "service/user"),
        (format!("{phone}{phone}"), NEXT + 4, "another one has this name"),
        (phone.replace("\"phone\"", "\"my phone\""), NEXT, "spaces"),
        (
            "[[notify]]\nname = \"p\"\nkind = \"ping\"\nurl = \"https://x\"\non = \"failure\"\n".into(),
            NEXT,
            "no key of a ping",
        ),
        ("[[notify]]\nname = \"a\"\nkind = \"sns\"\ntopic_arn = \"photos\"\n".into(), NEXT, "set `region`"),
        (
            "[[notify]]\nname = \"c\"\nkind = \"command\"\ncommand = [\"espeak -s 120\"]\n".into(),
            NEXT,
            "a list of program",
        ),
        (
            "[[notify]]\nname = \"m\"\nkind = \"email\"\nhost = \"h\"\nfrom = \"me\"\nto = \"you@x.org\"\n".into(),
            NEXT,
            "no address",
        ),
        (hook.replace("before", "befor"), NEXT + 2, "before, after, or one of failure"),
        (hook.replace("\"before\"", "[]"), NEXT, "`on` is empty"),
        (hook.replace("\"before\"", "\"after\"") + "required = true\n", NEXT, "add `before`"),
        (hook.replace("[\"x\"]", "[]"), NEXT, "command is empty"),
        (hook.replace("[\"x\"]", "\"x\""), NEXT + 3, "invalid type"),
        (hook.to_string() + "timeout = \"0s\"\n", NEXT, "killed at once"),
        (hook.to_string() + "jobs = \"zebra\"\n", NEXT, "there is no job `zebra`"),
        (format!("{hook}{hook}"), NEXT + 4, "another one has this name"),
    ];
    for (text, line, words) in cases {
        let error = refused(&text);
        assert!(error.contains(words), "`{words}` is not in: {error}\n{text}");
        assert!(error.contains(&format!("line {line}")), "line {line} is not in: {error}\n{text}");
    }
}

#[test]
fn no_error_and_nothing_shown_has_a_secret_that_stands_in_the_file() {
    const SECRET: &str = "hunter2-hunter2";
    for text in [
        "[[notify]]\nname = \"phone\"\nkind = \"ntfy\"\ntopic = \"t\"\ntoken = \"SECRET\"\n",
        "[[notify]]\nname = \"phone\"\nkind = \"ntfy\"\ntopic = \"t\"\ntokn = \"SECRET\"\n",
        "[[notify]]\nname = \"phone\"\nkind = \"ntfy\"\ntopic = \"t\"\ntoken = { fil = \"SECRET\" }\n",
        "[[notify]]\nname = \"m\"\nkind = \"email\"\nhost = \"h\"\nfrom = \"a@b.c\"\nto = \"a@b.c\"\nuser = \"u\"\npassword = \"SECRET\"\n",
        "[[notify]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"https://x/SECRET\"\nurll = \"https://x/SECRET\"\n",
        "[[notify]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"https://x/SECRET\" \"\n",
        "[[notify]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"https://x\"\n[notify.headers]\nX = [\"SECRET\"]\n",
        "[[notify]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"https://x\"\nsign = \"SECRET\"\n",
        "[[hook]]\nname = \"h\"\non = \"after\"\ncommand = [\"x\"]\nenv = { A = [\"SECRET\"] }\n",
    ] {
        let error = refused(&text.replace("SECRET", SECRET));
        assert!(error.contains("line "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let number = refused("[[notify]]\nname = \"phone\"\nkind = \"ntfy\"\ntopic = \"t\"\ntoken = 8675309\n");
    assert!(!number.contains("8675309") && number.contains("mode 0600"), "{number}");
    // Elsewhere the line is shown as before.
    assert!(refused("[budget]\nper_rnu = \"5.00\"\n").contains("per_rnu = \"5.00\""));
}

#[test]
fn paths_of_a_file_at_the_root_stay_whole() {
    let mut settings = load(ALL).unwrap();
    settings.path = "/darkslide.toml".into();
    let Way::Webhook(hook) = settings.notify[0].channel(&settings).way else { panic!() };
    assert_eq!(hook.url, MaybeSecret::Ref(SecretRef::File(Path::new("/hook.url").into())));
}
