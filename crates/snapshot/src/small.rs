//! Small files of a folder that is new: read ahead, some at a time, and hashed together. Those that come next are
//! opened meanwhile and the system is told, so that a disk has them all at once to fetch and not one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;

use darkslide_catalog::Stat;
use darkslide_format::IdKey;
use darkslide_format::many::{BYTES_MAX, INPUT_MAX, INPUTS_MAX, Many};
use darkslide_format::tree::Xattr;
use darkslide_words::{ChunkId, ContentHash};
use rustix::fs::Advice;
use rustix::io::Errno;

use crate::database;
use crate::facts;
use crate::listing::{Item, What};
use crate::store_file::is_stable;

/// A small file that was read.
pub struct Small {
    /// It, still open, where it is wanted for more than its bytes.
    pub file: Option<File>,
    /// Its extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Hash of its content.
    pub hash: ContentHash,
    /// Its one chunk.
    pub id: ChunkId,
    bytes: Range<usize>,
    at: usize,
}

/// Small files that were read and are not stored yet, in the order of the folder.
pub struct Ahead {
    /// Files up to this are small.
    longest: u64,
    many: Many,
    /// As many as ever were in use, of which so many are.
    bytes: Vec<u8>,
    used: usize,
    files: VecDeque<Small>,
    /// Where in the folder those that were looked at end.
    end: usize,
    /// Those from there on, as far as they were opened; nothing for what could not be. As many as are read together and
    /// as many again; those whose preview is wanted stay open after that, too.
    opened: VecDeque<Option<File>>,
}

impl Ahead {
    /// Where files of up to `uncut` bytes are never cut.
    pub fn new(uncut: usize) -> Self {
        let longest = INPUT_MAX.min(uncut as u64);
        let (files, opened) = (VecDeque::new(), VecDeque::new());
        Self { longest, many: Many::default(), bytes: Vec::new(), used: 0, files, end: 0, opened }
    }

    /// Another folder begins.
    pub fn begin(&mut self) {
        self.files.clear();
        self.opened.clear();
        self.end = 0;
    }

    /// Reads the small ones that follow each other from `at` on in a folder, unless that was done. What
    /// cannot be read, or changes meanwhile, is left to whoever reads files one by one. Those that `keep` says
    /// stay open.
    pub fn read(
        &mut self,
        items: &[Item],
        at: usize,
        key: &IdKey,
        open: impl Fn(&Item) -> std::io::Result<File>,
        keep: impl Fn(&Item) -> bool,
    ) {
        if at < self.end {
            return;
        }
        self.files.clear();
        self.used = 0;
        self.end = at;
        let some = self.some(&items[at..]);
        let next = self.some(&items[at + some.len()..]);
        self.open(some.iter().chain(next), open);
        for item in some {
            let small = self.opened.pop_front().flatten().and_then(|file| self.one(file, item, keep(item)));
            self.files.extend(small);
            self.end += 1;
        }
        let inputs: Vec<&[u8]> = self.files.iter().map(|small| &self.bytes[small.bytes.clone()]).collect();
        for (small, (hash, id)) in self.files.iter_mut().zip(self.many.ids(key, &inputs)) {
            (small.hash, small.id) = (hash, id);
        }
    }

    /// Of these the first that are small, as many as are read together.
    fn some<'i>(&self, items: &'i [Item]) -> &'i [Item] {
        let mut bytes = 0;
        let fits = |item: &&Item| {
            let small = is_small(item, self.longest);
            bytes += if small { item.stat.size as usize } else { 0 };
            small && bytes <= BYTES_MAX
        };
        &items[..items.iter().take(INPUTS_MAX).take_while(fits).count()]
    }

    /// Opens these, unless that was done, and has the system fetch them.
    fn open<'i>(&mut self, items: impl Iterator<Item = &'i Item>, open: impl Fn(&Item) -> std::io::Result<File>) {
        for item in items.skip(self.opened.len()) {
            let file = open(item);
            if file.as_ref().is_err_and(|e| matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE))) {
                // Whoever reads files one by one needs one.
                return self.opened.clear();
            }
            if let Ok(file) = &file {
                let _ = rustix::fs::fadvise(file, 0, None, Advice::WillNeed);
            }
            self.opened.push_back(file.ok());
        }
    }

    fn one(&mut self, mut file: File, item: &Item, keep: bool) -> Option<Small> {
        let bytes = self.used..self.used + item.stat.size as usize;
        let xattrs = facts::xattrs_of(&file);
        if self.bytes.len() < bytes.end {
            self.bytes.resize(bytes.end, 0);
        }
        let read = &mut self.bytes[bytes.clone()];
        let whole = std::io::Read::read_exact(&mut file, read).is_ok();
        if !whole || !is_stable(&file, &item.stat, item.stat.size) || database::begins(read) {
            return None;
        }
        self.used = bytes.end;
        let (hash, id) = (ContentHash::new([0; 32]), ChunkId::new([0; 32]));
        Some(Small { file: keep.then_some(file), xattrs, hash, id, bytes, at: self.end })
    }

    /// The file at this place, if it was read.
    pub fn take(&mut self, at: usize) -> Option<Small> {
        while self.files.pop_front_if(|small| small.at < at).is_some() {}
        self.files.pop_front_if(|small| small.at == at)
    }

    /// Its bytes.
    pub fn bytes(&self, small: &Small) -> &[u8] {
        &self.bytes[small.bytes.clone()]
    }
}

