//! Reading a file once: whole-file hash, chunks and their ids, chunk by chunk in bounded
//! memory. Each piece is hashed twice while it is in the cache, which a chunk does not fit into.

use std::fs::File;
use std::io;

use darkslide_format::chunking::{Cutter, Scan};
use darkslide_format::space::Space;
use darkslide_format::{IdKey, Identifier};
use darkslide_words::{ChunkId, ContentHash};

/// Bytes read at a time: large enough for the system, small enough for the
/// cache, so that hash and scan find them there.
const PIECE: usize = 1 << 18;

/// Pieces of a chunk that is not kept end at multiples of this, counted from the chunk's start.
const ALIGNED: usize = 1 << 14;

/// Memory for reading files that are cut so.
pub fn space(cutter: &Cutter) -> Space {
    Space::large(cutter.max() + PIECE)
}

/// How a file is cut.
#[derive(Clone, Copy)]
pub enum Cuts<'c> {
    /// By content.
    Content(&'c Cutter),
    /// Every so many bytes.
    Fixed(usize),
}

/// A file that is being read.
pub struct Reader<'c> {
    file: File,
    expected: u64,
    cuts: Cuts<'c>,
    buffer: Space,
    chunk: usize,
    key: &'c IdKey,
    id: Identifier,
    /// Bytes of the chunk that are in its id.
    identified: usize,
    whole: blake3::Hasher,
    ended: bool,
    total: u64,
}

impl<'c> Reader<'c> {
    /// Reads `file` from its start. At `expected` bytes it is taken to end: whether
    /// it does is seen in the look at it that has to follow anyway. `space` is
    /// reused.
    pub fn new(file: File, expected: u64, cuts: Cuts<'c>, key: &'c IdKey, mut space: Space) -> Self {
        space.truncate(0);
        let (id, whole) = (key.begin(), blake3::Hasher::new());
        let (buffer, chunk, identified, ended, total) = (space, 0, 0, false, 0);
        Self { file, expected, cuts, buffer, chunk, key, id, identified, whole, ended, total }
    }

    /// Reads up to a piece more; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        let at = self.buffer.len();
        let left = self.expected.saturating_sub(self.total);
        // Some file systems call files empty that are not: one byte more tells.
        let want = if self.expected == 0 { 1 } else { left.min(PIECE as u64) };
        let got = self.buffer.read_from(&self.file, want as usize)?;
        self.whole.update(&self.buffer[at..]);
        self.total += got as u64;
        self.ended |= got as u64 == left || (got as u64) < want;
        Ok(got > 0)
    }

    /// Takes the chunk's bytes up to `to` into its id.
    fn identify(&mut self, to: usize) {
        self.id.update(&self.buffer[self.identified..to]);
        self.identified = to;
    }

    /// Leaves the chunk just given behind.
    fn start(&mut self) -> Option<Scan<'c>> {
        self.buffer.skip(self.chunk);
        (self.chunk, self.identified, self.id) = (0, 0, self.key.begin());
        match self.cuts {
            Cuts::Content(cutter) => Some(cutter.begin()),
            Cuts::Fixed(_) => None,
        }
    }

    /// Looks at what was read and not looked at yet, from `seen` on; where the chunk ends, if it does among it.
    fn look(&self, scan: &mut Option<Scan<'c>>, seen: usize) -> Option<usize> {
        match (scan, self.cuts) {
            (Some(scan), _) => scan.feed(&self.buffer[seen..]).map(|n| seen + n),
            (None, Cuts::Fixed(len)) => (self.buffer.len() >= len).then_some(len),
            (None, Cuts::Content(_)) => None,
        }
    }

    /// The next chunk; nothing at the end. An empty file has none.
    pub fn next_chunk(&mut self) -> io::Result<Option<&[u8]>> {
        let mut scan = self.start();
        let mut scanned = 0;
        loop {
            let end = self.look(&mut scan, scanned);
            scanned = self.buffer.len();
            if let Some(end) = end {
                self.chunk = end;
                break;
            }
            // In pieces that begin where BLAKE3's own do: others cost it more.
            self.identify(scanned - scanned % PIECE);
            if self.ended || !self.more()? {
                self.ended = true;
                self.chunk = self.buffer.len();
                break;
            }
        }
        self.identify(self.chunk);
        Ok((self.chunk > 0).then(|| &self.buffer[..self.chunk]))
    }

    /// The next chunk, of a file that is cut by content: each piece goes to `each` while it is in the cache, and is
    /// not kept. How many bytes it has; none at the end.
    pub fn pour(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<usize> {
        debug_assert!(matches!(self.cuts, Cuts::Content(_)));
        let mut scan = self.start();
        let (mut seen, mut len) = (0, 0);
        loop {
            let end = self.look(&mut scan, seen);
            let there = self.buffer.len();
            let to = match end {
                Some(end) => end,
                None if self.ended => there,
                // As in `next_chunk`, in pieces of BLAKE3's own.
                None => there - there % ALIGNED,
            };
            self.identified = 0;
            self.identify(to);
            each(&self.buffer[..to]);
            len += to;
            if end.is_some() || self.ended {
                self.chunk = to;
                return Ok(len);
            }
            self.buffer.skip(to);
            seen = there - to;
            self.ended |= !self.more()?;
        }
    }

    /// The chunk just given.
    pub fn chunk(&self) -> &[u8] {
        &self.buffer[..self.chunk]
    }

    /// Its id.
    pub fn id(&self) -> ChunkId {
        self.id.finish()
    }

    /// True if the chunk just given was the last.
    pub fn at_end(&self) -> bool {
        self.ended && self.buffer.len() == self.chunk
    }

    /// Bytes so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The file, for a last look at its times.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The whole file's hash, and the buffer for the next one.
    pub fn finish(self) -> (ContentHash, Space) {
        (ContentHash::new(*self.whole.finalize().as_bytes()), self.buffer)
    }
}

