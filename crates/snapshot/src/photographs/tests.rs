//! Photographs out of the library's rows: groups, sidecars, what is shown.

use darkslide_catalog::{PackFacts, PackSet, PhotographQuery, Sort, Stat};
use darkslide_format::canon;
use darkslide_words::{ContentHash, ObjectName, Time};

use super::*;

fn entry(name: &str, n: u8) -> Entry {
    let mut entry = Entry::bare(EntryKind::File, Name::from(name), 0o100_644);
    entry.hash = Some(ContentHash::new([n; 32]));
    entry.size = Some(Bytes(10));
    entry.class = Some(FileClass::Cold);
    entry.chunks = Some(vec![ChunkId::new([n; 32])]);
    entry.mtime = Time(1_000_000_000);
    entry
}

struct Library {
    _folder: tempfile::TempDir,
    catalog: Catalog,
    dir: DirId,
}

fn library(files: &[(&str, u8)]) -> Library {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::create(&folder.path().join("catalog.sqlite")).unwrap();
    let root = catalog.dir("photos", DirId(0), &Name::default()).unwrap().id;
    let dir = catalog.dir("photos", root, &Name::from("a")).unwrap().id;
    let library = Library { _folder: folder, catalog, dir };
    files.iter().for_each(|(name, n)| library.put(name, *n));
    library
}

impl Library {
    fn put(&self, name: &str, n: u8) {
        let entry = canon::to_bytes(&entry(name, n)).unwrap();
        let row = FileRow { name: Name::from(name), stat: Stat::default(), entry, packs: PackSet::default() };
        self.catalog.put_files(&[(self.dir, row)]).unwrap();
    }

    fn shown(&self) -> Vec<(String, Vec<String>, Option<u8>)> {
        settle(&self.catalog).unwrap();
        assert_eq!(self.catalog.photographs_stale().unwrap(), Stale::No);
        let rows = self.catalog.photographs(&PhotographQuery::default(), Sort::Oldest, None, 100).unwrap();
        let one = |row: PhotographRow| {
            let beside = row.beside.iter().map(Name::to_string).collect();
            (row.name.to_string(), beside, row.sidecar.map(|hash| hash.as_bytes()[0]))
        };
        rows.into_iter().map(one).collect()
    }
}

#[test]
fn a_group_is_one_photograph_and_the_sidecar_of_the_file_itself_rates_it() {
    let library =
        library(&[("1.CR3", 1), ("1.JPG", 2), ("1.xmp", 3), ("1.CR3.xmp", 4), ("2.JPG", 5), ("notes.txt", 6)]);
    let beside = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shown = library.shown();
    assert_eq!(shown[0], ("1.CR3".into(), beside(&["1.JPG", "1.CR3.xmp", "1.xmp"]), Some(4)));
    assert_eq!(shown[1], ("2.JPG".into(), vec![], None));
    assert_eq!(shown.len(), 2);
    // The RAW goes: its JPEG is the photograph now.
    library.catalog.remove_file(library.dir, &Name::from("1.CR3")).unwrap();
    let names: Vec<String> = library.shown().into_iter().map(|one| one.0).collect();
    assert_eq!(BTreeSet::from_iter(names), BTreeSet::from(["1.JPG".to_string(), "2.JPG".to_string()]));
    // A sidecar comes later.
    library.put("2.xmp", 9);
    assert!(library.shown().iter().any(|one| one.0 == "2.JPG" && one.2 == Some(9)));
}

#[test]
fn sidecars_alone_are_no_photograph_until_theirs_comes() {
    let library = library(&[("1.xmp", 3), ("notes.txt", 6)]);
    assert_eq!(library.shown(), []);
    library.put("1.CR3", 1);
    assert_eq!(library.shown(), [("1.CR3".into(), vec!["1.xmp".into()], Some(3))]);
    library.catalog.remove_file(library.dir, &Name::from("1.xmp")).unwrap();
    assert_eq!(library.shown(), [("1.CR3".into(), vec![], None)]);
}

