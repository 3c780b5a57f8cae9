//! A test for each fault that reviews found before they reached anybody.

use std::fs;

use darkslide_engine::words::ObjectName;
use darkslide_engine::{EngineError, Founder, IdentityFile, JoinWith};
use darkslide_format::keys::{KeyPair, RepositoryKeys};
use darkslide_format::names::{self as format_names, Kind};
use darkslide_format::{object_id, seal};
use darkslide_store::{PutFacts, Store as _};
use rusqlite::Connection;

use crate::harness::{
    World, audit, backup, identity, names, noise, options, restores, same, scrub, tree, try_backup, try_restore,
};

const FACTS: PutFacts = PutFacts { crc64: 0, temperature: darkslide_engine::words::Temperature::Hot };

/// A database of `blocks` MiB whose blocks are told apart by their pages.
fn database(world: &World, name: &str, rows: u32) -> std::path::PathBuf {
    let file = world.library.join(name);
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)").unwrap();
    conn.execute_batch("BEGIN").unwrap();
    for _ in 0..rows {
        conn.execute("INSERT INTO t (x) VALUES (randomblob(900))", []).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
    file
}

/// Overwrites one MiB-block of a file, wholly or in a few bytes.
fn rewrite(file: &std::path::Path, block: usize, whole: bool) {
    let mut bytes = fs::read(file).unwrap();
    let from = (block << 20) + 200;
    let to = if whole { ((block + 1) << 20).min(bytes.len()) } else { from + 30 };
    let new = noise(block as u64 + 77, to - from);
    bytes[from..to].copy_from_slice(&new);
    fs::write(file, bytes).unwrap();
}

#[test]
fn full_blocks_and_deltas_of_one_database_alternate() {
    let world = World::empty();
    let file = database(&world, "main.lrcat", 20_000);
    assert!(fs::metadata(&file).unwrap().len() > 17 << 20, "more than one pack");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    for round in 0..3 {
        for block in 0..16 {
            rewrite(&file, block, (block + round) % 2 == 0);
        }
        backup(&engine);
        restores(&engine, "latest", &world.target(&round.to_string()), &me, &tree(&world.library));
    }
    assert_eq!(audit(&engine, Some(&me)).findings, []);
    assert_eq!(scrub(&engine, Some(&me)).findings, []);
}

#[test]
fn a_delta_whose_base_is_lost_is_stored_in_full_again() {
    let world = World::empty();
    let file = database(&world, "main.lrcat", 4_000);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let base = names(&world.store(0), "warm/");
    rewrite(&file, 1, false);
    backup(&engine);
    for pack in base {
        world.store(0).inner().delete(&pack).unwrap();
    }
    backup(&world.engine());
    restores(&world.engine(), "latest", &world.target("out"), &me, &tree(&world.library));
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    restores(&elsewhere, "latest", &world.target("elsewhere"), &me, &tree(&world.library));
}

#[test]
fn a_copy_of_a_changed_database_in_the_same_run_names_all_it_needs() {
    let world = World::empty();
    let file = database(&world, "a.lrcat", 4_000);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    rewrite(&file, 1, false);
    fs::copy(&file, world.library.join("b-copy.lrcat")).unwrap();
    backup(&engine);
    fs::remove_file(&file).unwrap();
    backup(&engine);
    // Only the copy is left: its snapshot names the base's pack too.
    assert_eq!(audit(&engine, Some(&me)).findings, []);
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    restores(&elsewhere, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn a_write_ahead_log_is_seen_whatever_the_database_is_called() {
    let world = World::empty();
    let file = world.library.join("photos.mcat");
    let conn = Connection::open(&file).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    conn.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(backup(&engine).done.counts.changed_files.0, 1);
    try_restore(&engine, &options("latest", &world.target("out")), &me).unwrap();
    let restored = Connection::open(world.target("out").join("photos.mcat")).unwrap();
    assert_eq!(restored.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0)).unwrap(), 2);
}

