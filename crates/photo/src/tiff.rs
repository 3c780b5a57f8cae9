//! A bounded walker of TIFF structures: TIFF itself, the EXIF of other formats, and the RAW files
//! that are TIFF inside.
//!
//! It follows directories (IFDs), never the same twice, and reads no more of a value than it
//! needs. Source of the layout: TIFF 6.0, EXIF 2.32; the makers' own directories as ExifTool's tag
//! tables name them.

use std::collections::BTreeSet;

use crate::facts::{Facts, Preview};
use crate::jpeg;
use crate::source::Reading;
use crate::tiff_tags::{Dates, Tags};

/// Directories of one file.
const IFDS_MAX: usize = 48;
/// Entries of one directory.
const ENTRIES_MAX: usize = 1024;
/// Bytes of a value that is a text or a list of offsets.
const VALUE_MAX: u64 = 4096;

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

impl Endian {
    pub(crate) fn u16(self, b: &[u8]) -> Option<u16> {
        let b = b.get(..2)?.try_into().ok()?;
        Some(if self == Endian::Little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    }

    pub(crate) fn u32(self, b: &[u8]) -> Option<u32> {
        let b = b.get(..4)?.try_into().ok()?;
        Some(if self == Endian::Little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    }
}

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ifd {
    /// The first, or one behind it in the chain.
    Main,
    /// One of a picture's smaller or larger versions.
    Sub,
    /// EXIF.
    Exif,
    /// GPS.
    Gps,
    /// Nikon's own, and its preview.
    Nikon,
    /// Olympus' own.
    Olympus,
    /// Its camera settings, which hold the preview.
    OlympusSettings,
    /// Canon's own.
    Canon,
}

/// One directory entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) kind: u16,
    pub(crate) count: u32,
    /// Where the value is.
    pub(crate) at: u64,
}

impl Entry {
    fn unit(&self) -> u64 {
        match self.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 | 17 | 18 => 8,
            _ => 0,
        }
    }

    /// Bytes of the value; none of an unknown type.
    pub(crate) fn len(&self) -> u64 {
        self.unit() * u64::from(self.count)
    }
}

/// Positions of a file that offsets count from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Added to each offset.
    pub(crate) base: u64,
    pub(crate) endian: Endian,
}

/// A walk through one TIFF structure.
pub(crate) struct Walk<'r, 's> {
    pub(crate) reading: &'r Reading<'s>,
    seen: BTreeSet<(u64, Ifd)>,
    pub(crate) facts: Facts,
    pub(crate) dates: Dates,
    /// Largest picture so far.
    pub(crate) largest: Option<(u32, u32)>,
}

/// The facts of a TIFF structure that begins at `base`.
pub(crate) fn walk(reading: &Reading<'_>, base: u64) -> Option<Facts> {
    let mut walk =
        Walk { reading, seen: BTreeSet::new(), facts: Facts::default(), dates: Dates::default(), largest: None };
    walk.header(base, Ifd::Main)?;
    Some(walk.finish())
}

/// The facts of several structures of one photograph, each with what its first directory is.
pub(crate) fn walk_parts(reading: &Reading<'_>, parts: &[(u64, Ifd)]) -> Facts {
    let mut walk =
        Walk { reading, seen: BTreeSet::new(), facts: Facts::default(), dates: Dates::default(), largest: None };
    for (base, ifd) in parts {
        let _ = walk.header(*base, *ifd);
    }
    walk.finish()
}

impl Walk<'_, '_> {
    fn finish(mut self) -> Facts {
        self.dates.settle(&mut self.facts);
        self.facts.size = self.facts.size.or(self.largest);
        self.facts
    }

    fn header(&mut self, base: u64, ifd: Ifd) -> Option<()> {
        let head = self.reading.bytes(base, 8)?;
        let endian = match &head[..2] {
            b"II" => Endian::Little,
            b"MM" => Endian::Big,
            _ => return None,
        };
        // 42; Olympus' `RO` and `RS`; Panasonic's 0x55.
        if !matches!(endian.u16(&head[2..])?, 42 | 0x4f52 | 0x5352 | 0x55) {
            return None;
        }
        let frame = Frame { base, endian };
        self.chain(frame, u64::from(endian.u32(&head[4..])?), ifd);
        Some(())
    }

