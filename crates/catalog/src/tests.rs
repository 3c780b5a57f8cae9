//! The catalog on small data.

use super::*;
use darkslide_words::{Bytes, ChunkId, Count, Money, Name, ObjectName, Readable, Span, StorageClass, Tier, Time};

fn catalog() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::create(&folder.path().join("catalog.sqlite")).unwrap();
    (folder, catalog)
}

fn facts(name: &str) -> PackFacts {
    PackFacts {
        name: ObjectName::new(name).unwrap(),
        kind: 0,
        size: Bytes(10),
        crc64: u64::MAX,
        header: vec![1],
        nonce: vec![2],
        manifest_off: Bytes(3),
        manifest_len: Bytes(4),
    }
}

fn chunk(n: u8) -> ChunkFacts {
    ChunkFacts { id: ChunkId::new([n; 32]), off: Bytes(1), len: Bytes(2), plain: Bytes(3), base: None }
}

#[test]
fn the_log_is_as_long_in_old_catalogs_as_in_new_ones() {
    let (folder, catalog) = catalog();
    let number = |catalog: &Catalog, what| catalog.conn.query_row(what, [], |row| row.get::<_, i64>(0)).unwrap();
    let shape = |catalog: &Catalog| {
        (number(catalog, "PRAGMA page_size"), number(catalog, "PRAGMA wal_autocheckpoint"), {
            catalog.conn.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap()
        })
    };
    assert_eq!(shape(&catalog), (16384, 1000, "wal".into()));
    // As earlier versions made them.
    catalog.conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM").unwrap();
    drop(catalog);
    let old = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
    assert_eq!(shape(&old), (4096, 4000, "wal".into()));
}

#[test]
fn a_catalog_is_never_replaced_and_newer_ones_are_refused() {
    let (folder, catalog) = catalog();
    let path = folder.path().join("catalog.sqlite");
    assert!(matches!(Catalog::create(&path), Err(CatalogError::Exists { .. })));
    catalog.conn.execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Catalog::open(&path), Err(CatalogError::Newer { found: 99, .. })));
    let other = folder.path().join("other.sqlite");
    std::fs::write(&other, vec![b'x'; 5000]).unwrap();
    assert!(matches!(Catalog::open(&other), Err(CatalogError::Damaged { .. })));
    assert!(matches!(Catalog::open(&folder.path().join("none")), Err(CatalogError::Missing { .. })));
}

#[test]
fn a_chunk_may_have_several_places_and_only_good_ones_count() {
    let (_folder, catalog) = catalog();
    let a = catalog.add_pack(&facts("packs/a"), None, Trusted::Yes).unwrap().id;
    let b = catalog.add_pack(&facts("packs/b"), None, Trusted::No).unwrap().id;
    catalog.add_chunks(&[(0, a, chunk(2)), (0, b, chunk(1)), (0, a, chunk(1))]).unwrap();
    assert!(!catalog.add_pack(&facts("packs/a"), None, Trusted::Yes).unwrap().is_new);
    let id = ChunkId::new([1; 32]);
    assert_eq!(catalog.locations(0, id, Trusted::No).unwrap().len(), 2);
    assert_eq!(catalog.locations(0, id, Trusted::Yes).unwrap().len(), 1);
    assert_eq!(catalog.locations(1, id, Trusted::No).unwrap().len(), 0);
    catalog.set_pack_state(a, PackState::Condemned).unwrap();
    assert_eq!(catalog.locations(0, id, Trusted::Yes).unwrap().len(), 0, "condemned, or untrusted");
    assert_eq!(catalog.locations(0, id, Trusted::No).unwrap()[0].pack, b, "the better one first");
    assert_eq!(catalog.chunks_of_pack(a).unwrap().len(), 2);
    assert_eq!(catalog.unindexed().unwrap(), [b], "what is about to go, or gone, is indexed no more");
    catalog.set_pack_state(a, PackState::Stored).unwrap();
    assert_eq!(catalog.unindexed().unwrap(), [a, b]);
    assert_eq!(catalog.pack(a).unwrap(), facts("packs/a"));
    // Deleted by a prune: known still, and nobody misses it.
    catalog.set_pack_state(a, PackState::Pruned).unwrap();
    let (mut there, mut known) = (Vec::new(), Vec::new());
    let each = |list: &mut Vec<PackId>, id| {
        list.push(id);
        Ok::<_, CatalogError>(())
    };
    catalog.for_each_pack(|id, _, _, _| each(&mut there, id)).unwrap();
    catalog.for_each_known_pack(|id, _, _, _| each(&mut known, id)).unwrap();
    assert_eq!((there, known), (vec![b], vec![a, b]));
}

