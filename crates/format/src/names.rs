//! Names of objects: what kind they are and which id they carry.

use darkslide_words::{ObjectId, ObjectName, Time};

/// Kinds of objects, by prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `darkslide.json`.
    Header,
    /// `config/`.
    Config,
    /// `writers/`.
    Writers,
    /// `keys/`.
    Keys,
    /// `packs/`.
    Packs,
    /// `warm/`.
    Warm,
    /// `trees/`.
    Trees,
    /// `index/`.
    Index,
    /// `refs/`.
    Refs,
    /// `snapshots/`.
    Snapshots,
    /// `previews/`.
    Previews,
    /// `condemned/`.
    Condemned,
    /// `RECOVER.txt` and `recover.py`.
    Recover,
}

impl Kind {
    /// The prefix of its names, for listing.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Header => "darkslide.json",
            Self::Config => "config/",
            Self::Writers => "writers/",
            Self::Keys => "keys/",
            Self::Packs => "packs/",
            Self::Warm => "warm/",
            Self::Trees => "trees/",
            Self::Index => "index/",
            Self::Refs => "refs/",
            Self::Snapshots => "snapshots/",
            Self::Previews => "previews/",
            Self::Condemned => "condemned/",
            Self::Recover => "",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Config | Self::Writers => ".json",
            Self::Packs | Self::Warm | Self::Trees => ".tar.zst.age",
            Self::Previews => ".tar.age",
            Self::Keys | Self::Index | Self::Refs | Self::Snapshots => ".age",
            Self::Header | Self::Condemned | Self::Recover => "",
        }
    }
}

/// `darkslide.json`.
pub const HEADER: &str = "darkslide.json";

/// Every name that this crate builds uses the alphabet of object names.
fn name(text: String) -> ObjectName {
    // invariant: built from constant ASCII parts, hexadecimal and digits only.
    ObjectName::new(text).expect("a name of the format") // invariant: as above
}

/// The name of `darkslide.json`.
pub fn header() -> ObjectName {
    name(HEADER.to_string())
}

/// The two files that explain recovery.
pub fn recover_files() -> [ObjectName; 2] {
    [name("RECOVER.txt".into()), name("recover.py".into())]
}

/// `config/<n>.json`.
pub fn config(number: u64) -> ObjectName {
    name(format!("config/{number}.json"))
}

/// An object named by its id alone.
pub fn object(kind: Kind, id: ObjectId) -> ObjectName {
    let (prefix, suffix) = (kind.prefix(), kind.suffix());
    match kind {
        Kind::Packs | Kind::Warm => name(format!("{prefix}{:02x}/{id}{suffix}", id.as_bytes()[0])),
        _ => name(format!("{prefix}{id}{suffix}")),
    }
}

/// `snapshots/<time>-<id>.age`.
pub fn snapshot(time: Time, id: ObjectId) -> ObjectName {
    name(format!("snapshots/{}-{id}.age", time.compact()))
}

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// Kind of object.
    pub kind: Kind,
    /// Its id, where the name carries one.
    pub id: Option<ObjectId>,
    /// A snapshot's time.
    pub time: Option<Time>,
    /// A config's number.
    pub number: Option<u64>,
}

/// Reads a name; nothing for names that are not the format's.
pub fn parse(name: &ObjectName) -> Option<Parsed> {
    let text = name.as_str();
    let bare = |kind| Some(Parsed { kind, id: None, time: None, number: None });
    match text {
        HEADER => return bare(Kind::Header),
        "RECOVER.txt" | "recover.py" => return bare(Kind::Recover),
        _ => {}
    }
    let kinds = [
        Kind::Config,
        Kind::Writers,
        Kind::Keys,
        Kind::Packs,
        Kind::Warm,
        Kind::Trees,
        Kind::Index,
        Kind::Refs,
        Kind::Snapshots,
        Kind::Previews,
        Kind::Condemned,
    ];
    let kind = kinds.into_iter().find(|k| text.starts_with(k.prefix()))?;
    let middle = text.strip_prefix(kind.prefix())?.strip_suffix(kind.suffix())?;
    let (mut time, mut number) = (None, None);
    let id = match kind {
        Kind::Config => {
            number = Some(middle.parse::<u64>().ok().filter(|n| *n > 0 && n.to_string() == middle)?);
            None
        }
        Kind::Packs | Kind::Warm => {
            let (xx, id) = middle.split_once('/')?;
            Some(Some(id).filter(|id| id.get(..2) == Some(xx))?)
        }
        Kind::Snapshots => {
            let (at, id) = middle.split_once('-')?;
            time = Some(Time::from_compact(at).ok()?);
            Some(id)
        }
        _ => Some(middle),
    };
    let id = match id {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(Parsed { kind, id, time, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let id = ObjectId::new([0xab; 32]);
        for kind in [Kind::Writers, Kind::Keys, Kind::Packs, Kind::Warm, Kind::Trees, Kind::Index, Kind::Condemned] {
            let parsed = parse(&object(kind, id)).unwrap();
            assert_eq!((parsed.kind, parsed.id), (kind, Some(id)));
        }
        let at = Time(1_790_000_000_123_000_000);
        let parsed = parse(&snapshot(at, id)).unwrap();
        assert_eq!((parsed.kind, parsed.id, parsed.time), (Kind::Snapshots, Some(id), Some(at)));
        assert_eq!(parse(&config(12)).unwrap().number, Some(12));
        for foreign in ["config/01.json", "packs/ff/abab.tar.zst.age", "holiday.jpg", "snapshots/x-y.age"] {
            assert_eq!(parse(&ObjectName::new(foreign).unwrap()), None, "{foreign}");
        }
        let wrong = object(Kind::Packs, id).as_str().replace("packs/ab", "packs/00");
        assert_eq!(parse(&ObjectName::new(wrong).unwrap()), None);
    }
}
