//! Whatever way a file is put together, its sealed bytes are the same.

use super::*;

fn key() -> StreamKey {
    StreamKey::derive(&[1; 16], &[2; 16]).unwrap()
}

fn head() -> Head {
    Head { header: b"header\n".to_vec(), nonce: [2; 16] }
}

#[test]
fn overwrite_read_and_truncate_work_across_segments() {
    for cut in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 5] {
        let mut buffer = SealBuffer::new(&head(), key(), Space::default());
        let data: Vec<u8> = (0..4 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
        buffer.append(&data[..100]);
        buffer.append(&data[100..]);
        buffer.truncate(cut);
        assert_eq!(buffer.len(), cut);
        buffer.append(&data[cut..]);
        let at = SEGMENT - 3;
        buffer.overwrite(at, b"abcdefg");
        assert_eq!(buffer.read(at - 1, 9)[1..8], *b"abcdefg");
        let mut wanted = data.clone();
        wanted[at..at + 7].copy_from_slice(b"abcdefg");
        let sealed = buffer.finish().unwrap();
        assert_eq!(sealed.crc64, crc64(&sealed.bytes));
        assert_eq!(sealed.id, crate::object_id(&sealed.bytes));
        let opener = Opener::new(key(), 23);
        let len = sealed.bytes.len() as u64;
        let mut payload = sealed.bytes[23..].to_vec();
        let mut out = Vec::new();
        opener.open_segments(0, opener.last_segment(len).unwrap(), &mut payload, &mut out).unwrap();
        assert_eq!(out, wanted);
        let (range, first) = opener.covering(at as u64, 7, len).unwrap();
        let mut part = sealed.bytes[range.start as usize..range.end as usize].to_vec();
        out.clear();
        opener.open_segments(first, opener.last_segment(len).unwrap(), &mut part, &mut out).unwrap();
        assert_eq!(out[at - first as usize * SEGMENT..][..7], *b"abcdefg");
    }
}

/// A file of `data`, appended so many bytes at a time; settled each time, or never.
fn sealed(data: &[u8], step: usize, settled: bool) -> Sealed {
    let mut buffer = SealBuffer::new(&head(), key(), Space::default());
    for piece in data.chunks(step) {
        buffer.append(piece);
        if settled {
            buffer.settle().unwrap();
            assert!(buffer.len() - buffer.sealed() <= SEGMENT);
        }
    }
    buffer.finish().unwrap()
}

#[test]
fn what_is_settled_on_the_way_is_sealed_as_at_the_end() {
    let data: Vec<u8> = (0..9 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
    for len in [0, 1, SEGMENT, SEGMENT + 1, 5 * SEGMENT, 9 * SEGMENT + 7] {
        for step in [4099, SEGMENT, SEGMENT + 1, 3 * SEGMENT] {
            let (at_once, on_the_way) = (sealed(&data[..len], step, false), sealed(&data[..len], step, true));
            assert_eq!(on_the_way.bytes[..], at_once.bytes[..], "{len} by {step}");
            assert_eq!((on_the_way.id, on_the_way.crc64), (at_once.id, at_once.crc64), "{len} by {step}");
            assert_eq!(at_once.id, crate::object_id(&at_once.bytes));
        }
    }
}

#[test]
fn what_is_taken_back_after_settling_leaves_no_trace() {
    let data: Vec<u8> = (0..3 * SEGMENT).map(|i| (i * 11 / 5) as u8).collect();
    let made = |settled: bool| {
        let mut buffer = SealBuffer::new(&head(), key(), Space::default());
        buffer.append(&data[..SEGMENT + 100]);
        if settled {
            buffer.settle().unwrap();
        }
        buffer.append(&[9; SEGMENT]);
        buffer.truncate(SEGMENT + 50);
        buffer.append(&data[SEGMENT + 50..2 * SEGMENT + 60]);
        buffer.overwrite(SEGMENT + 7, b"other");
        if settled {
            buffer.settle().unwrap();
        }
        buffer.append(&data[2 * SEGMENT + 60..]);
        assert_eq!(buffer.sealed(), if settled { 2 * SEGMENT } else { 0 });
        buffer.finish().unwrap()
    };
    let (on_the_way, at_once) = (made(true), made(false));
    assert_eq!(on_the_way.bytes[..], at_once.bytes[..]);
    assert_eq!((on_the_way.id, on_the_way.crc64), (at_once.id, at_once.crc64));
}

#[test]
fn what_is_settled_is_neither_read_nor_replaced_nor_forgotten() {
    let settled = || {
        let mut buffer = SealBuffer::new(&head(), key(), Space::default());
        buffer.append(&[1; SEGMENT + 9]);
        buffer.settle().unwrap();
        buffer
    };
    let refuses = |what: fn(&mut SealBuffer)| {
        let mut buffer = settled();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(&mut buffer))).is_err()
    };
    assert!(refuses(|buffer| buffer.truncate(SEGMENT)));
    assert!(refuses(|buffer| buffer.overwrite(SEGMENT - 1, b"ab")));
    assert!(refuses(|buffer| drop(buffer.read(SEGMENT - 1, 2))));
    assert!(!refuses(|buffer| buffer.truncate(SEGMENT + 1)));
    assert!(!refuses(|buffer| buffer.overwrite(SEGMENT, b"ab")));
    assert_eq!(settled().read(SEGMENT, 9), [1; 9]);
}

