//! Jobs as people write them, and their mistakes.

use super::{JobKind, Role};
use crate::{EngineError, Settings};

const HEAD: &str = "state = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n\
                    [[backup]]\nname = \"photos\"\nlibrary = \"l\"\n[[mirror]]\nname = \"nas\"\ntarget = \"n\"\n";

fn load(more: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("darkslide.toml");
    std::fs::write(&path, format!("{HEAD}{more}")).unwrap();
    match Settings::load(&path) {
        Ok(settings) => Ok(settings),
        Err(EngineError::BadConfig { message, .. }) => Err(message),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_job_is_read_and_written_as_it_was() {
    let text = "[[job]]\nname = \"a\"\nkind = \"mirror\"\nschedule = \"nightly 02:00\"\njitter = \"30 min\"\n\
                not = [\"18:00-23:00\"]\non_battery = \"skip\"\ntimeout = \"6h\"\n\
                [[job]]\nname = \"b\"\nkind = \"forget+prune\"\nafter = \"a\"\n[logs]\nkeep = \"14d\"\n";
    let settings = load(text).unwrap();
    assert_eq!(settings.jobs[0].jitter().as_secs(), 1800);
    assert_eq!(settings.jobs[1].schedule().unwrap().follows(), Some("a"));
    assert_eq!(
        (settings.jobs[0].target(&settings), settings.jobs[1].target(&settings)),
        ("nas".into(), "photos".into())
    );
    let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
    assert_eq!((again.jobs, again.logs), (settings.jobs, settings.logs));
}

#[test]
fn mistakes_are_told_with_their_line_and_what_is_right() {
    let job = |name: &str, more: &str| format!("[[job]]\nname = \"{name}\"\nkind = \"backup\"\n{more}\n");
    let first = HEAD.lines().count() + 1;
    for (text, wanted) in [
        (job("a", "schedule = \"nightlyy\""), vec!["line 16", "`nightlyy` is not known", "nightly 02:00"]),
        (job("a", "schedule = \"daily 25:00\""), vec!["line 16", "`25:00` is no time of day"]),
        (job("a", "jitter = \"soon\""), vec!["line 16", "no span of time such as `30 min`"]),
        (job("a", "not = [\"18:00-18:00\"]"), vec!["line 16", "00:00-24:00"]),
        (job("a", "not = [\"00:00-24:00\"]"), vec!["line 16", "never run"]),
        (job("a", "kid = 1"), vec!["line 16", "kid"]),
        (job("a", "on_battery = \"maybe\""), vec!["line 16", "`run`", "`skip`"]),
        (job("a", "after = [1]"), vec!["line 16"]),
        (job("a b", ""), vec!["line 13", "one word is wanted"]),
        (job("a", "target = \"x\""), vec!["line 13", "no [[backup]] `x`; there is: photos"]),
        (job("a", "jitter = \"25h\""), vec!["longer than a day"]),
        (job("a", "limit_upload = \"fast\""), vec!["`2 MB`"]),
        (job("a", "percent = 0"), vec!["1 to 100"]),
        (job("a", "budget = \"much\""), vec!["`50 GB`"]),
        (job("a", "after = \"x\""), vec!["comes after `x`", "no such [[job]]; there is: a"]),
        (job("a", "after = [\"b\", \"c\"]") + &job("b", "") + &job("c", ""), vec!["which one it follows"]),
        (job("a", "") + &job("a", ""), vec!["line 17", "another [[job]] has this name"]),
        (job("a", "").replace("backup", "audit") + "target = \"x\"", vec!["has no target"]),
        (job("a", "").replace("backup", "bakup"), vec!["line 15", "bakup", "cloud-verify"]),
        ("[logs]\nkeep = \"long\"".into(), vec!["[logs] keep", "`30d`"]),
        ("[daemon]\nno_backup_for = \"x\"".into(), vec!["line 14", "14 days"]),
    ] {
        let said = load(&text).unwrap_err();
        wanted.iter().for_each(|part| assert!(said.contains(part), "{text}\nsaid {said}\nnot {part}"));
    }
    assert_eq!(first, 13);
}

#[test]
fn jobs_that_wait_for_each_other_are_refused_by_name() {
    let job = |name: &str, more: &str| format!("[[job]]\nname = \"{name}\"\nkind = \"backup\"\n{more}\n");
    let three = job("a", "after = \"c\"")
        + &job("b", "schedule = \"after a\"")
        + &job("c", "schedule = \"hourly\"\nafter = [\"d\", \"b\"]")
        + &job("d", "");
    let said = load(&three).unwrap_err();
    assert!(said.contains("`a` after `c` after `b` after `a`") && said.contains("line 13"), "{said}");
    assert!(load(&job("a", "after = \"a\"")).unwrap_err().contains("`a` after `a`"));
    assert!(load(&three.replace("after = \"c\"", "")).is_ok());
}

#[test]
fn every_kind_has_a_role_and_is_named_in_the_configuration() {
    use JobKind::*;
    for (kind, role) in [
        (Ingest, Role::Anyone),
        (Mirror, Role::Anyone),
        (Backup, Role::Writer),
        (Catalogs, Role::Anyone),
        (Audit, Role::Auditor),
        (Scrub, Role::Auditor),
        (Drill, Role::Restorer),
        (Forget, Role::Pruner),
        (Prune, Role::Pruner),
        (ForgetAndPrune, Role::Pruner),
        (CloudVerify, Role::Auditor),
    ] {
        assert_eq!(kind.role(), role);
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
    }
}
