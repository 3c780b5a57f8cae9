//! Forget, prune and repair from the page: a plan first, then no more than was seen. And who is told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use darkslide_web::Role;
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::World;

/// Two snapshots of which one is kept.
fn aged() -> World {
    let world = World::new(4);
    let path = world.path("darkslide.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept = text.replacen("[[backup]]\n", "[[backup]]\nkeep = { last = 1 }\n", 1);
    assert_ne!(kept, text);
    std::fs::write(&path, kept).unwrap();
    world.sim.advance(Duration::from_secs(40 * 86_400));
    let gone = walked(&world).pop().unwrap();
    std::fs::remove_file(gone).unwrap();
    world.backup();
    world
}

fn walked(world: &World) -> Vec<std::path::PathBuf> {
    let shoot = world.path("library/2006/2006-01-03_shoot0");
    let mut all: Vec<_> = std::fs::read_dir(shoot).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn done(asked: &Asked, path: &str, body: Option<Value>) -> Value {
    let task = match body {
        Some(body) => asked.post(path, body),
        None => asked.press(path),
    };
    asked.ended(&task)
}

#[test]
fn what_is_forgotten_and_pruned_is_what_was_seen() {
    let world = aged();
    let asked = Asked::new(&world);
    let planned = done(&asked, "/forget/plan", None);
    let plan = &planned["outcome"];
    assert_eq!(plan["forgotten"], 1, "{planned}");
    let all = plan["snapshots"].as_array().unwrap();
    assert!(all.len() == 2 && all.iter().all(|one| !one["reasons"].as_array().unwrap().is_empty()), "{plan}");
    let old = all.iter().find(|one| one["forget"] == true).unwrap()["snapshot"].clone();
    let new = all.iter().find(|one| one["forget"] == false).unwrap()["snapshot"].clone();
    // Somebody who has seen another plan forgets nothing.
    let refused = done(&asked, "/forget", Some(json!({"snapshots": [new]})));
    assert_eq!(refused["state"], "failed", "{refused}");
    assert_eq!(asked.get("/snapshots").as_array().unwrap().len(), 2);
    let forgotten = done(&asked, "/forget", Some(json!({"snapshots": [old]})));
    assert_eq!(forgotten["state"], "done", "{forgotten}");
    assert_eq!(asked.get("/snapshots").as_array().unwrap().len(), 1);
    // Condemned first; when the grace is over, deleted, and never more than was seen.
    let early = json!({"early": "pay"});
    let plan = done(&asked, "/prune/plan", Some(early.clone()))["outcome"].clone();
    assert!(plan["condemn"]["objects"].as_u64() > Some(0) && plan["delete"]["objects"] == 0, "{plan}");
    let run = |delete: &Value, max: &str| {
        done(&asked, "/prune", Some(json!({"early": "pay", "delete": delete, "max_usd": max})))
    };
    assert_eq!(run(&json!(0), "1")["state"], "done");
    world.sim.advance(Duration::from_secs(40 * 86_400));
    let plan = done(&asked, "/prune/plan", Some(early))["outcome"].clone();
    assert!(plan["delete"]["objects"].as_u64() > Some(0), "{plan}");
    assert_eq!(run(&json!(0), "1")["state"], "failed", "less was seen");
    assert_eq!(run(&plan["delete"]["objects"], "0")["state"], "failed", "it costs something");
    let pruned = run(&plan["delete"]["objects"], "1");
    assert_eq!(pruned["state"], "done", "{pruned}");
    assert!(asked.get("/runs?most=3").as_array().unwrap().iter().any(|run| run["kind"] == "prune"));
}

#[test]
fn a_repair_is_planned_and_a_reader_does_none_of_it() {
    let world = World::new(2);
    let asked = Asked::new(&world);
    let planned = done(&asked, "/repair/plan", None);
    assert_eq!(
        (planned["outcome"]["doable"].as_u64(), planned["state"].as_str()),
        (Some(0), Some("done")),
        "{planned}"
    );
    let mended = done(&asked, "/repair", Some(json!({"max_usd": "0.10"})));
    assert_eq!(mended["state"], "done", "{mended}");
    assert_eq!(asked.ask("POST", "/repair", Some(&json!({"max_usd": "x"}))).0, 400);
    asked.stop();
    let reader = Asked::with_role(&world, Role::Reader);
    for path in ["/forget/plan", "/forget", "/prune/plan", "/prune", "/repair/plan", "/repair", "/channels/test"] {
        assert_eq!(reader.ask("POST", path, Some(&json!({}))).0, 403, "{path}");
    }
}

#[test]
fn a_test_message_arrives_and_a_failure_is_told() {
    let world = World::new(1);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    std::fs::write(world.path("hook.url"), url).unwrap();
    let mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(world.path("hook.url"), mine).unwrap();
    world.configure(
        "\n[[notify]]\nname = \"home\"\nkind = \"webhook\"\nurl = { file = \"hook.url\" }\non = \"failure\"\n",
    );
    let heard = std::thread::spawn(move || {
        let mut line = listener.accept().unwrap().0;
        let mut text = [0; 4096];
        let read = line.read(&mut text).unwrap();
        line.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&text[..read]).into_owned()
    });
    let asked = Asked::new(&world);
    let channels = asked.get("/channels");
    assert_eq!((channels[0]["channel"].as_str(), channels[0]["way"].as_str()), (Some("home"), Some("webhook")));
    assert!(!channels.to_string().contains("/hook"), "addresses may be secrets");
    let sent = done(&asked, "/channels/test", Some(json!({"channel": "home"})));
    assert_eq!(sent["state"], "done", "{sent}");
    assert!(heard.join().unwrap().starts_with("POST /hook"));
    assert_eq!(asked.ask("POST", "/channels/test", Some(&json!({"channel": "nobody"}))).0, 422);
}
