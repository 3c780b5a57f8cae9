//! Hostile bytes: cut, flipped, and pointing in circles.

use darkslide_photo::{Format, ReadAt, facts, fuzzing};
use proptest::prelude::*;

use crate::build::{self, Order, Tiff, Value, jpeg};

fn files() -> Vec<Vec<u8>> {
    let picture = jpeg(64, 48);
    vec![
        build::sub_ifd(Order::Little, &picture),
        build::sub_ifd(Order::Big, &picture),
        build::strip(&picture),
        build::rw2(&picture),
        build::orf(&picture),
        build::cr3(6, &picture),
        build::jpeg_with_exif(3),
        build::raf(),
        build::mp4(3_000_000_000),
    ]
}

#[test]
fn the_fuzz_corpus_is_replayed() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/photo");
    if std::env::var_os("DARKSLIDE_WRITE_SEEDS").is_some() {
        std::fs::create_dir_all(&corpus).unwrap();
        for (n, file) in files().into_iter().enumerate() {
            std::fs::write(corpus.join(format!("made-{n}")), file).unwrap();
        }
    }
    let mut seeds = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        fuzzing::photo(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 9, "{seeds} seeds");
}

#[test]
fn files_that_are_cut_anywhere_are_read_as_far_as_they_go() {
    for file in files() {
        let step = (file.len() / 40).max(1);
        for len in (0..file.len()).step_by(step) {
            fuzzing::photo(&file[..len]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn files_with_other_bytes_here_and_there_do_no_harm(
        which in 0usize..9,
        at in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut file = files().swap_remove(which);
        for (index, byte) in at {
            let len = file.len();
            file[index.index(len)] = byte;
        }
        fuzzing::photo(&file);
    }
}

/// Counts what is read.
struct Counting<'b>(&'b [u8], std::cell::Cell<u64>);

impl ReadAt for Counting<'_> {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.1.set(self.1.get() + buf.len() as u64);
        self.0.read_at(at, buf)
    }
    fn len(&self) -> u64 {
        // It claims to be huge.
        1 << 40
    }
}

#[test]
fn directories_that_point_at_themselves_end() {
    let mut file = Tiff::new(Order::Little, &[]).build(&[vec![(0x0112, Value::Short(6)), (0x014a, Value::Long(8))]]);
    // The chain leads back to its first directory, and so does the SubIFD.
    let end = file.len();
    file[end - 4..].copy_from_slice(&8u32.to_le_bytes());
    let counting = Counting(&file, Default::default());
    assert_eq!(facts(&counting, Format::Tiff).orientation, Some(6));
    assert!(counting.1.get() < 4096, "{} bytes read", counting.1.get());
}

#[test]
fn counts_of_billions_read_and_allocate_nothing() {
    let huge = vec![
        (0x010f, Value::Text("Canon")),
        (0x8769, Value::Ifd(vec![(0x9003, Value::Text(build::TAKEN))])),
        (0x02bc, Value::Bytes(1, vec![0; 16])),
    ];
    let mut file = Tiff::new(Order::Little, &[]).build(&[huge]);
    // Every count that says 16 says four billion.
    let needle = 16u32.to_le_bytes();
    for at in 0..file.len() - 4 {
        if file[at..at + 4] == needle {
            file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        }
    }
    let counting = Counting(&file, Default::default());
    let _ = facts(&counting, Format::Tiff);
    assert!(counting.1.get() < 17 << 20, "{} bytes read", counting.1.get());
}
