//! The damage matrix: every kind of object × (missing, truncated, bit flipped,
//! swapped) × (audit, scrub, restore, next backup).

use std::fs;
use std::path::Path;

use darkslide_engine::words::ObjectName;
use darkslide_engine::{Founder, IdentityFile};
use darkslide_store::{MemoryStore, Store as _};
use rusqlite::Connection;

use crate::harness::{
    Tree, World, audit, backup, identity, names, noise, options, restores, same, scrub, tree, try_backup, try_restore,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Harm {
    Missing,
    Truncated,
    Flipped,
    Swapped,
}

const HARMS: [Harm; 4] = [Harm::Missing, Harm::Truncated, Harm::Flipped, Harm::Swapped];
const KINDS: [&str; 11] = [
    "darkslide.json",
    "config/",
    "writers/",
    "keys/",
    "packs/",
    "warm/",
    "trees/",
    "index/",
    "refs/",
    "snapshots/",
    "recover.py",
];

struct Harmed {
    world: World,
    me: IdentityFile,
    victim: ObjectName,
    library: Tree,
}

/// A repository of two snapshots with the last object of a kind harmed.
fn harmed(kind: &str, harm: Harm) -> Option<Harmed> {
    let world = World::empty();
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    for (n, shoot) in ["a", "b", "c"].iter().enumerate() {
        world.write(&format!("{shoot}/IMG_1.CR3"), &noise(n as u64, 3_000_000));
        world.write(&format!("{shoot}/IMG_1.xmp"), format!("sidecar of {shoot}").as_bytes());
        backup(&engine);
    }
    let store = world.store(0);
    let all = names(&store, kind);
    let victim = all.last().unwrap().clone();
    let store: &MemoryStore = store.inner();
    match harm {
        Harm::Missing => store.delete(&victim).unwrap(),
        Harm::Truncated => assert!(store.damage(&victim, |bytes| bytes.truncate(bytes.len() / 2))),
        Harm::Flipped => assert!(store.damage(&victim, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        })),
        Harm::Swapped => {
            let other = all.iter().find(|n| **n != victim)?;
            let take = |name| store.read(name, None).unwrap().bytes(name).unwrap();
            let (a, b) = (take(&victim), take(other));
            store.damage(&victim, |bytes| *bytes = b);
            store.damage(other, |bytes| *bytes = a);
        }
    }
    let library = tree(&world.library);
    Some(Harmed { world, me, victim, library })
}

/// Damage is always found by the checks, and named.
#[test]
fn checks_find_every_damage() {
    for kind in KINDS {
        for harm in HARMS {
            let Some(h) = harmed(kind, harm) else { continue };
            let engine = h.world.engine();
            let context = format!("{kind} {harm:?}");
            // Without a header or config nothing opens at all, and that is said.
            let audited = engine.audit(Some(&h.me), &crate::harness::Quiet);
            let Ok(audited) = audited else {
                let text = audited.unwrap_err().to_string();
                assert!(["darkslide.json", "config/", "keys/"].contains(&kind), "{context}: {text}");
                continue;
            };
            let scrubbed = scrub(&engine, Some(&h.me));
            let told = |r: &darkslide_engine::Report| r.findings.iter().any(|f| f.object.as_ref() == Some(&h.victim));
            let found = audited.findings.len() + scrubbed.findings.len();
            // The helpers for people carry no id; only their absence is noticed.
            if kind == "recover.py" && harm != Harm::Missing {
                continue;
            }
            assert!(found > 0, "{context}: not found");
            // A missing document that others make up for need not be named itself.
            if harm != Harm::Missing {
                assert!(told(&audited) || told(&scrubbed), "{context}: {audited:?} {scrubbed:?}");
            }
        }
    }
}

/// What a restore gives is right or named as lost; never wrong.
#[test]
fn restores_are_right_or_say_what_is_lost() {
    for kind in KINDS {
        for harm in HARMS {
            let Some(h) = harmed(kind, harm) else { continue };
            let engine = h.world.engine();
            let out = h.world.target("out");
            let context = format!("{kind} {harm:?}");
            match try_restore(&engine, &options("latest", &out), &h.me) {
                Err(error) => assert!(!error.to_string().is_empty(), "{context}"),
                Ok(done) => {
                    let restored = tree(&out);
                    for (path, facts) in restored.iter().filter(|(_, f)| f.0 == 'f') {
                        let wanted = h.library.get(path).map(|f| &f.4);
                        assert!(wanted == Some(&facts.4), "{context}: {} is wrong", path.display());
                    }
                    let files = |t: &Tree| t.values().filter(|f| f.0 == 'f').count();
                    let lost = files(&h.library) - files(&restored);
                    assert_eq!(lost, done.casualties.len(), "{context}: {:?}", done.casualties);
                    if ["packs/", "warm/"].contains(&kind) {
                        assert!(
                            lost >= 1 && files(&restored) >= 3,
                            "{context}: one pack must not cost more than its files"
                        );
                    }
                }
            }
        }
    }
}

