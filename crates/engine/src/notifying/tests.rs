//! Events on their way out, to programs and a server of this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use darkslide_notify::Kind;
use darkslide_words::{Clock as _, FixedClock, SystemClock, Time};

use super::Dispatcher;
use crate::events::{Announce, Before, Event, EventKind, Starting};
use crate::{EngineError, Settings};

const HOUR: u64 = 3600;

/// A configuration in a folder of its own, with a program that writes down what it is told.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    stopped: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let world = Self { folder, clock: Arc::new(FixedClock::new(at(0))), stopped: Arc::default() };
        world.script("write", "cat >> $OUT; echo \" $DARKSLIDE_EVENT $DARKSLIDE_JOB\" >> $OUT");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, body: &str) {
        let path = self.path(name);
        let body = body.replace("$OUT", self.path("out").to_str().unwrap());
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// `@NAME` stands for the program of that name.
    fn dispatcher(&self, tables: &str) -> Dispatcher {
        let path = self.path("darkslide.toml");
        let base = "state = \"state\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n\
            [[backup]]\nname = \"nas\"\nlibrary = \"l\"\n";
        let tables = tables.replace('@', &format!("{}/", self.folder.path().display()));
        fs::write(&path, format!("{base}{tables}")).unwrap();
        let settings = Settings::load(&path).unwrap();
        let stopped = self.stopped.clone();
        Dispatcher::new(&settings, "raid", self.clock.clone(), Arc::new(move || stopped.load(Ordering::SeqCst)))
    }

    /// What was written down since the last look, a line a piece.
    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("out")).unwrap_or_default();
        let _ = fs::remove_file(self.path("out"));
        text.lines().map(str::to_string).collect()
    }
}

fn at(hours: u64) -> Time {
    Time::from_parts(1_790_000_000 + (hours * HOUR) as i64, 0)
}

fn event(kind: EventKind, hours: u64) -> Event {
    Event::new(kind, at(hours), "backup of nightly failed", "disk full\nIMG_0001.CR3: permission denied")
        .of_job("nightly")
        .of_run(hours as i64)
        .fact("kind", "backup")
        .fact("target", "nas")
        .fact("files", 12)
        .fact("failures", vec!["IMG_0001.CR3: permission denied"])
}

fn starting(run: i64) -> Starting {
    Starting {
        job: "nightly".into(),
        target: "nas".into(),
        kind: "backup".into(),
        run,
        time: at(0),
        origin: "schedule".into(),
    }
}

const SAY: &str = "[[notify]]\nname = \"say\"\nkind = \"command\"\ncommand = [\"@write\"]\nattempts = 1\n";

#[test]
fn both_lists_of_kinds_have_the_same_words() {
    for kind in EventKind::ALL {
        assert!(Kind::from_word(kind.word()).is_some(), "{}", kind.word());
    }
    assert_eq!(Kind::ALL.len(), EventKind::ALL.len() + 1, "one is for tests");
}

