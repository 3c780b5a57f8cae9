//! Which files belong together: a photograph and what travels with it.

use std::collections::BTreeMap;

use darkslide_words::Name;
use serde::Serialize;

use crate::kind::Kind;

/// What a file is within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The photograph: the RAW where there is one.
    Original,
    /// The camera's JPEG or HEIC beside a RAW, or the clip beside a picture.
    Twin,
    /// Edits: XMP and its like.
    Sidecar,
    /// A voice memo.
    Sound,
    /// The camera's thumbnail, low-resolution clip or log.
    Companion,
}

/// A photograph and its companions: names of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its files, the original first.
    pub files: Vec<(Role, Name)>,
}

impl Group {
    /// The photograph.
    pub fn original(&self) -> Option<&Name> {
        self.files.first().filter(|(role, _)| *role == Role::Original).map(|(_, name)| name)
    }
}

/// Groups the names of one folder. What is no photograph and has none beside it is a group of its
/// own. Both namings of sidecars count: `IMG_1.xmp` belongs to the RAW of that stem, else to the
/// picture, and `IMG_1.CR3.xmp` to that file alone.
pub fn groups<'n>(names: impl IntoIterator<Item = &'n Name>) -> Vec<Group> {
    let mut stems: BTreeMap<Vec<u8>, Vec<&Name>> = BTreeMap::new();
    let names: Vec<&Name> = names.into_iter().collect();
    for name in &names {
        stems.entry(stem(name)).or_default().push(name);
    }
    let mut out = Vec::new();
    for files in stems.into_values() {
        one_stem(files, &mut out);
    }
    out
}

/// What the names of a group share: up to the first extension, GoPro's low-resolution clip by its
/// own clip's name, in any case.
fn stem(name: &Name) -> Vec<u8> {
    let mut bytes = name.file_name().to_ascii_lowercase();
    // `img_1.cr3.xmp` belongs to `img_1.cr3`.
    for _ in 0..2 {
        let Some(dot) = bytes.iter().rposition(|b| *b == b'.').filter(|at| *at > 0) else { break };
        let known = std::str::from_utf8(&bytes[dot + 1..]).is_ok_and(|e| crate::kind::of(e).0 != Kind::Other);
        if !known {
            break;
        }
        bytes.truncate(dot);
    }
    let gopro = bytes.len() == 8 && bytes.starts_with(b"gl") && bytes[2..].iter().all(u8::is_ascii_digit);
    if gopro && name.extension().as_deref() == Some("lrv") {
        bytes[1] = b'x';
    }
    bytes
}

fn one_stem(files: Vec<&Name>, out: &mut Vec<Group>) {
    let rank = |name: &Name| match Kind::of(name) {
        Kind::Raw => 0,
        Kind::Picture => 1,
        Kind::Video => 2,
        _ => 3,
    };
    let mut sorted = files;
    sorted.sort_by_key(|name| (rank(name), (*name).clone()));
    let first = sorted.first().filter(|name| Kind::of(name).is_original()).copied();
    let Some(original) = first else {
        // Nothing here is a photograph: each for itself.
        out.extend(sorted.into_iter().map(|name| Group { files: vec![(role(name, None), name.clone())] }));
        return;
    };
    let files = sorted.into_iter().map(|name| (role(name, Some(original)), name.clone())).collect();
    out.push(Group { files });
}

fn role(name: &Name, original: Option<&Name>) -> Role {
    match Kind::of(name) {
        _ if original.is_none_or(|original| original == name) => Role::Original,
        Kind::Raw | Kind::Picture | Kind::Video => Role::Twin,
        Kind::Sidecar => Role::Sidecar,
        Kind::Sound => Role::Sound,
        Kind::Companion | Kind::Other => Role::Companion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str]) -> Vec<String> {
        let names: Vec<Name> = names.iter().map(|n| Name::from(*n)).collect();
        let show = |group: Group| {
            let one = |(role, name): &(Role, Name)| format!("{role:?} {name}");
            group.files.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        groups(&names).into_iter().map(show).collect()
    }

    #[test]
    fn files_of_one_photograph_travel_together() {
        assert_eq!(
            shown(&["IMG_1.xmp", "IMG_1.CR3.xmp", "IMG_1.JPG", "IMG_1.CR3", "IMG_1.WAV", "IMG_2.JPG"]),
            [
                "Original IMG_1.CR3, Twin IMG_1.JPG, Sidecar IMG_1.CR3.xmp, Sound IMG_1.WAV, Sidecar IMG_1.xmp",
                "Original IMG_2.JPG"
            ]
        );
        assert_eq!(shown(&["MVI_3.MP4", "MVI_3.THM"]), ["Original MVI_3.MP4, Companion MVI_3.THM"]);
        assert_eq!(
            shown(&["GL010042.LRV", "GX010042.MP4", "GX010042.THM"]),
            ["Original GX010042.MP4, Companion GL010042.LRV, Companion GX010042.THM"]
        );
    }

    #[test]
    fn strangers_stay_by_themselves() {
        assert_eq!(shown(&["a.xmp", "b.txt", ".hidden"]), ["Original .hidden", "Original a.xmp", "Original b.txt"]);
        assert_eq!(shown(&["IMG_1.v2.JPG", "IMG_1.JPG"]).len(), 2);
    }
}