#[test]
fn packs_are_those_of_the_chunks() {
    let library = library(&[("1.CR3", 1)]);
    let facts = PackFacts {
        name: ObjectName::new("packs/a").unwrap(),
        kind: PackKind::Cold.code(),
        size: Bytes(1),
        crc64: 0,
        header: Vec::new(),
        nonce: Vec::new(),
        manifest_off: Bytes(0),
        manifest_len: Bytes(0),
    };
    let pack = library.catalog.add_pack(&facts, None, Trusted::Yes).unwrap().id;
    let id = ChunkId::new([1; 32]);
    let chunk = darkslide_catalog::ChunkFacts { id, off: Bytes(0), len: Bytes(1), plain: Bytes(1), base: None };
    library.catalog.add_chunks(&[(PackKind::Cold.code(), pack, chunk)]).unwrap();
    library.shown();
    let row = library.catalog.photograph_at("photos", &Name::from("a"), &Name::from("1.CR3")).unwrap().unwrap();
    assert_eq!(library.catalog.packs_of_photograph(row.id).unwrap(), [pack]);
}

#[test]
fn a_snapshots_folder_gives_the_same_and_a_second_look_changes_nothing() {
    let library = library(&[]);
    let file = |name: &str, n: u8| (Name::from(name), (entry(name, n), vec![ChunkId::new([n; 32])]));
    let mut entries: BTreeMap<_, _> = [file("1.CR3", 1), file("1.xmp", 2), file("2.MP4", 3)].into_iter().collect();
    let job = "elsewhere";
    for _ in 0..2 {
        of_snapshot(&library.catalog, job, &Name::from("b"), &entries).unwrap();
        let shown = library.shown();
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].2, Some(2));
    }
    entries.remove(&Name::from("2.MP4"));
    of_snapshot(&library.catalog, job, &Name::from("b"), &entries).unwrap();
    assert_eq!(library.shown().len(), 1);
}

#[test]
fn previews_say_what_is_shown_and_a_broken_one_nothing() {
    let row = PhotographRow {
        id: PhotographId(1),
        job: "photos".into(),
        folder: Name::default(),
        name: Name::from("1.CR3"),
        beside: Vec::new(),
        hash: ContentHash::new([1; 32]),
        sidecar: None,
        size: Bytes(1),
        mtime: Time(5_000_000_000),
        shown: Shown::default(),
    };
    let bare = show(&row, None, None);
    assert_eq!((bare.taken, bare.dated.as_str(), bare.kind.as_str()), (5000, "file", "raw"));
    assert_eq!(show(&row, Some(b"{no json"), Some(b"x")), bare);
    let own = br#"{"dated":"original","height":"4000","latitude":"10","longitude":"-20","make":"Canon Inc.",
        "model":"EOS R6","offset":"7200","rating":"2","taken":"1970-01-02T00:00:00.5","width":"6000"}"#;
    let shown = show(&row, Some(own), Some(br#"{"rating":"-1","taken":"1999-01-01T00:00:00"}"#));
    assert_eq!((shown.taken, shown.zone, shown.rating), (86_400_500, Some(7200), Some(-1)));
    assert_eq!((shown.place, shown.pixels), (Some((10, -20)), Some((6000, 4000))));
    assert_eq!(shown.camera.as_deref(), Some("Canon EOS R6"));
    let scanned = show(&row, Some(b"{}"), Some(br#"{"dated":"xmp","taken":"1999-01-01T00:00:00"}"#));
    assert_eq!((scanned.dated.as_str(), scanned.taken), ("xmp", 915_148_800_000), "a scan's date is its sidecar's");
    assert_eq!(camera(None, Some("NIKON Z 9")).as_deref(), Some("NIKON Z 9"));
    assert_eq!(camera(Some("NIKON CORPORATION"), Some("NIKON Z 9")).as_deref(), Some("NIKON Z 9"));
    assert_eq!(camera(None, None), None);
}
