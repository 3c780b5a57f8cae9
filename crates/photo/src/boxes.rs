//! ISO boxes, as far as Canon's CR3 and a video's header need them.
//!
//! Source of CR3's layout: the description at <https://github.com/lclevy/canon_cr3>.

use crate::facts::{Facts, Preview};
use crate::source::Reading;
use crate::tiff::{self, Ifd};
use crate::{Taken, jpeg};

/// Boxes that are looked at in one file.
const BOXES_MAX: usize = 512;
/// Boxes within boxes.
const DEPTH_MAX: usize = 8;
/// Seconds from 1904, where QuickTime's time begins, to 1970.
const MAC_EPOCH: i64 = 2_082_844_800;

const CANON: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
const PREVIEW: [u8; 16] = *b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";
const XMP: [u8; 16] = *b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";

/// A box: what it is, where its content lies.
struct Found {
    kind: [u8; 4],
    at: u64,
    len: u64,
}

/// The boxes between two places.
fn list(reading: &Reading<'_>, from: u64, to: u64, left: &mut usize) -> Vec<Found> {
    let mut out = Vec::new();
    let mut at = from;
    while *left > 0 && at + 8 <= to {
        let Some(head) = reading.up_to(at, 16).filter(|head| head.len() >= 8) else { break };
        let word = |n: usize| head.get(n..n + 4)?.try_into().ok().map(u32::from_be_bytes);
        let short = u64::from(word(0).unwrap_or(0));
        let (header, len) = match short {
            0 => (8, to - at),
            1 => match (word(8), word(12)) {
                (Some(high), Some(low)) => (16, u64::from(high) << 32 | u64::from(low)),
                _ => break,
            },
            len => (8, len),
        };
        if len < header || at.checked_add(len).is_none_or(|end| end > to) {
            break;
        }
        *left -= 1;
        let mut kind = [0; 4];
        kind.copy_from_slice(&head[4..8]);
        out.push(Found { kind, at: at + header, len: len - header });
        at += len;
    }
    out
}

/// What a CR3 file tells.
struct Cr3<'r, 's> {
    reading: &'r Reading<'s>,
    left: usize,
    /// TIFF structures: which is which.
    parts: Vec<(u64, Ifd)>,
    facts: Facts,
    /// Of the track that is looked at: where its first sample is, and how long.
    chunk: Option<u64>,
    sample: Option<u64>,
}

/// The facts of a CR3 file.
pub(crate) fn cr3(reading: &Reading<'_>) -> Option<Facts> {
    let head = reading.bytes(0, 12)?;
    if &head[4..8] != b"ftyp" || &head[8..11] != b"crx" {
        return None;
    }
    let mut cr3 =
        Cr3 { reading, left: BOXES_MAX, parts: Vec::new(), facts: Facts::default(), chunk: None, sample: None };
    cr3.enter(0, reading.len(), 0);
    let mut facts = tiff::walk_parts(reading, &cr3.parts);
    facts.previews.clear();
    for preview in cr3.facts.previews {
        facts.preview(preview);
    }
    facts.rating = facts.rating.or(cr3.facts.rating);
    Some(facts)
}

impl Cr3<'_, '_> {
    fn enter(&mut self, from: u64, to: u64, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        for found in list(self.reading, from, to, &mut self.left) {
            let end = found.at + found.len;
            match &found.kind {
                b"moov" | b"mdia" | b"minf" | b"stbl" => self.enter(found.at, end, depth + 1),
                b"trak" => {
                    (self.chunk, self.sample) = (None, None);
                    self.enter(found.at, end, depth + 1);
                    if let (Some(at), Some(len)) = (self.chunk, self.sample) {
                        self.picture(at, len);
                    }
                }
                b"uuid" => self.uuid(&found, depth),
                b"CMT1" => self.parts.push((found.at, Ifd::Main)),
                b"CMT2" => self.parts.push((found.at, Ifd::Exif)),
                b"CMT3" => self.parts.push((found.at, Ifd::Canon)),
                b"CMT4" => self.parts.push((found.at, Ifd::Gps)),
                b"THMB" => self.boxed(&found, 8, 16),
                b"PRVW" => self.boxed(&found, 12, 16),
                b"co64" => self.chunk = self.wide(found.at + 8),
                b"stco" => self.chunk = self.word(found.at + 8),
                b"stsz" => {
                    self.sample = self.word(found.at + 4).filter(|n| *n > 0).or_else(|| self.word(found.at + 12))
                }
                _ => {}
            }
        }
    }

    fn uuid(&mut self, found: &Found, depth: usize) {
        let (Some(id), end) = (self.reading.bytes(found.at, 16), found.at + found.len) else { return };
        if id[..] == CANON {
            self.enter(found.at + 16, end, depth + 1);
        } else if id[..] == PREVIEW {
            // Two words of the makers stand before the box.
            self.enter(found.at + 24, end, depth + 1);
        } else if id[..] == XMP
            && let Some(packet) = self.reading.up_to(found.at + 16, (found.len - 16).min(256 << 10))
        {
            self.facts.fill(crate::xmp::facts(&packet));
        }
    }

    /// A box with a JPEG: its length stands before it.
    fn boxed(&mut self, found: &Found, len_at: u64, from: u64) {
        if let Some(len) = self.word(found.at + len_at).filter(|len| from + len <= found.len) {
            self.picture(found.at + from, len);
        }
    }

    fn picture(&mut self, offset: u64, len: u64) {
        let whole = offset.checked_add(len).is_some_and(|end| end <= self.reading.len());
        if let Some((width, height)) = jpeg::size(self.reading, offset, len).filter(|_| whole) {
            self.facts.preview(Preview { offset, len, width, height });
        }
    }

    fn word(&self, at: u64) -> Option<u64> {
        Some(u64::from(u32::from_be_bytes(self.reading.bytes(at, 4)?.try_into().ok()?)))
    }

    fn wide(&self, at: u64) -> Option<u64> {
        Some(u64::from_be_bytes(self.reading.bytes(at, 8)?.try_into().ok()?))
    }
}

/// The creation time in a video's header, for files that the library does not take.
pub(crate) fn movie_date(reading: &Reading<'_>) -> Option<Taken> {
    let mut left = BOXES_MAX;
    let moov = list(reading, 0, reading.len(), &mut left).into_iter().find(|b| &b.kind == b"moov")?;
    let mvhd = list(reading, moov.at, moov.at + moov.len, &mut left).into_iter().find(|b| &b.kind == b"mvhd")?;
    let body = reading.bytes(mvhd.at, 12)?;
    let seconds = match body[0] {
        0 => i64::from(u32::from_be_bytes(body[4..8].try_into().ok()?)),
        _ => i64::try_from(u64::from_be_bytes(body[4..12].try_into().ok()?)).ok()?,
    };
    if seconds == 0 {
        return None;
    }
    let at = jiff::Timestamp::from_second(seconds.checked_sub(MAC_EPOCH)?).ok()?;
    Taken::from_iso(&at.to_string(), crate::DateSource::Video)
}
