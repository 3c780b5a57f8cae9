//! Entries: what a snapshot knows of one name.

use std::convert::Infallible;
use std::sync::Arc;

use darkslide_words::{Bytes, ChunkId, ContentHash, Name, Time, parsed};
use serde::{Deserialize, Deserializer, Serialize};

use crate::FormatError;
use crate::canon::{self, B64};
use crate::limits::{NAME_MAX, PATH_MAX};

/// Kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
}

impl EntryKind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "dir",
            Self::Symlink => "symlink",
        }
    }
}

/// Whether a file's chunks lie in cold or warm packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileClass {
    /// Originals and exports.
    Cold,
    /// Sidecars, databases, tiny files.
    Warm,
}

impl FileClass {
    fn word(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// How a live database was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// What SQLite's `quick_check` said.
    pub check: String,
    /// `backup-api` or `copy-with-wal`.
    pub method: String,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Xattr {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: B64,
}

/// One name in a folder. Fields stand in canonical (alphabetical) order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// A file's chunks, up to 1,000 in a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Vec<ChunkId>>,
    /// Kind of the packs that hold a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FileClass>,
    /// How a live database was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFacts>,
    /// Group id.
    pub gid: u32,
    /// Group name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "account")]
    pub group: Option<Arc<str>>,
    /// A file's content hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
    /// A file's holes: offset and length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<(Bytes, Bytes)>,
    /// Kind.
    pub kind: EntryKind,
    /// Names with the same text are hard links of one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Page of a file's chunk list, where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ChunkId>,
    /// Permission bits and type, as in `st_mode`.
    pub mode: u32,
    /// Last change of the content.
    pub mtime: Time,
    /// Its name in the folder.
    pub name: Name,
    /// A file's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Where a symbolic link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// Page of a folder's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<ChunkId>,
    /// User id.
    pub uid: u32,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "account")]
    pub user: Option<Arc<str>>,
    /// Extended attributes, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<Xattr>,
}

/// The name of a user or group, without memory for a text that is then copied.
fn account<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Arc<str>>, D::Error> {
    struct Account(Arc<str>);
    impl<'de> Deserialize<'de> for Account {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            parsed(d, |text| Ok::<_, Infallible>(Self(text.into())))
        }
    }
    Ok(Option::<Account>::deserialize(d)?.map(|account| account.0))
}

impl Entry {
    /// An entry with nothing but its kind, name and mode.
    pub fn bare(kind: EntryKind, name: Name, mode: u32) -> Self {
        Self {
            chunks: None,
            class: None,
            database: None,
            gid: 0,
            group: None,
            hash: None,
            holes: Vec::new(),
            kind,
            link: None,
            list: None,
            mode,
            mtime: Time(0),
            name,
            size: None,
            target: None,
            tree: None,
            uid: 0,
            user: None,
            xattrs: Vec::new(),
        }
    }

    /// As canonical JSON: by hand, since each file of a library has one, and most of it are ids and numbers.
    pub fn to_json(&self) -> Result<Vec<u8>, FormatError> {
        // What most of them take.
        let mut out = Vec::with_capacity(512);
        out.push(b'{');
        if let Some(chunks) = &self.chunks {
            canon::key(&mut out, "chunks");
            out.push(b'[');
            for (n, chunk) in chunks.iter().enumerate() {
                out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
                chunk.append_to(&mut out);
                out.push(b'"');
            }
            out.push(b']');
        }
        if let Some(class) = self.class {
            canon::word(&mut out, "class", class.word());
        }
        canon::optional(&mut out, "database", &self.database)?;
        canon::number(&mut out, "gid", self.gid);
        canon::optional(&mut out, "group", &self.group)?;
        if let Some(hash) = &self.hash {
            canon::key(&mut out, "hash");
            out.push(b'"');
            hash.append_to(&mut out);
            out.push(b'"');
        }
        canon::optional(&mut out, "holes", &some(&self.holes))?;
        canon::word(&mut out, "kind", self.kind.word());
        canon::optional(&mut out, "link", &self.link)?;
        canon::optional(&mut out, "list", &self.list)?;
        canon::number(&mut out, "mode", self.mode);
        canon::digits(&mut out, "mtime", self.mtime.0);
        canon::key(&mut out, "name");
        canon::name(&mut out, &self.name)?;
        if let Some(size) = self.size {
            canon::digits(&mut out, "size", size.0);
        }
        canon::optional(&mut out, "target", &self.target)?;
        canon::optional(&mut out, "tree", &self.tree)?;
        canon::number(&mut out, "uid", self.uid);
        canon::optional(&mut out, "user", &self.user)?;
        canon::optional(&mut out, "xattrs", &some(&self.xattrs))?;
        out.push(b'}');
        Ok(out)
    }

