//! `run`, `schedule`, `logs`, and the daemon as a process that is stopped and killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Ran, World, needs};

/// A world with jobs, and a library of so many MiB.
fn world(mib: usize, jobs: &str) -> World {
    let world = World::founded(|library| {
        for n in 0..mib {
            let mut noise = vec![0u8; 1 << 20];
            let mut state = n as u64 + 1;
            for byte in &mut noise {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state as u8;
            }
            std::fs::write(library.join(format!("{n}.CR3")), noise).unwrap();
        }
    });
    add(&world, jobs);
    world
}

fn add(world: &World, text: &str) {
    let path = world.path("darkslide.toml");
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{old}\n{text}")).unwrap();
}

const EACH_SECOND: &str = "[[job]]\nname = \"often\"\nkind = \"backup\"\nschedule = \"every second\"\n";

fn runs(world: &World) -> Vec<Value> {
    world.run("logs --json --last 100").exits(0).json()
}

/// Looks until it is so, or fails.
#[track_caller]
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !is() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(child: &mut Child) -> Duration {
    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "a daemon that is told to stop ends well");
    began.elapsed()
}

/// True while a run is in its midst: by the catalog, as a process would cost too much time.
fn goes_on(world: &World) -> bool {
    let catalog = darkslide_catalog::Catalog::open(&world.path("darkslide-state/catalog.sqlite")).unwrap();
    !catalog.runs_going_on().unwrap().is_empty()
}

#[test]
fn the_daemon_runs_on_schedule_and_ends_within_seconds() {
    let world = world(2, EACH_SECOND);
    let mut daemon = world.spawn("daemon");
    until("a third run", || runs(&world).len() >= 3);
    assert!(terminate(&mut daemon) < Duration::from_secs(10));
    let all = runs(&world);
    assert!(all.iter().all(|run| run["job"] == "often" && run["target"] == "photos"), "{all:?}");
    assert!(all.iter().all(|run| run["outcome"] == "complete" || run["outcome"] == "cancelled"), "{all:?}");
    assert!(all.iter().all(|run| run["origin"] == "schedule"), "{all:?}");
    let slots: std::collections::BTreeSet<_> = all.iter().map(|run| run["slot"].to_string()).collect();
    assert_eq!(slots.len(), all.len(), "no slot twice");
    world.run("logs often").exits(0).says("(backup, schedule)").says("complete: 2 new");
    let first = &all.last().unwrap()["run"];
    world.run(&format!("logs --run {first}")).exits(0).says("backup of photos begins (schedule)");
    let lines = world.run(&format!("logs --run {first} --json")).exits(0).json();
    assert_eq!((&lines[0]["outcome"], &lines[1]["level"]), (&"complete".into(), &"info".into()));
}

#[test]
fn in_the_midst_of_a_run_it_stops_and_goes_on_later() {
    let world = world(160, EACH_SECOND);
    let mut daemon = world.spawn("daemon");
    until("a run", || goes_on(&world));
    assert!(terminate(&mut daemon) < Duration::from_secs(12));
    let stopped = runs(&world);
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    assert_eq!(stopped[0]["outcome"], "cancelled", "{stopped:?}");
    assert!(stopped[0]["summary"].as_str().unwrap().contains("told to stop"), "{stopped:?}");
    world.run("run often").exits(0).says("160 new");
    assert_eq!(runs(&world)[0]["origin"], "manual");
}

#[test]
fn killed_in_the_midst_of_a_run_the_next_command_says_so() {
    let world = world(160, EACH_SECOND);
    let mut daemon = world.spawn("daemon");
    until("a run", || goes_on(&world));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let told = world.run("logs").exits(0);
    assert!(told.err.contains("was cut off; the next run goes on"), "{}", told.err);
    assert!(told.out.contains("cut off"), "{}", told.out);
    let quiet = world.run("logs --json").exits(0);
    assert!(!quiet.err.contains("cut off"), "it is said once: {}", quiet.err);
    assert_eq!(quiet.json()[0]["outcome"], "cut off");
    let mut daemon = world.spawn("daemon");
    until("the backup", || runs(&world).iter().any(|run| run["outcome"] == "complete"));
    terminate(&mut daemon);
}

#[test]
fn a_second_daemon_is_refused_and_once_runs_what_is_due() {
    let world = world(1, EACH_SECOND);
    world.run("schedule").exits(0).says("every second").says("never");
    std::thread::sleep(Duration::from_millis(1100));
    world.run("daemon --once").exits(0).says("often begins");
    let before = runs(&world);
    assert!(!before.is_empty() && before.iter().all(|run| run["outcome"] == "complete"), "{before:?}");
    let mut daemon = world.spawn("daemon");
    // Asked for before it holds its lock, `--once` would take the lock and the daemon be the one refused.
    until("the daemon", || runs(&world).len() > before.len());
    world.run("daemon --once").exits(2).says("a daemon is at work");
    world.run("daemon").exits(2).says("a daemon is at work");
    terminate(&mut daemon);
}

