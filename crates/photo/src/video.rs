//! MOV and MP4: date, camera, size, place.

use nom_exif::{EntryValue, MediaParser, MediaSource, TrackInfoTag};

use crate::facts::{Facts, Gps, Preview};
use crate::source::{Reading, Stream};
use crate::{DateSource, Taken, boxes};

/// The facts of a video.
pub(crate) fn facts(reading: &Reading<'_>) -> Option<Facts> {
    let mut keyed = by_keys(reading);
    for (offset, len) in boxes::posters(reading) {
        if let Some((width, height)) = crate::jpeg::size(reading, offset, len) {
            keyed.preview(Preview { offset, len, width, height });
        }
    }
    match by_track(reading) {
        Some(facts) => {
            // A key tells the wall clock with its zone, the header UTC.
            let taken = keyed.taken.take().or(facts.taken);
            keyed.fill(Facts { taken: None, ..facts });
            Some(Facts { taken, ..keyed })
        }
        None => Some(keyed).filter(|facts| *facts != Facts::default()),
    }
}

/// What QuickTime's keys say.
fn by_keys(reading: &Reading<'_>) -> Facts {
    let mut facts = Facts::default();
    for (key, value) in boxes::movie_keys(reading) {
        match key.strip_prefix("com.apple.quicktime.").unwrap_or(&key) {
            "make" => facts.make = Some(value),
            "model" => facts.model = Some(value),
            "creationdate" => facts.taken = Taken::from_iso(&value, DateSource::Video),
            "location.ISO6709" => facts.gps = position(&value),
            "rating.user" => facts.rating = value.parse().ok().filter(|stars| (0..=5).contains(stars)),
            _ => {}
        }
    }
    facts
}

/// What the library for videos says.
fn by_track(reading: &Reading<'_>) -> Option<Facts> {
    let track = MediaSource::seekable(Stream::new(reading)).and_then(|source| MediaParser::new().parse_track(source));
    let Ok(track) = track else {
        let taken = boxes::movie_date(reading)?;
        return Some(Facts { taken: Some(taken), ..Facts::default() });
    };
    let text = |tag| match track.get(tag) {
        Some(EntryValue::Text(text)) => Some(text.trim().to_string()).filter(|text| !text.is_empty()),
        _ => None,
    };
    let number = |tag| match track.get(tag) {
        Some(EntryValue::U32(n)) => Some(*n),
        Some(EntryValue::U64(n)) => u32::try_from(*n).ok(),
        _ => None,
    };
    let taken = match track.get(TrackInfoTag::CreateDate) {
        Some(EntryValue::DateTime(at)) => Taken::from_iso(&at.to_rfc3339(), DateSource::Video),
        Some(EntryValue::NaiveDateTime(at)) => Taken::from_iso(&at.to_string(), DateSource::Video),
        _ => None,
    };
    Some(Facts {
        // 1904 is where this time begins: a camera without a clock.
        taken: taken.or_else(|| boxes::movie_date(reading)).filter(|taken| taken.local.year() > 1904),
        make: text(TrackInfoTag::Make),
        model: text(TrackInfoTag::Model),
        size: number(TrackInfoTag::Width).zip(number(TrackInfoTag::Height)).filter(|(w, h)| *w > 0 && *h > 0),
        duration: match track.get(TrackInfoTag::DurationMs) {
            Some(EntryValue::U64(ms)) => Some(*ms).filter(|ms| *ms > 0),
            _ => None,
        },
        gps: text(TrackInfoTag::GpsIso6709).and_then(|text| position(&text)),
        ..Facts::default()
    })
}

/// ISO 6709: `+48.8577+002.295+35.2/`.
fn position(text: &str) -> Option<Gps> {
    let mut starts: Vec<usize> = text.match_indices(['+', '-']).map(|(at, _)| at).collect();
    starts.push(text.find(['/', 'C']).unwrap_or(text.len()));
    let number = |n: usize| text.get(*starts.get(n)?..*starts.get(n + 1)?)?.parse::<f64>().ok();
    let (latitude, longitude) = (number(0)?, number(1)?);
    let sane = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    sane.then(|| Gps { latitude, longitude, altitude: number(2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_have_signs_and_maybe_a_height() {
        let gps = position("+48.8577-002.295+35.2/").unwrap();
        assert_eq!((gps.latitude, gps.longitude, gps.altitude), (48.8577, -2.295, Some(35.2)));
        assert_eq!(position("+48.8577+002.295/").unwrap().altitude, None);
        assert!(position("nowhere").is_none() && position("+99+200/").is_none());
    }
}
