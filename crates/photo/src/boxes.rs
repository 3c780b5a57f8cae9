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

/// Keys that are read of a video's metadata.
const KEYS_MAX: u64 = 256;
/// Bytes of one value.
const VALUE_MAX: u64 = 4096;

/// QuickTime's metadata: texts by key, such as `com.apple.quicktime.model`. Keys stand in one box
/// and their values in another, in files of phones and of programs alike.
///
/// Source: QuickTime File Format, "Metadata".
pub(crate) fn movie_keys(reading: &Reading<'_>) -> Vec<(String, String)> {
    let mut left = BOXES_MAX;
    let mut inside = |at: u64, end: u64, kind: &[u8; 4]| {
        let found = list(reading, at, end, &mut left).into_iter().find(|b| &b.kind == kind)?;
        Some((found.at, found.at + found.len))
    };
    let Some((at, end)) = inside(0, reading.len(), b"moov") else { return Vec::new() };
    // Phones write it here, programs within the user's data.
    let boxes = inside(at, end, b"meta").or_else(|| {
        let (at, end) = inside(at, end, b"udta")?;
        inside(at, end, b"meta")
    });
    let Some((mut at, end)) = boxes else { return Vec::new() };
    // In MP4 this box has a version of four bytes, in QuickTime it has none.
    if reading.bytes(at + 4, 4).is_none_or(|kind| &kind != b"hdlr") {
        at += 4;
    }
    let (Some(keys), Some((at, end))) = (inside(at, end, b"keys"), inside(at, end, b"ilst")) else { return Vec::new() };
    let keys = key_names(reading, keys);
    let mut out = Vec::new();
    for item in list(reading, at, end, &mut left) {
        let key = usize::try_from(u32::from_be_bytes(item.kind)).ok().and_then(|n| keys.get(n.checked_sub(1)?));
        let data = list(reading, item.at, item.at + item.len, &mut left).into_iter().find(|b| &b.kind == b"data");
        let (Some(key), Some(data)) = (key, data) else { continue };
        // A type, where 1 is UTF-8, and a locale stand before the text.
        let Some(value) = reading.up_to(data.at, data.len.min(VALUE_MAX)).filter(|v| v.starts_with(&[0, 0, 0, 1]))
        else {
            continue;
        };
        let text = value.get(8..).map(|text| String::from_utf8_lossy(text).trim().to_string()).unwrap_or_default();
        if !text.is_empty() {
            out.push((key.clone(), text));
        }
    }
    out
}

/// The names in a box of keys, in their order.
fn key_names(reading: &Reading<'_>, (at, end): (u64, u64)) -> Vec<String> {
    let word = |at: u64| Some(u64::from(u32::from_be_bytes(reading.bytes(at, 4)?.try_into().ok()?)));
    let count = word(at + 4).unwrap_or(0).min(KEYS_MAX);
    let mut names = Vec::new();
    let mut at = at + 8;
    for _ in 0..count {
        let Some(len) = word(at).filter(|len| (8..=8 + VALUE_MAX).contains(len) && at + len <= end) else { break };
        let Some(name) = reading.bytes(at + 8, len - 8) else { break };
        names.push(String::from_utf8_lossy(&name).into_owned());
        at += len;
    }
    names
}

/// Where a video keeps a frame as JPEG: Canon's cameras beside the user's data, programs as the cover.
pub(crate) fn posters(reading: &Reading<'_>) -> Vec<(u64, u64)> {
    let mut left = BOXES_MAX;
    let mut inside = |at: (u64, u64), kind: &[u8; 4]| {
        let found = list(reading, at.0, at.1, &mut left).into_iter().find(|b| &b.kind == kind)?;
        Some((found.at, found.at + found.len))
    };
    let Some(user) = inside((0, reading.len()), b"moov").and_then(|moov| inside(moov, b"udta")) else {
        return Vec::new();
    };
    let camera = inside(user, b"CNTH").and_then(|thumbnail| inside(thumbnail, b"CNDA"));
    let cover = inside(user, b"meta").and_then(|(at, end)| {
        // In MP4 this box has a version of four bytes, in QuickTime it has none.
        let versioned = reading.bytes(at + 4, 4).is_none_or(|kind| &kind != b"hdlr");
        let cover =
            inside((if versioned { at + 4 } else { at }, end), b"ilst").and_then(|list| inside(list, b"covr"))?;
        // A type and a locale stand before the picture.
        inside(cover, b"data").map(|(at, end)| (at + 8, end))
    });
    [camera, cover].into_iter().flatten().filter(|(at, end)| end > at).map(|(at, end)| (at, end - at)).collect()
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
