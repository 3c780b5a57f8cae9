//! Content of small files that come next: read and verified some at a time, which hashes them together.

use std::collections::VecDeque;
use std::ops::Range;

use darkslide_format::many::{BYTES_MAX, INPUT_MAX, INPUTS_MAX, Many};
use darkslide_format::tree::Entry;
use darkslide_words::ContentHash;

use crate::plan::kind_of;
use crate::{ChunkError, ChunkReader};

/// Small files that were read and are not written yet.
#[derive(Default)]
pub struct Ahead {
    many: Many,
    bytes: Vec<u8>,
    files: VecDeque<Small>,
}

/// One of them.
struct Small {
    /// Which of those that were read together.
    number: usize,
    /// Where its bytes are, or why they cannot be had.
    bytes: Result<Range<usize>, ChunkError>,
    /// What they have to be.
    hash: Option<ContentHash>,
}

impl Ahead {
    /// Reads the small ones that follow each other from the first of `next` on, up to one that cannot be read: how many
    /// those are. What is not as its entry says is left to whoever looks at each chunk.
    pub fn read<'e>(&mut self, reader: &mut ChunkReader, next: impl Iterator<Item = &'e Entry>) -> usize {
        self.files.clear();
        self.bytes.clear();
        // Who lied about a length shall not have the memory for ever.
        self.bytes.shrink_to(BYTES_MAX);
        let (mut seen, mut bytes) = (0, 0);
        for entry in next.take(INPUTS_MAX).take_while(|entry| is_small(entry)) {
            bytes += entry.bytes().0;
            let Some(id) = entry.chunks.iter().flatten().next().filter(|_| bytes <= BYTES_MAX as u64) else { break };
            let (from, number) = (self.bytes.len(), seen);
            seen += 1;
            let read = reader.append(kind_of(entry), *id, &mut self.bytes);
            let failed = read.is_err();
            match (self.bytes.len() - from) as u64 == entry.bytes().0 || failed {
                true => {
                    let bytes = read.map(|()| from..self.bytes.len());
                    self.files.push_back(Small { number, bytes, hash: entry.hash });
                }
                false => self.bytes.truncate(from),
            }
            if failed {
                break;
            }
        }
        self.check();
        seen
    }

    /// Leaves those whose bytes are not the right ones.
    fn check(&mut self) {
        let bytes_of = |small: &Small| small.bytes.as_ref().ok().map(|range| &self.bytes[range.clone()]);
        let inputs: Vec<&[u8]> = self.files.iter().filter_map(bytes_of).collect();
        let mut hashes = self.many.hashes(&inputs).into_iter();
        self.files.retain(|small| small.bytes.is_err() || hashes.next() == small.hash);
    }

    /// The content of the file with this number among those that were read last, verified, or why it cannot be had;
    /// nothing if it is left.
    pub fn take(&mut self, number: usize) -> Option<Result<&[u8], ChunkError>> {
        while self.files.pop_front_if(|small| small.number < number).is_some() {}
        let small = self.files.pop_front_if(|small| small.number == number)?;
        Some(small.bytes.map(|range| &self.bytes[range]))
    }
}

/// True for a file that is one small chunk.
fn is_small(entry: &Entry) -> bool {
    let one = entry.chunks.as_ref().is_some_and(|chunks| chunks.len() == 1);
    one && entry.holes.is_empty() && entry.bytes().0 <= INPUT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Opened;
    use darkslide_catalog::Catalog;
    use darkslide_format::IdKey;
    use darkslide_format::tree::{EntryKind, FileClass};
    use darkslide_words::{Bytes, ChunkId, Name};

    fn file(size: u64, chunks: u8) -> Entry {
        Entry {
            chunks: Some((0..chunks).map(|n| ChunkId::new([n; 32])).collect()),
            class: Some(FileClass::Warm),
            hash: Some(ContentHash::new([1; 32])),
            size: Some(Bytes(size)),
            ..Entry::bare(EntryKind::File, Name::from("a"), 0o644)
        }
    }

    #[test]
    fn what_cannot_be_read_is_asked_for_once_and_nothing_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&dir.path().join("catalog")).unwrap();
        let keys = Opened { identities: Default::default(), id_key: IdKey::new([1; 32]) };
        let mut reader = ChunkReader::new(catalog, Vec::new(), keys).unwrap();
        let (mut ahead, files) = (Ahead::default(), [file(10, 1), file(10, 1)]);
        assert_eq!(ahead.read(&mut reader, files.iter()), 1);
        assert!(matches!(ahead.take(0), Some(Err(ChunkError::Unlisted { .. }))));
        assert!(ahead.take(0).is_none() && ahead.take(1).is_none());
        assert_eq!(ahead.read(&mut reader, [].iter()), 0);
    }

    #[test]
    fn files_of_one_small_chunk_are_read_ahead_and_no_others() {
        assert!(is_small(&file(1, 1)) && is_small(&file(INPUT_MAX, 1)));
        let holes = Entry { holes: vec![(Bytes(1), Bytes(2))], ..file(10, 1) };
        let list = Entry { chunks: None, list: Some(ChunkId::new([1; 32])), ..file(10, 1) };
        for other in [file(INPUT_MAX + 1, 1), file(u64::MAX, 1), file(10, 2), file(0, 0), holes, list] {
            assert!(!is_small(&other));
        }
    }
}