/// The hash of a whole file, read in pieces.
pub fn hash(file: &mut File, space: &mut Space) -> io::Result<ContentHash> {
    let mut whole = blake3::Hasher::new();
    loop {
        space.truncate(0);
        if space.read_from(&*file, PIECE)? == 0 {
            return Ok(ContentHash::new(*whole.finalize().as_bytes()));
        }
        whole.update(space);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_format::chunking::Chunking;
    use darkslide_words::{Bytes, Rng as _, SeededRng};

    #[test]
    fn chunks_are_the_file_and_the_cutters() {
        let chunking = Chunking { db: Bytes::mib(1), mask_bits: 17, max: Bytes::mib(2), min: Bytes::kib(200) };
        let key = IdKey::new([1; 32]);
        let cutter = Cutter::new(&chunking, &key);
        for len in [0usize, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 5_000_001] {
            let mut data = vec![0; len];
            SeededRng::new(len as u64).fill(&mut data);
            let mut temporary = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut temporary, &data).unwrap();
            for cuts in [Cuts::Content(&cutter), Cuts::Fixed(1 << 20), Cuts::Fixed(300_000)] {
                let file = File::open(temporary.path()).unwrap();
                let mut reader = Reader::new(file, len as u64, cuts, &key, Space::default());
                let mut read = Vec::new();
                while let Some(chunk) = reader.next_chunk().unwrap() {
                    let wanted = match cuts {
                        Cuts::Content(cutter) => cutter.cut(&data[read.len()..]),
                        Cuts::Fixed(n) => n.min(len - read.len()),
                    };
                    assert_eq!(chunk.len(), wanted);
                    read.extend_from_slice(chunk);
                    assert_eq!(reader.id(), key.chunk_id(reader.chunk()));
                }
                assert_eq!(read, data);
                assert_eq!(reader.total(), len as u64);
                assert_eq!(reader.finish().0.as_bytes(), blake3::hash(&data).as_bytes());
            }
            let file = File::open(temporary.path()).unwrap();
            let mut reader = Reader::new(file, len as u64, Cuts::Content(&cutter), &key, Space::default());
            let mut read = Vec::new();
            for n in 0.. {
                let from = read.len();
                // Every third chunk in the other way.
                if n % 3 == 2 {
                    read.extend_from_slice(reader.next_chunk().unwrap().unwrap_or_default());
                    assert_eq!(reader.id(), key.chunk_id(&data[from..read.len()]));
                    continue;
                }
                let poured = reader.pour(|piece| read.extend_from_slice(piece)).unwrap();
                assert_eq!(poured, read.len() - from);
                assert!(reader.buffer.len() <= PIECE + ALIGNED, "{}", reader.buffer.len());
                if poured == 0 {
                    break;
                }
                assert_eq!(poured, cutter.cut(&data[from..]));
                assert_eq!(reader.id(), key.chunk_id(&data[from..read.len()]));
                assert_eq!(reader.at_end(), read.len() == len);
            }
            assert_eq!((read == data, reader.total()), (true, len as u64));
            assert_eq!(reader.finish().0.as_bytes(), blake3::hash(&data).as_bytes());
            let mut file = File::open(temporary.path()).unwrap();
            assert_eq!(hash(&mut file, &mut Space::default()).unwrap().as_bytes(), blake3::hash(&data).as_bytes());
        }
    }

    #[test]
    fn a_file_that_has_become_shorter_ends_where_it_ends() {
        let chunking = Chunking { db: Bytes::mib(1), mask_bits: 17, max: Bytes::mib(2), min: Bytes::kib(200) };
        let key = IdKey::new([1; 32]);
        let cutter = Cutter::new(&chunking, &key);
        for len in [0usize, 1000, PIECE, 1_000_003] {
            let mut data = vec![0; len];
            SeededRng::new(len as u64).fill(&mut data);
            let mut temporary = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut temporary, &data).unwrap();
            for pouring in [true, false] {
                let file = File::open(temporary.path()).unwrap();
                let expected = len as u64 + 300_000;
                let mut reader = Reader::new(file, expected, Cuts::Content(&cutter), &key, Space::default());
                let mut read = Vec::new();
                loop {
                    let before = read.len();
                    match pouring {
                        true => drop(reader.pour(|piece| read.extend_from_slice(piece)).unwrap()),
                        false => read.extend_from_slice(reader.next_chunk().unwrap().unwrap_or_default()),
                    }
                    if read.len() == before {
                        break;
                    }
                }
                assert!(read == data && reader.at_end(), "{len} {pouring}");
                assert_eq!(reader.total(), len as u64, "which is how it is told from one that is whole");
            }
        }
    }
}
