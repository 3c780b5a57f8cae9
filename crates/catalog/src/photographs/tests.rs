//! Photographs: kept in step with the library's rows, asked page by page, counted.

use std::collections::BTreeSet;

use darkslide_words::ObjectName;

use super::*;
use crate::{FileRow, PackSet, PreviewPack, PreviewRecord, Stat};

fn catalog() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::create(&folder.path().join("catalog.sqlite")).unwrap();
    (folder, catalog)
}

fn row(folder: &str, name: &str, n: u64) -> PhotographRow {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&n.to_le_bytes());
    PhotographRow {
        id: PhotographId(0),
        job: "photos".into(),
        folder: Name::from(folder),
        name: Name::from(name),
        beside: Vec::new(),
        hash: ContentHash::new(hash),
        sidecar: None,
        size: Bytes(1000),
        mtime: Time(0),
        shown: Shown { kind: "raw".into(), extension: "cr3".into(), ..Shown::default() },
    }
}

/// Day `n` of 2020, two cameras in turn, stars 0 to 5.
fn shown(row: &PhotographRow, own: Option<&[u8]>, sidecar: Option<&[u8]>) -> Shown {
    let n = u64::from_le_bytes(row.hash.as_bytes()[..8].try_into().unwrap());
    let stars = sidecar.or(own).map(|facts| facts[0] as i8);
    Shown {
        taken: 1_577_836_800_000 + n as i64 * 86_400_000,
        camera: Some(if n.is_multiple_of(2) { "R5".into() } else { "Z9".into() }),
        lens: Some("35mm".into()),
        rating: stars.or(Some((n % 6) as i8)),
        place: n.is_multiple_of(3).then_some((n as i64, -1)),
        ..row.shown.clone()
    }
}

fn filled(count: u64) -> (tempfile::TempDir, Catalog) {
    let (folder, catalog) = catalog();
    catalog
        .transaction::<(), CatalogError>(|| {
            for n in 0..count {
                let at = format!("2020/{:02}", n % 12);
                let packs = [PackId(n as i64 / 10)];
                catalog.put_photograph(None, &row(&at, &format!("IMG_{n:06}.CR3"), n), &packs)?;
            }
            Ok(())
        })
        .unwrap();
    while catalog.refresh_photographs(1000, &shown).unwrap() > 0 {}
    assert_eq!(catalog.photographs_stale().unwrap(), Stale::No);
    (folder, catalog)
}

fn all(catalog: &Catalog, query: &PhotographQuery, sort: Sort, page: usize) -> Vec<PhotographRow> {
    let (mut out, mut after) = (Vec::new(), None);
    loop {
        let rows = catalog.photographs(query, sort, after, page).unwrap();
        let Some(last) = rows.last() else { return out };
        after = Some((last.shown.taken, last.id));
        out.extend(rows);
    }
}

#[test]
fn pages_are_the_whole_list_in_order_and_each_once() {
    let (_folder, catalog) = filled(400);
    let query = PhotographQuery::default();
    for page in [1, 7, 400, 1000] {
        let newest = all(&catalog, &query, Sort::Newest, page);
        assert_eq!(newest.len(), 400);
        assert!(newest.windows(2).all(|two| two[0].shown.taken > two[1].shown.taken));
        let mut oldest = all(&catalog, &query, Sort::Oldest, page);
        oldest.reverse();
        assert_eq!(oldest, newest);
    }
    let tenth = &all(&catalog, &query, Sort::Newest, 100)[10];
    assert_eq!(catalog.photographs_before(&query, Sort::Newest, (tenth.shown.taken, tenth.id)).unwrap(), 10);
    assert_eq!(catalog.photographs_before(&query, Sort::Oldest, (tenth.shown.taken, tenth.id)).unwrap(), 389);
}