/// What a buffer in leaves comes to, each leaf sealed as soon as it is ready.
struct Handed {
    buffer: SealBuffer,
    passes: Option<Box<Passes>>,
    leaves: Leaves,
    bytes: Vec<u8>,
}

impl Handed {
    fn new(segments: usize) -> Self {
        let leaves = Leaves::of(segments, 16);
        let buffer = SealBuffer::leaf_by_leaf(&head(), key(), leaves.clone());
        Self { buffer, passes: None, leaves, bytes: Vec::new() }
    }

    fn ready(&mut self, to: usize) {
        for mut leaf in self.buffer.ready(to).unwrap() {
            let passes = match leaf.begins() {
                Some(passes) => self.passes.insert(passes),
                None => self.passes.as_mut().unwrap(),
            };
            passes.leaf(&mut leaf, &mut |sealed| self.bytes.extend_from_slice(sealed)).unwrap();
            self.leaves.give(leaf.into_space());
        }
    }

    fn finish(mut self) -> (Sealed, Vec<u8>) {
        let sealed = self.buffer.finish_after(self.passes, &mut |sealed| self.bytes.extend_from_slice(sealed));
        (sealed.unwrap(), self.bytes)
    }
}

#[test]
fn what_is_handed_on_in_leaves_is_sealed_as_in_one_stretch() {
    let data: Vec<u8> = (0..9 * SEGMENT + 7).map(|i| (i * 7 / 3) as u8).collect();
    for len in [0, 1, SEGMENT, SEGMENT + 1, 4 * SEGMENT, 4 * SEGMENT + 1, 9 * SEGMENT + 7] {
        for (segments, step) in [(1, 4099), (1, SEGMENT), (2, SEGMENT + 1), (3, 3 * SEGMENT), (63, 5 * SEGMENT)] {
            let whole = sealed(&data[..len], step, false);
            let mut handed = Handed::new(segments);
            for piece in data[..len].chunks(step) {
                handed.buffer.append(piece);
                let all = handed.buffer.len();
                handed.ready(all);
                assert!(handed.buffer.len() - handed.buffer.sealed() <= segments * SEGMENT);
            }
            let pool = handed.leaves.pool.clone();
            let (sealed, bytes) = handed.finish();
            assert!(bytes == whole.bytes[..], "{len} in leaves of {segments} by {step}");
            assert_eq!((sealed.id, sealed.crc64, sealed.len), (whole.id, whole.crc64, bytes.len()));
            assert!(sealed.bytes.is_empty() && pool.len() <= 3 * SEGMENT / (segments * SEGMENT) + 2, "it goes round");
        }
    }
}

#[test]
fn up_to_where_all_may_be_taken_back_a_segment_stays() {
    for at in [2 * SEGMENT - 1, 2 * SEGMENT, 2 * SEGMENT + 1, 3 * SEGMENT] {
        let data: Vec<u8> = (0..5 * SEGMENT).map(|i| (i * 13 / 5) as u8).collect();
        let mut handed = Handed::new(1);
        handed.buffer.append(&data[..at]);
        handed.buffer.append(&[7; 3 * SEGMENT]);
        handed.ready(at);
        assert_eq!(handed.buffer.sealed(), (at - 1) / SEGMENT * SEGMENT, "{at}");
        handed.buffer.truncate(at);
        handed.buffer.append(&data[at..]);
        let (sealed, bytes) = handed.finish();
        let whole = self::sealed(&data, SEGMENT, false);
        assert!(bytes == whole.bytes[..] && sealed.id == whole.id, "{at}");
    }
}

#[test]
fn what_is_handed_on_is_neither_replaced_nor_forgotten_nor_left_out() {
    let handed = || {
        let mut handed = Handed::new(1);
        handed.buffer.append(&[1; SEGMENT + 9]);
        handed.ready(usize::MAX);
        assert_eq!(handed.buffer.sealed(), SEGMENT);
        handed
    };
    let refuses = |what: fn(Handed)| std::panic::catch_unwind(|| what(handed())).is_err();
    assert!(refuses(|mut handed| handed.buffer.truncate(SEGMENT)));
    assert!(refuses(|mut handed| handed.buffer.overwrite(SEGMENT - 1, b"ab")));
    assert!(refuses(|handed| drop(handed.buffer.read(SEGMENT - 1, 2))));
    assert!(refuses(|handed| drop(handed.buffer.finish())), "it is in leaves");
    let none = |handed: Handed| handed.buffer.finish_after(None, &mut |_| ());
    assert!(std::panic::catch_unwind(|| none(handed())).is_err(), "a leaf is missing");
    assert!(!refuses(|mut handed| handed.buffer.overwrite(SEGMENT, b"ab")));
    assert!(!refuses(|handed| drop(handed.finish())));
}

#[test]
fn lengths_that_no_payload_has() {
    assert_eq!(segments(0), None);
    assert_eq!(segments(15), None);
    assert_eq!(segments(16), Some(1));
    assert_eq!(segments(STRIDE as u64), Some(1));
    assert_eq!(segments(STRIDE as u64 + 16), None);
    assert_eq!(segments(STRIDE as u64 + 17), Some(2));
}
