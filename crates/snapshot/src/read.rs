//! Reading a file once: whole-file hash, chunks and their ids, chunk by chunk in bounded
//! memory. Each piece is hashed twice while it is in the cache, which a chunk does not fit into.

use std::fs::File;
use std::io;

use darkslide_format::IdKey;
use darkslide_format::chunking::{Cutter, Scan};
use darkslide_format::pack::PackWriter;
use darkslide_format::scattered::Scattered;
use darkslide_format::space::Space;
use darkslide_words::{ChunkId, ContentHash};

/// Bytes read at a time: large enough for the system, small enough for the
/// cache, so that hash and scan find them there.
const PIECE: usize = 1 << 18;

/// What is kept from one file to the next: memory to read into, and that of the hashes.
pub struct Kit {
    /// The memory, for other uses between files.
    pub space: Space,
    id: Scattered,
    whole: Scattered,
}

impl Kit {
    /// For ids with this key.
    pub fn new(space: Space, key: &IdKey) -> Self {
        Self { space, id: key.begin(), whole: Scattered::new(None) }
    }

    /// For files that are cut so.
    pub fn of_cutter(cutter: &Cutter, key: &IdKey) -> Self {
        Self::new(Space::large(cutter.max() + PIECE), key)
    }
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
pub struct Reader<'c, 'k> {
    file: File,
    expected: u64,
    cuts: Cuts<'c>,
    /// In its memory the chunk just given, as far as it was not read into a pack, and what comes after it.
    kit: &'k mut Kit,
    chunk: usize,
    id: ChunkId,
    ended: bool,
    total: u64,
}

impl<'c, 'k> Reader<'c, 'k> {
    /// Reads `file` from its start. At `expected` bytes it is taken to end: whether
    /// it does is seen in the look at it that has to follow anyway.
    pub fn new(file: File, expected: u64, cuts: Cuts<'c>, kit: &'k mut Kit) -> Self {
        kit.space.truncate(0);
        kit.whole.restart();
        Self { file, expected, cuts, kit, chunk: 0, id: ChunkId::new([0; 32]), ended: false, total: 0 }
    }

    /// How many bytes to read next.
    fn want(&self) -> usize {
        let left = self.expected.saturating_sub(self.total);
        // Some file systems call files empty that are not: one byte more tells.
        let want = if self.expected == 0 { 1 } else { left.min(PIECE as u64) };
        want as usize
    }

    /// So many bytes came where `want` were wanted.
    fn came(&mut self, got: usize, want: usize) {
        self.total += got as u64;
        self.ended |= got < want || self.total == self.expected;
    }

    /// Reads up to a piece more into the buffer; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        let (at, want) = (self.kit.space.len(), self.want());
        let got = self.kit.space.read_from(&self.file, want)?;
        self.kit.whole.update(&[&self.kit.space[at..]]);
        self.came(got, want);
        Ok(got > 0)
    }