#[test]
fn every_filter_finds_what_a_look_at_all_finds() {
    let (_folder, catalog) = filled(366);
    let none = PhotographQuery::default();
    let everything = all(&catalog, &none, Sort::Oldest, 50);
    let heat = PackHeat { usual: 3, others: vec![(PackId(2), 1), (PackId(30), 1), (PackId(4), 0)] };
    type Test = Box<dyn Fn(&PhotographRow) -> bool>;
    let number = |row: &PhotographRow| u64::from_le_bytes(row.hash.as_bytes()[..8].try_into().unwrap());
    let cases: Vec<(PhotographQuery, Test)> = vec![
        (PhotographQuery { from: Some(1_580_515_200_000), ..none.clone() }, Box::new(move |row| number(row) >= 31)),
        (PhotographQuery { before: Some(1_580_515_200_000), ..none.clone() }, Box::new(move |row| number(row) < 31)),
        (PhotographQuery { cameras: vec!["Z9".into()], ..none.clone() }, Box::new(move |row| number(row) % 2 == 1)),
        (PhotographQuery { cameras: vec!["Z9".into(), "R5".into()], ..none.clone() }, Box::new(|_| true)),
        (PhotographQuery { lenses: vec!["50mm".into()], ..none.clone() }, Box::new(|_| false)),
        (PhotographQuery { rating_min: Some(4), ..none.clone() }, Box::new(move |row| number(row) % 6 >= 4)),
        (PhotographQuery { placed: Some(()), ..none.clone() }, Box::new(move |row| number(row) % 3 == 0)),
        (PhotographQuery { folder: Some(Name::from("2020")), ..none.clone() }, Box::new(|_| true)),
        (
            PhotographQuery { folder: Some(Name::from("2020/03")), ..none.clone() },
            Box::new(move |row| number(row) % 12 == 3),
        ),
        (PhotographQuery { folder: Some(Name::from("20")), ..none.clone() }, Box::new(|_| false)),
        (
            PhotographQuery { text: Some("img_00001".into()), ..none.clone() },
            Box::new(move |row| number(row) / 10 == 1),
        ),
        (PhotographQuery { text: Some("_%".into()), ..none.clone() }, Box::new(|_| false)),
        (
            PhotographQuery { kinds: vec!["raw".into()], extensions: vec!["cr3".into()], ..none.clone() },
            Box::new(|_| true),
        ),
        (PhotographQuery { jobs: vec!["other".into()], ..none.clone() }, Box::new(|_| false)),
        (
            PhotographQuery { heat: Some((heat.clone(), 1)), ..none.clone() },
            Box::new(move |row| matches!(number(row) / 10, 2 | 30)),
        ),
        (PhotographQuery { heat: Some((heat.clone(), 0)), ..none.clone() }, Box::new(move |row| number(row) / 10 == 4)),
        (
            PhotographQuery { heat: Some((heat, 3)), ..none.clone() },
            Box::new(move |row| !matches!(number(row) / 10, 2 | 4 | 30)),
        ),
    ];
    for (query, test) in cases {
        let wanted: Vec<PhotographRow> = everything.iter().filter(|row| test(row)).cloned().collect();
        assert_eq!(all(&catalog, &query, Sort::Oldest, 13), wanted, "{query:?}");
        let count = catalog.photograph_count(&query).unwrap();
        assert_eq!(count, (wanted.len() as u64, wanted.len() as u64 * 1000), "{query:?}");
        let months: u64 = catalog.photograph_months(&query).unwrap().iter().map(|month| month.count).sum();
        assert_eq!(months, wanted.len() as u64);
    }
}

