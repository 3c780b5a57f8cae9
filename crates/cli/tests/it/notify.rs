//! Messages and hooks, as a user sets them up and runs into them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::local::{Desk, json};

/// Adds tables to the configuration; `@NAME` stands for the file of that name.
fn add(desk: &Desk, tables: &str) {
    let path = desk.path("darkslide.toml");
    let text = fs::read_to_string(&path).unwrap();
    let tables = tables.replace('@', &format!("{}/", desk.folder.path().display()));
    fs::write(path, text + &tables).unwrap();
}

fn script(desk: &Desk, name: &str, body: &str) {
    desk.write(name, format!("#!/bin/sh\n{body}\n").as_bytes());
    fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o700)).unwrap();
}

const SAY: &str =
    "[[notify]]\nname = \"say\"\nkind = \"command\"\ncommand = [\"@say\"]\non = [\"failure\", \"recovered\"]\n";

#[test]
fn a_test_says_for_each_channel_what_became_of_it() {
    let desk = Desk::new();
    let none = desk.run(&["notify", "test"]);
    assert!(
        none.status.code() == Some(1) && String::from_utf8_lossy(&none.stderr).contains("no [[notify]]"),
        "{none:?}"
    );
    script(&desk, "say", &format!("cat >> {}", desk.path("heard").display()));
    desk.write("url", b"http://127.0.0.1:1/services/hush-hush-hush");
    fs::set_permissions(desk.path("url"), fs::Permissions::from_mode(0o600)).unwrap();
    add(&desk, SAY);
    assert!(desk.code(&["notify", "list"], 0).contains("nothing was sent yet"));
    let said = desk.code(&["notify", "test"], 0);
    assert!(said.starts_with("say (command) was told (1 attempt, "), "{said}");
    let heard = json(&fs::read_to_string(desk.path("heard")).unwrap());
    assert_eq!((&heard["kind"], &heard["severity"]), (&"test".into(), &"info".into()));
    add(&desk, "[[notify]]\nname = \"home\"\nkind = \"webhook\"\nurl = { file = \"url\" }\nattempts = 1\n");
    let said = desk.code(&["notify", "test"], 3);
    assert!(said.contains("home (webhook) was not told: http://127.0.0.1:1 cannot be reached"), "{said}");
    let said = json(&desk.code(&["notify", "test", "home", "--json"], 1));
    assert_eq!((&said["lost"], &said["deliveries"][0]["channel"]), (&1.into(), &"home".into()));
    fs::set_permissions(desk.path("url"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = desk.code(&["notify", "test", "home"], 1);
    assert!(refused.contains("chmod 600"), "{refused}");
    let list = desk.code(&["notify", "list"], 0);
    assert!(list.contains("home (webhook): failure, warning") && list.contains("chmod 600"), "{list}");
    assert_eq!(json(&desk.code(&["notify", "list", "--json"], 0))[0]["on"][0], "failure");
    desk.code(&["notify", "test", "nobody"], 2);
    for args in [&["notify", "list"][..], &["config", "show"], &["config", "show", "--json"], &["notify", "test"]] {
        let out = desk.run(args);
        let all = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(!all.contains("hush"), "{all}");
    }
}

#[test]
fn a_run_that_fails_is_told_and_one_that_a_hook_forbids_does_not_begin() {
    let desk = Desk::new();
    let heard = desk.path("heard");
    script(&desk, "say", &format!("cat >> {0}; echo >> {0}", heard.display()));
    script(&desk, "mount", "echo the share is asleep >&2; exit 1");
    add(&desk, SAY);
    desk.code(&["backup"], 0);
    assert!(!heard.exists(), "nothing was wrong");
    let hook = "[[hook]]\nname = \"mount\"\non = \"before\"\njobs = \"photos\"\ncommand = [\"@mount\"]\n";
    let without = fs::read_to_string(desk.path("darkslide.toml")).unwrap();
    add(&desk, &format!("{hook}required = true\n"));
    let snapshots = desk.code(&["snapshots", "--json"], 0);
    let refused = desk.run(&["backup"]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the share is asleep"), "{refused:?}");
    assert_eq!(desk.code(&["snapshots", "--json"], 0), snapshots, "nothing was stored");
    let told = json(fs::read_to_string(&heard).unwrap().lines().next().unwrap());
    assert_eq!((&told["kind"], &told["job"]), (&"failure".into(), &"photos".into()));
    assert!(told["title"].as_str().unwrap().starts_with("backup of photos failed on "), "{told}");
    let logs = desk.code(&["logs", "photos"], 0)
        + &desk.code(&["logs", "photos", "--run", told["run"].to_string().as_str()], 0);
    assert!(
        logs.contains("hook `mount` (before) ended with code 1") && logs.contains("say (command) was told"),
        "{logs}"
    );
    fs::remove_file(&heard).unwrap();
    // Where it may fail, the run goes on, and says so.
    fs::write(desk.path("darkslide.toml"), &without).unwrap();
    add(&desk, hook);
    desk.code(&["backup"], 0);
    fs::write(desk.path("darkslide.toml"), &without).unwrap();
    desk.code(&["backup"], 0);
    let told = fs::read_to_string(&heard).unwrap();
    assert!(told.contains("\"recovered\""), "{told}");
}

#[test]
fn a_card_that_is_safe_is_told_of_without_its_photographs() {
    let desk = Desk::new();
    let heard = desk.path("heard");
    script(&desk, "say", &format!("cat >> {0}; echo >> {0}", heard.display()));
    add(&desk, &SAY.replace("[\"failure\", \"recovered\"]", "\"card-safe\""));
    desk.code(&["card", "check", "card"], 3);
    assert!(!heard.exists());
    desk.code(&["ingest", "card"], 0);
    desk.code(&["card", "check", "card"], 0);
    let told = fs::read_to_string(&heard).unwrap();
    assert_eq!((&json(&told)["kind"], &json(&told)["facts"]["files"]), (&"card-safe".into(), &3.into()));
    assert!(!told.contains("IMG_"), "{told}");
}
