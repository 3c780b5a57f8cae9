//! Packs of previews: what was put in comes out, and whatever is damaged is refused.

use darkslide_words::WriterId;

use super::*;
use crate::config::Header;
use crate::keys::KeyPair;
use crate::trust::{Trust, WriterDoc, writer_document};

struct World {
    trust: Trust,
    key: SecretKey,
    pair: KeyPair,
    repository: RepositoryId,
}

fn world() -> World {
    let (owner, key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let repository = RepositoryId::new([7; 16]);
    let mut trust = Trust::new(Header::new(repository, &owner.public(), Time(1))).unwrap();
    let (id, bytes) = writer_document(&WriterDoc::enroll(repository, &key.public(), "nas", Time(1)), &owner).unwrap();
    trust.add_writer(id, &bytes).unwrap();
    World { trust, key, pair: KeyPair::generate(), repository }
}

fn hash(n: u8) -> ContentHash {
    ContentHash::new([n; 32])
}

impl World {
    fn writer(&self) -> WriterId {
        self.key.public().writer_id()
    }

    fn sealed(&self, key: &SecretKey) -> SealedPreviews {
        let recipients = Recipients::parse([self.pair.recipient().as_str()]).unwrap();
        let mut writer = PreviewWriter::new(&recipients).unwrap();
        assert!(writer.is_empty());
        let facts = PreviewFacts {
            model: Some("EOS R5".into()),
            taken: Some("2026-10-18T16:45:12.37".into()),
            latitude: Some(Int(-488_577_000)),
            ..PreviewFacts::default()
        };
        writer.add(hash(1), facts, Some(&[0xff; 70_000]), None);
        writer.add(hash(2), PreviewFacts::default(), None, Some("it is damaged".into()));
        writer.add(hash(3), PreviewFacts::default(), Some(b"jpeg"), None);
        writer.add(hash(4), PreviewFacts::default(), Some(&vec![1; THUMBNAIL_MAX + 1]), None);
        writer.finish(self.repository, self.writer(), Time(5), [9; 16], key).unwrap()
    }

    fn open(&self, sealed: &[u8]) -> Result<OpenPreviews, FormatError> {
        OpenPreviews::open(object_id(sealed), sealed, &[self.pair.identity()], &self.trust)
    }
}

#[test]
fn what_was_put_in_comes_out() {
    let world = world();
    let sealed = world.sealed(&world.key);
    assert_eq!(names::parse(&sealed.name).unwrap().kind, Kind::Previews);
    let opened = world.open(&sealed.bytes).unwrap();
    assert_eq!(opened.table.previews, sealed.rows);
    let thumbnails: Vec<Option<usize>> =
        opened.table.previews.iter().map(|row| opened.thumbnail(row).map(<[u8]>::len)).collect();
    assert_eq!(thumbnails, [Some(70_000), None, Some(4), None], "one over the limit is left out");
    assert_eq!(opened.table.previews[0].facts.latitude, Some(Int(-488_577_000)));
    assert_eq!(opened.table.previews[1].problem.as_deref(), Some("it is damaged"));
    // A row that points elsewhere shows nothing.
    let mut row = opened.table.previews[0].clone();
    row.thumbnail.as_mut().unwrap().off.0 += 1;
    assert_eq!(opened.thumbnail(&row), None);
    row.thumbnail.as_mut().unwrap().off.0 = u64::MAX;
    assert_eq!(opened.thumbnail(&row), None);
}

#[test]
fn stock_programs_show_thumbnails_under_the_hash_of_their_photograph() {
    let world = world();
    let sealed = world.sealed(&world.key);
    let plain = seal::open(&sealed.bytes, &[world.pair.identity()], PREVIEWS_MAX).unwrap();
    let mut archive = tar::Archive::new(&plain[..]);
    let names: Vec<String> =
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    let table = format!(".darkslide/{}.json", "09".repeat(16));
    assert_eq!(names, [format!("{}.jpg", hash(1)), format!("{}.jpg", hash(3)), table]);
}

#[test]
fn a_flipped_bit_or_a_strangers_table_is_refused() {
    let world = world();
    let sealed = world.sealed(&world.key);
    let id = object_id(&sealed.bytes);
    for at in (0..sealed.bytes.len()).step_by(997) {
        let mut bad = sealed.bytes.clone();
        bad[at] ^= 4;
        let by_name = OpenPreviews::open(id, &bad, &[world.pair.identity()], &world.trust);
        assert!(matches!(by_name, Err(FormatError::WrongObject)), "byte {at}");
        assert!(world.open(&bad).is_err(), "byte {at}: also where somebody gave it the fitting name");
    }
    for cut in [0, 100, 70_000, sealed.bytes.len() - 1] {
        assert!(world.open(&sealed.bytes[..cut]).is_err());
    }
    let stranger = SecretKey::from_seed(&[3; 32]);
    assert!(matches!(world.open(&world.sealed(&stranger).bytes), Err(FormatError::NotTrusted { .. })));
}

#[test]
fn texts_and_places_beyond_their_limits_are_refused() {
    let long = PreviewFacts { lens: Some("x".repeat(PREVIEW_TEXT_MAX + 1)), ..PreviewFacts::default() };
    assert!(matches!(long.check(), Err(FormatError::OverLimit { .. })));
    assert_eq!(short(&"ä".repeat(200)).len(), PREVIEW_TEXT_MAX);
    let place = |off, len| ThumbnailRow { hash: hash(1), len: Bytes(len), off: Bytes(off) };
    let table = |thumbnail| PreviewTable {
        features: Vec::new(),
        format: FORMAT,
        previews: vec![PreviewRow { facts: PreviewFacts::default(), hash: hash(1), problem: None, thumbnail }],
        repository: RepositoryId::new([7; 16]),
        time: Time(1),
        writer: WriterId::new([1; 16]),
    };
    assert!(table(Some(place(0, 10))).check(10).is_ok());
    for (off, len) in [(1, 10), (u64::MAX, 1), (0, THUMBNAIL_MAX as u64 + 1)] {
        assert!(
            table(Some(place(off, len))).check(2 << 20).is_err()
                || len < 11 && table(Some(place(off, len))).check(10).is_err()
        );
    }
    assert!(PreviewFacts::parse(br#"{"iso":"100","later":"key"}"#).is_ok_and(|facts| facts.iso == Some(Int(100))));
    assert!(PreviewFacts::parse(br#"{"iso":"0100"}"#).is_err());
}