#[test]
fn months_and_facets_are_counted() {
    let (_folder, catalog) = filled(366);
    let query = PhotographQuery::default();
    let months = catalog.photograph_months(&query).unwrap();
    assert_eq!(months.len(), 12);
    assert_eq!((months[1].year, months[1].month, months[1].count), (2020, 2, 29));
    let cameras: Vec<(String, u64)> =
        catalog.photograph_cameras(&query).unwrap().into_iter().map(|one| (one.value, one.count)).collect();
    assert_eq!(cameras, [("R5".to_string(), 183), ("Z9".to_string(), 183)]);
    assert_eq!(catalog.photograph_ratings(&query).unwrap().len(), 6);
    assert_eq!(catalog.photograph_folders(&query).unwrap().len(), 12);
    assert_eq!(catalog.photograph_extensions(&query).unwrap()[0].value, "cr3");
    let z9 = PhotographQuery { cameras: vec!["Z9".into()], ..query };
    assert_eq!(catalog.photograph_kinds(&z9).unwrap(), [Facet { value: "raw".into(), count: 183 }]);
    assert_eq!(catalog.photograph_lenses(&z9).unwrap()[0].count, 183);
}

fn file(name: &str) -> FileRow {
    FileRow { name: Name::from(name), stat: Stat::default(), entry: b"{}".to_vec(), packs: PackSet::default() }
}

#[test]
fn whatever_changes_a_files_row_makes_its_photograph_stale() {
    let (_folder, catalog) = catalog();
    let root = catalog.dir("photos", DirId(0), &Name::default()).unwrap().id;
    let dir = catalog.dir("photos", root, &Name::from("shoot")).unwrap().id;
    catalog.put_files(&[(dir, file("a.CR3"))]).unwrap();
    let stale = catalog.stale_folders(10).unwrap();
    assert_eq!(stale, [StaleFolder { dir, at: Some(("photos".into(), Name::from("shoot"))) }]);
    let id = catalog.put_photograph(Some(dir), &row("shoot", "a.CR3", 1), &[PackId(1)]).unwrap();
    catalog.folder_is_fresh(&stale[0]).unwrap();
    assert_eq!(catalog.stale_folders(10).unwrap(), []);
    // Once more for the same path: the same row.
    assert_eq!(catalog.put_photograph(Some(dir), &row("shoot", "a.CR3", 2), &[PackId(2)]).unwrap(), id);
    assert_eq!(catalog.packs_of_photograph(id).unwrap(), [PackId(2)]);
    catalog.put_files(&[(dir, file("a.CR3"))]).unwrap();
    assert_eq!(catalog.stale_files(dir).unwrap(), [Name::from("a.CR3")]);
    catalog.remove_file(dir, &Name::from("a.CR3")).unwrap();
    catalog.remove_dir("photos", dir).unwrap();
    let gone = catalog.stale_folders(10).unwrap();
    assert_eq!(gone, [StaleFolder { dir, at: None }]);
    catalog.folder_is_fresh(&gone[0]).unwrap();
    assert_eq!(catalog.photograph(id).unwrap(), None);
    assert_eq!(catalog.packs_of_photograph(id).unwrap(), []);
    assert_eq!(catalog.photographs_stale().unwrap(), Stale::No);
}

#[test]
fn a_new_folders_files_are_stale_all_together_and_later_ones_by_name() {
    let (_folder, catalog) = catalog();
    let root = catalog.dir("photos", DirId(0), &Name::default()).unwrap().id;
    let dir = catalog.dir("photos", root, &Name::from("shoot")).unwrap().id;
    let rows = |names: &[&str]| names.iter().map(|name| (dir, file(name))).collect::<Vec<_>>();
    let count = || catalog.conn.query_row("SELECT count(*) FROM stale_files", [], |row| row.get::<_, i64>(0)).unwrap();
    let stale = || catalog.stale_files(dir).unwrap().iter().map(Name::to_string).collect::<Vec<_>>();
    catalog.put_files(&rows(&["a.CR3", "b.CR3"])).unwrap();
    catalog.put_files(&rows(&["c.CR3"])).unwrap();
    assert_eq!((count(), stale()), (1, ["a.CR3", "b.CR3", "c.CR3"].map(String::from).to_vec()));
    // Gone before anybody looked: it may have been a photograph.
    catalog.remove_file(dir, &Name::from("b.CR3")).unwrap();
    assert_eq!(stale(), ["a.CR3", "b.CR3", "c.CR3"]);
    let folders = catalog.stale_folders(10).unwrap();
    assert_eq!(folders.len(), 1);
    catalog.folder_is_fresh(&folders[0]).unwrap();
    assert_eq!(stale(), [""; 0]);
    catalog.put_files(&rows(&["c.CR3", "d.CR3"])).unwrap();
    assert_eq!((count(), stale()), (2, ["c.CR3", "d.CR3"].map(String::from).to_vec()));
}

