//! A thaw that is under way: pack by pack, faster, for more money, no further.

use std::time::Duration;

use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::World;

fn identity(world: &World) -> Value {
    json!({"identity": std::fs::read_to_string(world.path("identity.txt")).unwrap()})
}

/// A thaw that was begun at the cheapest tier.
fn begun(world: &World, asked: &Asked) -> i64 {
    assert_eq!(asked.ask("PUT", "/identity", Some(&identity(world))).0, 204);
    let selection = json!({"snapshot": "latest", "paths": ["2006"]});
    let quote = asked.post("/quote", selection.clone());
    assert_eq!(quote["tiers"][0]["tier"], "bulk", "{quote}");
    let max = quote["tiers"][0]["usd"].clone();
    let restore = json!({"selection": selection, "to": world.path("restored"), "tier": "bulk", "max_usd": max});
    let task = asked.ended(&asked.post("/restores", restore));
    assert_eq!(task["state"], "done", "{task}");
    asked.get("/thaws")[0]["thaw"].as_i64().unwrap()
}

#[test]
fn each_pack_is_told_and_a_faster_tier_is_quoted_first() {
    let world = World::new(40);
    let asked = Asked::new(&world);
    let id = begun(&world, &asked);
    let packs = asked.get(&format!("/thaws/{id}/packs"));
    let all = packs["packs"].as_array().unwrap();
    assert!(!all.is_empty() && packs["count"].as_u64() == Some(all.len() as u64) && packs["next"].is_null());
    for pack in all {
        assert_eq!((pack["step"].as_str(), pack["tier"].as_str()), (Some("asked"), Some("bulk")), "{pack}");
        assert!(pack["ready_about"].is_string() && pack["bytes"].as_u64() > Some(0), "{pack}");
    }
    assert_eq!(asked.get(&format!("/thaws/{id}/packs?step=failed"))["count"], 0);
    assert_eq!(asked.get(&format!("/thaws/{id}/packs?from=9"))["packs"], json!([]));
    assert_eq!(asked.ask("GET", "/thaws/99/packs", None).0, 422);
    assert_eq!(asked.ask("GET", &format!("/thaws/{id}/packs?most=0"), None).0, 400);
    // Too little is refused, and changes nothing.
    let quote = asked.get(&format!("/thaws/{id}/upgrade?tier=standard"));
    let (usd, whole) = (quote["usd"].clone(), quote["whole_usd"].clone());
    let upgrade = |usd: &Value, max: &Value| {
        asked.ask(
            "POST",
            &format!("/thaws/{id}/upgrade"),
            Some(&json!({"tier": "standard", "usd": usd, "max_usd": max})),
        )
    };
    assert_eq!(upgrade(&json!("0"), &whole).0, 409);
    assert_eq!(upgrade(&usd, &json!("0.000001")).0, 409);
    assert_eq!(asked.get("/thaws")[0]["tier"], "bulk");
    let (status, told) = upgrade(&usd, &whole);
    assert_eq!(status, 200, "{told}");
    let thaw = asked.get("/thaws")[0].clone();
    assert_eq!((thaw["tier"].as_str(), &thaw["max_usd"]), (Some("standard"), &whole), "{thaw}");
    world.sim.advance(Duration::from_secs(15 * 3600));
    asked.ended(&asked.press(&format!("/thaws/{id}/step")));
    assert_eq!(asked.get("/thaws")[0]["state"], "done", "a bulk thaw takes two days");
    assert_eq!(asked.ask("GET", &format!("/thaws/{id}/upgrade?tier=expedited"), None).0, 422);
}

#[test]
fn what_costs_more_than_was_confirmed_stops_until_somebody_confirms_it() {
    let world = World::new(40);
    let asked = Asked::new(&world);
    let id = begun(&world, &asked);
    let stopped = |asked: &Asked| asked.press(&format!("/thaws/{id}/stopped"));
    assert!(stopped(&asked)["why"].is_null());
    let (status, told) = asked.ask("POST", &format!("/thaws/{id}/confirm"), Some(&json!({"max_usd": "1"})));
    assert_eq!((status, told["kind"].as_str()), (409, Some("user")), "there is nothing to confirm");
    // Nobody reads it in time: what was thawed is frozen again, and thawing it anew was never confirmed.
    assert_eq!(asked.ask("DELETE", "/identity", None).0, 204);
    let mut told = stopped(&asked);
    for _ in 0..6 {
        if told["why"].is_string() {
            break;
        }
        world.sim.advance(Duration::from_secs(30 * 86_400));
        told = stopped(&asked);
    }
    let now: f64 = told["usd"].as_str().unwrap_or_else(|| panic!("{told} {}", asked.get("/thaws"))).parse().unwrap();
    let less = json!({"max_usd": format!("{:.9}", now / 2.0)});
    let (status, refused) = asked.ask("POST", &format!("/thaws/{id}/confirm"), Some(&less));
    assert_eq!((status, refused["kind"].as_str()), (409, Some("refused")), "{refused}");
    asked.post(&format!("/thaws/{id}/confirm"), json!({"max_usd": format!("{:.9}", now * 1.5)}));
    assert!(stopped(&asked)["why"].is_null());
    let again = asked.get(&format!("/thaws/{id}/packs?step=asked"));
    assert!(again["count"].as_u64() > Some(0), "{again}");
    // While a step is under way, which holds this.
    let step = std::fs::File::create(world.engine().settings().state_dir().join("lock")).unwrap();
    step.lock().unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        drop(step);
    });
    let said = asked.press(&format!("/thaws/{id}/cancel"));
    ends.join().unwrap();
    assert!(said["text"].as_str().unwrap().contains("paid"), "{said}");
    assert_eq!(asked.get("/thaws")[0]["state"], "cancelled");
}
