//! Packs of any sequence of entries: what was put in is there, whatever was taken back or sealed on the way.

use std::collections::BTreeMap;
use std::io::Read as _;

use darkslide_format::identity::IdentityFile;
use darkslide_format::manifest::PackKind;
use darkslide_format::pack::{PackWriter, Part, RunFacts, SealedPack, TarFacts};
use darkslide_format::seal::Recipients;
use darkslide_format::signed::SecretKey;
use darkslide_format::space::Space;
use darkslide_format::stream::{Leaves, Passes};
use darkslide_format::unpack::{self, OpenPack};
use darkslide_format::{IdKey, frame, object_id, stream};
use darkslide_words::{Count, Name, RepositoryId, Rng as _, SeededRng, Time};
use proptest::prelude::*;

/// One thing that is done to a pack.
#[derive(Debug, Clone)]
enum Step {
    /// A file of one chunk.
    Whole(usize),
    /// A chunk of a file that has known ones.
    Loose(usize),
    /// A file of several chunks, which stays.
    Kept(Vec<usize>),
    /// One that turns out to have known chunks.
    Loosened(Vec<usize>),
    /// One that changed while it was read.
    Abandoned(Vec<usize>),
    /// One whose chunks come in pieces. An odd one may turn out to be known: those before it stand alone; or the file
    /// to have changed.
    Poured(Vec<usize>, Odd),
}