#[test]
fn a_folder_that_takes_anothers_number_takes_none_of_its_photographs() {
    let (_folder, catalog) = catalog();
    let root = catalog.dir("photos", DirId(0), &Name::default()).unwrap().id;
    let old = catalog.dir("photos", root, &Name::from("old")).unwrap().id;
    catalog.put_files(&[(old, file("a.CR3"))]).unwrap();
    catalog.put_photograph(Some(old), &row("old", "a.CR3", 1), &[]).unwrap();
    catalog.remove_dir("photos", old).unwrap();
    let new = catalog.dir("photos", root, &Name::from("new")).unwrap().id;
    assert_eq!(new, old, "SQLite gives the number again");
    let stale = catalog.stale_folders(10).unwrap();
    catalog.folder_is_fresh(&stale[0]).unwrap();
    assert_eq!(catalog.photographs_in("photos", &Name::from("old")).unwrap(), []);
}

fn record(n: u64, stars: u8, thumbnail: bool) -> PreviewRecord {
    let thumbnail = thumbnail.then_some(Bytes(30_000));
    PreviewRecord { hash: row("", "", n).hash, thumbnail, facts: vec![stars] }
}

fn pack(name: &str) -> PreviewPack {
    PreviewPack { name: ObjectName::new(name).unwrap(), size: Bytes(100) }
}

fn names(list: &[&str]) -> BTreeSet<ObjectName> {
    list.iter().map(|name| ObjectName::new(*name).unwrap()).collect()
}

#[test]
fn a_preview_settles_what_its_photograph_shows_and_the_sidecar_has_the_last_word() {
    let (_folder, catalog) = catalog();
    let mut one = row("a", "1.CR3", 1);
    one.sidecar = Some(row("", "", 77).hash);
    let id = catalog.put_photograph(None, &one, &[]).unwrap();
    catalog.refresh_photographs(10, &shown).unwrap();
    assert_eq!(catalog.photograph(id).unwrap().unwrap().shown.rating, Some(1));
    catalog.add_due_preview("photos", &Name::from("a/1.CR3"), &one.hash).unwrap();
    catalog.add_preview_pack(&pack("previews/a"), &[record(1, 3, true)]).unwrap();
    assert_eq!(catalog.due_previews("photos").unwrap(), [], "what was due is done");
    catalog.refresh_photographs(10, &shown).unwrap();
    assert_eq!(catalog.photograph(id).unwrap().unwrap().shown.rating, Some(3));
    catalog.add_preview_pack(&pack("previews/b"), &[record(77, 5, false)]).unwrap();
    catalog.refresh_photographs(10, &shown).unwrap();
    assert_eq!(catalog.photograph(id).unwrap().unwrap().shown.rating, Some(5));
    assert_eq!(catalog.needed_previews("photos").unwrap(), names(&["previews/a", "previews/b"]));
    assert_eq!(catalog.needed_previews("other").unwrap(), names(&[]));
    assert_eq!(catalog.thumbnail_pack(&one.hash).unwrap(), Some(pack("previews/a")));
    assert_eq!(catalog.thumbnail_pack(&record(77, 0, false).hash).unwrap(), None);
    let stats = catalog.preview_stats().unwrap();
    assert_eq!((stats.photographs.0, stats.described.0, stats.pictured.0, stats.packs.0), (1, 1, 1, 2));
}