#[test]
fn jobs_are_shown_with_their_last_and_next_runs_and_run_by_hand() {
    let jobs = "[[mirror]]\nname = \"nas\"\ntarget = \"nas\"\n\
        [[job]]\nname = \"nightly\"\nkind = \"mirror\"\nschedule = \"nightly 02:00\"\n\
        [[job]]\nname = \"then\"\nkind = \"backup\"\nafter = \"nightly\"\n\
        [[job]]\nname = \"practise\"\nkind = \"drill\"\nschedule = \"monthly 1 04:00\"\n\
        [[job]]\nname = \"catalogs\"\nkind = \"catalogs\"\n";
    let world = world(1, jobs);
    std::fs::create_dir(world.path("nas")).unwrap();
    let shown = world.run("schedule").exits(0);
    for text in ["JOB", "nightly 02:00", "after nightly", "by hand", "not on this machine", "never"] {
        assert!(shown.out.contains(text), "{text}: {}", shown.out);
    }
    assert!(shown.err.contains("restorer"), "{}", shown.err);
    world.run("run nightly").exits(0).says("1 files copied");
    world.run("run then").exits(0).says("1 new");
    world.run("run catalogs").exits(0).says("0 catalogs");
    world.run("run practise").exits(1).says("identity");
    world.run("run nothing").exits(1).says("there is no job `nothing`").says("nightly, then, practise, catalogs");
    let jobs = world.run("schedule --json").exits(0).json().remove(0);
    assert_eq!((&jobs[0]["last"]["outcome"], &jobs[0]["last"]["origin"]), (&"complete".into(), &"manual".into()));
    assert!(jobs[0]["next"].is_string() && jobs[0]["due"].is_null(), "{jobs}");
    assert_eq!((&jobs[1]["schedule"], &jobs[1]["role"]), (&"after nightly".into(), &"writer".into()));
    assert!(jobs[1]["due"].is_null(), "it ran after the run that it follows: {jobs}");
    assert!(jobs[2]["refused"].as_str().unwrap().contains("restorer"), "{jobs}");
    add(&world, "[[job]]\nname = \"bad\"\nkind = \"backup\"\nschedule = \"nightly 25:00\"\n");
    world.run("schedule").exits(1).says("line ").says("`25:00` is no time of day");
}

#[test]
fn a_log_is_followed_while_its_run_goes_on() {
    let world = world(160, EACH_SECOND);
    let mut daemon = world.spawn("daemon");
    until("a run", || goes_on(&world));
    let follow = world.command("logs --run 1 --follow --json").output().unwrap();
    let lines = Ran::of("logs --follow".into(), &follow).exits(0).json();
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["run"] == 1), "{lines:?}");
    assert!(lines.last().unwrap()["text"].as_str().unwrap().starts_with("complete"), "{lines:?}");
    terminate(&mut daemon);
}

/// Runs `python3 -c SCRIPT` in the world; its output.
fn python(world: &World, script: &str) -> String {
    needs(&["python3"]);
    let out = world.program("python3").args(["-c", script]).output().unwrap();
    Ran::of("python3".into(), &out).exits(0).out
}

/// A configuration whose name is as odd as a name may be.
const ODD: &str = "dark & <slide> 100% $HOME 'x' \"y\".toml";

fn oddly(world: &World, line: &str) -> Ran {
    let mut command = world.command(line);
    command.env("DARKSLIDE_CONFIG", ODD).env("XDG_CONFIG_HOME", world.path("xdg")).env("HOME", world.path("home"));
    command.env("USER", "photographer").env_remove("SUDO_USER");
    Ran::of(line.into(), &command.output().unwrap())
}

fn odd_world() -> World {
    let world = world(1, EACH_SECOND);
    std::fs::copy(world.path("darkslide.toml"), world.path(ODD)).unwrap();
    world
}