/// What a chunk of odd length is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Odd {
    New,
    Known,
    Changed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly small, as in a pack that is sealed while it fills; sometimes more than the caches hold.
    let len = prop_oneof![20 => 1usize..9000, 2 => 60_000usize..70_000, 1 => Just(400_000)];
    let lens = proptest::collection::vec(prop_oneof![1usize..30_000, 60_000usize..140_000], 1..4);
    let step = prop_oneof![
        12 => len.clone().prop_map(Step::Whole),
        2 => len.prop_map(Step::Loose),
        1 => lens.clone().prop_map(Step::Kept),
        1 => lens.clone().prop_map(Step::Loosened),
        1 => lens.clone().prop_map(Step::Abandoned),
        2 => (lens, proptest::sample::select(vec![Odd::New, Odd::Known, Odd::Changed]))
            .prop_map(|(lens, odd)| Step::Poured(lens, odd)),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What should be in the pack, by name in the tar.
type Wanted = BTreeMap<String, Vec<u8>>;

/// How it is made: in one stretch, or in leaves of so many segments, each sealed as soon as it may be.
struct Making {
    kind: PackKind,
    leaves: Option<Leaves>,
    passes: Option<Box<Passes>>,
    sealed: Vec<u8>,
}

impl Making {
    fn begin(&self, recipients: &Recipients) -> PackWriter {
        match &self.leaves {
            Some(leaves) => PackWriter::leaf_by_leaf(self.kind, recipients, leaves.clone()).unwrap(),
            None => PackWriter::new(self.kind, recipients, Space::large(1 << 20)).unwrap(),
        }
    }

    fn hand_on(&mut self, pack: &mut PackWriter) {
        for mut leaf in pack.ready().unwrap() {
            self.passes = leaf.begins().or(self.passes.take());
            let passes = self.passes.as_mut().unwrap();
            passes.leaf(&mut leaf, &mut |sealed| self.sealed.extend_from_slice(sealed)).unwrap();
            self.leaves.as_ref().unwrap().give(leaf.into_space());
        }
    }

    fn end(mut self, pack: PackWriter, run: &RunFacts, signer: &SecretKey) -> SealedPack {
        if self.leaves.is_none() {
            return pack.finish(run, [5; 16], signer).unwrap();
        }
        let on_sealed = &mut |sealed: &[u8]| self.sealed.extend_from_slice(sealed);
        let pack = pack.finish_after(self.passes.take(), run, [5; 16], signer, on_sealed).unwrap();
        assert!(pack.bytes.is_empty());
        SealedPack { bytes: self.sealed.into(), ..pack }
    }
}

fn fill(mut making: Making, steps: &[Step], identity: &IdentityFile, key: &IdKey) -> (SealedPack, Wanted) {
    let recipients = identity.recipients();
    let recipients = Recipients::parse(recipients.iter().map(String::as_str)).unwrap();
    let mut pack = making.begin(&recipients);
    let (mut wanted, mut rng) = (Wanted::new(), SeededRng::new(7));
    let mut bytes = |len: usize| {
        let mut plain = vec![0; len];
        rng.fill(&mut plain);
        // Every second one shrinks.
        plain.iter_mut().for_each(|byte| *byte &= if len.is_multiple_of(2) { 0xff } else { 0x0f });
        plain
    };
    for (n, step) in steps.iter().enumerate() {
        let (name, facts) = (format!("2024/IMG_{n:04}"), TarFacts::default());
        let path = Name::from(name.as_str());
        let mut part = |pack: &mut PackWriter, lens: &[usize]| -> Vec<Vec<u8>> {
            let chunks: Vec<Vec<u8>> = lens.iter().map(|len| bytes(*len)).collect();
            pack.begin_part(&path, Part::Whole, facts).unwrap();
            chunks.iter().for_each(|chunk| pack.part_chunk(key.chunk_id(chunk), chunk, None).unwrap());
            chunks
        };
        let loose = |chunk: &[u8]| format!(".darkslide/chunks/{}", key.chunk_id(chunk));
        match step {
            Step::Whole(len) => {
                let plain = bytes(*len);
                pack.whole(&path, facts, key.chunk_id(&plain), &plain, None).unwrap();
                wanted.insert(name, plain);
            }
            Step::Loose(len) => {
                let plain = bytes(*len);
                pack.loose(key.chunk_id(&plain), &plain, None).unwrap();
                wanted.insert(loose(&plain), plain);
            }
            Step::Kept(lens) => {
                let chunks = part(&mut pack, lens);
                pack.end_part();
                wanted.insert(name, chunks.concat());
            }
            Step::Loosened(lens) => {
                let chunks = part(&mut pack, lens);
                pack.loosen_part();
                wanted.extend(chunks.into_iter().map(|chunk| (loose(&chunk), chunk)));
            }
            Step::Abandoned(lens) => {
                part(&mut pack, lens);
                making.hand_on(&mut pack);
                pack.abandon_part();
            }
            Step::Poured(lens, odd) => {
                pack.begin_part(&path, Part::Whole, facts).unwrap();
                let mut chunks: Vec<Vec<u8>> = Vec::new();
                for len in lens {
                    let chunk = bytes(*len);
                    pack.begin_chunk();
                    // Begun with what is there, and read on, past its end at first.
                    let (begun, rest) = chunk.split_at(len / 3);
                    pack.chunk_piece(begun);
                    let mut more = rest.chain(&b"not of this one"[..]);
                    let got = pack.read_chunk(&mut more, rest.len() + 9).unwrap();
                    assert_eq!(got, rest.len() + 9);
                    let tail: Vec<&[u8]> = pack.chunk_pieces(chunk.len()).collect();
                    assert_eq!(tail.concat(), b"not of th");
                    pack.cut_chunk(chunk.len());
                    making.hand_on(&mut pack);
                    match odd {
                        Odd::Known if len % 2 == 1 => {
                            pack.undo_chunk();
                            pack.loosen_part();
                            wanted.extend(chunks.drain(..).map(|chunk| (loose(&chunk), chunk)));
                            break;
                        }
                        Odd::Changed if len % 2 == 1 => {
                            pack.abandon_part();
                            break;
                        }
                        _ => {}
                    }
                    pack.end_chunk(key.chunk_id(&chunk));
                    chunks.push(chunk);
                }
                if pack.in_part() {
                    pack.end_part();
                    wanted.insert(name, chunks.concat());
                }
            }
        }
        making.hand_on(&mut pack);
    }
    let signer = SecretKey::from_seed(&[3; 32]);
    let (repository, writer) = (RepositoryId::new([2; 16]), signer.public().writer_id());
    let run = RunFacts { repository, writer, time: Time(0), sequence: Count(1) };
    (making.end(pack, &run, &signer), wanted)
}

/// What `tar` finds in it, our manifest apart.
fn entries(open: &OpenPack) -> Wanted {
    let plain = zstd::stream::decode_all(&open.stream[..]).unwrap();
    let mut archive = tar::Archive::new(&plain[..]);
    let mut found = Wanted::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        if !name.ends_with(".json") {
            found.insert(name, content);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_entries_in_the_same_out(steps in steps(), cold: bool, leaves in 0usize..4) {
        let (identity, key) = (IdentityFile::generate(&[1; 32]), IdKey::new([9; 32]));
        let kind = if cold { PackKind::Cold } else { PackKind::Warm };
        let leaves = (leaves > 0).then(|| Leaves::of(leaves, 16));
        let making = Making { kind, leaves, passes: None, sealed: Vec::new() };
        let (pack, wanted) = fill(making, &steps, &identity, &key);
        prop_assert_eq!(pack.id, object_id(&pack.bytes));
        prop_assert_eq!(pack.crc64, stream::crc64(&pack.bytes));
        let open = OpenPack::open(&pack.bytes, &identity.identities().all()).unwrap();
        prop_assert_eq!(&entries(&open), &wanted);
        let manifest = open.manifest(None).unwrap().manifest;
        prop_assert_eq!(&manifest.chunks, &pack.index.chunks);
        let mut unframer = frame::Unframer::new().unwrap();
        for row in &manifest.chunks {
            let mut plain = Vec::new();
            unpack::decode(row, open.frame(row).unwrap(), &mut unframer, &mut plain).unwrap();
            unpack::check(row.id, &plain, &key).unwrap();
        }
    }
}
