//! Hooks and programs as channels: what they get, how they end, and that they end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use darkslide_notify::{Channel, Ended, Hook, HookPoint, HookRun, Kind, Patience, Program, Surroundings, Way, Weight};
use darkslide_words::{Clock as _, SystemClock};
use serde_json::json;

use crate::room::{PATIENCE, channel, file, message, secret, send};

/// A script of the shell that is started by itself, as any program.
fn script(folder: &Path, body: &str) -> Vec<String> {
    let path = file(folder, &format!("script-{}", body.len()), &format!("#!/bin/sh\n{body}\n"), 0o700);
    vec![path.to_str().unwrap().to_string()]
}

fn hook(command: Vec<String>, limit: Duration) -> Hook {
    Hook {
        name: "lights".into(),
        on: [HookPoint::Before].into(),
        jobs: Default::default(),
        command,
        env: BTreeMap::new(),
        limit,
        weight: Weight::Optional,
    }
}

fn run(hook: &Hook) -> HookRun {
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    hook.run(HookPoint::Before, Some("nas"), &json!({"job": "nas", "n": 1}), &around)
}

fn is_alive(pid: &str) -> bool {
    // A zombie is dead.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_hook_gets_the_event_and_a_known_environment() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let command = script(folder.path(), &format!("cat > {out}; env >> {out}", out = out.display()));
    let mut hook = hook(command, Duration::from_secs(10));
    hook.env.insert("TOKEN".into(), secret(folder.path(), "token", "abracadabra").into());
    let done = run(&hook);
    assert!(done.is_good(), "{done:?}");
    let text = std::fs::read_to_string(out).unwrap();
    let (input, env) = text.split_once('}').unwrap();
    assert_eq!(format!("{input}}}"), r#"{"job":"nas","n":1}"#);
    let env: BTreeMap<&str, &str> = env.lines().filter_map(|line| line.split_once('=')).collect();
    assert_eq!((env["DARKSLIDE_EVENT"], env["DARKSLIDE_JOB"], env["TOKEN"]), ("before", "nas", "abracadabra"));
    assert!(env.contains_key("PATH"));
    // Cargo sets many of these for a test; none is for the hook.
    assert!(!env.keys().any(|name| name.starts_with("CARGO")), "{env:?}");
}

#[test]
fn arguments_never_meet_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = script(folder.path(), &format!("printf '%s\\n' \"$@\" > {}", out.display()));
    let odd = ["$(touch /tmp/x)", "a b", ";", "`id`", "*"];
    command.extend(odd.iter().map(|s| s.to_string()));
    assert!(run(&hook(command, Duration::from_secs(10))).is_good());
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().collect::<Vec<_>>(), odd);
}

#[test]
fn codes_signals_and_the_last_lines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let body = "i=0; while [ $i -lt 3000 ]; do echo \"line $i of many, many lines\" >&2; i=$((i+1)); done; exit 7";
    let done = run(&hook(script(folder.path(), body), Duration::from_secs(30)));
    assert_eq!(done.ended, Ended::Exit(7));
    assert_eq!(done.stderr.len(), 20);
    assert_eq!(done.stderr.last().unwrap(), "line 2999 of many, many lines");
    assert!(done.to_string().contains("ended with code 7") && done.to_string().contains("line 2999"), "{done}");
    let done = run(&hook(script(folder.path(), "kill -USR1 $$"), Duration::from_secs(10)));
    assert_eq!(done.ended, Ended::Signal(10));
    let done = run(&hook(vec!["/no/such/program".into()], Duration::from_secs(10)));
    assert!(matches!(done.ended, Ended::NotStarted(why) if why.contains("/no/such/program")));
    let done = run(&hook(Vec::new(), Duration::from_secs(10)));
    assert!(matches!(done.ended, Ended::NotStarted(_)));
    let json = serde_json::to_value(run(&hook(script(folder.path(), "exit 3"), Duration::from_secs(10)))).unwrap();
    assert_eq!((&json["ended"], &json["hook"], &json["on"]), (&json!({"exit": 3}), &"lights".into(), &"before".into()));
}

#[test]
fn what_takes_too_long_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // One child that does not listen to the polite signal, and a grandchild.
    let body = format!(
        "trap '' TERM; (trap '' TERM; sleep 300 & echo $! >> {0}; sleep 300) & echo $! >> {0}; sleep 300",
        pids.display()
    );
    let began = SystemClock::default();
    let done = run(&hook(script(folder.path(), &body), Duration::from_millis(700)));
    assert_eq!(done.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(done.took_ms >= 700);
    std::thread::sleep(Duration::from_millis(100));
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    assert!(!pids.lines().any(is_alive), "{pids}");
}