    /// Leaves the chunk just given behind.
    fn start(&mut self) -> Option<Scan<'c>> {
        self.kit.space.skip(self.chunk);
        self.chunk = 0;
        self.kit.id.restart();
        match self.cuts {
            Cuts::Content(cutter) => Some(cutter.begin()),
            Cuts::Fixed(_) => None,
        }
    }

    /// Looks at what was read and not looked at yet, from `seen` on; where the chunk ends, if it does among it.
    fn look(&self, scan: &mut Option<Scan<'c>>, seen: usize) -> Option<usize> {
        match (scan, self.cuts) {
            (Some(scan), _) => scan.feed(&self.kit.space[seen..]).map(|n| seen + n),
            (None, Cuts::Fixed(len)) => (self.kit.space.len() >= len).then_some(len),
            (None, Cuts::Content(_)) => None,
        }
    }

    /// The next chunk; nothing at the end. An empty file has none.
    pub fn next_chunk(&mut self) -> io::Result<Option<&[u8]>> {
        let mut scan = self.start();
        let mut seen = 0;
        loop {
            let end = self.look(&mut scan, seen);
            self.chunk = end.unwrap_or(self.kit.space.len());
            self.kit.id.update(&[&self.kit.space[seen..self.chunk]]);
            seen = self.chunk;
            if end.is_some() || self.ended || !self.more()? {
                self.ended |= end.is_none();
                self.id = ChunkId::new(self.kit.id.finish());
                return Ok((self.chunk > 0).then(|| &self.kit.space[..self.chunk]));
            }
        }
    }

    /// The next chunk, of a file that is cut by content, into the chunk that has begun in this pack: read where it
    /// stays. How many bytes it has; none at the end.
    pub fn pour(&mut self, pack: &mut PackWriter) -> io::Result<usize> {
        debug_assert!(matches!(self.cuts, Cuts::Content(_)));
        let mut scan = self.start();
        let mut end = self.look(&mut scan, 0);
        self.chunk = end.unwrap_or(self.kit.space.len());
        let before = &self.kit.space[..self.chunk];
        pack.chunk_piece(before);
        self.kit.id.update(&[before]);
        let mut len = self.chunk;
        while end.is_none() && !self.ended {
            let want = self.want();
            let got = pack.read_chunk(&self.file, want)?;
            self.came(got, want);
            let pieces: Vec<&[u8]> = pack.chunk_pieces(len).collect();
            self.kit.whole.update(&pieces);
            end = scan.as_mut().and_then(|scan| feed(scan, &pieces));
            let (of_chunk, after) = split(&pieces, end.unwrap_or(got));
            self.kit.id.update(&of_chunk);
            len += end.unwrap_or(got);
            if end.is_some() {
                self.kit.space.truncate(0);
                self.chunk = 0;
                after.iter().for_each(|piece| self.kit.space.extend(piece));
                pack.cut_chunk(len);
            }
        }
        self.id = ChunkId::new(self.kit.id.finish());
        Ok(len)
    }

    /// The chunk that [`Reader::next_chunk`] just gave.
    pub fn chunk(&self) -> &[u8] {
        &self.kit.space[..self.chunk]
    }

    /// Its id.
    pub fn id(&self) -> ChunkId {
        self.id
    }

    /// True if the chunk just given was the last.
    pub fn at_end(&self) -> bool {
        self.ended && self.kit.space.len() == self.chunk
    }

    /// Bytes so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The file, for a last look at its times.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The whole file's hash.
    pub fn finish(self) -> ContentHash {
        ContentHash::new(self.kit.whole.finish())
    }
}

/// Looks at the next bytes, which lie in pieces; how many of them belong to the chunk, if it ends among them.
fn feed(scan: &mut Scan<'_>, pieces: &[&[u8]]) -> Option<usize> {
    let mut seen = 0;
    pieces.iter().find_map(|piece| {
        let end = scan.feed(piece).map(|n| seen + n);
        seen += piece.len();
        end
    })
}

