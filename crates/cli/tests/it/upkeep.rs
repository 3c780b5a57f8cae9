//! `config` and `doctor`, as a user runs them.

use crate::local::{Desk, json};

#[test]
fn a_configuration_is_checked_shown_and_explained() {
    let desk = Desk::new();
    assert!(desk.code(&["config", "check"], 0).contains("holds together"));
    let shown = desk.code(&["config", "show"], 0);
    assert!(shown.contains("brake_files = 1") && shown.contains("#   mirror.trash_days = 30"), "{shown}");
    let all = json(&desk.code(&["config", "show", "--json"], 0));
    assert_eq!(all["said"]["mirror"][0]["name"], "nas");
    assert!(desk.code(&["config", "explain", "store.class"], 0).contains("DEEP_ARCHIVE"));
    let wrong = desk.run(&["config", "explain", "stor.clas"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `store.class`"), "{wrong:?}");
    let text = std::fs::read_to_string(desk.path("darkslide.toml")).unwrap();
    std::fs::write(desk.path("darkslide.toml"), text.replace("brake_files", "break_files")).unwrap();
    let wrong = desk.run(&["config", "check"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        wrong.status.code() == Some(1) && said.contains("line ") && said.contains("did you mean `brake_files`"),
        "{said}"
    );
}

#[test]
fn a_check_up_names_what_is_wrong_and_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let health = |area: &str, text: &str| {
        let found = json(&String::from_utf8_lossy(&desk.run(&["doctor", "--json"]).stdout));
        let all = found["findings"].as_array().unwrap().clone();
        let one = all.iter().find(|f| f["area"] == area && f["text"].as_str().is_some_and(|t| t.contains(text)));
        one.unwrap_or_else(|| panic!("{area}, {text}: {all:#?}"))["health"].as_str().unwrap().to_string()
    };
    std::fs::create_dir(desk.path("second")).unwrap();
    desk.code(&["doctor"], 0);
    assert_eq!(health("keys", "identity.txt"), "weak", "the identity lies beside the configuration");
    std::fs::rename(desk.path("identity.txt"), desk.path("library/away.txt")).unwrap();
    assert_eq!(health("keys", "no identity"), "good");
    let writer = desk.path("darkslide-state/writer.json");
    std::fs::set_permissions(&writer, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(health("keys", "can be read by others"), "bad");
    std::fs::set_permissions(&writer, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_dir_all(desk.path("nas")).unwrap();
    assert_eq!(health("places", "mirror `nas`"), "bad");
    std::fs::rename(desk.path("repo"), desk.path("elsewhere")).unwrap();
    assert_eq!(health("store", "no store can be used"), "bad");
    assert!(desk.code(&["doctor"], 3).contains("needs a hand"));
}

#[test]
fn a_check_up_tells_what_starts_the_jobs_and_whether_anybody_hears() {
    let desk = Desk::new();
    let config = desk.path("darkslide.toml");
    let plain = std::fs::read_to_string(&config).unwrap();
    let home = desk.path("home");
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_darkslide"));
        command.arg("--config").arg(&config).args(args);
        command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join("config")).output().unwrap()
    };
    let health = |area: &str| {
        let found = json(&String::from_utf8_lossy(&run(&["doctor", "--json"]).stdout));
        let all = found["findings"].as_array().unwrap().clone();
        let of = |f: &&serde_json::Value| f["area"] == area;
        all.iter().filter(of).map(|f| f["health"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!((health("schedule"), health("notifications")), (vec!["unknown".into()], vec!["weak".to_string()]));
    let more = "[[job]]\nname = \"night\"\nkind = \"audit\"\nschedule = \"nightly 02:00\"\n\
                [[notify]]\nname = \"say\"\nkind = \"command\"\ncommand = [\"/bin/cat\"]\n";
    let keep = plain.replacen("[[backup]]", "[[backup]]\nkeep = { last = 3 }", 1);
    std::fs::write(&config, format!("{keep}\n{more}")).unwrap();
    assert_eq!((health("schedule"), health("notifications")), (vec!["bad".into()], vec!["unknown".to_string()]));
    assert_eq!(health("retention"), ["weak"]);
    assert!(run(&["schedule", "install", "--kind", "systemd"]).status.success());
    assert_eq!(health("schedule"), ["bad"], "written, and not enabled");
    let units = home.join("config/systemd/user");
    std::fs::create_dir_all(units.join("default.target.wants")).unwrap();
    std::os::unix::fs::symlink("../darkslide.service", units.join("default.target.wants/darkslide.service")).unwrap();
    assert_eq!(health("schedule"), ["good"]);
    assert!(run(&["notify", "test"]).status.success());
    assert_eq!(health("notifications"), ["good"]);
    let broken = more.replace("/bin/cat", "/bin/false");
    std::fs::write(&config, format!("{keep}\n{broken}")).unwrap();
    assert!(!run(&["notify", "test"]).status.success());
    assert_eq!(health("notifications"), ["bad"]);
}

#[test]
fn one_screen_says_what_is_not_safe_and_what_to_do() {
    let desk = Desk::new();
    let said = desk.code(&["status"], 3);
    assert!(said.contains("NO BACKUP YET") && said.contains("for the first time"), "{said}");
    desk.code(&["backup"], 0);
    desk.code(&["mirror"], 0);
    let text = std::fs::read_to_string(desk.path("darkslide.toml")).unwrap();
    let jobs =
        "[budget]\nper_month = \"20.00\"\n[[job]]\nname = \"night\"\nkind = \"mirror\"\nschedule = \"nightly 02:00\"\n";
    std::fs::write(desk.path("darkslide.toml"), text + jobs).unwrap();
    let said = desk.code(&["status"], 0);
    for wanted in
        ["Everything is as it should be", "spent this month: $0.00 of $20", "mirror nas: last run", "night (mirror)"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(said.contains("By the rule of 3 copies") && said.contains("files lack something"), "{said}");
    let text = std::fs::read_to_string(desk.path("darkslide.toml")).unwrap();
    std::fs::write(desk.path("darkslide.toml"), text.clone() + "[copies]\nmedia = 2\n").unwrap();
    let said = desk.code(&["status"], 3);
    assert!(said.contains("to the copies that the rule asks for"), "{said}");
    std::fs::write(desk.path("darkslide.toml"), text).unwrap();
    let told = json(&desk.code(&["status", "--json"], 0));
    assert_eq!(told["copies"]["rule"]["copies"], 3, "{told}");
    assert_eq!(told["todo"].as_array().map(Vec::len), Some(0), "{told}");
    assert_eq!(told["scheduled"][0]["job"], "night");
    // A mirror that a brake stopped.
    std::fs::remove_dir_all(desk.path("library")).unwrap();
    std::fs::create_dir(desk.path("library")).unwrap();
    desk.code(&["mirror"], 5);
    let said = desk.code(&["status"], 3);
    assert!(said.contains("see why the last run of nas"), "{said}");
}
