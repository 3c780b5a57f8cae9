//! Parity against damage of every sort, at random; and the layout, byte by byte.

use std::collections::BTreeSet;

use darkslide_words::{Rng as _, SeededRng};
use proptest::prelude::*;

use super::*;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

fn mend(file: &[u8], object: Vec<u8>) -> Option<Vec<u8>> {
    let parity = read(file)?;
    let damage = parity.examine(&object);
    parity.rebuild(object, &damage)
}

#[test]
fn shapes_are_whole_sectors_and_bounded() {
    for (length, percent, shard, data, spare) in [
        (0, 10, 2, 1, 1),
        (1, 10, 2, 1, 1),
        (4096, 10, 4096, 1, 1),
        (4097, 10, 4096, 2, 1),
        (100_000, 10, 4096, 25, 3),
        (64 << 20, 10, 64 << 10, 1024, 103),
        ((64 << 20) + 1, 10, 68 << 10, 964, 97),
        (512 << 20, 100, 512 << 10, 1024, 1024),
        (64 << 20, 0, 64 << 10, 1024, 11),
    ] {
        let shape = Shape::of(length, percent);
        assert_eq!((shape.shard, shape.data, shape.parity), (shard, data, spare), "{length} {percent}");
    }
}

/// `docs/parity.md`, read as a stranger would.
#[test]
fn the_layout_is_the_one_of_the_page() {
    let object = noise(1, 3 * 4096 + 100);
    let file = make(&object, 50);
    assert_eq!(&file[..8], b"DSPARITY");
    let half = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    assert_eq!((half(8), half(12), half(16), half(20)), (1, 4, 2, 0));
    assert_eq!((word(24), word(32)), (4096, object.len() as u64));
    assert_eq!(&file[40..72], blake3::hash(&object).as_bytes());
    assert_eq!(&file[72..104], blake3::hash(&object[..4096]).as_bytes());
    let mut last = object[3 * 4096..].to_vec();
    last.resize(4096, 0);
    assert_eq!(&file[72 + 3 * 32..72 + 4 * 32], blake3::hash(&last).as_bytes());
    let content = 72 + 6 * 32;
    let header = content + 32;
    let mut check = blake3::Hasher::new();
    check.update(&[0; 4]).update(&file[..content]);
    assert_eq!(&file[content..header], check.finalize().as_bytes());
    assert_eq!(&file[72 + 4 * 32..72 + 5 * 32], blake3::hash(&file[header..header + 4096]).as_bytes());
    assert_eq!(file.len(), 2 * header + 2 * 4096);
    assert!(file[..header] == file[file.len() - header..]);
    // The code itself: a library that computed other bytes could not heal what is stored.
    let digest = blake3::hash(&file[header..header + 2 * 4096]).to_hex();
    assert_eq!(&digest[..16], CODE_OF_THE_SAMPLE);
}

/// First digits of the BLAKE3 of the parity in the sample above.
const CODE_OF_THE_SAMPLE: &str = "dc9f89ba4d7c276c";

/// Column by column gives what the library gives over whole shards.
#[test]
fn the_code_is_the_librarys() {
    let object = noise(2, 40 * 4096 * 3 - 7);
    let shape = Shape { shard: 3 * 4096, data: 40, parity: 9, length: object.len() as u64 };
    let mut padded = object.clone();
    padded.resize(40 * 3 * 4096, 0);
    let whole = reed_solomon_simd::encode(40, 9, padded.chunks(3 * 4096)).unwrap();
    assert_eq!(code::encode(&shape, &object), whole.concat());
}

#[test]
fn every_single_block_of_either_header_may_go() {
    // 1,024 shards: each header has several blocks.
    let object = noise(3, 1024 * 4096);
    let file = make(&object, 10);
    let len = read(&file).unwrap().header.len();
    let mut rotten = object.clone();
    rotten[5000] ^= 1;
    assert!(len > 8 * 4096);
    for at in (0..len).step_by(1000).chain([len - 1]) {
        for start in [0, file.len() - len] {
            let mut harmed = file.clone();
            harmed[start + at] ^= 0x80;
            let parity = read(&harmed).unwrap();
            assert!(!parity.header_whole);
            assert!(mend(&harmed, rotten.clone()).as_ref() == Some(&object), "{at}");
        }
    }
    // Different blocks in both; the whole first one; the whole second one, cut off.
    let mut harmed = file.clone();
    harmed[100] ^= 1;
    harmed[file.len() - 1] ^= 1;
    assert!(mend(&harmed, rotten.clone()).as_ref() == Some(&object));
    let mut harmed = file.clone();
    harmed[..len].fill(0);
    assert!(mend(&harmed, rotten.clone()).as_ref() == Some(&object));
    assert!(mend(&file[..file.len() - len], rotten.clone()).as_ref() == Some(&object));
    // The same block in both: nothing can be said any more.
    let mut harmed = file.clone();
    harmed[100] ^= 1;
    harmed[file.len() - len + 100] ^= 1;
    assert!(read(&harmed).is_none());
}

