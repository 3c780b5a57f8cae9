//! What other programs wrote beside their archives, so that their files can be got back under their
//! names.
//!
//! - mt-aws-glacier: the description is `mt2`, a space, and JSON of `filename` and `mtime` in base64
//!   for URLs without padding; `mt1` was the same, encoded to UTF-8 twice. Source: its own
//!   documentation of the metadata format.
//! - Synology Glacier Backup: archives without a word, and a second vault `…_mapping` with an SQLite
//!   file whose table `file_info_tb` says `archiveID` and `basePath`. Source: public programs that
//!   read it.

use std::collections::BTreeMap;
use std::path::Path;

use darkslide_store::StoreError;
use darkslide_store::vault::{Archive, ForeignFile};
use darkslide_words::{Bytes, Name, Time};
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;

/// Characters of a description that are read at all.
const MAX: usize = 1024;

#[derive(Deserialize)]
struct Mt {
    filename: String,
    mtime: String,
}

/// The file that a description names.
pub(crate) fn of_description(archive: &Archive) -> Option<ForeignFile> {
    let text = &archive.description;
    let (mark, coded) = text.split_once(' ').filter(|_| text.len() <= MAX)?;
    let bytes = base64url(coded.trim())?;
    let json = match mark {
        "mt2" => String::from_utf8(bytes).ok()?,
        "mt1" => twice(&bytes)?,
        _ => return None,
    };
    let meta: Mt = serde_json::from_str(&json).ok()?;
    // `20130102T030405Z`.
    let modified = Time::from_compact(&meta.mtime.replace('Z', ".000Z")).ok();
    Some(ForeignFile {
        archive: archive.id.clone(),
        path: Name::from(meta.filename.as_str()),
        size: archive.size,
        modified,
        by: "mt-aws-glacier".into(),
    })
}

/// UTF-8 of text whose characters are themselves the bytes of UTF-8.
fn twice(bytes: &[u8]) -> Option<String> {
    let outer = std::str::from_utf8(bytes).ok()?;
    let inner: Option<Vec<u8>> = outer.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    String::from_utf8(inner?).ok()
}

fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for b in text.trim_end_matches('=').bytes() {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// The files that a mapping of Synology Glacier Backup names, of those archives that are known.
pub(crate) fn of_mapping(
    file: &Path,
    known: &BTreeMap<String, Bytes>,
    store: &str,
) -> Result<Vec<ForeignFile>, StoreError> {
    let wrong = |why: String| {
        StoreError::Setup {
        store: store.to_string(),
        why: format!("was given the mapping {}, which cannot be read: {why}", file.display()),
        advice: "it is the newest archive of the vault whose name ends in `_mapping`: `vault retrieve` and `vault fetch` get it"
            .into(),
    }
    };
    let sql = |e: rusqlite::Error| wrong(e.to_string());
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
    let mut columns = Vec::new();
    let mut query = conn.prepare("SELECT name FROM pragma_table_info('file_info_tb')").map_err(sql)?;
    for name in query.query_map([], |row| row.get::<_, String>(0)).map_err(sql)? {
        columns.push(name.map_err(sql)?.to_ascii_lowercase());
    }
    let has = |wanted: &str| columns.iter().any(|column| column == wanted);
    if !has("archiveid") || !has("basepath") {
        return Err(wrong("it has no table `file_info_tb` with `archiveID` and `basePath`".into()));
    }
    let share = if has("sharename") { "shareName" } else { "''" };
    let mut query = conn
        .prepare(&format!(
            "SELECT DISTINCT archiveID, basePath, {share} FROM file_info_tb ORDER BY basePath, archiveID"
        ))
        .map_err(sql)?;
    let rows = query.query_map([], |row| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?))).map_err(sql)?;
    let mut files = Vec::new();
    for row in rows {
        let (archive, base, share) = row.map_err(sql)?;
        let Some(size) = known.get(&archive).copied() else { continue };
        let (base, share) = (base.trim_matches('/'), share.trim_matches('/'));
        let within =
            share.is_empty() || base == share || base.strip_prefix(share).is_some_and(|rest| rest.starts_with('/'));
        let path = if within { base.to_string() } else { format!("{share}/{base}") };
        let (path, by) = (Name::from(path.as_str()), "Synology Glacier Backup".to_string());
        files.push(ForeignFile { archive, path, size, modified: None, by });
    }
    Ok(files)
}

/// Text, whatever SQLite keeps it as.
fn text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<String> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_store::vault::Standing;

    fn archive(description: &str) -> Archive {
        Archive {
            id: "a".into(),
            standing: Standing::Foreign,
            name: None,
            size: Bytes(5),
            tree: String::new(),
            created: Time(0),
            description: description.into(),
            inventoried: None,
        }
    }

    #[test]
    fn what_mt_aws_glacier_wrote_is_read() {
        // {"filename":"2012/Zürich.CR2","mtime":"20130102T030405Z"}
        let new = "mt2 eyJmaWxlbmFtZSI6IjIwMTIvWsO8cmljaC5DUjIiLCJtdGltZSI6IjIwMTMwMTAyVDAzMDQwNVoifQ";
        let old = "mt1 eyJmaWxlbmFtZSI6IjIwMTIvWsODwrxyaWNoLkNSMiIsIm10aW1lIjoiMjAxMzAxMDJUMDMwNDA1WiJ9";
        for text in [new, old] {
            let file = of_description(&archive(text)).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((file.path, file.size), (Name::from("2012/Zürich.CR2"), Bytes(5)));
            assert_eq!(file.modified, Some(Time::from_compact("20130102T030405.000Z").unwrap()));
        }
        for other in ["", "mt2", "mt2 ", "mt2 ???", "mt2 e30", "mt3 e30", "IMG_1.CR2", "darkslide-1 0 x y"] {
            assert_eq!(of_description(&archive(other)), None, "{other}");
        }
    }

    #[test]
    fn a_mapping_names_the_archives_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mapping.sqlite");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE file_info_tb (key INTEGER PRIMARY KEY, shareName TEXT, basePath TEXT, archiveID TEXT, fileSize INTEGER);
             INSERT INTO file_info_tb (shareName, basePath, archiveID) VALUES ('photo', '/photo/a.jpg', 'one'),
             ('photo', '2012/b.jpg', 'two'), ('photo', '/photo/gone.jpg', 'three'), ('video', 'photography/c.mov', 'one');",
        )
        .unwrap();
        drop(conn);
        let known = [("one".to_string(), Bytes(1)), ("two".to_string(), Bytes(2))].into();
        let files = of_mapping(&path, &known, "glacier://x").unwrap();
        let told: Vec<_> = files.iter().map(|f| (f.path.to_string(), f.archive.as_str(), f.size.0)).collect();
        assert_eq!(
            told,
            [
                ("photo/a.jpg".to_string(), "one", 1),
                ("photo/2012/b.jpg".to_string(), "two", 2),
                ("video/photography/c.mov".to_string(), "one", 1)
            ]
        );
        std::fs::write(folder.path().join("other"), b"no database").unwrap();
        for bad in ["other", "absent"] {
            let error = of_mapping(&folder.path().join(bad), &known, "glacier://x").unwrap_err().to_string();
            assert!(error.contains("_mapping"), "{error}");
        }
    }
}