    /// A directory and those behind it.
    fn chain(&mut self, frame: Frame, first: u64, ifd: Ifd) {
        let mut next = first;
        while next != 0 {
            let Some(after) = self.directory(frame, next, ifd) else { return };
            next = after;
        }
    }

    /// Reads a directory; where the next one is.
    pub(crate) fn directory(&mut self, frame: Frame, offset: u64, ifd: Ifd) -> Option<u64> {
        let at = frame.base.checked_add(offset)?;
        if self.seen.len() >= IFDS_MAX || !self.seen.insert((at, ifd)) {
            return None;
        }
        let count = usize::from(frame.endian.u16(&self.reading.bytes(at, 2)?)?);
        if count > ENTRIES_MAX {
            return None;
        }
        let block = self.reading.up_to(at + 2, count as u64 * 12 + 4)?;
        let mut tags = Tags::default();
        for (n, raw) in block.chunks_exact(12).take(count).enumerate() {
            let (Some(tag), Some(kind), Some(long)) =
                (frame.endian.u16(raw), frame.endian.u16(&raw[2..]), frame.endian.u32(&raw[4..]))
            else {
                continue;
            };
            let inline = at + 2 + n as u64 * 12 + 8;
            let mut entry = Entry { tag, kind, count: long, at: inline };
            if entry.len() > 4 {
                let Some(offset) = frame.endian.u32(&raw[8..]) else { continue };
                entry.at = frame.base.saturating_add(u64::from(offset));
            }
            tags.take(self, frame, ifd, &entry);
        }
        tags.previews(self, frame);
        let next = block.get(count * 12..).and_then(|rest| frame.endian.u32(rest)).unwrap_or(0);
        Some(u64::from(next))
    }

    /// The value's bytes, no more than a text may have.
    pub(crate) fn value(&self, entry: &Entry) -> Option<Vec<u8>> {
        let len = entry.len();
        (len > 0).then(|| self.reading.up_to(entry.at, len.min(VALUE_MAX)))?
    }

    /// The value as whole numbers.
    pub(crate) fn numbers(&self, frame: Frame, entry: &Entry) -> Vec<u32> {
        let Some(bytes) = self.value(entry) else { return Vec::new() };
        match entry.kind {
            1 | 6 | 7 => bytes.into_iter().map(u32::from).collect(),
            3 | 8 => bytes.chunks_exact(2).filter_map(|b| frame.endian.u16(b)).map(u32::from).collect(),
            4 | 9 | 13 => bytes.chunks_exact(4).filter_map(|b| frame.endian.u32(b)).collect(),
            _ => Vec::new(),
        }
    }

    /// The value as fractions.
    pub(crate) fn fractions(&self, frame: Frame, entry: &Entry) -> Vec<f64> {
        let Some(bytes) = self.value(entry).filter(|_| matches!(entry.kind, 5 | 10)) else { return Vec::new() };
        let signed = |n: u32| if entry.kind == 10 { f64::from(n as i32) } else { f64::from(n) };
        let pair = |b: &[u8]| Some((frame.endian.u32(b)?, frame.endian.u32(&b[4..])?));
        bytes.chunks_exact(8).filter_map(pair).map(|(n, d)| signed(n) / signed(d)).collect()
    }

    /// The value as text, without padding.
    pub(crate) fn text(&self, entry: &Entry) -> Option<String> {
        let bytes = self.value(entry).filter(|_| matches!(entry.kind, 1 | 2 | 7 | 129))?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]);
        let text = text.trim().chars().filter(|c| !c.is_control()).collect::<String>();
        (!text.is_empty()).then_some(text)
    }

    /// Notes a JPEG that lies there, if it is one that can be shown.
    pub(crate) fn jpeg_at(&mut self, offset: u64, len: u64) {
        let whole = offset.checked_add(len).is_some_and(|end| end <= self.reading.len());
        if len == 0 || !whole {
            return;
        }
        if let Some((width, height)) = jpeg::size(self.reading, offset, len) {
            self.facts.preview(Preview { offset, len, width, height });
        }
    }
}