#[test]
fn hostile_files_are_refused() {
    let object = noise(4, 10_000);
    let good = make(&object, 30);
    for len in 0..good.len().min(3000) {
        let _ = read(&good[..len]).map(|parity| parity.examine(&object));
    }
    for at in 8..40 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bent = good.clone();
            bent[at] = value;
            // The second header is whole: it counts.
            assert!(read(&bent).is_some_and(|parity| parity.header.shape == Shape::of(10_000, 30)));
            bent.truncate(4096);
            assert!(read(&bent).is_none() || bent[..4096] == good[..4096]);
        }
    }
}

/// What can happen to a file.
#[derive(Debug, Clone)]
enum Harm {
    Bit(usize),
    Sector(usize),
    Cut(usize),
    Span(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<usize>().prop_map(Harm::Bit),
        any::<usize>().prop_map(Harm::Sector),
        (0usize..9000).prop_map(Harm::Cut),
        (any::<usize>(), 1usize..30_000).prop_map(|(at, len)| Harm::Span(at, len)),
    ]
}

fn strike(bytes: &mut Vec<u8>, harm: &Harm) {
    let len = bytes.len().max(1);
    match harm {
        Harm::Bit(at) if !bytes.is_empty() => bytes[at % len] ^= 1 << (at % 8),
        Harm::Sector(at) => {
            let from = at % len / 4096 * 4096;
            let to = (from + 4096).min(bytes.len());
            bytes[from..to].fill(0);
        }
        Harm::Cut(by) => bytes.truncate(bytes.len().saturating_sub(*by)),
        Harm::Span(at, by) => {
            let from = at % len;
            let to = (from + by).min(bytes.len());
            bytes[from..to].iter_mut().for_each(|b| *b = !*b);
        }
        Harm::Bit(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// As many damaged shards as there are whole ones of parity are healed, byte for byte; one more
    /// is said. Whatever comes out is the object or nothing.
    #[test]
    fn damage_up_to_the_share_is_healed_and_more_is_said(
        seed in any::<u64>(), len in 0usize..200_000, percent in 1u32..=100,
        on_object in proptest::collection::vec(harm(), 0..5),
        on_parity in proptest::collection::vec(harm(), 0..3),
    ) {
        let object = noise(seed, len);
        let mut file = make(&object, percent);
        let mut harmed = object.clone();
        on_object.iter().for_each(|harm| strike(&mut harmed, harm));
        on_parity.iter().for_each(|harm| strike(&mut file, harm));
        if let Some(parity) = read(&file) {
            let shape = parity.header.shape;
            prop_assert_eq!(shape, Shape::of(len as u64, percent));
            let damage = parity.examine(&harmed);
            // Held against the truth, shard by shard.
            let differs: BTreeSet<usize> = (0..shape.data)
                .filter(|n| {
                    let at = (n * shape.shard).min(len)..((n + 1) * shape.shard).min(len);
                    harmed.get(at.clone()) != Some(&object[at])
                })
                .collect();
            prop_assert_eq!(damage.data.iter().copied().collect::<BTreeSet<_>>(), differs);
            let healed = parity.rebuild(harmed, &damage);
            prop_assert_eq!(healed.is_some(), damage.data.len() <= shape.parity - damage.parity.len());
            prop_assert!(healed.is_none_or(|healed| healed == object));
        } else {
            prop_assert!(!on_parity.is_empty(), "a whole parity file is always read");
        }
    }

    /// The promise in bytes: a contiguous loss of the share, less one shard for its edges.
    #[test]
    fn a_loss_of_the_share_in_one_place_is_healed(seed in any::<u64>(), len in 50_000usize..400_000, at in any::<usize>()) {
        let object = noise(seed, len);
        let file = make(&object, 10);
        let shape = Shape::of(len as u64, 10);
        let span = (shape.parity - 1) * shape.shard + 1;
        let from = at % (len - span);
        let mut harmed = object.clone();
        harmed[from..from + span].fill(0xaa);
        prop_assert!(mend(&file, harmed) == Some(object));
    }
}
