//! JPEG: its segments, its size, its EXIF.

use std::io::{BufReader, Read as _};

use crate::facts::Facts;
use crate::source::{ReadAt, Reading};
use crate::{tiff, xmp};

/// Segments before the picture.
const SEGMENTS_MAX: usize = 256;
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// One segment: its marker, where its content is, how long it is.
struct Segment {
    marker: u8,
    at: u64,
    len: u64,
}

/// The segments up to the first scan.
fn segments(reading: &Reading<'_>, offset: u64, len: u64) -> Vec<Segment> {
    let mut out = Vec::new();
    let end = offset.saturating_add(len).min(reading.len());
    let mut at = offset + 2;
    if reading.bytes(offset, 2).as_deref() != Some(&[0xff, 0xd8]) {
        return out;
    }
    while out.len() < SEGMENTS_MAX && at + 4 <= end {
        let Some(head) = reading.bytes(at, 4) else { break };
        match (head[0], head[1]) {
            // Padding between segments.
            (0xff, 0xff) => at += 1,
            (0xff, 0xd0..=0xd7 | 0x01) => at += 2,
            (0xff, marker) => {
                let len = u64::from(u16::from_be_bytes([head[2], head[3]]));
                if len < 2 {
                    break;
                }
                out.push(Segment { marker, at: at + 4, len: len - 2 });
                if marker == 0xda {
                    break;
                }
                at += 2 + len;
            }
            _ => break,
        }
    }
    out
}

/// Width and height of a JPEG that can be shown: neither lossless nor arithmetic, which RAW data
/// in JPEG's clothes is.
pub(crate) fn size(reading: &Reading<'_>, offset: u64, len: u64) -> Option<(u32, u32)> {
    let frame = segments(reading, offset, len).into_iter().find(|s| matches!(s.marker, 0xc0..=0xcf))?;
    // C4, C8 and CC among them are no frames.
    let body = reading.bytes(frame.at, 5).filter(|_| matches!(frame.marker, 0xc0..=0xc2))?;
    let (height, width) = (u16::from_be_bytes([body[1], body[2]]), u16::from_be_bytes([body[3], body[4]]));
    (width > 0 && height > 0).then_some((u32::from(width), u32::from(height)))
}

/// The facts of a JPEG that lies in a file.
pub(crate) fn facts(reading: &Reading<'_>, offset: u64, len: u64) -> Option<Facts> {
    let segments = frame_order(segments(reading, offset, len));
    if segments.is_empty() {
        return None;
    }
    let mut facts = exif_segment(reading, offset, len).unwrap_or_default();
    for segment in segments.iter().filter(|s| s.marker == 0xe1) {
        let packet = reading.bytes(segment.at, segment.len);
        if let Some(packet) = packet.as_deref().and_then(|bytes| bytes.strip_prefix(XMP)) {
            facts.fill(xmp::facts(packet));
        }
    }
    // The picture's own word beats EXIF's, which programs forget to change.
    facts.size = size(reading, offset, len).or(facts.size);
    Some(facts)
}

/// Tables may stand before the frame.
fn frame_order(segments: Vec<Segment>) -> Vec<Segment> {
    segments.into_iter().filter(|s| !matches!(s.marker, 0xc4 | 0xdb)).collect()
}

/// EXIF's own structure, by the library that knows where it may hide.
fn exif_segment(reading: &Reading<'_>, offset: u64, len: u64) -> Option<Facts> {
    let end = offset.saturating_add(len).min(reading.len());
    let window = Window { reading, at: offset, end };
    // The segment stands among the first; a scan of the whole picture is not worth it.
    let attr = exif::get_exif_attr_from_jpeg(&mut BufReader::new(window.take(1 << 20))).ok()?;
    let bytes = &attr[..];
    let inner = Reading::new(&bytes as &dyn ReadAt, 4 << 20);
    let mut facts = tiff::walk(&inner, 0)?;
    // Where the segment's thumbnail is in the file is not said; it is too small to be missed.
    facts.previews.clear();
    Some(facts)
}

struct Window<'r, 's> {
    reading: &'r Reading<'s>,
    at: u64,
    end: u64,
}

impl std::io::Read for Window<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buf.len());
        let got = self.reading.read_at(self.at, &mut buf[..len])?;
        self.at += got as u64;
        Ok(got)
    }
}