#[test]
fn a_failure_is_told_once_a_night_and_its_end_too() {
    let world = World::new();
    let say = format!("{SAY}repeat = \"2 days\"\n");
    let mut heard = Vec::new();
    for night in 0..6_u64 {
        // Each night a new process.
        let dispatcher = world.dispatcher(&say);
        let kind = if night < 5 { EventKind::Failure } else { EventKind::Recovered };
        dispatcher.announce(&event(kind, night * 24));
        let told = world.told();
        heard.push(told.len());
        let all = told.join(" ");
        assert!(!all.contains("IMG_0001"), "{all}");
        if night == 4 {
            assert!(all.contains("It was the same 1 times since"), "{all}");
        }
        if night == 5 {
            assert!(all.contains("recovered nightly") && all.contains("5 runs since"), "{all}");
        }
    }
    assert_eq!(heard, [1, 0, 1, 0, 1, 1]);
    let mode = fs::metadata(world.path("state/notifications.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_came_of_it_stands_in_the_log_and_changes_nothing() {
    let world = World::new();
    world.script("broken", "echo no paper >&2; exit 5");
    let broken = "[[notify]]\nname = \"printer\"\nkind = \"command\"\ncommand = [\"@broken\"]\nattempts = 1\n";
    let hook = "[[hook]]\nname = \"lights\"\non = [\"after\", \"failure\"]\njobs = \"nas\"\ncommand = [\"@broken\"]\n";
    let dispatcher = world.dispatcher(&format!("{SAY}{broken}{hook}"));
    let starting = starting(7);
    assert_eq!(dispatcher.before(&starting), Before::Go);
    let mut event = event(EventKind::Failure, 0);
    event.run = Some(7);
    dispatcher.announce(&event);
    let said = dispatcher.after(&starting, &event).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert_eq!(lines[0], "say (command) was told");
    assert!(lines[1].starts_with("printer (command) was not told:") && lines[1].contains("no paper"), "{said}");
    assert!(lines[2].starts_with("hook `lights` (failure) ended with code 5 in "), "{said}");
    assert!(lines[3].starts_with("hook `lights` (after) ended with code 5 in "), "{said}");
    assert_eq!(dispatcher.after(&starting, &event).unwrap().lines().count(), 1, "said once");
    // What did not arrive is tried again the next time, what arrived is not told again.
    world.told();
    dispatcher.announce(&event);
    assert!(world.told().is_empty());
    assert!(dispatcher.after(&starting, &event).unwrap().contains("printer (command) was not told"));
    let info = dispatcher.channels();
    assert!(info[0].last.as_ref().unwrap().is_delivered() && !info[1].last.as_ref().unwrap().is_delivered());
}

#[test]
fn hooks_get_the_event_and_a_required_one_keeps_a_run_from_beginning() {
    let world = World::new();
    world.script("veto", "cat > /dev/null; echo the share is not mounted >&2; exit 1");
    let tell = "[[hook]]\nname = \"tell\"\non = [\"before\", \"after\"]\ncommand = [\"@write\"]\n";
    let veto = "[[hook]]\nname = \"mount\"\non = \"before\"\ncommand = [\"@veto\"]\n";
    let dispatcher = world.dispatcher(&format!("{tell}{veto}"));
    let Before::Warn(why) = dispatcher.before(&starting(1)) else { panic!("optional") };
    assert!(why.contains("`mount`") && why.contains("the share is not mounted"), "{why}");
    let told = world.told();
    let (json, rest) = told[0].rsplit_once("} ").unwrap();
    let value: serde_json::Value = serde_json::from_str(&format!("{json}}}")).unwrap();
    assert_eq!((&value["hook"], &value["job"], &value["target"]), (&"before".into(), &"nightly".into(), &"nas".into()));
    assert_eq!(
        (&value["kind"], &value["run"], &value["time"]),
        (&"backup".into(), &1.into(), &"2026-09-21T14:13:20Z".into())
    );
    assert_eq!(rest, "before nightly");
    let event = event(EventKind::Warning, 1);
    dispatcher.announce(&event);
    assert!(world.told().is_empty(), "no hook is for that event");
    dispatcher.after(&starting(1), &event).unwrap();
    let told = world.told();
    let value: serde_json::Value = serde_json::from_str(told[0].rsplit_once(" after").unwrap().0).unwrap();
    assert_eq!((&value["hook"], &value["event"]), (&"after".into(), &"warning".into()));
    assert_eq!(value["facts"]["failures"][0], "IMG_0001.CR3: permission denied", "a program of this machine gets all");
    let dispatcher = world.dispatcher(&format!("{tell}{veto}required = true\n"));
    let Before::Stop(why) = dispatcher.before(&starting(2)) else { panic!("required") };
    assert!(why.contains("ended with code 1") && why.contains("the share is not mounted"), "{why}");
}

/// A server that says which paths were asked for, and takes everything.
fn watcher() -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ping/secret-uuid", listener.local_addr().unwrap());
    let (send, got) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let path = first.split_whitespace().nth(1).unwrap().to_string();
            send.send((path, String::from_utf8(body).unwrap())).unwrap();
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (url, got)
}

#[test]
fn a_watcher_hears_start_success_and_fail_of_its_jobs() {
    let world = World::new();
    let (url, got) = watcher();
    let ping = format!("[[notify]]\nname = \"watch\"\nkind = \"ping\"\nurl = \"{url}\"\njobs = \"nas\"\n");
    let dispatcher = world.dispatcher(&ping);
    let heard = || got.try_iter().map(|(path, _)| path.rsplit('/').next().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(dispatcher.before(&starting(1)), Before::Go);
    assert_eq!(heard(), ["start"]);
    for (kind, path) in [
        (EventKind::Finished, &["secret-uuid"][..]),
        (EventKind::Failure, &["fail"]),
        (EventKind::Recovered, &["secret-uuid"]),
        (EventKind::Warning, &["fail"]),
        (EventKind::CutOff, &["fail"]),
        (EventKind::NoBackupFor, &["fail"]),
        (EventKind::Stopped, &[]),
        (EventKind::CardSafe, &[]),
    ] {
        dispatcher.announce(&event(kind, 1));
        assert_eq!(heard(), path, "{kind:?}");
    }
    let mut other = event(EventKind::Failure, 1);
    (other.job, other.facts["target"]) = (Some("cards".into()), "cards".into());
    dispatcher.announce(&other);
    assert!(heard().is_empty(), "another job has another watcher");
    dispatcher.announce(&event(EventKind::Failure, 2));
    let (_, body) = got.recv().unwrap();
    assert!(body.starts_with("backup of nightly failed on raid\n") && !body.contains("IMG_0001"), "{body}");
}

#[test]
fn when_everything_has_to_end_nothing_takes_long_but_what_must_run_runs() {
    let world = World::new();
    world.script("slow", "sleep 60");
    world.stopped.store(true, Ordering::SeqCst);
    let tell = "[[hook]]\nname = \"unmount\"\non = \"after\"\ncommand = [\"@write\"]\n";
    let slow = "[[hook]]\nname = \"slow\"\non = \"after\"\ncommand = [\"@slow\"]\n";
    let dispatcher = world.dispatcher(&format!("{SAY}{tell}{slow}"));
    let event = event(EventKind::Failure, 1);
    let clock = SystemClock::default();
    dispatcher.announce(&event);
    let said = dispatcher.after(&starting(1), &event).unwrap();
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert!(said.contains("say (command) was told") && said.contains("`unmount` (after) went well"), "{said}");
    assert!(said.contains("`slow` (after) took too long"), "{said}");
    assert_eq!(world.told().len(), 2);
}

#[test]
fn a_test_reaches_every_channel_or_the_one_that_is_named() {
    let world = World::new();
    let (url, got) = watcher();
    let never = "[[notify]]\nname = \"never\"\nkind = \"command\"\ncommand = [\"/no/such\"]\njobs = \"cards\"\n";
    let ping = format!("[[notify]]\nname = \"watch\"\nkind = \"ping\"\nurl = \"{url}\"\n");
    let dispatcher = world.dispatcher(&format!("{SAY}{never}{ping}"));
    let done = dispatcher.test(None).unwrap();
    let arrived: Vec<_> = done.iter().map(|one| (one.channel.as_str(), one.is_delivered())).collect();
    assert_eq!(arrived, [("say", true), ("never", false)], "a watcher would take it for a run that went well");
    assert_eq!((world.told().len(), got.try_recv().is_err()), (1, true));
    assert!(dispatcher.test(Some("watch")).unwrap()[0].is_delivered());
    assert_eq!(got.recv().unwrap().0, "/ping/secret-uuid");
    assert_eq!(dispatcher.test(Some("say")).unwrap().len(), 1);
    assert!(matches!(dispatcher.test(Some("mail")), Err(EngineError::NoSuch { .. })));
    assert!(!format!("{dispatcher:?}").contains("secret-uuid"));
}

#[test]
fn a_memory_that_is_damaged_or_cannot_be_written_only_tells_more() {
    let world = World::new();
    let dispatcher = world.dispatcher(SAY);
    fs::write(world.path("state/notifications.json"), b"{\"told\": 7").unwrap();
    dispatcher.announce(&event(EventKind::Failure, 0));
    assert_eq!(world.told().len(), 1);
    fs::remove_dir_all(world.path("state")).unwrap();
    for _ in 0..2 {
        dispatcher.announce(&event(EventKind::Failure, 0));
        assert_eq!(world.told().len(), 1);
    }
}
