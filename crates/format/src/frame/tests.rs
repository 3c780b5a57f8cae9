//! Frames are what `zstd` makes and reads; what is worth compressing is compressed.

use super::*;
use crate::stream::SealBuffer;
use darkslide_words::{Rng as _, SeededRng};

fn noise(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    SeededRng::new(len as u64).fill(&mut out);
    out
}

/// Gives up to so many bytes at a time, is interrupted before each, and fails when none are left.
struct Halting<'b> {
    bytes: &'b [u8],
    step: usize,
    halted: bool,
}

impl std::io::Read for Halting<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.halted = !self.halted;
        if self.halted || self.bytes.is_empty() {
            let kind = if self.halted { std::io::ErrorKind::Interrupted } else { std::io::ErrorKind::TimedOut };
            return Err(kind.into());
        }
        let n = into.len().min(self.step).min(self.bytes.len());
        into[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

#[test]
fn a_raw_frame_in_pieces_is_the_one_at_once() {
    let sealed = |fill: &dyn Fn(&mut SealBuffer)| {
        let head = crate::seal::Head { header: b"header\n".to_vec(), nonce: [2; 16] };
        let key = crate::stream::StreamKey::derive(&[1; 16], &[2; 16]).unwrap();
        let again = crate::stream::StreamKey::derive(&[1; 16], &[2; 16]).unwrap();
        let whole = SealBuffer::new(&head, key, crate::space::Space::default());
        let in_leaves = SealBuffer::leaf_by_leaf(&head, again, crate::stream::Leaves::of(3, 8));
        let [id, of_leaves] = [whole, in_leaves].map(|mut buffer| {
            buffer.append(b"before");
            fill(&mut buffer);
            buffer.append(b"after");
            match buffer.is_in_leaves() {
                true => buffer.finish_after(None, &mut |_| ()).unwrap().id,
                false => buffer.finish().unwrap().id,
            }
        });
        assert_eq!(id, of_leaves);
        id
    };
    for len in [1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 17] {
        let plain: Vec<u8> = (0..len).map(|n| (n * 7 / 3) as u8).collect();
        let at_once = sealed(&|buffer| put_raw(&plain, |piece| buffer.append(piece)));
        for step in [777, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let in_pieces = sealed(&|buffer| {
                let mut frame = RawFrame::begin(buffer);
                plain.chunks(step).for_each(|piece| frame.add(buffer, piece));
                assert_eq!((frame.plain, frame.at), (len, 6));
                frame.end(buffer);
            });
            assert_eq!(in_pieces, at_once, "{len} by {step}");
            let read = sealed(&|buffer| {
                let (mut frame, mut from) = (RawFrame::begin(buffer), &plain[..]);
                while frame.plain < len {
                    let before = frame.plain;
                    // More is wanted than there is in the end, and a third of it is taken back and read again.
                    let got = frame.read(buffer, &mut from, step).unwrap();
                    assert_eq!(frame.plain, before + got);
                    frame.truncate(buffer, before + got - got / 3);
                    from = &plain[frame.plain..];
                    let pieces: Vec<&[u8]> = frame.pieces(buffer, before).collect();
                    assert!(pieces.concat() == plain[before..frame.plain]);
                }
                assert_eq!(frame.read(buffer, from, step).unwrap(), 0);
                // What comes before it fails is not kept.
                let failing = Halting { bytes: &plain[..len / 2], step, halted: false };
                assert!(frame.read(buffer, failing, len).is_err() && frame.plain == len);
                frame.end(buffer);
            });
            assert_eq!(read, at_once, "{len} by {step}");
            let halting = sealed(&|buffer| {
                let mut frame = RawFrame::begin(buffer);
                let from = Halting { bytes: &plain, step, halted: false };
                assert_eq!(frame.read(buffer, from, len).unwrap(), len);
                frame.end(buffer);
            });
            assert_eq!(halting, at_once, "{len} by {step}");
        }
    }
}

#[test]
fn raw_frames_are_zstd_frames() {
    for len in [0, 1, 255, 256, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 77] {
        let plain = noise(len);
        let mut frame = Vec::new();
        put_raw(&plain, |piece| frame.extend_from_slice(piece));
        assert_eq!(frame.len(), raw_len(len));
        assert_eq!(frame_len(&frame).unwrap(), frame.len());
        assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), plain);
        let mut out = Vec::new();
        Unframer::new().unwrap().decode(&frame, len, &mut out).unwrap();
        assert_eq!(out, plain);
        assert!(Unframer::new().unwrap().decode(&frame, len + 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn sparse_frames_are_zstd_frames() {
    let mut cases: Vec<Vec<u8>> = vec![vec![], vec![0], vec![1], vec![0; 7], vec![0; 3 * BLOCK + 5], noise(600)];
    for gaps in [1, 7, 8, 9, 100] {
        let mut mixed = vec![0; gaps];
        for piece in [1, 5, 200] {
            mixed.extend(noise(piece).into_iter().map(|b| b | 1));
            mixed.resize(mixed.len() + gaps, 0);
        }
        cases.push(mixed);
    }
    cases.push([noise(BLOCK + 1), vec![0; BLOCK + 1], noise(9)].concat());
    for plain in cases {
        let mut frame = Vec::new();
        put_sparse(&plain, |piece| frame.extend_from_slice(piece));
        assert_eq!(frame_len(&frame).unwrap(), frame.len());
        assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), plain);
    }
    let header = crate::tarball::header(b"2024/x/IMG_0001.xmp", 77, crate::tarball::TarFacts::default());
    let mut len = 0;
    put_sparse(&header, |piece| len += piece.len());
    assert!(len < 180, "{len}");
}

#[test]
fn entropy_is_that_of_the_bytes() {
    let entropy = |chunk: &[u8]| {
        let mut counts = Counts::new();
        slices(chunk).for_each(|slice| counts.add(slice));
        counts.entropy()
    };
    let close = |chunk: &[u8], bits: f64| assert!((entropy(chunk) - bits).abs() < 0.02, "{}", entropy(chunk));
    close(&[7; 5000], 0.0);
    let noise = noise(1 << 20);
    close(&noise, 8.0);
    close(&noise.iter().map(|byte| byte & 0x7f).collect::<Vec<u8>>(), 7.0);
    close(&(0..1 << 20).map(|i| (i & 1) as u8).collect::<Vec<u8>>(), 1.0);
    // Of (a, a, b) one pair in three is the same.
    close(&[1, 1, 2], 3f64.log2());
    // Slices lie all over the chunk: text after noise is seen.
    let mixed = [&noise[..1000], &b"text that repeats ".repeat(300)].concat();
    assert!(entropy(&mixed) < 7.0);
    // Where no two bytes are the same there is nothing to be found.
    assert!(entropy(&[1, 2, 3]) >= DENSE);
}

#[test]
fn half_a_look_takes_no_noise_for_text_and_no_text_for_noise() {
    let mut rng = SeededRng::new(9);
    let (mut seen, mut dense) = (0, 0);
    for len in (1024..16_000).step_by(37) {
        let mut noise = vec![0; len];
        rng.fill(&mut noise);
        (seen, dense) = (seen + 1, dense + usize::from(is_dense(&noise)));
        // Seven bits of each byte: an eighth can be saved.
        noise.iter_mut().for_each(|byte| *byte >>= 1);
        assert!(!is_dense(&noise), "{len}");
    }
    assert!(dense * 100 >= seen * 99, "{dense} of {seen}");
}

#[test]
fn incompressible_stays_raw_and_text_shrinks() {
    let mut framer = Framer::new().unwrap();
    let mut choose = |extension, chunk: &[u8]| framer.choose(extension, chunk);
    assert_eq!(choose(Some("cr3"), &noise(1 << 20)), Packing::Raw);
    for len in [512, 1000, 2000, 4096, 8000] {
        assert_eq!(choose(Some("bin"), &noise(len)), Packing::Raw, "{len}");
        assert_eq!(choose(Some("bin"), &b"text that repeats ".repeat(len / 18)), Packing::Fast, "{len}");
    }
    let smooth: Vec<u8> = (0..1 << 20).map(|i| (i >> 12) as u8).collect();
    assert_eq!(choose(Some("tif"), &smooth), Packing::Fast);
    assert_eq!(choose(Some("nef"), &smooth), Packing::Fast);
    assert_eq!(choose(Some("cr2"), &smooth), Packing::Raw);
    assert_eq!(choose(Some("cr3"), &smooth), Packing::Raw);
    assert_eq!(choose(Some("xmp"), &smooth[..5000]), Packing::Dense);
    assert_eq!(choose(Some("xmp"), &noise(5000)), Packing::Raw);
    assert!(matches!(framer.frame(&noise(10_000), Packing::Dense).unwrap(), Frame::Raw(_)));
    assert!(matches!(framer.frame(&smooth, Packing::Fast).unwrap(), Frame::Packed(p) if p.len() < 10_000));
    // A 16-bit RAW without compression has high entropy but repeats: not raw.
    let mut repeated = noise(3000);
    repeated = repeated.repeat(400);
    assert_eq!(framer.choose(Some("raw"), &repeated), Packing::Fast);
}

#[test]
fn pixels_are_coded_without_a_search_and_what_repeats_is_searched() {
    let mut framer = Framer::new().unwrap();
    // Twelve bits in sixteen, the upper ones smooth.
    let pixels: Vec<u8> =
        noise(5 << 20).chunks(2).zip(0u32..).flat_map(|(n, i)| [n[0], (i >> 17) as u8 ^ n[1] & 3]).collect();
    for (extension, smooth) in [("tif", &pixels), ("dng", &pixels[..WORTH_ASKING].to_vec())] {
        assert_eq!(framer.choose(Some(extension), smooth), Packing::Literals);
        let [coded, searched] = [Packing::Literals, Packing::Fast].map(|packing| {
            let Frame::Packed(packed) = framer.frame(smooth, packing).unwrap() else {
                panic!("a quarter can be saved")
            };
            let mut plain = Vec::new();
            Unframer::new().unwrap().decode(packed, smooth.len(), &mut plain).unwrap();
            assert!(plain == *smooth);
            packed.len()
        });
        assert!(coded * 98 <= searched * 100 && coded * 4 < smooth.len() * 3, "{coded} {searched}");
    }
    let mut choose = |extension, chunk: &[u8]| framer.choose(Some(extension), chunk);
    assert_eq!(choose("dng", &pixels[1..WORTH_ASKING]), Packing::Fast, "too few");
    assert_eq!(choose("fit", &pixels), Packing::Fast, "who knows what comes after the samples");
    // Drawn on them, a tenth of each row, the same again and again.
    let (mut drawn, pattern) = (pixels.clone(), noise(25));
    drawn.chunks_exact_mut(256).for_each(|row| row[100..125].copy_from_slice(&pattern));
    assert_eq!(choose("tif", &drawn), Packing::Fast);
    // Each row, of the widest there are, is the one before but for some of its pixels.
    for width in [40_000, 84_000] {
        let mut rows = pixels[..width].repeat((5 << 20) / width);
        rows.iter_mut().step_by(97).zip(&pixels).for_each(|(byte, other)| *byte ^= other);
        assert_eq!(choose("tif", &rows), Packing::Fast, "{width}");
        // After a preview, which is noise.
        assert_eq!(choose("nef", &[noise(300_000), rows].concat()), Packing::Fast, "{width}");
    }
    let text = b"text that repeats ".repeat(300_000);
    assert_eq!((choose("nef", &text), choose("xmp", &text)), (Packing::Fast, Packing::Dense));
}

#[test]
fn deltas_are_small_and_need_their_base() {
    let base = noise(1 << 20);
    let mut changed = base.clone();
    changed[500_000..500_100].copy_from_slice(&noise(100));
    let frame = delta(&changed, &base).unwrap();
    assert!(frame.len() < 1000, "{}", frame.len());
    assert_eq!(undelta(&frame, &base, changed.len()).unwrap(), changed);
    assert!(undelta(&frame, &changed[..1000], changed.len()).is_err());
    assert!(undelta(&frame, &base, changed.len() - 1).is_err());
}
