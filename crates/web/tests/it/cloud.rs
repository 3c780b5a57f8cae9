//! The account: who shall be there, and the matrix that survives a restart.

use darkslide_web::Role;

use crate::asked::Asked;
use crate::world::World;

#[test]
fn the_matrix_is_kept_and_shown_after_a_restart() {
    let world = World::new(3);
    let asked = Asked::new(&world);
    let before = asked.get("/cloud");
    assert!(before["last"].is_null() && before["problem"].is_null(), "{before}");
    let who = |told: &serde_json::Value| -> Vec<String> {
        told["identities"].as_array().unwrap().iter().map(|one| one["identity"].as_str().unwrap().into()).collect()
    };
    assert!(who(&before).starts_with(&["writer".into()]), "{before}");
    // Nobody is there yet: that is told, and is no good news.
    let task = asked.ended(&asked.press("/cloud/verify"));
    assert_eq!(task["state"], "done", "{task}");
    let bad = asked.get("/cloud")["last"].clone();
    assert_eq!(bad["good"], false);
    assert!(!bad["drift"].as_array().unwrap().is_empty() && !bad["left_out"].as_array().unwrap().is_empty(), "{bad}");
    assert_eq!(task["outcome"], bad);
    // Set up, all is as expected: by simulation, and by trying with the keys that were made.
    world.set_up_account();
    let task = asked.ended(&asked.press("/cloud/verify"));
    let good = asked.get("/cloud");
    assert_eq!(good["last"]["good"], true, "{task}");
    assert_eq!((good["last"]["surprises"].as_u64(), good["last"]["unknown"].as_u64()), (Some(0), Some(0)));
    let lines = good["last"]["lines"].as_array().unwrap();
    assert!(lines.len() > 100 && lines.iter().any(|line| line["tried"] == "refused" && line["expected"] == "refused"));
    assert!(good["identities"].as_array().unwrap().iter().any(|one| one["here"] == true), "{good}");
    // It is a run like any other, and it is there after a restart.
    let run = asked.get(&format!("/runs/{}", good["last"]["run"]));
    assert_eq!((run["run"]["kind"].as_str(), run["run"]["outcome"].as_str()), (Some("cloud-verify"), Some("complete")));
    asked.stop();
    let reader = Asked::with_role(&world, Role::Reader);
    assert_eq!(reader.get("/cloud"), good);
    assert_eq!(reader.ask("POST", "/cloud/verify", None).0, 403);
}