#[test]
fn what_a_lost_pack_of_previews_said_is_made_again_and_what_is_there_stays() {
    let (_folder, catalog) = catalog();
    let one = row("a", "1.CR3", 1);
    catalog.put_photograph(None, &one, &[]).unwrap();
    catalog.add_preview_pack(&pack("previews/a"), &[record(1, 3, true)]).unwrap();
    catalog.add_preview_pack(&pack("previews/b"), &[record(1, 4, true)]).unwrap();
    catalog.refresh_photographs(10, &shown).unwrap();
    assert_eq!(catalog.needed_previews("photos").unwrap(), names(&["previews/a"]));
    assert_eq!(catalog.preview_facts(&one.hash).unwrap(), Some(vec![3]), "the first one stays");
    assert_eq!(catalog.make_previews_due("photos").unwrap(), 0);
    assert_eq!(catalog.reconcile_preview_packs(&names(&["previews/b"])).unwrap(), 1);
    assert!(!catalog.has_preview(&one.hash).unwrap());
    assert_eq!(catalog.needed_previews("photos").unwrap(), names(&[]));
    assert_eq!(catalog.make_previews_due("photos").unwrap(), 1);
    assert_eq!(catalog.due_previews("photos").unwrap(), [(Name::from("a/1.CR3"), one.hash)]);
    catalog.add_preview_pack(&pack("previews/c"), &[record(1, 5, true)]).unwrap();
    assert_eq!(catalog.preview_facts(&one.hash).unwrap(), Some(vec![5]), "of a lost pack nothing stays");
    assert!(catalog.has_preview(&one.hash).unwrap());
    assert_eq!(catalog.reconcile_preview_packs(&names(&["previews/a", "previews/b", "previews/c"])).unwrap(), 0);
    assert_eq!(catalog.preview_packs().unwrap().iter().filter(|(_, there)| *there).count(), 3);
}

#[test]
fn places_are_counted_by_cells_and_found_again_by_their_areas() {
    let (_folder, catalog) = filled(30);
    // Ten of thirty have a place: 0, 3, .. 27 ten millionths of a degree north of the equator.
    let all = PhotographQuery::default();
    let cells = catalog.photograph_cells(&all, (10, 10), 100).unwrap();
    let counts: Vec<u64> = cells.iter().map(|cell| cell.count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 10);
    assert_eq!((counts[0], cells.len()), (4, 3));
    for cell in &cells {
        let found = PhotographQuery { area: Some(cell.area), ..PhotographQuery::default() };
        assert_eq!(catalog.photograph_count(&found).unwrap().0, cell.count);
        let newest = catalog.photographs(&found, Sort::Newest, None, 1).unwrap().remove(0);
        assert_eq!((newest.id, newest.hash, newest.folder), (cell.newest, cell.hash, cell.folder.clone()));
        assert!(cell.area.south <= cell.middle.0 && cell.middle.0 <= cell.area.north);
    }
    assert_eq!(catalog.photograph_cells(&all, (10, 10), 2).unwrap().len(), 2);
    assert_eq!(catalog.photograph_cells(&all, (i64::MAX, i64::MAX), 9).unwrap().len(), 1);
    let few = PhotographQuery { cameras: vec!["R5".into()], ..PhotographQuery::default() };
    assert_eq!(catalog.photograph_cells(&few, (HALF_CIRCLE, HALF_CIRCLE), 9).unwrap()[0].count, 5);
}

const HALF_CIRCLE: i64 = 1_800_000_000;

#[test]
fn an_area_may_lie_over_the_date_line() {
    let (_folder, catalog) = filled(9);
    // All of them lie just west of Greenwich.
    let count = |west: i64, east: i64| {
        let area = Some(Area { west, south: -5, east, north: 100 });
        catalog.photograph_count(&PhotographQuery { area, ..PhotographQuery::default() }).unwrap().0
    };
    assert_eq!((count(-5, 5), count(0, 5), count(5, -1), count(5, -2)), (3, 0, 3, 0));
}
