//! What a mirror's last run saw: a row a folder, so that an unchanged folder costs one look.

use darkslide_words::{ContentHash, Name, Time};
use rusqlite::{OptionalExtension as _, params};

use crate::{Catalog, CatalogError};

/// A file as the last run copied or saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredFile {
    /// Its name in the folder.
    pub name: Name,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, in the source.
    pub mtime: Time,
    /// Last change of the inode, in the source.
    pub ctime: Time,
    /// Inode, in the source.
    pub inode: u64,
    /// The content; nothing for what was there before the first run.
    pub hash: Option<ContentHash>,
}

/// Bytes of a row beside its name.
const FIXED: usize = 2 + 8 * 4 + 1 + 32;

fn encode(files: &[MirroredFile]) -> Vec<u8> {
    let mut out = Vec::with_capacity(files.len() * (FIXED + 16));
    for file in files {
        let name = file.name.as_bytes();
        out.extend((name.len() as u16).to_le_bytes());
        out.extend(name);
        for word in [file.size, file.mtime.0 as u64, file.ctime.0 as u64, file.inode] {
            out.extend(word.to_le_bytes());
        }
        out.push(u8::from(file.hash.is_some()));
        out.extend(file.hash.map_or([0; 32], |hash| *hash.as_bytes()));
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<Vec<MirroredFile>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_at_checked(2)?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(len.try_into().ok()?)))?;
        let (words, rest) = rest.split_at_checked(32)?;
        let (hash, rest) = rest.split_at_checked(33)?;
        let word = |n: usize| words[n * 8..n * 8 + 8].try_into().map(u64::from_le_bytes).ok();
        out.push(MirroredFile {
            name: Name::new(name),
            size: word(0)?,
            mtime: Time(word(1)? as i64),
            ctime: Time(word(2)? as i64),
            inode: word(3)?,
            hash: if hash[0] == 1 { Some(ContentHash::from_slice(&hash[1..])?) } else { None },
        });
        bytes = rest;
    }
    Some(out)
}

impl Catalog {
    /// The files of a folder as the last run of a mirror saw them, sorted by name; nothing where it
    /// saw no such folder.
    pub fn mirrored(&self, job: &str, folder: &Name) -> Result<Option<Vec<MirroredFile>>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT files FROM mirror_folders WHERE job = ?1 AND path = ?2")?;
        let found = query.query_row(params![job, folder.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        let broken = || CatalogError::BrokenRow { what: "a mirror's folder" };
        found.map(|bytes| decode(&bytes).ok_or_else(broken)).transpose()
    }

    /// Remembers a folder's files, sorted by name.
    pub fn put_mirrored(&self, job: &str, folder: &Name, files: &[MirroredFile]) -> Result<(), CatalogError> {
        let mut insert =
            self.conn.prepare_cached("INSERT OR REPLACE INTO mirror_folders (job, path, files) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![job, folder.as_bytes(), encode(files)])?;
        Ok(())
    }

    /// Forgets a folder.
    pub fn remove_mirrored(&self, job: &str, folder: &Name) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM mirror_folders WHERE job = ?1 AND path = ?2")?;
        delete.execute(params![job, folder.as_bytes()])?;
        Ok(())
    }

    /// The folders that the last run of a mirror saw, sorted.
    pub fn mirrored_folders(&self, job: &str) -> Result<Vec<Name>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT path FROM mirror_folders WHERE job = ?1 ORDER BY path")?;
        let rows = query.query_map([job], |row| Ok(Name::new(row.get::<_, Vec<u8>>(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_torn_ones_are_named() {
        let row = |name: &[u8], hash| MirroredFile {
            name: Name::new(name),
            size: u64::MAX,
            mtime: Time(-5),
            ctime: Time(7),
            inode: 9,
            hash,
        };
        let rows = vec![row(b"a\xff\n", None), row(b"", Some(ContentHash::new([7; 32])))];
        assert_eq!(decode(&encode(&rows)).unwrap(), rows);
        let bytes = encode(&rows);
        for len in 1..bytes.len() {
            assert!(decode(&bytes[..len]).is_none_or(|found| found.len() < 2), "{len}");
        }
    }
}
