//! What stands beside an archive: whose it is, and which object lies in it. An archive has no
//! name; its description is all that an inventory tells.
//!
//! Ours reads `darkslide-1 SET KIND NAME`: SET is the id of the set of archives that belong to
//! one companion store, KIND the first part of the object's name.

use darkslide_words::ObjectName;

/// Characters at most, each from space to `~`.
pub(crate) const MAX: usize = 1024;

const MARK: &str = "darkslide-1";
/// Characters of a kind at most, so that the longest name fits.
const KIND_MAX: usize = 32;

/// What a description of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) set: String,
    pub(crate) name: ObjectName,
}

/// The description of an object of that set.
pub(crate) fn write(set: &str, name: &ObjectName) -> String {
    let text = name.as_str();
    let kind: String = text.split_once('/').map_or("object", |(kind, _)| kind).chars().take(KIND_MAX).collect();
    format!("{MARK} {set} {kind} {text}")
}

/// Reads one of ours; nothing where it is somebody else's.
pub(crate) fn read(text: &str) -> Option<Described> {
    if text.len() > MAX {
        return None;
    }
    let mut words = text.split(' ');
    let (mark, set, _kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if mark != MARK || words.next().is_some() || !is_set(set) {
        return None;
    }
    Some(Described { set: set.to_string(), name: ObjectName::new(name).ok()? })
}

/// Whether that is the id of a set: 16 hex digits.
pub(crate) fn is_set(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_fits() {
        let set = "0123456789abcdef";
        for text in ["packs/ab/0123.tar.zst.age", "darkslide.json", &format!("{}/{}", "p".repeat(250), "x".repeat(250))]
        {
            let name = ObjectName::new(text).unwrap();
            let written = write(set, &name);
            assert!(written.len() <= MAX && written.bytes().all(|b| (0x20..=0x7e).contains(&b)));
            assert_eq!(read(&written), Some(Described { set: set.into(), name }));
        }
    }

    #[test]
    fn others_descriptions_are_not_ours() {
        for other in [
            "",
            "darkslide-1",
            "darkslide-1 0123456789abcdef packs",
            "darkslide-1 0123456789ABCDEF packs packs/a",
            "darkslide-1 0123456789abcdef packs packs/a b",
            "darkslide-1 0123456789abcdef packs ../a",
            "darkslide-2 0123456789abcdef packs packs/a",
            "mt2 eyJmaWxlbmFtZSI6ImEifQ",
            "/volume1/photo/IMG_1.CR2",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(read(&format!("darkslide-1 0123456789abcdef packs {}", "a".repeat(2000))), None);
    }
}
