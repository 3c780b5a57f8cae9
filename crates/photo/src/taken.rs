//! When a photograph was taken: the camera's clock on the wall, and what is known of its zone.

use jiff::civil;
use serde::{Serialize, Serializer};

/// Where a date comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DateSource {
    /// When the shutter opened, by the camera.
    Original,
    /// When it became a file, by the camera.
    Digitized,
    /// A date of the file's format, of unclear meaning: TIFF's DateTime.
    Format,
    /// A video's creation date.
    Video,
    /// The metadata of a program.
    Xmp,
    /// GPS time, which is UTC.
    Gps,
    /// The file system's time of the last change.
    File,
}

/// An instant as the photographer's clock showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Taken {
    /// Year to nanosecond, as written.
    pub local: civil::DateTime,
    /// Seconds east of UTC; nothing where the camera does not say.
    pub offset: Option<i32>,
    /// Where it comes from.
    pub source: DateSource,
}

/// No zone is further away.
const OFFSET_MAX: i32 = 18 * 3600;

impl Taken {
    /// From EXIF's `2026:10:18 16:45:12`, with sub-seconds and zone where they are written.
    pub fn from_exif(date: &str, subsec: Option<&str>, zone: Option<&str>, source: DateSource) -> Option<Self> {
        let mut numbers = date.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        let mut next = |digits: usize| numbers.next().filter(|n| n.len() <= digits)?.parse::<i16>().ok();
        let (year, month, day) = (next(4)?, next(2)?, next(2)?);
        let (hour, minute) = (next(2).unwrap_or(0), next(2).unwrap_or(0));
        // A leap second is a second that civil time does not have.
        let second = next(2).unwrap_or(0).min(59);
        let small = |n: i16| i8::try_from(n).ok();
        if year < 1800 {
            return None;
        }
        let local = civil::DateTime::new(
            year,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            subsec.map_or(0, nanos),
        );
        Some(Self { local: local.ok()?, offset: zone.and_then(offset), source })
    }

    /// From an ISO date such as `2026-10-18T16:45:12.37+02:00`; the time may lack.
    pub fn from_iso(text: &str, source: DateSource) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
        let rest = rest.trim_start_matches(['T', ' ']);
        let zone_at = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
        let (time, zone) = rest.split_at(zone_at);
        let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
        Self::from_exif(&format!("{date} {time}"), fraction, Some(zone), source)
    }

    /// The instant where the zone is known, else as if the wall clock showed `zone`.
    pub fn instant(&self, zone: &jiff::tz::TimeZone) -> Option<darkslide_words::Time> {
        let zone = match self.offset {
            Some(seconds) => jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?),
            None => zone.clone(),
        };
        let nanos = self.local.to_zoned(zone).ok()?.timestamp().as_nanosecond();
        i64::try_from(nanos).ok().map(darkslide_words::Time)
    }

    /// The file system's time on a wall clock in `zone`.
    pub fn from_file(mtime: darkslide_words::Time, zone: &jiff::tz::TimeZone) -> Option<Self> {
        let zoned = jiff::Timestamp::from_nanosecond(i128::from(mtime.0)).ok()?.to_zoned(zone.clone());
        Some(Self { local: zoned.datetime(), offset: Some(zoned.offset().seconds()), source: DateSource::File })
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.local)?;
        match self.offset {
            None => Ok(()),
            Some(seconds) => {
                let sign = if seconds < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
            }
        }
    }
}

impl Serialize for Taken {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// `37` is 370 milliseconds.
fn nanos(subsec: &str) -> i32 {
    let digits = subsec.trim().bytes().take_while(u8::is_ascii_digit).take(9);
    let (value, len) = digits.fold((0, 0u32), |(value, len), digit| (value * 10 + i32::from(digit - b'0'), len + 1));
    value * 10i32.pow(9 - len)
}

/// `+02:00`, `-0330`, `Z`.
fn offset(zone: &str) -> Option<i32> {
    let zone = zone.trim();
    if zone.starts_with(['Z', 'z']) {
        return Some(0);
    }
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: Vec<i32> = zone[1..].bytes().filter(u8::is_ascii_digit).map(|b| i32::from(b - b'0')).collect();
    let [a, b, c, d] = digits.get(..4)?.try_into().ok()?;
    let seconds = sign * ((a * 10 + b) * 3600 + (c * 10 + d) * 60);
    (seconds.abs() <= OFFSET_MAX).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Taken::from_iso(text, DateSource::Xmp).map(|t| t.to_string()).unwrap_or_default()
    }

    #[test]
    fn dates_keep_wall_clock_and_zone() {
        let exif = |date, subsec, zone| {
            Taken::from_exif(date, subsec, zone, DateSource::Original).map(|t| t.to_string()).unwrap_or_default()
        };
        assert_eq!(exif("2026:10:18 16:45:12", Some("37"), Some("+02:00")), "2026-10-18T16:45:12.37+02:00");
        assert_eq!(exif("2026:10:18 16:45:12", None, None), "2026-10-18T16:45:12");
        assert_eq!(exif("2026:10:18 23:59:60", None, Some("-03:30")), "2026-10-18T23:59:59-03:30");
        for nonsense in ["    :  :     :  :  ", "0000:00:00 00:00:00", "2026:13:40 00:00:00", "", "99999:1:1"] {
            assert_eq!(exif(nonsense, None, None), "", "{nonsense}");
        }
        assert_eq!(shown("2026-10-18T16:45:12.5Z"), "2026-10-18T16:45:12.5+00:00");
        assert_eq!(shown("2026-10-18"), "2026-10-18T00:00:00");
        assert_eq!(shown("2026-10-18T16:45:12-07:00"), "2026-10-18T16:45:12-07:00");
    }

    #[test]
    fn an_instant_needs_a_zone() {
        let taken = Taken::from_iso("2026-10-18T16:45:12+02:00", DateSource::Xmp).unwrap();
        assert_eq!(taken.instant(&jiff::tz::TimeZone::UTC).unwrap().to_string(), "2026-10-18T14:45:12Z");
        let wall = Taken { offset: None, ..taken };
        assert_eq!(wall.instant(&jiff::tz::TimeZone::UTC).unwrap().to_string(), "2026-10-18T16:45:12Z");
    }
}