#[test]
fn one_run_at_a_time() {
    let world = World::empty();
    world.write("a.CR3", b"photo");
    let engine = world.init(Founder::Identity(identity()), 1).unwrap();
    let lock = fs::File::create(engine.settings().state_dir().join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(try_backup(&engine), Err(EngineError::Running)));
    lock.unlock().unwrap();
    backup(&engine);
}

#[test]
fn a_lost_index_is_named_and_written_again() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    for prefix in ["index/", "refs/"] {
        for name in names(&world.store(0), prefix) {
            world.store(0).inner().delete(&name).unwrap();
        }
    }
    assert!(audit(&engine, None).damages() > 0);
    world.write("b.CR3", &noise(2, 300_000));
    backup(&engine);
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    restores(&elsewhere, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn an_empty_mount_point_is_no_new_copy() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let engine = world.init(Founder::Identity(identity()), 2).unwrap();
    backup(&engine);
    world.put_store(1, darkslide_store::MemoryStore::default());
    let done = try_backup(&world.engine()).unwrap().done;
    assert!(done.behind.iter().any(|(_, reason)| reason.contains("mounted")), "{:?}", done.behind);
    assert!(world.store(1).inner().is_empty(), "the system disk was filled");
}

#[test]
fn a_store_that_missed_a_change_of_recipients_catches_up() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 2).unwrap();
    backup(&engine);
    world.unplug(1);
    let partner = identity();
    engine.add_recipient("partner", &partner.recipients()[0], &me).unwrap();
    engine.revoke_writer("studio", "sold", &me).unwrap();
    world.plug(1);
    world.unplug(0);
    world.plug(0);
    // Whichever store is asked first, what the owner signed counts.
    assert_eq!(world.engine().recipients().unwrap().0.len(), 2);
    assert!(try_backup(&world.engine()).is_err(), "the revocation counts");
    assert!(world.engine().writers().unwrap()[0].revoked.is_some());
}

#[test]
fn a_hidden_revocation_is_remembered() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let carried = world.folder.path().join("laptop.json");
    engine.enroll_writer("laptop", &carried, &me, &mut darkslide_engine::words::OsRng).unwrap();
    engine.revoke_writer("laptop", "stolen", &me).unwrap();
    let revoked =
        |engine: &darkslide_engine::Engine| engine.writers().unwrap().iter().filter(|w| w.revoked.is_some()).count();
    assert_eq!(revoked(&world.engine()), 1);
    let writers = names(&world.store(0), "writers/");
    let is_revocation = |n: &&ObjectName| {
        let bytes = world.store(0).read(n, None).unwrap().bytes(n).unwrap();
        String::from_utf8(bytes).unwrap().contains("\"action\":\"revoke\"")
    };
    let hidden = writers.iter().find(is_revocation).unwrap();
    world.store(0).inner().delete(hidden).unwrap();
    assert_eq!(revoked(&world.engine()), 1, "a store cannot take it back");
}

#[test]
fn keys_that_the_owner_did_not_sign_for_never_enter_a_configuration() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let bob = identity();
    engine.add_recipient("bob", &bob.recipients()[0], &me).unwrap();
    backup(&world.engine());
    // Bob, who can open the keys, leaves a copy with an epoch of his own in it.
    let store = world.store(0);
    let config_name = format_names::config(2);
    let document = store.read(&config_name, None).unwrap().bytes(&config_name).unwrap();
    let verified = darkslide_format::signed::verify(darkslide_format::signed::DocType::Config, &document).unwrap();
    let header = format_names::header();
    let header =
        darkslide_format::config::Header::parse(&store.read(&header, None).unwrap().bytes(&header).unwrap()).unwrap();
    let config = darkslide_format::config::Config::parse(verified.payload, header.repository).unwrap();
    let mut keys: Option<RepositoryKeys> = None;
    for name in names(&store, "keys/") {
        let bytes = store.read(&name, None).unwrap().bytes(&name).unwrap();
        if let Ok(darkslide_format::keys::Opened::Keys(found)) =
            darkslide_format::keys::open(&bytes, &bob.identities().all(), &header, &config)
        {
            keys = Some(*found);
        }
    }
    let mut keys = keys.unwrap();
    let trap = KeyPair::generate();
    keys.epochs.push((darkslide_engine::words::Count(2), trap.clone()));
    let to = seal::Recipients::parse([me.recipients()[0].as_str()]).unwrap();
    for name in names(&store, "keys/") {
        store.inner().delete(&name).unwrap();
    }
    let sealed = keys.seal(header.repository, &to).unwrap();
    store.inner().put(&format_names::object(Kind::Keys, object_id(&sealed)), &sealed, &FACTS).unwrap();
    engine.remove_recipient("bob", &me).unwrap();
    world.write("b.CR3", &noise(2, 300_000));
    backup(&world.engine());
    let opens = |n: &ObjectName| {
        let bytes = store.read(n, None).unwrap().bytes(n).unwrap();
        seal::open_head(&bytes, &[trap.identity()]).is_ok()
    };
    assert_eq!(names(&store, "packs/").iter().filter(|n| opens(n)).count(), 0);
}

