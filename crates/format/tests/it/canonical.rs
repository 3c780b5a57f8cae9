//! Every document comes out canonical: sorted keys, no white space, and the same
//! after reading and writing again.

use darkslide_format::canon;
use darkslide_format::chunking::Chunking;
use darkslide_format::config::{Config, EpochRecipient, Header, NamedRecipient, PackSizes};
use darkslide_format::index::{IndexPack, Segment, Span};
use darkslide_format::manifest::{BaseRow, ChunkRow, Manifest, PackKind, Recipe};
use darkslide_format::previews::{Int, PreviewFacts, PreviewRow, PreviewTable, ThumbnailRow};
use darkslide_format::signed::SecretKey;
use darkslide_format::snapshot::{Condemned, Counts, Refs, Snapshot};
use darkslide_format::tree::{DatabaseFacts, Entry, EntryKind, FileClass, Xattr};
use darkslide_format::trust::WriterDoc;
use darkslide_words::{Bytes, ChunkId, ContentHash, Count, Name, ObjectId, ObjectName, RepositoryId, Time, WriterId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes the value by hand from what a JSON parser (whose maps are sorted) read.
fn check<T: Serialize + DeserializeOwned>(value: &T) {
    let bytes = canon::to_bytes(value).unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let sorted = serde_json::to_vec(&parsed).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&sorted), "keys are not sorted");
    let again: T = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(canon::to_bytes(&again).unwrap(), bytes);
    no_floats(&parsed);
}

fn no_floats(value: &serde_json::Value) {
    match value {
        serde_json::Value::Number(n) => assert!(n.is_u64() || n.is_i64()),
        serde_json::Value::Array(list) => list.iter().for_each(no_floats),
        serde_json::Value::Object(map) => map.values().for_each(no_floats),
        serde_json::Value::Null => panic!("an absent field is left out, never null"),
        _ => {}
    }
}

fn entry() -> Entry {
    Entry {
        chunks: Some(vec![ChunkId::new([1; 32])]),
        class: Some(FileClass::Warm),
        database: Some(DatabaseFacts { check: "ok".into(), method: "backup-api".into() }),
        group: Some("photo".into()),
        hash: Some(ContentHash::new([2; 32])),
        holes: vec![(Bytes(0), Bytes(4096))],
        link: Some("1-2".into()),
        list: Some(ChunkId::new([3; 32])),
        mtime: Time(-5),
        size: Some(Bytes(u64::MAX)),
        target: Some(Name::new(b"\xff".to_vec())),
        tree: Some(ChunkId::new([4; 32])),
        user: Some("me".into()),
        xattrs: vec![Xattr { name: Name::from("user.a"), value: canon::B64(vec![0, 1, 2]) }],
        ..Entry::bare(EntryKind::File, Name::from("IMG \u{1f} \"1\".CR3"), 0o100644)
    }
}

#[test]
fn documents_are_canonical() {
    let (repository, writer) = (RepositoryId::new([5; 16]), WriterId::new([6; 16]));
    let (id, object) = (ObjectId::new([7; 32]), ObjectName::new("packs/07/x").unwrap());
    let key = SecretKey::from_seed(&[8; 32]).public();
    let row = ChunkRow {
        base: Some(ChunkId::new([9; 32])),
        id: ChunkId::new([1; 32]),
        len: Bytes(1),
        off: Bytes(2),
        plain: Bytes(3),
    };
    check(&entry());
    check(&Entry::bare(EntryKind::Dir, Name::from("d"), 0o40755));
    check(&Header::new(repository, &key, Time(1)));
    check(&WriterDoc { reason: Some("lost".into()), ..WriterDoc::enroll(repository, &key, "nas", Time(1)) });
    check(&Config {
        chunking: Chunking::default(),
        created: Time(1),
        epoch: Count(1),
        epochs: vec![EpochRecipient { epoch: Count(1), recipient: "age1".into() }],
        features: Vec::new(),
        format: 1,
        id_key_check: "00".into(),
        index_recipient: "age1".into(),
        number: Count(2),
        pack: PackSizes::default(),
        previous: Some(id),
        recipients: vec![NamedRecipient { name: "me".into(), recipient: "age1".into() }],
        repository,
    });
    check(&Manifest {
        bases: vec![BaseRow { chunk: ChunkId::new([9; 32]), object: object.clone() }],
        chunks: vec![row],
        features: Vec::new(),
        format: 1,
        kind: PackKind::Trees,
        recipes: vec![Recipe { entry: entry(), path: Name::from("a/b") }],
        repository,
        sequence: Count(1),
        time: Time(1),
        writer,
    });
    let pack = IndexPack {
        chunks: vec![row],
        crc64: "00".into(),
        header: canon::B64(vec![1]),
        kind: PackKind::Cold,
        manifest: Span { len: Bytes(1), off: Bytes(2) },
        nonce: canon::B64(vec![2]),
        object: object.clone(),
        size: Bytes(3),
    };
    check(&Segment { supersedes: vec![id], ..Segment::new(repository, writer, Time(1), vec![pack]) });
    check(&Refs {
        add: vec![object.clone()],
        add_previews: vec![object.clone()],
        base: Some(id),
        complete: Some(true),
        features: Vec::new(),
        format: 1,
        job: "photos".into(),
        predecessor: Some(object.clone()),
        remove: vec![object.clone()],
        remove_previews: vec![object.clone()],
        repository,
        snapshot_time: Time(1),
        tags: vec!["delivered".into()],
        writer,
    });
    check(&PreviewTable {
        features: Vec::new(),
        format: 1,
        previews: vec![PreviewRow {
            facts: PreviewFacts {
                altitude: Some(Int(-1)),
                aperture: Some("2.8".into()),
                dated: Some("original".into()),
                duration: Some(Int(1)),
                exposure: Some("1/250".into()),
                focal: Some("35".into()),
                height: Some(Int(1)),
                iso: Some(Int(100)),
                kind: Some("raw".into()),
                latitude: Some(Int(1)),
                lens: Some("l".into()),
                longitude: Some(Int(1)),
                make: Some("m".into()),
                model: Some("m".into()),
                offset: Some(Int(3600)),
                orientation: Some(Int(1)),
                rating: Some(Int(-1)),
                serial: Some("s".into()),
                taken: Some("t".into()),
                width: Some(Int(1)),
            },
            hash: ContentHash::new([1; 32]),
            problem: Some("p".into()),
            thumbnail: Some(ThumbnailRow { hash: ContentHash::new([1; 32]), len: Bytes(1), off: Bytes(2) }),
        }],
        repository,
        time: Time(1),
        writer: WriterId::new([1; 16]),
    });
    check(&Condemned { features: Vec::new(), format: 1, object: object.clone(), repository, time: Time(1) });
    check(&Snapshot {
        complete: true,
        counts: Counts::default(),
        features: Vec::new(),
        format: 1,
        host: "nas".into(),
        job: "photos".into(),
        library: Name::from("/x"),
        predecessor: Some(object),
        refs: id,
        repository,
        root: Entry::bare(EntryKind::Dir, Name::from("x"), 0o40755),
        tags: vec!["delivered".into()],
        time: Time(1),
        tool: "t".into(),
        writer,
    });
}