/// Also where the index leads to the bytes of another file, small or not: they open, and are not the right ones.
#[test]
fn a_restore_out_of_the_wrong_place_gives_nobody_anothers_bytes() {
    let world = World::empty();
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    for n in 0..150 {
        world.write(&format!("shoot/IMG_{n:03}.xmp"), &noise(n, 700));
    }
    (0..3).for_each(|n| drop(world.write(&format!("shoot/IMG_{n}.CR3"), &noise(1000 + n, 300_000))));
    backup(&engine);
    let mut wrong = 0;
    let catalog = Connection::open(engine.settings().state_dir().join("catalog.sqlite")).unwrap();
    for len in [700, 300_000] {
        let mut query = catalog.prepare("SELECT id, off, len FROM chunks WHERE plain = ? LIMIT 2").unwrap();
        let rows = query.query_map([len], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(Vec<u8>, i64, i64)> = rows.map(Result::unwrap).collect();
        for (n, row) in rows.iter().enumerate() {
            let other = &rows[1 - n];
            let set = "UPDATE chunks SET off = ?1, len = ?2 WHERE id = ?3";
            wrong += catalog.execute(set, (other.1, other.2, &row.0)).unwrap();
        }
    }
    assert_eq!(wrong, 4);
    let out = world.target("out");
    let done = try_restore(&engine, &options("latest", &out), &me).unwrap();
    let (library, restored) = (tree(&world.library), tree(&out));
    assert_eq!((done.casualties.len(), library.len() - restored.len()), (4, 4), "{:?}", done.casualties);
    assert!(restored.iter().filter(|(_, f)| f.0 == 'f').all(|(path, facts)| library[path].4 == facts.4));
    assert!(done.casualties.iter().all(|c| !restored.contains_key(Path::new(&c.path.to_string()))));
}

/// The next backup heals what it can see is gone, from the library.
#[test]
fn a_backup_after_a_loss_makes_the_next_snapshot_whole() {
    for kind in ["packs/", "warm/", "trees/"] {
        for harm in [Harm::Missing, Harm::Truncated] {
            let Some(h) = harmed(kind, harm) else { continue };
            if harm == Harm::Truncated {
                // The name is taken by the damaged object: it has to be moved away first.
                h.world.store(0).inner().delete(&h.victim).unwrap();
            }
            let engine = h.world.engine();
            backup(&engine);
            restores(&engine, "latest", &h.world.target("out"), &h.me, &h.library);
        }
    }
}

/// Whatever is harmed, a backup ends with success or an error, and what it then
/// acknowledges can be restored.
#[test]
fn a_backup_on_a_harmed_repository_never_lies() {
    for kind in KINDS {
        for harm in HARMS {
            let Some(h) = harmed(kind, harm) else { continue };
            h.world.write("new/IMG_9.CR3", &noise(99, 200_000));
            let engine = h.world.engine();
            let Ok(done) = try_backup(&engine) else { continue };
            let mut only = options(done.done.snapshot.as_str(), &h.world.target("out"));
            only.paths = vec![darkslide_engine::words::Name::from("new/IMG_9.CR3")];
            // The keys, if they were harmed, are not the backup's business.
            if kind == "keys/" {
                continue;
            }
            let restored = try_restore(&engine, &only, &h.me).unwrap_or_else(|e| panic!("{kind} {harm:?}: {e}"));
            assert_eq!(restored.casualties, [], "{kind} {harm:?}");
            let back = fs::read(h.world.target("out").join("new/IMG_9.CR3")).unwrap();
            assert!(back == noise(99, 200_000), "{kind} {harm:?}");
        }
    }
}

#[test]
fn foreign_objects_are_named_and_ignored() {
    let world = World::empty();
    world.write("a.CR3", b"photo");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let store = world.store(0);
    let facts = darkslide_store::PutFacts { crc64: 0, temperature: darkslide_engine::words::Temperature::Hot };
    store.inner().put(&ObjectName::new("packs/holiday.jpg").unwrap(), b"not ours", &facts).unwrap();
    let report = audit(&engine, Some(&me));
    assert_eq!(report.damages(), 0);
    assert!(report.findings.iter().any(|f| f.to_string().contains("holiday.jpg")));
    backup(&engine);
}