/// The first `at` bytes, and those after them.
fn split<'p>(pieces: &[&'p [u8]], mut at: usize) -> (Vec<&'p [u8]>, Vec<&'p [u8]>) {
    let halves = pieces.iter().map(|piece| {
        let (before, after) = piece.split_at(at.min(piece.len()));
        at -= before.len();
        (before, after)
    });
    halves.unzip()
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
    use darkslide_format::keys::KeyPair;
    use darkslide_format::manifest::PackKind;
    use darkslide_format::pack::{Part, TarFacts};
    use darkslide_format::seal::Recipients;
    use darkslide_words::{Bytes, Name, Rng as _, SeededRng};

    /// One with an open part.
    fn pack() -> PackWriter {
        let recipient = KeyPair::generate().recipient();
        let recipients = Recipients::parse([recipient.as_str()]).unwrap();
        let mut pack = PackWriter::new(PackKind::Cold, &recipients, Space::large(8 << 20)).unwrap();
        pack.begin_part(&Name::from("a.CR3"), Part::Whole, TarFacts::default()).unwrap();
        pack
    }

    /// The next chunk, taken out of the pack.
    fn pour(reader: &mut Reader<'_, '_>, pack: &mut PackWriter, read: &mut Vec<u8>) -> usize {
        pack.begin_chunk();
        let poured = reader.pour(pack).unwrap();
        pack.chunk_pieces(0).for_each(|piece| read.extend_from_slice(piece));
        match poured % 2 {
            0 => pack.undo_chunk(),
            _ => pack.end_chunk(reader.id()),
        }
        poured
    }

    #[test]
    fn chunks_are_the_file_and_the_cutters() {
        let chunking = Chunking { db: Bytes::mib(1), mask_bits: 17, max: Bytes::mib(2), min: Bytes::kib(200) };
        let key = IdKey::new([1; 32]);
        let cutter = Cutter::new(&chunking, &key);
        let mut kit = Kit::new(Space::default(), &key);
        for len in [0usize, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 5_000_001] {
            let mut data = vec![0; len];
            SeededRng::new(len as u64).fill(&mut data);
            let mut temporary = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut temporary, &data).unwrap();
            for cuts in [Cuts::Content(&cutter), Cuts::Fixed(1 << 20), Cuts::Fixed(300_000)] {
                let file = File::open(temporary.path()).unwrap();
                let mut reader = Reader::new(file, len as u64, cuts, &mut kit);
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
                assert_eq!(reader.finish().as_bytes(), blake3::hash(&data).as_bytes());
            }
            let file = File::open(temporary.path()).unwrap();
            let mut reader = Reader::new(file, len as u64, Cuts::Content(&cutter), &mut kit);
            let (mut read, mut pack) = (Vec::new(), pack());
            for n in 0.. {
                let from = read.len();
                // Every third chunk in the other way.
                if n % 3 == 2 {
                    read.extend_from_slice(reader.next_chunk().unwrap().unwrap_or_default());
                    assert_eq!(reader.id(), key.chunk_id(&data[from..read.len()]));
                    continue;
                }
                let poured = pour(&mut reader, &mut pack, &mut read);
                assert_eq!(poured, read.len() - from);
                assert!(reader.kit.space.len() < PIECE, "{}", reader.kit.space.len());
                if poured == 0 {
                    break;
                }
                assert_eq!(poured, cutter.cut(&data[from..]));
                assert_eq!(reader.id(), key.chunk_id(&data[from..read.len()]));
                assert_eq!(reader.at_end(), read.len() == len);
            }
            assert_eq!((read == data, reader.total()), (true, len as u64));
            assert_eq!(reader.finish().as_bytes(), blake3::hash(&data).as_bytes());
            let mut file = File::open(temporary.path()).unwrap();
            assert_eq!(hash(&mut file, &mut Space::default()).unwrap().as_bytes(), blake3::hash(&data).as_bytes());
        }
    }

    #[test]
    fn cuts_at_the_end_of_what_was_read_leave_nothing_behind() {
        let chunking = Chunking { db: Bytes::mib(1), mask_bits: 17, max: Bytes::mib(1), min: Bytes::kib(200) };
        let key = IdKey::new([1; 32]);
        let cutter = Cutter::new(&chunking, &key);
        let mut kit = Kit::of_cutter(&cutter, &key);
        // Of bytes that are all the same none is a cut: each chunk is as long as may be.
        for len in [1 << 20, 3 << 20, (3 << 20) + 1, (3 << 20) + PIECE, (4 << 20) - 1] {
            let data = vec![7; len];
            let mut temporary = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut temporary, &data).unwrap();
            let file = File::open(temporary.path()).unwrap();
            let mut reader = Reader::new(file, len as u64, Cuts::Content(&cutter), &mut kit);
            let (mut read, mut pack) = (Vec::new(), pack());
            while read.len() < len {
                assert!(!reader.at_end());
                let left = len - read.len();
                assert_eq!(pour(&mut reader, &mut pack, &mut read), left.min(1 << 20));
                assert_eq!(reader.id(), key.chunk_id(&data[..left.min(1 << 20)]));
            }
            assert!(reader.at_end() && read == data, "{len}");
            assert_eq!(reader.finish().as_bytes(), blake3::hash(&data).as_bytes());
        }
    }

    #[test]
    fn a_file_that_has_become_shorter_ends_where_it_ends() {
        let chunking = Chunking { db: Bytes::mib(1), mask_bits: 17, max: Bytes::mib(2), min: Bytes::kib(200) };
        let key = IdKey::new([1; 32]);
        let cutter = Cutter::new(&chunking, &key);
        let mut kit = Kit::new(Space::default(), &key);
        for len in [0usize, 1000, PIECE, 1_000_003] {
            let mut data = vec![0; len];
            SeededRng::new(len as u64).fill(&mut data);
            let mut temporary = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut temporary, &data).unwrap();
            for pouring in [true, false] {
                let file = File::open(temporary.path()).unwrap();
                let expected = len as u64 + 300_000;
                let mut reader = Reader::new(file, expected, Cuts::Content(&cutter), &mut kit);
                let (mut read, mut pack) = (Vec::new(), pack());
                loop {
                    let before = read.len();
                    match pouring {
                        true => drop(pour(&mut reader, &mut pack, &mut read)),
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