/// True for a file that needs no more than to be read: one name, no holes, some bytes.
fn is_small(item: &Item, longest: u64) -> bool {
    let Stat { size, links, .. } = item.stat;
    item.what == What::File && links == 1 && (1..=longest).contains(&size) && item.blocks * 512 >= size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing;
    use crate::rules::{OneFileSystem, Rules};
    use darkslide_words::Name;
    use std::fs;
    use std::path::Path;

    fn items(folder: &Path) -> Vec<Item> {
        let rules = Rules::new(&[], &[], Vec::new(), OneFileSystem::No).unwrap();
        listing::list(folder, &Name::default(), &rules, 0).unwrap().files
    }

    /// What is taken, file by file.
    fn taken(folder: &Path, items: &[Item], uncut: usize) -> Vec<(String, Vec<u8>)> {
        let (key, mut ahead, mut out) = (IdKey::new([1; 32]), Ahead::new(uncut), Vec::new());
        ahead.begin();
        for (at, item) in items.iter().enumerate() {
            let is_kept = |item: &Item| item.name.as_bytes().ends_with(b"0.xmp");
            ahead.read(items, at, &key, |item| facts::open(&folder.join(item.name.to_string())), is_kept);
            assert!(ahead.files.len() <= INPUTS_MAX && ahead.used <= BYTES_MAX);
            let Some(small) = ahead.take(at) else { continue };
            assert_eq!(small.file.is_some(), is_kept(item));
            let bytes = ahead.bytes(&small).to_vec();
            assert_eq!((small.hash.as_bytes(), small.id), (blake3::hash(&bytes).as_bytes(), key.chunk_id(&bytes)));
            out.push((item.name.to_string(), bytes));
        }
        out
    }

    #[test]
    fn small_files_are_read_in_order_and_others_left() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let mut wanted = Vec::new();
        for n in 0..200usize {
            let (name, bytes) = (format!("{n:03}.xmp"), vec![n as u8; n * 80 + 1]);
            fs::write(at.join(&name), &bytes).unwrap();
            wanted.push((name, bytes));
        }
        fs::write(at.join("050a.empty"), b"").unwrap();
        fs::write(at.join("060a.CR3"), vec![1; INPUT_MAX as usize + 1]).unwrap();
        fs::write(at.join("070a.lrcat"), b"SQLite format 3\0 and so on").unwrap();
        fs::write(at.join("080a.xmp"), b"has two names").unwrap();
        fs::hard_link(at.join("080a.xmp"), at.join("080b.xmp")).unwrap();
        std::os::unix::fs::symlink("001.xmp", at.join("090a.xmp")).unwrap();
        fs::File::create(at.join("100a.xmp")).unwrap().set_len(9000).unwrap();
        assert_eq!(taken(at, &items(at), 1 << 20), wanted);
        // What this repository may cut is cut.
        wanted.retain(|(_, bytes)| bytes.len() <= 8001);
        assert_eq!(taken(at, &items(at), 8001), wanted);
    }

    #[test]
    fn the_next_ones_are_open_while_some_are_read_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        (0..200).for_each(|n| fs::write(at.join(format!("{n:03}.xmp")), b"some").unwrap());
        fs::write(at.join("100a.CR3"), vec![1; INPUT_MAX as usize + 1]).unwrap();
        let (items, key, mut ahead) = (items(at), IdKey::new([1; 32]), Ahead::new(1 << 20));
        let opened = std::cell::RefCell::new(Vec::new());
        let open = |item: &Item| {
            opened.borrow_mut().push(item.name.to_string());
            facts::open(&at.join(item.name.to_string()))
        };
        let mut open_after = Vec::new();
        for n in 0..items.len() {
            ahead.read(&items, n, &key, open, |_| false);
            assert_eq!(ahead.take(n).is_some(), n != 101);
            assert!(ahead.opened.len() <= INPUTS_MAX);
            open_after.push(opened.borrow().len());
        }
        // 64 and the 37 before the photograph, and after it 64 and 35.
        let steps = [(0, 101), (63, 101), (64, 101), (101, 101), (102, 200), (166, 200)];
        steps.iter().for_each(|(n, open)| assert_eq!(open_after[*n], *open, "{n}"));
        let small: Vec<String> = items.iter().map(|i| i.name.to_string()).filter(|n| n != "100a.CR3").collect();
        assert_eq!(*opened.borrow(), small);
    }

    #[test]
    fn where_no_more_files_may_be_open_none_is_kept_open() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        (0..100).for_each(|n| fs::write(at.join(format!("{n:03}.xmp")), b"some").unwrap());
        let (items, key, mut ahead) = (items(at), IdKey::new([1; 32]), Ahead::new(1 << 20));
        let open = |item: &Item, many: &str| match item.name.to_string().as_str() < many {
            true => facts::open(&at.join(item.name.to_string())),
            false => Err(Errno::MFILE.into()),
        };
        ahead.read(&items, 0, &key, |item| open(item, "090.xmp"), |_| false);
        assert!(ahead.opened.is_empty() && ahead.files.is_empty() && ahead.end == 64);
        // Whoever reads one by one does these; then it is tried again.
        ahead.read(&items, 64, &key, |item| open(item, "999.xmp"), |_| false);
        assert_eq!((ahead.files.len(), ahead.end), (36, 100));
    }

    #[test]
    fn what_changed_since_the_listing_is_left_to_be_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        ["a", "b", "c", "d", "e"].iter().for_each(|name| fs::write(at.join(name), b"before").unwrap());
        let items = items(at);
        fs::write(at.join("b"), b"longer than before").unwrap();
        fs::remove_file(at.join("c")).unwrap();
        fs::write(at.join("d"), b"short").unwrap();
        let names: Vec<String> = taken(at, &items, 1 << 20).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "e"]);
    }
}
