//! What counts as changed: rot, files that will not hold still, live databases,
//! empty libraries, unreadable files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use darkslide_engine::words::Name;
use darkslide_engine::{BackupOptions, EngineError, ErrorKind, Founder};
use rusqlite::Connection;

use crate::harness::{
    Quiet, World, audit, backup, identity, noise, options, path, restores, same, scrub, tree, try_backup, try_restore,
};

fn keep_times(file: &Path, change: impl FnOnce()) {
    let before = fs::metadata(file).unwrap().modified().unwrap();
    change();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(before)).unwrap();
}

#[test]
fn rot_is_an_alarm_until_it_is_accepted() {
    let world = World::empty();
    let file = world.write("IMG_1.CR3", &noise(1, 100_000));
    world.write("IMG_2.CR3", &noise(2, 1000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let good = fs::read(&file).unwrap();
    keep_times(&file, || fs::write(&file, noise(3, 100_000)).unwrap());
    for _ in 0..2 {
        let done = try_backup(&engine).unwrap().done;
        assert_eq!(done.failures.len(), 1, "the alarm goes on");
        assert!(done.failures[0].reason.contains("ALARM"));
        let out = world.target("kept");
        try_restore(&engine, &options("latest", &out), &me).unwrap();
        assert!(fs::read(out.join("IMG_1.CR3")).unwrap() == good, "the last good version stays");
        fs::remove_dir_all(out).unwrap();
    }
    let accept = BackupOptions { accept: vec![path("IMG_1.CR3")], ..BackupOptions::default() };
    assert_eq!(engine.backup(&accept, &Quiet).unwrap().done.failures, []);
    backup(&engine);
    restores(&engine, "latest", &world.target("new"), &me, &tree(&world.library));
}

#[test]
fn rot_below_the_file_system_is_found_by_rehash() {
    let world = World::empty();
    let file = world.write("IMG_1.CR3", &noise(1, 100_000));
    let engine = world.init(Founder::Identity(identity()), 1).unwrap();
    backup(&engine);
    let all = BackupOptions { rehash: true, ..BackupOptions::default() };
    assert_eq!(engine.backup(&all, &Quiet).unwrap().done.failures, []);
    keep_times(&file, || fs::write(&file, noise(2, 100_000)).unwrap());
    let done = engine.backup(&all, &Quiet).unwrap().done;
    assert!(done.failures[0].reason.contains("ALARM"), "{:?}", done.failures);
}

#[test]
fn new_modes_and_names_of_the_same_content_are_no_alarm() {
    let world = World::empty();
    let file = world.write("a/IMG_1.CR3", &noise(1, 200_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(world.library.join("a"), PermissionsExt::from_mode(0o750)).unwrap();
    let done = backup(&engine).done;
    assert_eq!((done.counts.changed_files.0, done.counts.new_files.0), (1, 0));
    assert!(done.counts.stored_bytes.0 < 20_000);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    // The folder alone, on a machine that lost its catalog.
    fs::set_permissions(world.library.join("a"), PermissionsExt::from_mode(0o755)).unwrap();
    let secrets = world.folder.path().join("darkslide-state/writer.json");
    let again = world.join("again", darkslide_engine::JoinWith::Writer(secrets)).unwrap();
    backup(&again);
    fs::set_permissions(world.library.join("a"), PermissionsExt::from_mode(0o700)).unwrap();
    backup(&again);
    assert!(again.ls("latest", &Name::default(), darkslide_engine::Recursive::Yes, None, &mut |_| {}).is_ok());
    restores(&again, "latest", &world.target("again"), &me, &tree(&world.library));
}

#[test]
fn an_empty_library_is_a_brake() {
    let world = World::empty();
    world.write("IMG_1.CR3", b"photo");
    let engine = world.init(Founder::Identity(identity()), 1).unwrap();
    backup(&engine);
    fs::remove_file(world.library.join("IMG_1.CR3")).unwrap();
    let error = try_backup(&engine).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let allow = BackupOptions { allow_empty: true, ..BackupOptions::default() };
    assert_eq!(engine.backup(&allow, &Quiet).unwrap().done.counts.files.0, 0);
    fs::remove_dir(&world.library).unwrap();
    assert!(matches!(try_backup(&engine), Err(EngineError::Snapshot(_))));
}

fn catalog(path: &Path, rows: u32) -> Connection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, name TEXT, x BLOB)").unwrap();
    fill(&conn, rows);
    conn
}

fn fill(conn: &Connection, rows: u32) {
    conn.execute_batch("BEGIN").unwrap();
    for n in 0..rows {
        conn.execute("INSERT INTO t (name, x) VALUES (?1, randomblob(400))", [format!("image {n}")]).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_closed_database_is_byte_for_byte_and_then_deltas() {
    let world = World::empty();
    let file = world.library.join("Catalog/main.lrcat");
    drop(catalog(&file, 12_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let mut states = vec![(backup(&engine).done, tree(&world.library))];
    let size = fs::metadata(&file).unwrap().len();
    for round in 0..4 {
        let conn = Connection::open(&file).unwrap();
        conn.execute("UPDATE t SET name = name || ' rated' WHERE id % 100 = ?1", [round]).unwrap();
        fill(&conn, 20);
        drop(conn);
        let done = backup(&engine).done;
        assert!(done.counts.stored_bytes.0 < size / 10, "{round}: {:?} of {size}", done.counts);
        states.push((done, tree(&world.library)));
    }
    for (n, (done, wanted)) in states.iter().enumerate() {
        restores(&engine, done.snapshot.as_str(), &world.target(&n.to_string()), &me, wanted);
    }
    assert_eq!(audit(&engine, Some(&me)).findings, []);
    assert_eq!(scrub(&engine, Some(&me)).findings, []);
}

#[test]
fn a_base_that_was_tampered_with_is_not_used() {
    let world = World::empty();
    let file = world.library.join("main.lrcat");
    drop(catalog(&file, 8_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let bases = world.folder.path().join("darkslide-state/work/bases");
    for base in fs::read_dir(bases).unwrap() {
        let base = base.unwrap().path();
        let mut bytes = fs::read(&base).unwrap();
        bytes.iter_mut().step_by(1000).for_each(|b| *b ^= 1);
        fs::write(base, bytes).unwrap();
    }
    let conn = Connection::open(&file).unwrap();
    conn.execute("UPDATE t SET name = 'x'", []).unwrap();
    drop(conn);
    backup(&engine);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
}

#[test]
fn a_database_rewritten_wholly_gets_a_new_base() {
    let world = World::empty();
    let file = world.library.join("main.lrcat");
    drop(catalog(&file, 8_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let mut stored = Vec::new();
    for _ in 0..6 {
        let conn = Connection::open(&file).unwrap();
        conn.execute("UPDATE t SET x = randomblob(400) WHERE id % 3 = abs(random()) % 3", []).unwrap();
        drop(conn);
        stored.push(backup(&engine).done.counts.stored_bytes.0);
        restores(&engine, "latest", &world.target(&stored.len().to_string()), &me, &tree(&world.library));
    }
    assert_eq!(audit(&engine, Some(&me)).findings, []);
    assert_eq!(scrub(&engine, Some(&me)).findings, []);
}

#[test]
fn a_live_database_is_archived_with_its_log() {
    let world = World::empty();
    let file = world.library.join("live.lrcat");
    let conn = Connection::open(&file).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, x BLOB)").unwrap();
    fill(&conn, 500);
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    let count = |out: &Path| -> i64 {
        let restored = Connection::open(out.join("live.lrcat")).unwrap();
        assert_eq!(restored.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).unwrap(), "ok");
        restored.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap()
    };
    try_restore(&engine, &options("latest", &world.target("a")), &me).unwrap();
    assert_eq!(count(&world.target("a")), 500);
    assert!(!world.target("a").join("live.lrcat-wal").exists(), "the log is part of the copy");
    fill(&conn, 100);
    backup(&engine);
    try_restore(&engine, &options("latest", &world.target("b")), &me).unwrap();
    assert_eq!(count(&world.target("b")), 600);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_consistent_or_named() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = World::empty();
    let file = world.write("growing.mov", &noise(1, 6_000_000));
    world.write("calm.CR3", &noise(2, 1000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    let stop = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&file).unwrap();
            while !stop.load(Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"more").unwrap();
            }
        });
        let done = try_backup(&engine);
        stop.store(true, Ordering::Relaxed);
        done
    });
    let failures = done.unwrap().done.failures;
    let out = world.target("out");
    try_restore(&engine, &options("latest", &out), &me).unwrap();
    match fs::read(out.join("growing.mov")) {
        Ok(bytes) => {
            assert_eq!(failures, []);
            let tail = &bytes[6_000_000..];
            assert!(bytes[..6_000_000] == noise(1, 6_000_000)[..] && tail.chunks(4).all(|c| c == b"more"));
        }
        Err(_) => assert_eq!(failures[0].path, path("growing.mov")),
    }
    assert!(out.join("calm.CR3").exists());
    backup(&engine);
    restores(&engine, "latest", &world.target("calm"), &me, &tree(&world.library));
}
