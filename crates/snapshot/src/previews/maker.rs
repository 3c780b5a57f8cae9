//! Making one preview: of an open file, by what its name says it is.

use std::fs::File;

use darkslide_format::previews::{Int, PreviewFacts, short};
use darkslide_photo::{Facts, Format, Kind, facts, sidecar_facts, thumbnail};
use darkslide_words::Name;
use serde::{Deserialize, Serialize};

/// A file to make a preview of.
#[derive(Debug)]
pub struct Source<'a> {
    /// Its name, which says what it is.
    pub name: &'a Name,
    /// It, open for reading; read by position.
    pub file: &'a File,
}

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// What the file tells.
    pub facts: PreviewFacts,
    /// A JPEG of 512 pixels at most.
    pub thumbnail: Option<Vec<u8>>,
    /// Why there is less than there might be.
    pub problem: Option<String>,
}

/// What is said beside a thumbnail between two processes.
#[derive(Serialize, Deserialize)]
struct Said {
    facts: PreviewFacts,
    problem: Option<String>,
}

impl Made {
    /// As bytes, from one process to another: a length, what is said, the thumbnail.
    pub fn encode(&self) -> Vec<u8> {
        let said = Said { facts: self.facts.clone(), problem: self.problem.clone() };
        let said = serde_json::to_vec(&said).unwrap_or_default();
        let jpeg = self.thumbnail.as_deref().unwrap_or_default();
        [&(said.len() as u32).to_le_bytes()[..], &said, jpeg].concat()
    }

    /// The reverse; nothing where the bytes are no such thing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_at_checked(4)?;
        let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
        let (said, jpeg) = rest.split_at_checked(len)?;
        let Said { facts, problem } = serde_json::from_slice(said).ok()?;
        Some(Self { facts, thumbnail: (!jpeg.is_empty()).then(|| jpeg.to_vec()), problem })
    }
}

/// Makes previews. Files may be hostile: whoever implements this bounds time and memory.
pub trait Maker: Send + Sync {
    /// Never fails: what cannot be made is a problem that is told.
    fn make(&self, source: &Source<'_>) -> Made;
}

/// Makes them in the same process, within the bounds that the reader of photographs has of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

/// True for what previews are made of: photographs, clips, and sidecars that may rate them.
pub fn wants(name: &Name) -> bool {
    is_original(name) || is_rating(name)
}

/// True for a photograph or a clip.
pub fn is_original(name: &Name) -> bool {
    Kind::of(name).is_original()
}

/// True for a sidecar that is read for its rating.
pub fn is_rating(name: &Name) -> bool {
    name.extension().as_deref() == Some("xmp")
}

impl Maker for InProcess {
    fn make(&self, source: &Source<'_>) -> Made {
        let (kind, format) = (Kind::of(source.name), Format::of(source.name));
        if kind == Kind::Sidecar {
            return Made { facts: told(&sidecar_facts(source.file), kind), ..Made::default() };
        }
        let found = facts(source.file, format);
        let (thumbnail, problem) = match thumbnail(source.file, format, &found) {
            Ok(jpeg) => (Some(jpeg), None),
            Err(error) => (None, Some(error.to_string())),
        };
        // Most clips and some RAW hold nothing that can be shown; that is no problem of the file's.
        let expected = kind == Kind::Video || format == Format::Other;
        Made { facts: told(&found, kind), thumbnail, problem: problem.filter(|_| !expected) }
    }
}

/// A number with at most two digits behind the point, as short as it goes.
fn decimal(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn ten_millionths(degrees: f64) -> Option<Int> {
    degrees.is_finite().then(|| Int((degrees * 1e7).round() as i64))
}

/// Facts as a preview tells them.
fn told(found: &Facts, kind: Kind) -> PreviewFacts {
    let text = |text: &Option<String>| text.as_deref().map(short).filter(|text| !text.is_empty());
    let number = |n: Option<u32>| n.map(|n| Int(i64::from(n)));
    let word = match kind {
        Kind::Raw => "raw",
        Kind::Picture => "picture",
        Kind::Video => "video",
        Kind::Sidecar => "sidecar",
        _ => "other",
    };
    PreviewFacts {
        altitude: found.gps.and_then(|gps| gps.altitude).filter(|m| m.is_finite()).map(|m| Int((m * 100.0) as i64)),
        aperture: found.aperture.map(decimal),
        dated: found.taken.map(|taken| format!("{:?}", taken.source).to_lowercase()),
        duration: found.duration.and_then(|ms| i64::try_from(ms).ok()).map(Int),
        exposure: text(&found.exposure),
        focal: found.focal.map(decimal),
        height: number(found.size.map(|(_, height)| height)),
        iso: number(found.iso),
        kind: Some(word.into()),
        latitude: found.gps.and_then(|gps| ten_millionths(gps.latitude)),
        lens: text(&found.lens),
        longitude: found.gps.and_then(|gps| ten_millionths(gps.longitude)),
        make: text(&found.make),
        model: text(&found.model),
        offset: found.taken.and_then(|taken| taken.offset).map(|seconds| Int(i64::from(seconds))),
        orientation: found.orientation.map(|n| Int(i64::from(n))),
        rating: found.rating.map(|n| Int(i64::from(n))),
        serial: text(&found.serial),
        taken: found.taken.map(|taken| taken.local.to_string()),
        width: number(found.size.map(|(width, _)| width)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_go() {
        assert_eq!([2.8, 4.0, 0.95, 105.0].map(decimal), ["2.8", "4", "0.95", "105"]);
        assert_eq!(ten_millionths(-2.295), Some(Int(-22_950_000)));
        assert_eq!(ten_millionths(f64::NAN), None);
    }

    #[test]
    fn what_was_made_goes_from_process_to_process() {
        let facts = PreviewFacts { iso: Some(Int(100)), ..PreviewFacts::default() };
        for (thumbnail, problem) in [(Some(vec![0xff, 0xd8]), None), (None, Some("why".to_string()))] {
            let made = Made { facts: facts.clone(), thumbnail, problem };
            let bytes = made.encode();
            assert_eq!(Made::decode(&bytes).as_ref(), Some(&made));
            (0..bytes.len().min(20)).for_each(|cut| assert_eq!(Made::decode(&bytes[..cut]), None));
        }
        assert_eq!(Made::decode(&[255; 40]), None);
    }

    #[test]
    fn a_sidecar_gives_its_rating_and_a_broken_picture_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            InProcess.make(&Source { name: &Name::from(name), file: &File::open(path).unwrap() })
        };
        let sidecar = made("a.xmp", b"<x xmp:Rating='4'/>");
        assert_eq!((sidecar.facts.rating, sidecar.thumbnail, sidecar.problem), (Some(Int(4)), None, None));
        assert!(made("a.jpg", b"no picture").problem.is_some());
        assert_eq!(made("a.mp4", b"no clip").problem, None, "most clips have no poster");
        assert!(wants(&Name::from("a.CR3")) && wants(&Name::from("a.xmp")) && !wants(&Name::from("a.txt")));
    }
}
