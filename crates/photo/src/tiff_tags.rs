//! What the tags of TIFF, EXIF and the makers' directories mean.

use crate::facts::{Facts, Gps};
use crate::taken::{DateSource, Taken};
use crate::tiff::{Endian, Entry, Frame, Ifd, Walk};
use crate::xmp;

/// Bytes of an XMP packet that are read.
const XMP_MAX: u64 = 256 << 10;
/// Strips of a JPEG picture that counts as a preview.
const STRIPS: usize = 1;

/// Dates of one photograph, whose parts lie in different tags.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    original: Date,
    digitized: Date,
    format: Date,
    gps_day: Option<String>,
    gps_time: Vec<f64>,
}

#[derive(Debug, Default)]
struct Date {
    date: Option<String>,
    subsec: Option<String>,
    zone: Option<String>,
}

impl Date {
    fn taken(&self, source: DateSource) -> Option<Taken> {
        Taken::from_exif(self.date.as_deref()?, self.subsec.as_deref(), self.zone.as_deref(), source)
    }
}

impl Dates {
    pub(crate) fn settle(&self, facts: &mut Facts) {
        facts.dated(self.original.taken(DateSource::Original));
        facts.dated(self.digitized.taken(DateSource::Digitized));
        facts.dated(self.format.taken(DateSource::Format));
        if let (Some(day), [hour, minute, second, ..]) = (&self.gps_day, &self.gps_time[..]) {
            let text = format!("{day} {hour:02.0}:{minute:02.0}:{:02}", second.trunc());
            facts.dated(Taken::from_exif(&text, None, Some("Z"), DateSource::Gps));
        }
    }
}

/// Tags of one directory that belong together.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    width: Option<u32>,
    height: Option<u32>,
    compression: Option<u32>,
    strips: Vec<u32>,
    strip_lens: Vec<u32>,
    jpeg: Option<u32>,
    jpeg_len: Option<u32>,
    borders: [Option<u32>; 4],
    gps: [Vec<f64>; 3],
    gps_signs: [bool; 3],
    panasonic: bool,
}

impl Tags {
    pub(crate) fn take(&mut self, walk: &mut Walk<'_, '_>, frame: Frame, ifd: Ifd, entry: &Entry) {
        match ifd {
            Ifd::Main | Ifd::Sub => self.main(walk, frame, entry),
            Ifd::Exif => exif(walk, frame, entry),
            Ifd::Gps => self.gps(walk, frame, entry),
            Ifd::Nikon => nikon(walk, frame, entry),
            Ifd::Olympus => olympus(walk, frame, entry),
            Ifd::OlympusSettings => self.olympus_settings(walk, frame, entry),
            Ifd::Canon => canon(walk, frame, entry),
        }
    }

    fn main(&mut self, walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
        let first = |walk: &Walk<'_, '_>| walk.numbers(frame, entry).first().copied();
        match entry.tag {
            0x0001 if entry.kind == 7 && entry.count == 4 => self.panasonic = true,
            0x0004..=0x0007 if self.panasonic => self.borders[usize::from(entry.tag - 4)] = first(walk),
            0x002e if self.panasonic => walk.jpeg_at(entry.at, entry.len()),
            0x0100 => self.width = first(walk),
            0x0101 => self.height = first(walk),
            0x0103 => self.compression = first(walk),
            0x010f => walk.facts.make = walk.facts.make.take().or_else(|| walk.text(entry)),
            0x0110 => walk.facts.model = walk.facts.model.take().or_else(|| walk.text(entry)),
            0x0111 => self.strips = walk.numbers(frame, entry),
            0x0112 => orientation(walk, first(walk)),
            0x0117 => self.strip_lens = walk.numbers(frame, entry),
            0x0132 => walk.dates.format.date = walk.dates.format.date.take().or_else(|| walk.text(entry)),
            0x014a => follow(walk, frame, entry, Ifd::Sub),
            0x0201 => self.jpeg = first(walk),
            0x0202 => self.jpeg_len = first(walk),
            0x02bc => packet(walk, entry),
            0x4746 => rating(walk, first(walk)),
            0x8769 => follow(walk, frame, entry, Ifd::Exif),
            0x8825 => follow(walk, frame, entry, Ifd::Gps),
            // DNG: the camera's serial number.
            0xc62f => walk.facts.serial = walk.facts.serial.take().or_else(|| walk.text(entry)),
            _ => exif_in_main(walk, frame, entry),
        }
    }