#[test]
fn changing_a_file_makes_its_folders_page_stale() {
    let (_folder, catalog) = catalog();
    let dir = catalog.dir("job", DirId(0), &Name::from("shoot")).unwrap();
    let page = ChunkId::new([9; 32]);
    catalog.finish_dir(dir.id, b"{}", page, Some(&PackSet::from_iter([PackId(300)]))).unwrap();
    assert_eq!(catalog.dir("job", DirId(0), &Name::from("shoot")).unwrap().page, Some(page));
    let row = FileRow {
        name: Name::new(b"\xff.xmp".to_vec()),
        stat: Stat { size: 5, mtime: Time(-7), inode: u64::MAX, links: 2, ..Stat::default() },
        entry: b"{}".to_vec(),
        packs: PackSet::from_iter([PackId(1), PackId(2), PackId(1000)]),
    };
    catalog.put_files(&[(dir.id, row.clone())]).unwrap();
    assert_eq!(catalog.dir("job", DirId(0), &Name::from("shoot")).unwrap().page, None);
    let back = catalog.file(dir.id, &row.name).unwrap().unwrap();
    assert_eq!((back.stat, &back.packs), (row.stat, &row.packs));
    assert_eq!(catalog.stats(dir.id).unwrap(), [(row.name.clone(), row.stat)]);
    let needed: Vec<i64> = catalog.needed_packs("job").unwrap().iter().map(|p| p.0).collect();
    assert_eq!(needed, [1, 2, 300, 1000]);
    assert_eq!(catalog.remove_dir("job", dir.id).unwrap(), 1);
    assert!(catalog.needed_packs("job").unwrap().is_empty());
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let (_folder, catalog) = catalog();
    let result: Result<(), CatalogError> = catalog.transaction(|| {
        catalog.set_meta("k", b"v")?;
        Err(CatalogError::BrokenRow { what: "on purpose" })
    });
    assert!(result.is_err());
    assert_eq!(catalog.meta("k").unwrap(), None);
}

#[test]
fn a_catalog_of_an_older_version_gets_the_new_tables_and_keeps_its_rows() {
    older(1, TABLES);
    older(2, &[TABLES, TABLES_2].concat());
    older(3, &[TABLES, TABLES_2, TABLES_3].concat());
    previous();
}

#[test]
fn what_version_6_called_stale_is_stale_in_version_7_too() {
    let spans = [crate::photographs::TABLES, crate::thaws::SPANS].concat();
    for (number, newest) in [(5, crate::photographs::TABLES), (6, &*spans)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.sqlite");
        let conn = rusqlite::Connection::open(&path).unwrap();
        let has = [TABLES, TABLES_2, TABLES_3, TABLES_4, crate::scrubs::TABLES, newest].concat();
        conn.execute_batch(&format!("BEGIN; {has} PRAGMA user_version = {number}; COMMIT;")).unwrap();
        let row = "INSERT INTO files (dir, name, stat, packs, entry) VALUES (3, CAST('a.CR3' AS BLOB), x'', x'', x'')";
        conn.execute(row, []).unwrap();
        drop(conn);
        let catalog = Catalog::open(&path).unwrap();
        assert_eq!(catalog.stale_files(DirId(3)).unwrap(), [Name::from("a.CR3")], "by the trigger of version {number}");
        let (name, stat, packs) = (Name::from("b.CR3"), Stat::default(), PackSet::default());
        catalog.put_files(&[(DirId(3), FileRow { name, stat, entry: b"{}".to_vec(), packs })]).unwrap();
        assert_eq!(catalog.stale_files(DirId(3)).unwrap(), [Name::from("a.CR3"), Name::from("b.CR3")]);
        catalog.close().unwrap();
        let fresh = folder.path().join("fresh.sqlite");
        Catalog::create(&fresh).unwrap().close().unwrap();
        assert_eq!(tables(&path), tables(&fresh), "from version {number}");
    }
}

