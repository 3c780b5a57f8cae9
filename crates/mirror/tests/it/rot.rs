//! Rot on either side is found, told apart, and healed.

use darkslide_disk::RealDisk;
use darkslide_mirror::{Agrees, Verified, heal, verify};
use darkslide_words::ContentHash;

use crate::harness::{World, limits, noise};

fn world() -> World {
    let world = World::new();
    for n in 0..4u64 {
        world.write(&format!("library/IMG_{n}.CR3"), &noise(n, 5000));
        world.date(&format!("library/IMG_{n}.CR3"), n);
    }
    world.run(&RealDisk, &limits(&[])).unwrap();
    world
}

/// As rot does it: one bit, no time.
fn rot(world: &World, name: &str) {
    let path = world.path(name);
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1234] ^= 16;
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
}

fn check(world: &World) -> Verified {
    world.with(&RealDisk, |mirror| verify(mirror, &|_| None)).unwrap()
}

#[test]
fn the_rotten_side_is_known_and_mended() {
    let world = world();
    assert!(check(&world).is_good() && check(&world).good.0 == 4);
    rot(&world, "library/IMG_1.CR3");
    rot(&world, "mirror/IMG_2.CR3");
    let found = check(&world);
    let sides: Vec<_> = found.rot.iter().map(|rot| (rot.path.to_string(), rot.agrees)).collect();
    assert_eq!(sides, [("IMG_1.CR3".into(), Agrees::Mirror), ("IMG_2.CR3".into(), Agrees::Library)]);
    assert!(found.rot[0].library != found.rot[0].mirror && found.rot[0].catalog == Some(found.rot[0].mirror));
    let healed = world.with(&RealDisk, |mirror| heal(mirror, &found, &|_| None)).unwrap();
    assert!(healed.iter().all(|healed| healed.failed.is_none()), "{healed:?}");
    for n in 0..4u64 {
        for side in ["library", "mirror"] {
            assert_eq!(std::fs::read(world.path(&format!("{side}/IMG_{n}.CR3"))).unwrap(), noise(n, 5000));
        }
    }
    assert!(check(&world).is_good());
    assert!(world.path("library/.darkslide-trash").exists(), "the rotten original is kept");
    // The next run takes neither trash nor healing for anything else.
    let plan = world.plan(&RealDisk, &limits(&[])).unwrap();
    assert!(plan.brakes.is_empty() && plan.bytes().0 == 0, "{plan}");
}

#[test]
fn where_both_rotted_the_repository_decides() {
    let world = world();
    rot(&world, "library/IMG_1.CR3");
    rot(&world, "mirror/IMG_1.CR3");
    let good = world.path("restored");
    std::fs::write(&good, noise(1, 5000)).unwrap();
    let hash = darkslide_disk::hash_cached(&RealDisk, &good, &mut |_| true).unwrap();
    let known =
        |path: &darkslide_words::Name| -> Option<ContentHash> { (path.to_string() == "IMG_1.CR3").then_some(hash) };
    let found = world.with(&RealDisk, |mirror| verify(mirror, &known)).unwrap();
    assert_eq!((found.rot.len(), found.rot[0].agrees), (1, Agrees::Neither));
    let without = world.with(&RealDisk, |mirror| heal(mirror, &found, &|_| None)).unwrap();
    assert!(without[0].failed.is_some(), "nothing is guessed");
    let healed = world.with(&RealDisk, |mirror| heal(mirror, &found, &|_| Some(good.clone()))).unwrap();
    assert_eq!(healed[0].failed, None);
    assert_eq!(std::fs::read(world.path("library/IMG_1.CR3")).unwrap(), noise(1, 5000));
    assert!(check(&world).is_good());
}

#[test]
fn what_was_edited_since_is_behind_and_no_rot() {
    let world = world();
    world.write("library/IMG_0.CR3", b"edited");
    world.write("library/new.CR3", b"new");
    let found = check(&world);
    assert!(found.is_good() && found.behind.len() == 2, "{found:?}");
}