    /// Once the directory is read: its picture's size and JPEG, and the position.
    pub(crate) fn previews(self, walk: &mut Walk<'_, '_>, frame: Frame) {
        let at = |offset: u32| frame.base.saturating_add(u64::from(offset));
        if let (Some(offset), Some(len)) = (self.jpeg, self.jpeg_len) {
            walk.jpeg_at(at(offset), u64::from(len));
        }
        // Compression 6 is JPEG of old, 7 the newer; several strips are no file by themselves.
        if matches!(self.compression, Some(6 | 7)) && self.strips.len() == STRIPS {
            let len = self.strip_lens.first().copied().unwrap_or(0);
            walk.jpeg_at(at(self.strips[0]), u64::from(len));
        }
        let [top, left, bottom, right] = self.borders;
        let by_borders = || Some((right?.checked_sub(left?)?, bottom?.checked_sub(top?)?));
        if let Some((width, height)) = by_borders().or_else(|| Some((self.width?, self.height?))) {
            let pixels = |(w, h): (u32, u32)| u64::from(w) * u64::from(h);
            if walk.largest.is_none_or(|old| pixels(old) < pixels((width, height))) {
                walk.largest = Some((width, height));
            }
        }
        self.position(walk);
    }

    fn position(&self, walk: &mut Walk<'_, '_>) {
        let degrees = |n: usize| {
            let [degrees, rest @ ..] = &self.gps[n][..] else { return None };
            let minutes = rest.first().copied().filter(|m| m.is_finite()).unwrap_or(0.0);
            let seconds = rest.get(1).copied().filter(|s| s.is_finite()).unwrap_or(0.0);
            let value = degrees + minutes / 60.0 + seconds / 3600.0;
            value.is_finite().then_some(if self.gps_signs[n] { -value } else { value })
        };
        let (Some(latitude), Some(longitude)) = (degrees(0), degrees(1)) else { return };
        if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
            walk.facts.gps = Some(Gps { latitude, longitude, altitude: degrees(2) });
        }
    }

    fn gps(&mut self, walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
        match entry.tag {
            1 => self.gps_signs[0] = walk.text(entry).is_some_and(|t| t.starts_with('S')),
            2 => self.gps[0] = walk.fractions(frame, entry),
            3 => self.gps_signs[1] = walk.text(entry).is_some_and(|t| t.starts_with('W')),
            4 => self.gps[1] = walk.fractions(frame, entry),
            5 => self.gps_signs[2] = walk.numbers(frame, entry).first() == Some(&1),
            6 => self.gps[2] = walk.fractions(frame, entry),
            7 => walk.dates.gps_time = walk.fractions(frame, entry),
            0x1d => walk.dates.gps_day = walk.text(entry),
            _ => {}
        }
    }

    fn olympus_settings(&mut self, walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
        match entry.tag {
            0x0101 => self.jpeg = walk.numbers(frame, entry).first().copied(),
            0x0102 => self.jpeg_len = walk.numbers(frame, entry).first().copied(),
            _ => {}
        }
    }
}

fn orientation(walk: &mut Walk<'_, '_>, value: Option<u32>) {
    let value = value.and_then(|v| u8::try_from(v).ok()).filter(|v| (1..=8).contains(v));
    walk.facts.orientation = walk.facts.orientation.or(value);
}

fn rating(walk: &mut Walk<'_, '_>, value: Option<u32>) {
    let value = value.and_then(|v| i8::try_from(v).ok()).filter(|v| (0..=5).contains(v));
    walk.facts.rating = walk.facts.rating.or(value);
}

/// Reads the directories that an entry points to.
fn follow(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry, ifd: Ifd) {
    for offset in walk.numbers(frame, entry).into_iter().take(16) {
        let _ = walk.directory(frame, u64::from(offset), ifd);
    }
}

fn packet(walk: &mut Walk<'_, '_>, entry: &Entry) {
    let Some(bytes) = walk.reading.up_to(entry.at, entry.len().min(XMP_MAX)) else { return };
    walk.facts.fill(xmp::facts(&bytes));
}

/// Some cameras write these outside their directory.
fn exif_in_main(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    if matches!(entry.tag, 0x829a | 0x829d | 0x8827 | 0x9003 | 0x9004 | 0x9290..=0x9292 | 0x9010..=0x9012 | 0x920a) {
        exif(walk, frame, entry);
    }
}

fn exif(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    let text = |walk: &Walk<'_, '_>| walk.text(entry);
    match entry.tag {
        0x9003 => walk.dates.original.date = text(walk),
        0x9004 => walk.dates.digitized.date = text(walk),
        0x9290 => walk.dates.format.subsec = text(walk),
        0x9291 => walk.dates.original.subsec = text(walk),
        0x9292 => walk.dates.digitized.subsec = text(walk),
        0x9010 => walk.dates.format.zone = text(walk),
        0x9011 => walk.dates.original.zone = text(walk),
        0x9012 => walk.dates.digitized.zone = text(walk),
        0x927c => maker_note(walk, frame, entry),
        0x829a => walk.facts.exposure = exposure(walk, frame, entry).or(walk.facts.exposure.take()),
        0x829d => walk.facts.aperture = measure(walk, frame, entry).or(walk.facts.aperture),
        0x920a => walk.facts.focal = measure(walk, frame, entry).or(walk.facts.focal),
        // What does not fit into the old tag, which then says the most it can, stands in the newer one.
        0x8827 => walk.facts.iso = sensitivity(walk, frame, entry).or(walk.facts.iso),
        0x8832 => walk.facts.iso = walk.facts.iso.or(sensitivity(walk, frame, entry)),
        0xa001 => walk.facts.adobe_rgb |= walk.numbers(frame, entry).first() == Some(&0xffff),
        0xa431 => walk.facts.serial = text(walk).or(walk.facts.serial.take()),
        0xa434 => walk.facts.lens = text(walk).or(walk.facts.lens.take()),
        0xa002 => pixels(walk, frame, entry, 0),
        0xa003 => pixels(walk, frame, entry, 1),
        _ => {}
    }
}

