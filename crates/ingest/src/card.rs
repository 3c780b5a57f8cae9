//! What is on a card: every file, nothing assumed.

use std::io;
use std::path::PathBuf;

use darkslide_disk::{Disk, Kind, Stat, path_of};
use darkslide_words::{Bytes, Name};

use crate::{IngestError, Volume};

/// What systems leave on cards, and no camera wrote: not copied, and no reason to keep a card.
pub const IGNORED: &[&str] = &[
    ".DS_Store",
    ".Spotlight-V100",
    ".Trashes",
    ".Trash-1000",
    ".TemporaryItems",
    ".fseventsd",
    "System Volume Information",
    "$RECYCLE.BIN",
    "RECYCLER",
    "Thumbs.db",
    "desktop.ini",
];

/// How macOS' own files beside others begin. Source: RFC 1740, AppleDouble.
const APPLE_DOUBLE: [u8; 4] = [0, 5, 0x16, 7];

/// Folders within folders: no card has more.
const DEPTH_MAX: usize = 64;

/// A file of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFile {
    /// Path on the card.
    pub path: Name,
    /// As it was when the card was looked through.
    pub stat: Stat,
}

/// A card, looked through.
#[derive(Debug, Clone)]
pub struct Card {
    /// The volume.
    pub volume: Volume,
    /// Its files, sorted by path.
    pub files: Vec<CardFile>,
    /// What was passed over because systems leave it on cards.
    pub ignored: Vec<Name>,
    /// What could not be looked at, and why.
    pub unreadable: Vec<(Name, String)>,
}

impl Card {
    /// Bytes of all files.
    pub fn bytes(&self) -> Bytes {
        Bytes(self.files.iter().map(|file| file.stat.size).sum())
    }

    /// Where a file is.
    pub fn path(&self, name: &Name) -> PathBuf {
        path_of(&self.volume.root, name)
    }

    /// True if nothing on the card changed since: same files, sizes and times.
    pub fn is_unchanged(&self, now: &Card) -> bool {
        let same = |(a, b): (&CardFile, &CardFile)| a.path == b.path && a.stat.same_content_facts(&b.stat);
        self.files.len() == now.files.len() && self.files.iter().zip(&now.files).all(same)
    }
}

/// Looks through a card.
pub fn scan(disk: &dyn Disk, volume: &Volume) -> Result<Card, IngestError> {
    let mut card = Card { volume: volume.clone(), files: Vec::new(), ignored: Vec::new(), unreadable: Vec::new() };
    let root = disk.list(&volume.root).map_err(|source| IngestError::NoCard { path: volume.root.clone(), source })?;
    card.take(disk, &Name::default(), root, 0);
    card.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(card)
}

impl Card {
    fn take(&mut self, disk: &dyn Disk, folder: &Name, listed: Vec<(Name, io::Result<Stat>)>, depth: usize) {
        for (name, stat) in listed {
            let path = folder.join(&name);
            if is_ignored(&name) || self.is_apples(disk, &path, &stat) || self.is_closed(disk, &path, &stat) {
                self.ignored.push(path);
                continue;
            }
            match stat {
                Ok(stat) if stat.kind == Kind::File => self.files.push(CardFile { path, stat }),
                Ok(stat) if stat.kind == Kind::Folder && depth < DEPTH_MAX => match disk.list(&self.path(&path)) {
                    Ok(below) => self.take(disk, &path, below, depth + 1),
                    Err(error) => self.unreadable.push((path, format!("the folder cannot be listed: {error}"))),
                },
                Ok(stat) if stat.kind == Kind::Folder => {
                    self.unreadable.push((path, "folders are nested too deeply".into()));
                }
                Ok(_) => self.unreadable.push((path, "neither a file nor a folder".into())),
                Err(error) => self.unreadable.push((path, error.to_string())),
            }
        }
    }
}

impl Card {
    /// `._IMG_1.CR3` is macOS' own where it begins as such files do, else a photograph.
    fn is_apples(&self, disk: &dyn Disk, path: &Name, stat: &io::Result<Stat>) -> bool {
        let small = stat.as_ref().is_ok_and(|stat| stat.kind == Kind::File);
        let mut head = [0; 4];
        small
            && path.file_name().starts_with(b"._")
            && disk
                .open(&self.path(path))
                .is_ok_and(|file| file.read_at(0, &mut head).is_ok_and(|got| got < head.len() || head == APPLE_DOUBLE))
    }

    /// `lost+found` is every ext4's, and closed to users; open, it may hold what a check rescued.
    fn is_closed(&self, disk: &dyn Disk, path: &Name, stat: &io::Result<Stat>) -> bool {
        path.as_bytes() == b"lost+found"
            && stat.as_ref().is_ok_and(|stat| stat.kind == Kind::Folder)
            && disk
                .list(&self.path(path))
                .map_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied, |listed| listed.is_empty())
    }
}

/// By name, in any case, since cards know none.
fn is_ignored(name: &Name) -> bool {
    let bytes = name.as_bytes();
    IGNORED.iter().any(|ignored| bytes.eq_ignore_ascii_case(ignored.as_bytes()))
}