    /// Refuses names that could climb out of a folder and fields that do not
    /// fit the kind.
    pub fn check(&self) -> Result<(), FormatError> {
        let bad = |detail: &str| Err(FormatError::malformed("an entry", format!("`{}`: {detail}", self.name)));
        FormatError::limit("a name", self.name.as_bytes().len() as u64, NAME_MAX as u64)?;
        if !self.name.is_component() {
            return bad("no name of a file");
        }
        match self.kind {
            EntryKind::File if self.size.is_none() || self.hash.is_none() || self.class.is_none() => {
                bad("a file without size, hash or class")
            }
            EntryKind::File if self.chunks.is_some() == self.list.is_some() => bad("chunks or list, one of the two"),
            EntryKind::File => self.check_holes(),
            EntryKind::Symlink => match &self.target {
                Some(target) => FormatError::limit("a link target", target.as_bytes().len() as u64, PATH_MAX as u64),
                None => bad("a link without target"),
            },
            EntryKind::Dir => Ok(()),
        }
    }

    fn check_holes(&self) -> Result<(), FormatError> {
        let size = self.size.unwrap_or_default().0;
        let mut end = 0;
        for (off, len) in &self.holes {
            if off.0 < end || off.0.checked_add(len.0).is_none_or(|e| e > size) {
                return Err(FormatError::malformed("an entry", "holes out of order or beyond the end"));
            }
            end = off.0 + len.0;
        }
        Ok(())
    }

    /// A file's bytes, else none.
    pub fn bytes(&self) -> Bytes {
        self.size.unwrap_or_default()
    }
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Entry> {
        let names = || proptest::collection::vec(any::<u8>(), 1..20).prop_map(Name::new);
        let texts = || proptest::option::of(".{0,9}");
        let chunks = proptest::option::of(proptest::collection::vec(any::<[u8; 32]>().prop_map(ChunkId::new), 0..4));
        let ids = (chunks, proptest::option::of(any::<[u8; 32]>()), proptest::option::of(any::<[u8; 32]>()));
        let facts = (any::<u32>(), any::<u32>(), any::<i64>(), proptest::option::of(any::<u64>()), any::<bool>());
        let lists = (
            proptest::collection::vec(any::<(u64, u64)>(), 0..3),
            proptest::collection::vec((names(), proptest::collection::vec(any::<u8>(), 0..9)), 0..3),
        );
        (names(), proptest::option::of(names()), (texts(), texts(), texts()), ids, facts, lists).prop_map(
            |(
                name,
                target,
                (user, group, link),
                (chunks, hash, id),
                (mode, uid, mtime, size, warm),
                (holes, xattrs),
            )| {
                let kind = [EntryKind::File, EntryKind::Dir, EntryKind::Symlink][mode as usize % 3];
                let database = DatabaseFacts { check: "ok \"\u{1}".into(), method: "backup-api".into() };
                Entry {
                    chunks,
                    class: size.map(|_| if warm { FileClass::Warm } else { FileClass::Cold }),
                    database: warm.then_some(database),
                    gid: uid ^ mode,
                    group: group.map(Into::into),
                    hash: hash.map(ContentHash::new),
                    holes: holes.into_iter().map(|(off, len)| (Bytes(off), Bytes(len))).collect(),
                    link,
                    list: id.filter(|_| !warm).map(ChunkId::new),
                    mtime: Time(mtime),
                    size: size.map(Bytes),
                    target,
                    tree: id.map(ChunkId::new),
                    uid,
                    user: user.map(Into::into),
                    xattrs: xattrs.into_iter().map(|(name, value)| Xattr { name, value: B64(value) }).collect(),
                    ..Entry::bare(kind, name, mode)
                }
            },
        )
    }

    #[test]
    fn names_by_hand_are_those_of_serde() {
        let named = ["IMG_1.CR3", "a\"b", "a\\b", "\u{1f}", "\u{7f}", " ~", "é", "", "\n"].map(Name::from);
        for name in named.into_iter().chain([Name::new(*b"\xff")]) {
            let entry = Entry::bare(EntryKind::File, name.clone(), 0o644);
            assert_eq!(entry.to_json().unwrap(), canon::to_bytes(&entry).unwrap(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn json_by_hand_is_that_of_serde(entry in entries()) {
            let json = entry.to_json().unwrap();
            prop_assert_eq!(&json, &canon::to_bytes(&entry).unwrap());
            prop_assert_eq!(canon::from_bytes::<Entry>("a test", &json).unwrap(), entry);
        }
    }
}