#[test]
fn a_stop_ends_a_hook() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = AtomicBool::new(false);
    let hook = hook(script(folder.path(), "sleep 300"), Duration::from_secs(600));
    let began = SystemClock::default();
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let stop = || stopped.load(Ordering::SeqCst);
            let around = Surroundings { clock: &SystemClock::default(), stop: &stop };
            hook.run(HookPoint::After, None, &json!({}), &around)
        });
        std::thread::sleep(Duration::from_millis(200));
        stopped.store(true, Ordering::SeqCst);
        worker.join().unwrap()
    });
    assert_eq!(done.ended, Ended::Stopped);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn floods_and_deaf_programs_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    // Endless output, until its time is over.
    let done = run(&hook(script(folder.path(), "yes flood; yes flood >&2"), Duration::from_millis(500)));
    assert_eq!(done.ended, Ended::TimedOut);
    let done = run(&hook(script(folder.path(), "yes flood >&2 "), Duration::from_millis(500)));
    assert!(done.ended == Ended::TimedOut && done.stderr.len() == 20);
    // A megabyte for a program that reads nothing.
    let big = json!({"text": "x".repeat(1 << 20)});
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    let deaf = hook(vec!["true".into()], Duration::from_secs(10));
    assert!(deaf.run(HookPoint::Before, None, &big, &around).is_good());
    // A child in the background keeps the output open: nobody waits for it, and it lives on.
    let pid = folder.path().join("pid");
    let began = SystemClock::default();
    let body = format!("sleep 30 & echo $! > {}", pid.display());
    assert!(run(&hook(script(folder.path(), &body), Duration::from_secs(20))).is_good());
    assert!(began.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(is_alive(&pid));
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn hooks_know_their_points_and_jobs() {
    let mut hook = hook(vec!["true".into()], Duration::from_secs(1));
    assert!(hook.wants(HookPoint::Before, &["nas"]) && !hook.wants(HookPoint::After, &["nas"]));
    hook.jobs.insert("cards".into());
    hook.on.insert(HookPoint::On(Kind::CutOff));
    assert!(!hook.wants(HookPoint::Before, &["nas"]) && !hook.wants(HookPoint::Before, &[]));
    assert!(hook.wants(HookPoint::On(Kind::CutOff), &["nightly", "cards"]));
    let read = |word: &str| serde_json::from_value::<HookPoint>(word.into());
    assert_eq!(read("after").unwrap(), HookPoint::After);
    assert_eq!(read("cut-off").unwrap(), HookPoint::On(Kind::CutOff));
    assert_eq!(read("cut_off").unwrap(), HookPoint::On(Kind::CutOff));
    let error = read("befor").unwrap_err().to_string();
    assert!(error.contains("befor") && error.contains("before, after") && error.contains("card-safe"), "{error}");
}

fn program(command: Vec<String>) -> Channel {
    channel(Way::Command(Program { argv: command, env: BTreeMap::new() }))
}

#[test]
fn a_program_as_a_channel_gets_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let body = format!("cat > {out}; echo \"\n$DARKSLIDE_EVENT $DARKSLIDE_JOB\" >> {out}", out = out.display());
    assert_eq!(send(&program(script(folder.path(), &body)), &message(Kind::Warning)).why, None);
    let text = std::fs::read_to_string(out).unwrap();
    let (json, rest) = text.split_once('\n').unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap()["kind"], "warning");
    assert_eq!(rest.trim(), "warning nächtlich");
    let done = send(&program(script(folder.path(), "echo no paper >&2; exit 9")), &message(Kind::Warning));
    let why = done.why.unwrap();
    assert!(done.attempts == 1 && why.contains("code 9") && why.contains("no paper"), "{why}");
    // The program says itself that it may work later.
    assert_eq!(send(&program(script(folder.path(), "exit 75")), &message(Kind::Warning)).attempts, 3);
    let patience = Patience { attempt: Duration::from_millis(300), ..PATIENCE };
    let done = send(&Channel { patience, ..program(vec!["sleep".into(), "300".into()]) }, &message(Kind::Warning));
    assert!(done.why.unwrap().contains("too long") && done.attempts == 1);
}