#[test]
fn a_change_of_keys_that_did_not_happen_is_not_claimed() {
    let world = World::empty();
    world.write("a.CR3", b"photo");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    world.store(0).inner().put(&format_names::config(2), b"in the way", &FACTS).unwrap();
    let error = engine.add_recipient("partner", &identity().recipients()[0], &me).unwrap_err();
    assert!(matches!(error, EngineError::NotPublished { .. }), "{error}");
}

#[test]
fn an_old_snapshot_under_a_newer_name_is_refused() {
    let world = World::empty();
    world.write("a.CR3", b"first");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let old = backup(&engine).done.snapshot;
    world.write("a.CR3", b"second");
    backup(&engine);
    let bytes = world.store(0).read(&old, None).unwrap().bytes(&old).unwrap();
    let id = old.as_str().split_once('-').unwrap().1;
    let forged = ObjectName::new(format!("snapshots/22620411T234716.854Z-{id}")).unwrap();
    world.store(0).inner().put(&forged, &bytes, &FACTS).unwrap();
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    let error = try_restore(&elsewhere, &options("latest", &world.target("x")), &me).unwrap_err();
    assert!(matches!(error, EngineError::NewestDamaged { .. }), "{error}");
    // Nor does a name from the far future move the clock of those who back up.
    world.write("a.CR3", b"third");
    let done = backup(&world.engine()).done;
    assert!(done.time.0 < 2_000_000_000_000_000_000);
    restores(&world.engine(), done.snapshot.as_str(), &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn a_hard_link_is_never_made_to_a_foreign_file() {
    let world = World::empty();
    let first = world.write("h1.jpg", b"the photograph");
    fs::hard_link(&first, world.library.join("h2.jpg")).unwrap();
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let out = world.target("out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("h1.jpg"), b"something else").unwrap();
    let done = try_restore(&engine, &options("latest", &out), &me).unwrap();
    assert_eq!(done.casualties.len(), 1);
    assert_eq!(fs::read(out.join("h1.jpg")).unwrap(), b"something else");
    assert_eq!(fs::read(out.join("h2.jpg")).unwrap(), b"the photograph");
}

#[test]
fn a_flipped_bit_costs_only_what_lies_on_it_and_nothing_where_a_second_store_is() {
    for stores in [1, 2] {
        let world = World::empty();
        for n in 0..300 {
            world.write(&format!("s/IMG_{n:03}.xmp"), &noise(n, 3000));
        }
        let me = identity();
        let engine = world.init(Founder::Identity(same(&me)), stores).unwrap();
        backup(&engine);
        let pack = names(&world.store(0), "warm/").pop().unwrap();
        world.store(0).inner().damage(&pack, |bytes| bytes[400_000] ^= 1);
        let done = try_restore(&engine, &options("latest", &world.target("out")), &me).unwrap();
        match stores {
            1 => assert!((1..=30).contains(&done.casualties.len()), "{} casualties", done.casualties.len()),
            _ => assert_eq!(done.casualties, []),
        }
    }
}

#[test]
fn a_pack_that_was_away_is_read_when_it_is_back() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let old = backup(&engine).done.snapshot;
    let wanted = tree(&world.library);
    let pack = names(&world.store(0), "packs/").pop().unwrap();
    let bytes = world.store(0).read(&pack, None).unwrap().bytes(&pack).unwrap();
    world.store(0).inner().delete(&pack).unwrap();
    world.write("a.CR3", &noise(2, 300_000));
    backup(&engine);
    world.store(0).inner().put(&pack, &bytes, &FACTS).unwrap();
    restores(&engine, old.as_str(), &world.target("out"), &me, &wanted);
}

#[test]
fn folders_alone_on_one_file_system_are_no_empty_library() {
    let world = World::empty();
    world.write("2024/a.CR3", b"photo");
    let engine = world.init(Founder::Identity(identity()), 1).unwrap();
    let config = fs::read_to_string(&world.config).unwrap();
    fs::write(&world.config, config.replace("one_file_system = false", "one_file_system = true")).unwrap();
    drop(engine);
    assert!(fs::read_to_string(&world.config).unwrap().contains("one_file_system = true"));
    backup(&world.engine());
    assert_eq!(backup(&world.engine()).done.counts.files.0, 1);
}

#[test]
fn a_store_inside_the_library_is_no_part_of_it_however_it_is_reached() {
    // The stores of these tests are in memory; the state folder lies on disk.
    let world = World::empty();
    world.write("a.CR3", b"photo");
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let inside = world.library.join("hidden-state");
    fs::rename(engine.settings().state_dir(), &inside).unwrap();
    std::os::unix::fs::symlink(&inside, engine.settings().state_dir()).unwrap();
    assert_eq!(backup(&world.engine()).done.counts.files.0, 1);
}

#[test]
fn a_repository_of_another_owner_is_joined_only_if_he_is_named() {
    let world = World::empty();
    world.write("a.CR3", b"photo");
    let me = identity();
    let trap = vec![("me".to_string(), me.recipients()[0].clone())];
    world.init(Founder::Recipients(trap), 1).unwrap();
    let other = IdentityFile::parse(me.text("today").as_bytes()).unwrap();
    let error = world.join("elsewhere", JoinWith::Identity(other)).map(|_| ()).unwrap_err();
    assert!(matches!(error, EngineError::OtherOwner { .. }), "{error}");
}

#[test]
fn packs_alone_keep_the_recipes_of_what_was_stored_again() {
    let world = World::empty();
    world.write("a.CR3", &noise(1, 300_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    for prefix in ["packs/", "warm/"] {
        for pack in names(&world.store(0), prefix) {
            world.store(0).inner().delete(&pack).unwrap();
        }
    }
    backup(&world.engine());
    let mut recipes = Vec::new();
    for prefix in ["packs/", "warm/"] {
        for name in names(&world.store(0), prefix) {
            let bytes = world.store(0).read(&name, None).unwrap().bytes(&name).unwrap();
            let pack = darkslide_format::unpack::OpenPack::open(&bytes, &me.identities().all()).unwrap();
            recipes.extend(pack.manifest(None).unwrap().manifest.recipes.into_iter().map(|r| r.path.to_string()));
        }
    }
    assert!(recipes.contains(&"a.CR3".to_string()), "{recipes:?}");
}

/// The rows of a manifest wait in memory until their pack is sealed: files of a few bytes never fill one by their size.
#[test]
fn a_pack_of_the_tiniest_files_ends_by_their_number() {
    let world = World::empty();
    let me = identity();
    world.init(Founder::Identity(same(&me)), 1).unwrap();
    fs::create_dir_all(world.library.join("notes")).unwrap();
    for n in 0..8_400 {
        fs::write(world.library.join(format!("notes/{n:05}.xmp")), format!("<x n='{n}'/>")).unwrap();
    }
    let engine = world.engine();
    backup(&engine);
    assert_eq!(names(&world.store(0), "warm/").len(), 2, "8,192 rows, and the rest");
    assert_eq!(audit(&engine, Some(&me)).damages(), 0);
    let wanted = tree(&world.library);
    restores(&engine, "latest", &world.target("back"), &me, &wanted);
}
