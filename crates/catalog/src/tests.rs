//! The catalog on small data.

use super::*;
use darkslide_words::{Bytes, ChunkId, Name, ObjectName, Time};

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
    catalog.add_chunks(&mut [(0, a, chunk(2)), (0, b, chunk(1)), (0, a, chunk(1))]).unwrap();
    assert!(!catalog.add_pack(&facts("packs/a"), None, Trusted::Yes).unwrap().is_new);
    let id = ChunkId::new([1; 32]);
    assert_eq!(catalog.locations(0, id, Trusted::No).unwrap().len(), 2);
    assert_eq!(catalog.locations(0, id, Trusted::Yes).unwrap().len(), 1);
    assert_eq!(catalog.locations(1, id, Trusted::No).unwrap().len(), 0);
    catalog.set_pack_state(a, PackState::Condemned).unwrap();
    assert_eq!(catalog.locations(0, id, Trusted::Yes).unwrap().len(), 0, "condemned, or untrusted");
    assert_eq!(catalog.locations(0, id, Trusted::No).unwrap()[0].pack, b, "the better one first");
    assert_eq!(catalog.chunks_of_pack(a).unwrap().len(), 2);
    assert_eq!(catalog.unindexed().unwrap(), [a, b]);
    assert_eq!(catalog.pack(a).unwrap(), facts("packs/a"));
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
    catalog.put_file(dir.id, &row).unwrap();
    catalog.open_dir(dir.id).unwrap();
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