#[test]
fn a_thaw_of_version_4_wants_its_packs_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let conn = rusqlite::Connection::open(&path).unwrap();
    let has = [TABLES, TABLES_2, TABLES_3, TABLES_4, crate::scrubs::TABLES].concat();
    let row = "INSERT INTO thaws (made, state, wish, tier, days, quoted, spent) VALUES (1, 'open', '{}', 'Bulk', 3, 4, 5);
        INSERT INTO thaw_packs (thaw, store, name, size, wanted, class, step, wave, tier, days, due, cost, pending, fetch,
        extensions, note) VALUES (1, 's3', 'packs/a', 9, 9, 'DEEP_ARCHIVE', 'asked', 1, 'Bulk', 3, 7, 0, 0, 0, 0, '');";
    conn.execute_batch(&format!("BEGIN; {has} {row} PRAGMA user_version = 4; COMMIT;")).unwrap();
    drop(conn);
    let catalog = Catalog::open(&path).unwrap();
    let packs = catalog.thaw_packs(ThawId(1)).unwrap();
    assert_eq!((packs.len(), packs[0].span, packs[0].step), (1, None, PackStep::Asked));
}

fn older(number: i64, has: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(&format!("BEGIN; {has} PRAGMA user_version = {number}; COMMIT;")).unwrap();
    let old = Catalog { conn };
    let pack = old.add_pack(&facts("packs/a"), None, Trusted::Yes).unwrap().id;
    assert_eq!(old.cards().is_ok(), number >= 3, "version {number} has cards from 3 on");
    let rows = "INSERT INTO runs (job, kind, started) VALUES ('photos', 'backup', 7);
        INSERT INTO runs (job, kind, started, ended, outcome, summary) VALUES ('photos', 'backup', 8, 9, 'complete', 's');";
    old.conn.execute_batch(rows).unwrap();
    assert!(old.runs(1).is_err(), "version {number} does not know who started a run");
    old.close().unwrap();

    for _ in 0..2 {
        let catalog = Catalog::open(&path).unwrap();
        assert_eq!(catalog.pack(pack).unwrap(), facts("packs/a"));
        assert_eq!(catalog.thaws().unwrap(), []);
        assert_eq!(version(&catalog.conn).unwrap(), SCHEMA);
        let runs = catalog.runs(9).unwrap();
        let told: Vec<_> = runs.iter().map(|run| (run.started.0, run.ended, run.how(), run.origin)).collect();
        let (done, cut) = (Some(crate::RunOutcome::Complete), Some(crate::RunOutcome::CutOff));
        assert_eq!(told, [(8, Some(Time(9)), done, Default::default()), (7, None, cut, Default::default())]);
        catalog.close().unwrap();
    }
    let fresh = folder.path().join("fresh.sqlite");
    Catalog::create(&fresh).unwrap().close().unwrap();
    assert_eq!(tables(&path), tables(&fresh), "migrated or made anew, the tables are the same");
    assert!(tables(&path).iter().any(|sql| sql.contains("TABLE ledger")));
}

/// Version 4 gets the photographs: every file it knows is looked at once.
fn previous() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let conn = rusqlite::Connection::open(&path).unwrap();
    let has = [TABLES, TABLES_2, TABLES_3, TABLES_4, scrubs::TABLES].concat();
    conn.execute_batch(&format!("BEGIN; {has} PRAGMA user_version = 4; COMMIT;")).unwrap();
    let old = Catalog { conn };
    let dir = old.dir("photos", DirId(0), &Name::default()).unwrap().id;
    let row = "INSERT INTO files (dir, name, stat, packs, entry) VALUES (?1, CAST('a.CR3' AS BLOB), x'', x'', x'')";
    old.conn.execute(row, [dir.0]).unwrap();
    old.close().unwrap();
    let catalog = Catalog::open(&path).unwrap();
    assert_eq!(catalog.photographs_stale().unwrap(), Stale::Yes);
    assert_eq!(catalog.stale_files(dir).unwrap(), [Name::from("a.CR3")]);
    assert_eq!(catalog.job("photos").unwrap().previews, Default::default());
    catalog.close().unwrap();
    let fresh = folder.path().join("fresh.sqlite");
    Catalog::create(&fresh).unwrap().close().unwrap();
    assert_eq!(tables(&path), tables(&fresh));
}