#[test]
fn systemd_takes_its_units() {
    let world = odd_world();
    oddly(&world, "schedule install --kind systemd --user").exits(0).says("enable --now darkslide.service");
    let folder = world.path("xdg/systemd/user");
    let names = ["darkslide.service", "darkslide-due.service", "darkslide-due.timer"];
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(read(names[0]).contains("Type=notify\n") && read(names[0]).contains(" daemon\n"));
    assert!(read(names[1]).contains(" daemon --once\n") && read(names[2]).contains("Persistent=true\n"));
    let there = |tool: &str| Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if there("systemd-analyze") {
        for name in names {
            let mut verify = world.program("systemd-analyze");
            verify
                .args(["verify", "--man=no"])
                .arg(folder.join(name))
                .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()));
            let out = verify.output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success() && !said.contains("darkslide"), "{name}: {said}");
        }
    }
    let system = oddly(&world, "schedule install --kind systemd --system --print").exits(0);
    assert!(system.out.contains("User=photographer") && system.out.contains("# /etc/systemd/system/darkslide.service"));
    oddly(&world, "schedule uninstall --kind systemd").exits(0);
    assert!(names.iter().all(|name| !folder.join(name).exists()));
    oddly(&world, "schedule uninstall --kind systemd").exits(0);
}

#[test]
fn a_property_list_says_what_to_start() {
    let world = odd_world();
    oddly(&world, "schedule install --kind launchd").exits(0).says("launchctl load");
    let said = python(
        &world,
        "import plistlib, json\n\
         d = plistlib.load(open('home/Library/LaunchAgents/org.darkslide.daemon.plist', 'rb'))\n\
         print(json.dumps(d))",
    );
    let plist: Value = serde_json::from_str(&said).unwrap();
    let config = world.path(ODD).canonicalize().unwrap();
    let arguments: Vec<&str> =
        plist["ProgramArguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    assert_eq!(arguments[1..], ["--config", config.to_str().unwrap(), "daemon"]);
    assert!(Path::new(arguments[0]).is_file());
    assert_eq!((&plist["RunAtLoad"], &plist["KeepAlive"]["SuccessfulExit"]), (&true.into(), &false.into()));
}

#[test]
fn a_task_is_well_formed_and_in_the_order_of_its_schema() {
    let world = odd_world();
    let printed = oddly(&world, "schedule install --kind windows --print").exits(0);
    std::fs::write(world.path("task.xml"), printed.out.split_once('\n').unwrap().1).unwrap();
    let said = python(
        &world,
        "import xml.etree.ElementTree as E, json\n\
         def walk(e): return [e.tag.split('}')[1], [walk(c) for c in e]]\n\
         root = E.parse('task.xml').getroot()\n\
         n = {'t': 'http://schemas.microsoft.com/windows/2004/02/mit/task'}\n\
         print(json.dumps([walk(root), root.find('.//t:Arguments', n).text, root.find('.//t:UserId', n).text]))",
    );
    let task: Value = serde_json::from_str(&said).unwrap();
    let names = |value: &Value| -> Vec<String> {
        value[1].as_array().unwrap().iter().map(|child| child[0].as_str().unwrap().to_string()).collect()
    };
    let root = &task[0];
    assert_eq!(names(root), ["RegistrationInfo", "Triggers", "Settings", "Principals", "Actions"]);
    let trigger = &root[1][1][1][0];
    assert_eq!(
        (trigger[0].as_str(), names(trigger)),
        (Some("TimeTrigger"), ["Enabled", "StartBoundary", "Repetition"].map(String::from).to_vec())
    );
    let config = world.path(ODD).canonicalize().unwrap();
    let quoted = config.to_str().unwrap().replace('"', "\\\"");
    assert_eq!(task[1].as_str().unwrap(), format!("--config \"{quoted}\" daemon --once"));
    assert_eq!(task[2], "photographer");
}

#[test]
fn a_line_of_a_crontab_starts_what_it_should() {
    let world = odd_world();
    let line = oddly(&world, "schedule install --kind cron --print").exits(0).out;
    let line = line.trim_end();
    let mut words = line.splitn(6, ' ');
    let fields: Vec<&str> = words.by_ref().take(5).collect();
    assert_eq!(fields, ["*/15", "*", "*", "*", "*"]);
    assert!(line.ends_with(" # darkslide") && !line.contains('\n'));
    // As cron does: an unescaped % ends the command; then the shell splits it.
    let command = words.next().unwrap().replace("\\%", "\u{1}");
    assert!(!command.contains('%'));
    let command = command.replace('\u{1}', "%").replace(">/dev/null 2>&1", "");
    let out = world.program("sh").args(["-c", &format!("printf '%s\\n' {command}")]).output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    let told: Vec<&str> = told.lines().collect();
    let config = world.path(ODD).canonicalize().unwrap();
    assert_eq!(told[1..], ["--config", config.to_str().unwrap(), "daemon", "--once"]);
    assert!(Path::new(told[0]).is_file());
}
