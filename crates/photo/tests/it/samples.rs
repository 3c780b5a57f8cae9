//! Real files and skeletons of them, where they are: in `PHOTO_SAMPLES`, or in a folder `samples`
//! beside the project. ExifTool is the judge, where it is installed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use darkslide_photo::{Facts, Format, facts, thumbnail};
use darkslide_words::Name;
use serde_json::Value;

fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let named = std::env::var_os("PHOTO_SAMPLES").map(PathBuf::from);
    named.or(Some(beside)).filter(|path| path.is_dir())
}

fn all(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all(&path, out) } else { out.push(path) }
    }
}

fn read(path: &Path) -> (Format, Facts) {
    let format = Format::of(&Name::from(path.file_name().unwrap().to_str().unwrap()));
    (format, facts(&File::open(path).unwrap(), format))
}

/// What ExifTool says of all files; nothing where it is not installed.
fn exiftool(files: &[PathBuf]) -> Option<BTreeMap<PathBuf, Value>> {
    let tags = ["-DateTimeOriginal", "-SubSecTimeOriginal", "-OffsetTimeOriginal", "-CreateDate", "-Model", "-Make"];
    let more = ["-Orientation#", "-EXIF:GPSLatitude#", "-SerialNumber", "-ImageWidth", "-ImageHeight", "-Rating"];
    let out = Command::new("exiftool").args(["-j", "-q", "-q"]).args(tags).args(more).args(files).output().ok()?;
    let rows: Vec<Value> = serde_json::from_slice(&out.stdout).ok()?;
    Some(rows.into_iter().map(|row| (PathBuf::from(row["SourceFile"].as_str().unwrap()), row)).collect())
}

#[test]
fn samples_agree_with_exiftool() {
    let Some(folder) = samples() else { return };
    let mut files = Vec::new();
    all(&folder, &mut files);
    files.retain(|path| Format::of(&Name::from(path.file_name().unwrap().to_str().unwrap())) != Format::Other);
    // Nothing panics on any of them, whether or not ExifTool is there.
    let ours: BTreeMap<_, _> = files.iter().map(|path| (path.clone(), read(path).1)).collect();
    let Some(theirs) = exiftool(&files) else { return };
    let mut wrong = Vec::new();
    for (path, facts) in &ours {
        let Some(row) = theirs.get(path).filter(|_| !path.components().any(|c| c.as_os_str() == "malformed")) else {
            continue;
        };
        let text = |tag: &str| row.get(tag).and_then(|v| v.as_str().map(str::to_string).or(Some(v.to_string())));
        let date = text("DateTimeOriginal").or(text("CreateDate")).filter(|d| !d.starts_with("0000"));
        let found = facts.taken.map(|t| t.local.strftime("%Y:%m:%d %H:%M:%S").to_string());
        let mut differ = |what: &str, theirs: &Option<String>, ours: &Option<String>| {
            let name = path.strip_prefix(&folder).unwrap().display();
            wrong.push(format!("{name}: {what}: ExifTool {theirs:?}, here {ours:?}"));
        };
        if date.is_some() && date.as_ref().map(|d| &d[..19]) != found.as_deref() {
            differ("date", &date, &found);
        }
        let pairs = [
            ("camera", text("Model"), facts.model.clone()),
            ("orientation", text("Orientation"), facts.orientation.map(|o| o.to_string())),
            ("rating", text("Rating"), facts.rating.map(|r| r.to_string())),
        ];
        for (what, theirs, ours) in pairs {
            if theirs.is_some() && theirs != ours {
                differ(what, &theirs, &ours);
            }
        }
        let offset = text("OffsetTimeOriginal").filter(|o| o.len() == 6);
        let ours = facts.taken.map(|t| t.to_string());
        if offset.as_ref().is_some_and(|offset| !ours.as_ref().is_some_and(|t| t.ends_with(offset))) {
            differ("zone", &offset, &ours);
        }
    }
    let known: Vec<_> = wrong.iter().filter(|line| !KNOWN.iter().any(|k| line.contains(k))).collect();
    assert!(known.is_empty(), "{} differ:\n{known:#?}", known.len());
    assert!(theirs.len() > 40, "ExifTool read {} files", theirs.len());
}

/// Where ExifTool knows more, or says it otherwise.
const KNOWN: &[&str] = &[
    // In the maker's own directory, where 0 means none.
    "sony_a330_head.ARW: rating",
    // The tag compared is the header's, in UTC; here the key's wall clock with its zone counts.
    "own_iphone_tz.MOV: date",
];

#[test]
fn skeletons_tell_what_their_list_says_and_hold_their_preview() {
    let Some(folder) = samples().map(|folder| folder.join("own/raw")) else { return };
    let list: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    for row in &list {
        let name = row["file"].as_str().unwrap();
        let path = folder.join(name);
        let (format, facts) = read(&path);
        let taken = facts.taken.unwrap_or_else(|| panic!("{name}: no date")).to_string();
        let tz = row["tz"].as_str().unwrap_or_default();
        assert_eq!(taken, format!("2026-10-18T16:45:12.37{tz}"), "{name}");
        let orientation = facts.orientation.map(u64::from).unwrap_or(1);
        assert_eq!(Some(orientation), row["orientation"].as_u64(), "{name}");
        if !name.ends_with(".JPG") {
            let len = row["preview_len"].as_u64().unwrap();
            assert!(facts.previews.iter().any(|p| p.len == len), "{name}: {:?}, wanted {len}", facts.previews);
        }
        let small = thumbnail(&File::open(&path).unwrap(), format, &facts);
        assert!(small.is_ok_and(|jpeg| jpeg.len() > 1000), "{name}: no thumbnail");
    }
    assert!(list.len() >= 10);
}

#[test]
fn a_phones_heic_has_a_thumbnail() {
    let Some(path) = samples().map(|folder| folder.join("own/heic/own_iphone.heic")) else { return };
    let (format, facts) = read(&path);
    let small = thumbnail(&File::open(&path).unwrap(), format, &facts).unwrap();
    assert!(small.len() > 1000);
}