fn tables(path: &std::path::Path) -> Vec<String> {
    let conn = rusqlite::Connection::open(path).unwrap();
    let mut query = conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn place(name: &str, class: StorageClass, readable: Readable, seen: i64) -> PlaceRow {
    PlaceRow { name: ObjectName::new(name).unwrap(), class, readable, size: Bytes(1 << 40), seen: Time(seen) }
}

#[test]
fn places_are_kept_by_store_and_forgotten_when_a_listing_misses_them() {
    let (_folder, catalog) = catalog();
    let rows = [
        place("packs/a", StorageClass::DeepArchive, Readable::Cold, 1),
        place("packs/b", StorageClass::DeepArchive, Readable::Until(Time(-5)), 2),
        place("packs/c", StorageClass::Other("FSX_ONTAP".into()), Readable::Unknown, 2),
        place("packs/d", StorageClass::Glacier, Readable::Thawing, 2),
        place("packs/e", StorageClass::Standard, Readable::Now, 2),
    ];
    catalog.transaction(|| catalog.put_places("s3", &rows)).unwrap();
    catalog.put_places("disk", &rows[..1]).unwrap();
    let mut back = Vec::new();
    let collect = |row: PlaceRow| -> Result<(), CatalogError> {
        back.push(row);
        Ok(())
    };
    catalog.for_each_place("s3", collect).unwrap();
    assert_eq!(back, rows);
    assert_eq!(catalog.place("s3", &rows[1].name).unwrap().as_ref(), Some(&rows[1]));
    assert_eq!(catalog.place("disk", &rows[1].name).unwrap(), None);
    let deep = (StorageClass::DeepArchive, Count(2), Bytes(2 << 40));
    assert_eq!(catalog.holdings("s3").unwrap()[0], deep);

    let thawed = PlaceRow { readable: Readable::Until(Time(99)), seen: Time(3), ..rows[0].clone() };
    catalog.put_places("s3", std::slice::from_ref(&thawed)).unwrap();
    assert_eq!(catalog.place("s3", &thawed.name).unwrap(), Some(thawed));
    assert_eq!(catalog.forget_places("s3", Time(3)).unwrap(), 4);
    assert_eq!(catalog.holdings("s3").unwrap().len(), 1);
    assert_eq!(catalog.holdings("disk").unwrap().len(), 1, "another store's rows stay");
}

fn a_thaw() -> ThawRow {
    ThawRow {
        id: ThawId(0),
        made: Time(1),
        ended: None,
        state: ThawState::Open,
        order: "{\"paths\":[]}".into(),
        tier: Tier::Bulk,
        days: 7,
        max_cost: Some(Money(5)),
        quoted: Money(4),
        spent: Money::ZERO,
    }
}

fn a_pack(name: &str, step: PackStep) -> ThawPackRow {
    ThawPackRow {
        store: "s3".into(),
        name: ObjectName::new(name).unwrap(),
        size: Bytes(u64::MAX),
        wanted: Bytes(3),
        span: Some(Span { from: 1, to: u64::MAX >> 1 }),
        class: StorageClass::DeepArchive,
        step,
        wave: 1,
        tier: Tier::Standard,
        days: Some(7),
        due: Time(2),
        asked: Some(Time(3)),
        until: None,
        cost: Money(1),
        pending: Money(2),
        fetch: Money(3),
        extensions: 1,
        job: Some("job:1".into()),
        note: "ä".into(),
    }
}

#[test]
fn a_thaw_comes_back_as_it_was_written() {
    let (_folder, catalog) = catalog();
    let packs: Vec<ThawPackRow> =
        PackStep::ALL.into_iter().map(|step| a_pack(&format!("packs/{}", step.word()), step)).collect();
    let id = catalog.add_thaw(&a_thaw(), &packs).unwrap();
    assert_eq!(catalog.thaw(id).unwrap(), Some(ThawRow { id, ..a_thaw() }));
    assert_eq!(catalog.thaw(ThawId(id.0 + 1)).unwrap(), None);
    let mut sorted = packs.clone();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(catalog.thaw_packs(id).unwrap(), sorted);
    assert_eq!(catalog.pending_costs().unwrap(), Money(14));

    let changed = ThawPackRow {
        pending: Money::ZERO,
        job: None,
        span: None,
        days: None,
        until: Some(Time(9)),
        ..sorted[0].clone()
    };
    catalog.put_thaw_pack(id, &changed).unwrap();
    assert_eq!(catalog.thaw_packs(id).unwrap()[0], changed);
    assert_eq!(catalog.pending_costs().unwrap(), Money(12));

    catalog.add_spent(id, Money(3)).unwrap();
    catalog.add_spent(id, Money(-1)).unwrap();
    catalog.confirm_thaw(id, Tier::Standard, Money(40), None).unwrap();
    catalog.end_thaw(id, ThawState::Cancelled, Time(8)).unwrap();
    let ended = ThawRow {
        id,
        ended: Some(Time(8)),
        state: ThawState::Cancelled,
        tier: Tier::Standard,
        quoted: Money(40),
        max_cost: None,
        spent: Money(2),
        ..a_thaw()
    };
    let second = catalog.add_thaw(&a_thaw(), &[]).unwrap();
    assert_eq!(catalog.thaws().unwrap(), [ThawRow { id: second, ..a_thaw() }, ended]);
}

#[test]
fn rows_of_a_later_version_are_named_as_broken_and_not_guessed() {
    let (_folder, catalog) = catalog();
    let id = catalog.add_thaw(&a_thaw(), &[a_pack("packs/a", PackStep::Warm)]).unwrap();
    catalog.conn.execute_batch("UPDATE thaw_packs SET step = 'lost'; UPDATE thaws SET tier = 'never'").unwrap();
    assert!(matches!(catalog.thaw_packs(id), Err(CatalogError::BrokenRow { what: "a pack of a thaw" })));
    assert!(matches!(catalog.thaw(id), Err(CatalogError::BrokenRow { what: "a thaw" })));
    catalog.put_places("s3", &[place("packs/a", StorageClass::Standard, Readable::Now, 1)]).unwrap();
    catalog.conn.execute_batch("UPDATE places SET readable = 3").unwrap();
    let name = ObjectName::new("packs/a").unwrap();
    assert!(matches!(catalog.place("s3", &name), Err(CatalogError::BrokenRow { what: "a place" })));
}

#[test]
fn the_ledger_adds_up_from_a_day_on() {
    let (_folder, catalog) = catalog();
    let row = |at, actual| LedgerRow {
        at: Time(at),
        kind: "thaw".into(),
        reference: "thaw 1".into(),
        what: "packs/a".into(),
        quoted: Money(10),
        actual: Money(actual),
    };
    assert_eq!(catalog.spent(Time(i64::MIN)).unwrap(), Money::ZERO);
    for row in [row(5, 100), row(1, 7), row(5, 1)] {
        catalog.add_ledger(&row).unwrap();
    }
    assert_eq!(catalog.ledger(Time(2)).unwrap(), [row(5, 100), row(5, 1)]);
    assert_eq!(catalog.spent(Time(5)).unwrap(), Money(101));
    assert_eq!(catalog.spent(Time(0)).unwrap(), Money(108));
}

#[test]
fn a_run_comes_back_as_it_began_and_ended() {
    use crate::{RunEnd, RunOrigin, RunOutcome, RunStart, Scheduled};
    let (_folder, catalog) = catalog();
    let start = |at, slot: Option<i64>| RunStart {
        job: "photos".into(),
        task: slot.map(|_| "nightly".into()),
        kind: "backup".into(),
        at: Time(at),
        origin: RunOrigin::Missed,
        slot: slot.map(Time),
        cause: None,
    };
    let first = catalog.begin_run(&start(100, Some(90))).unwrap();
    let second =
        catalog.begin_run(&RunStart { origin: RunOrigin::After, cause: Some(first), ..start(200, None) }).unwrap();
    let end = RunEnd {
        outcome: RunOutcome::Incomplete,
        summary: "two of three".into(),
        files: Count(2),
        bytes: Bytes(5),
        money: Money(7),
        warnings: Count(1),
    };
    catalog.end_run(first, Time(110), &end).unwrap();
    assert_eq!(catalog.runs_going_on().unwrap().iter().map(|run| run.id).collect::<Vec<_>>(), [second]);
    let row = catalog.run(first).unwrap().unwrap();
    assert_eq!((row.how(), row.origin, row.slot), (Some(end.outcome), RunOrigin::Missed, Some(Time(90))));
    assert_eq!((row.files, row.bytes, row.money, row.warnings), (end.files, end.bytes, end.money, end.warnings));
    assert!(catalog.cut_off(second, Time(210)).unwrap() && !catalog.cut_off(second, Time(220)).unwrap());
    assert!(!catalog.cut_off(first, Time(220)).unwrap(), "what ended was not cut off");
    let row = catalog.run(second).unwrap().unwrap();
    assert_eq!((row.how(), row.ended, row.cause), (Some(RunOutcome::CutOff), Some(Time(210)), Some(first)));

    let of = crate::RunsOf { task: "nightly", kind: "backup", target: "photos" };
    let until = |floor, limit| {
        let rows = catalog.runs_since(&of, Time(floor), Time(limit)).unwrap();
        rows.iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!((until(90, 200), until(101, 200), until(201, 300)), (vec![first, second], vec![second], vec![]));
    assert_eq!(until(90, 150), [first], "what is told of the future counts for nothing");
    assert_eq!((catalog.last_run().unwrap(), catalog.runs_of("none", 9).unwrap()), (second, vec![]));
    let ids = |rows: Vec<crate::RunRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(catalog.latest_runs(&of, 9).unwrap()), [second, first]);
    assert_eq!(ids(catalog.runs_after(&of, first).unwrap()), [second]);
    assert_eq!(ids(catalog.runs_after(&crate::RunsOf { target: "films", ..of }, 0).unwrap()), [first]);
    assert_eq!(
        (ids(catalog.runs_of("nightly", 9).unwrap()), ids(catalog.runs_of("photos", 1).unwrap())),
        (vec![first], vec![second])
    );

    let scheduled = Scheduled { text: "hourly".into(), since: Time(3), since_run: 4 };
    catalog.set_scheduled("photos", &Scheduled { since: Time(1), ..scheduled.clone() }).unwrap();
    catalog.set_scheduled("photos", &scheduled).unwrap();
    assert_eq!((catalog.scheduled("photos").unwrap(), catalog.scheduled("x").unwrap()), (Some(scheduled), None));
}

#[test]
fn a_clock_is_wrong_once_another_one_went_on_for_long() {
    use crate::{RunOrigin, RunStart, RunsOf};
    use std::time::Duration;
    let (_folder, catalog) = catalog();
    let begin = |at| {
        let (job, kind) = ("photos".to_string(), "backup".to_string());
        let origin = RunOrigin::Manual;
        catalog.begin_run(&RunStart { job, task: None, kind, at: Time(at), origin, slot: None, cause: None }).unwrap()
    };
    let of = RunsOf { task: "nightly", kind: "backup", target: "photos" };
    let all = || catalog.runs_since(&of, Time(0), Time(10_000)).unwrap().len();
    let void = |limit| catalog.void_runs_after(Time(limit), Duration::from_nanos(100)).unwrap();
    begin(1000);
    begin(5000);
    begin(200);
    assert_eq!((void(300), all()), (0, 3), "it may be the clock of now that is wrong");
    begin(1010);
    assert_eq!((void(1100), all()), (1, 3 + 1 - 1), "a long time went by on the other one");
    assert_eq!((void(1100), all()), (0, 3));
}