/// A length or a number of which there is one, to a hundredth.
fn measure(walk: &Walk<'_, '_>, frame: Frame, entry: &Entry) -> Option<f64> {
    let value = walk.fractions(frame, entry).first().copied()?;
    (value.is_finite() && value > 0.0 && value < 100_000.0).then(|| (value * 100.0).round() / 100.0)
}

fn sensitivity(walk: &Walk<'_, '_>, frame: Frame, entry: &Entry) -> Option<u32> {
    walk.numbers(frame, entry).first().copied().filter(|iso| *iso > 0 && *iso != 0xffff)
}

/// Seconds: below a third as one over a whole number, as photographers say it.
fn exposure(walk: &Walk<'_, '_>, frame: Frame, entry: &Entry) -> Option<String> {
    let seconds = walk.fractions(frame, entry).first().copied()?;
    if !seconds.is_finite() || seconds <= 0.0 || seconds > 1_000_000.0 {
        return None;
    }
    Some(match seconds {
        short if short < 0.3 => format!("1/{:.0}", 1.0 / short),
        long => format!("{}", (long * 10.0).round() / 10.0),
    })
}

/// EXIF's width and height of the picture.
fn pixels(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry, side: usize) {
    let Some(value) = walk.numbers(frame, entry).first().copied().filter(|v| *v > 0) else { return };
    let (width, height) = walk.facts.size.unwrap_or((0, 0));
    walk.facts.size = Some(if side == 0 { (value, height) } else { (width, value) });
}

/// The maker's own directory, for what is nowhere else: previews and serial numbers.
fn maker_note(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    let Some(head) = walk.reading.up_to(entry.at, entry.len().min(32)) else { return };
    if head.starts_with(b"Nikon\0\x02") {
        let endian = if head.get(10..12) == Some(b"MM") { Endian::Big } else { Endian::Little };
        let inner = Frame { base: entry.at + 10, endian };
        let first = head.get(14..).and_then(|b| endian.u32(b)).unwrap_or(8);
        let _ = walk.directory(inner, u64::from(first), Ifd::Nikon);
    } else if head.starts_with(b"OLYMPUS\0") {
        let endian = if head.get(8..10) == Some(b"MM") { Endian::Big } else { Endian::Little };
        let _ = walk.directory(Frame { base: entry.at, endian }, 12, Ifd::Olympus);
    } else if head.starts_with(b"OM SYSTEM\0") {
        let endian = if head.get(12..14) == Some(b"MM") { Endian::Big } else { Endian::Little };
        let _ = walk.directory(Frame { base: entry.at, endian }, 16, Ifd::Olympus);
    } else if head.starts_with(b"OLYMP\0") {
        let _ = walk.directory(frame, (entry.at - frame.base) + 8, Ifd::Olympus);
    } else if walk.facts.make.as_deref().is_some_and(|make| make.starts_with("Canon")) {
        let _ = walk.directory(frame, entry.at - frame.base, Ifd::Canon);
    }
}

fn nikon(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    match entry.tag {
        0x0011 => follow(walk, frame, entry, Ifd::Sub),
        0x001d => walk.facts.serial = walk.facts.serial.take().or_else(|| walk.text(entry)),
        _ => {}
    }
}

fn olympus(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    if entry.tag != 0x2020 {
        return;
    }
    let offset = match entry.kind {
        4 | 13 => walk.numbers(frame, entry).first().copied().map(u64::from),
        _ => entry.at.checked_sub(frame.base),
    };
    if let Some(offset) = offset {
        let _ = walk.directory(frame, offset, Ifd::OlympusSettings);
    }
}

fn canon(walk: &mut Walk<'_, '_>, frame: Frame, entry: &Entry) {
    match entry.tag {
        0x000c => {
            let number = walk.numbers(frame, entry).first().copied().filter(|n| *n > 0);
            walk.facts.serial = walk.facts.serial.take().or_else(|| number.map(|n| n.to_string()));
        }
        0x0095 => walk.facts.lens = walk.facts.lens.take().or_else(|| walk.text(entry)),
        _ => {}
    }
}
