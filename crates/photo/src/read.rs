//! A file's facts, by what its name says it is.

use std::io::{BufReader, Seek as _, SeekFrom};

use darkslide_words::Name;

use crate::facts::Facts;
use crate::kind::Format;
use crate::source::{ReadAt, Reading, Stream};
use crate::{boxes, jpeg, raf, tiff, video, xmp};

/// Bytes that are read for the facts of one file.
const BUDGET: u64 = 16 << 20;
/// Bytes of a sidecar.
const SIDECAR_MAX: u64 = 1 << 20;

/// What a file tells of itself; nothing where it cannot be read as what its name says.
pub fn facts(source: &dyn ReadAt, format: Format) -> Facts {
    let reading = Reading::new(source, BUDGET);
    by_format(&reading, format).or_else(|| by_magic(&reading)).unwrap_or_default()
}

fn by_format(reading: &Reading<'_>, format: Format) -> Option<Facts> {
    match format {
        Format::Jpeg => jpeg::facts(reading, 0, reading.len()),
        Format::Heif | Format::Web => contained(reading),
        Format::Tiff => tiff::walk(reading, 0),
        Format::Cr3 => boxes::cr3(reading),
        Format::Raf => raf::facts(reading),
        Format::Video => video::facts(reading),
        Format::Other => None,
    }
}

/// Names lie: a phone's HEIC that is a JPEG.
fn by_magic(reading: &Reading<'_>) -> Option<Facts> {
    let head = reading.up_to(0, 16)?;
    match &head[..] {
        [0xff, 0xd8, ..] => jpeg::facts(reading, 0, reading.len()),
        [b'I', b'I', ..] | [b'M', b'M', ..] => tiff::walk(reading, 0),
        [b'F', b'U', b'J', b'I', ..] => raf::facts(reading),
        [_, _, _, _, b'f', b't', b'y', b'p', b'c', b'r', b'x', ..] => boxes::cr3(reading),
        _ => None,
    }
}

/// EXIF in a container that a library opens.
fn contained(reading: &Reading<'_>) -> Option<Facts> {
    let mut stream = BufReader::new(Stream::new(reading));
    let mut parser = exif::Reader::new();
    let parser = parser.continue_on_error(true);
    let exif = parser.read_from_container(&mut stream).or_else(|e| e.distill_partial_result(|_| {})).ok()?;
    let mut facts = tiff::walk(&Reading::new(&exif.buf() as &dyn ReadAt, BUDGET), 0)?;
    // Their places are those of the structure, not of the file.
    facts.previews.clear();
    let _ = stream.seek(SeekFrom::Start(0));
    Some(facts)
}

/// What a sidecar tells: rating and date.
pub fn sidecar_facts(source: &dyn ReadAt) -> Facts {
    let reading = Reading::new(source, SIDECAR_MAX);
    reading.up_to(0, SIDECAR_MAX).map(|packet| xmp::facts(&packet)).unwrap_or_default()
}

/// The names that a clip's own XML may have: `C0001M01.XML` beside `C0001.MP4`.
pub fn clip_xml(clip: &Name) -> Option<Name> {
    let bytes = clip.as_bytes();
    let dot = bytes.iter().rposition(|b| *b == b'.').filter(|at| *at > 0)?;
    (Format::of(clip) == Format::Video || clip.extension().as_deref() == Some("mxf"))
        .then(|| Name::new([&bytes[..dot], b"M01.XML"].concat()))
}

/// What a clip's own XML tells of it.
pub fn clip_facts(source: &dyn ReadAt) -> Facts {
    let reading = Reading::new(source, SIDECAR_MAX);
    reading.up_to(0, SIDECAR_MAX).map(|xml| xmp::clip(&xml)).unwrap_or_default()
}
