//! Writing a file from its start to its end: past the page cache where the file system takes that. A copy into the
//! cache costs as much as sealing, and what is written there drives out what others read; nobody reads a pack soon.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::fs::{AtFlags, OFlags, StatxFlags, fcntl_getfl, fcntl_setfl, statx};

/// Bytes written at a time through the cache: small enough that the kernel takes pages it has at
/// hand (one write of a whole pack cost more than sealing it, measured).
pub const WRITE: usize = 64 * 1024;
/// Bytes written at a time past the cache: so many that each costs little and the disk has enough to do.
const BLOCK: usize = 2 << 20;
/// Blocks of a file: one is filled, one is written, one waits.
const BLOCKS: usize = 3;
/// Bytes past the cache begin at multiples of this, in memory and in the file: a page. What asks for more is written
/// through the cache.
const ALIGN: usize = 4096;

/// Bytes that begin where such writes may.
pub struct Block {
    bytes: Vec<u8>,
    at: usize,
    len: usize,
}

impl Block {
    fn new() -> Self {
        let bytes = vec![0; BLOCK + ALIGN];
        let at = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { bytes, at, len: 0 }
    }

    /// Takes as much of `piece` as there is room for; the rest.
    fn fill<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let (some, rest) = piece.split_at(piece.len().min(BLOCK - self.len));
        self.bytes[self.at + self.len..][..some.len()].copy_from_slice(some);
        self.len += some.len();
        rest
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..][..self.len]
    }
}

/// Blocks that no file needs now.
#[derive(Clone, Default)]
pub struct Blocks(Arc<Mutex<Vec<Block>>>);

impl Blocks {
    fn list(&self) -> MutexGuard<'_, Vec<Block>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Block {
        let block = self.list().pop();
        block.map_or_else(Block::new, |block| Block { len: 0, ..block })
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocks({})", self.list().len())
    }
}

/// A file that is being written.
pub enum Output {
    /// Through the page cache.
    Through(File),
    /// Past it.
    Past(Past),
}

impl Output {
    /// To this new file, which will have so many bytes, if that is known.
    pub fn new(file: File, len: Option<usize>, blocks: &Blocks) -> Self {
        match len.is_none_or(|len| len >= BLOCK) && takes_direct(&file) {
            true => Self::Past(Past::new(file, blocks)),
            false => Self::Through(file),
        }
    }

    /// The next bytes. They are in the file when it is finished.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Through(file) => write_through(file, piece),
            Self::Past(past) => past.write(piece),
        }
    }

    /// True if it has a thread, which does nothing any more.
    #[cfg(test)]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Past(Past { writer: Some(writer), .. }) if writer.thread.is_finished())
    }

    /// Those were all; the file, which is not synced.
    pub fn finish(self) -> io::Result<File> {
        match self {
            Self::Through(file) => Ok(file),
            Self::Past(past) => past.finish(),
        }
    }
}

fn write_through(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(WRITE).try_for_each(|some| file.write_all(some))
}

/// A file that is written past the page cache, by a thread of its own: such a write waits for the disk.
pub struct Past {
    /// As long as it has no thread.
    file: Option<File>,
    blocks: Blocks,
    block: Block,
    writer: Option<Writer>,
}

struct Writer {
    full: SyncSender<Block>,
    empty: Receiver<Block>,
    thread: JoinHandle<io::Result<File>>,
    /// Blocks of this file, that being filled apart.
    blocks: usize,
}

impl Writer {
    fn begin(file: File) -> io::Result<Self> {
        let (full, to_write) = sync_channel(BLOCKS);
        let (written, empty) = channel();
        let write = move || {
            let done = write_blocks(&file, &to_write, &written);
            if done.is_err() {
                // A full disk has room for others from now on, not only when somebody asks.
                let _ = file.set_len(0);
            }
            done.map(|()| file)
        };
        let thread = thread::Builder::new().name("writer".into()).spawn(write)?;
        Ok(Self { full, empty, thread, blocks: 0 })
    }

    /// What became of the file.
    fn end(self, blocks: &Blocks) -> io::Result<File> {
        drop(self.full);
        let ended = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")));
        blocks.list().extend(self.empty.try_iter());
        ended
    }
}

impl Past {
    fn new(file: File, blocks: &Blocks) -> Self {
        Self { file: Some(file), blocks: blocks.clone(), block: blocks.take(), writer: None }
    }

    fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            piece = self.block.fill(piece);
            if self.block.len == BLOCK {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    /// Gives a full block to the thread, and takes an empty one.
    fn hand_over(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            self.writer = Some(Writer::begin(file)?);
        }
        // It ended with an error, which was told.
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let empty = match writer.blocks + 1 < BLOCKS {
            true => {
                writer.blocks += 1;
                Some(self.blocks.take())
            }
            false => writer.empty.recv().ok().map(|block| Block { len: 0, ..block }),
        };
        let sent = empty.is_some_and(|empty| writer.full.send(mem::replace(&mut self.block, empty)).is_ok());
        match sent {
            true => Ok(()),
            false => Err(self.end().err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn end(&mut self) -> io::Result<File> {
        match (self.writer.take(), self.file.take()) {
            (Some(writer), _) => writer.end(&self.blocks),
            (None, Some(file)) => Ok(file),
            (None, None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn finish(mut self) -> io::Result<File> {
        let block = mem::replace(&mut self.block, Block { bytes: Vec::new(), at: 0, len: 0 });
        match &self.writer {
            Some(writer) => {
                // Where that is in vain, the thread says why.
                let _ = writer.full.send(block);
                self.end()
            }
            // Too little for a thread.
            None => {
                let mut file = self.end()?;
                write_through(&mut file, block.bytes())?;
                self.block = block;
                Ok(file)
            }
        }
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        // Whoever removes the file has its room at once.
        let _ = self.end();
        let block = mem::replace(&mut self.block, Block { bytes: Vec::new(), at: 0, len: 0 });
        if !block.bytes.is_empty() {
            self.blocks.list().push(block);
        }
    }
}

/// Writes blocks until no more come. Only the last one may be shorter than others.
fn write_blocks(mut file: &File, blocks: &Receiver<Block>, written: &Sender<Block>) -> io::Result<()> {
    let mut direct = set_direct(file, true).is_ok();
    for block in blocks {
        let mut rest = block.bytes();
        while !rest.is_empty() {
            let whole = rest.len() / ALIGN * ALIGN;
            if direct && whole == 0 {
                set_direct(file, false)?;
                direct = false;
            }
            match file.write(&rest[..if direct { whole } else { rest.len().min(WRITE) }]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It does not take what it said that it would, or stopped in the middle of a block.
                Err(error) if direct && error.kind() == io::ErrorKind::InvalidInput => {
                    set_direct(file, false)?;
                    direct = false;
                }
                Err(error) => return Err(error),
            }
        }
        // Nobody may need it any more.
        let _ = written.send(block);
    }
    Ok(())
}

fn set_direct(file: &File, direct: bool) -> io::Result<()> {
    let flags = fcntl_getfl(file)?;
    Ok(fcntl_setfl(file, if direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT })?)
}

/// True if the file system says that it writes past the page cache, and from where we have the bytes.
fn takes_direct(file: &File) -> bool {
    let Ok(said) = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) else { return false };
    let fits = |align: u32| align > 0 && ALIGN.is_multiple_of(align as usize);
    said.stx_mask & StatxFlags::DIOALIGN.bits() != 0 && fits(said.stx_dio_mem_align) && fits(said.stx_dio_offset_align)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(file: File, past: bool, blocks: &Blocks) -> Output {
        match past {
            true => Output::Past(Past::new(file, blocks)),
            false => Output::Through(file),
        }
    }

    /// Also where the file system of the tests takes no such writes: then the threads write through the cache.
    #[test]
    fn what_is_in_the_file_is_what_was_written_either_way() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = Blocks::default();
        for len in [0, 1, ALIGN - 1, ALIGN, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + ALIGN, 6 * BLOCK + 4711]
        {
            let data: Vec<u8> = (0..len).map(|n| (n / 5 + n / 70_000) as u8).collect();
            for (n, step) in [977, 65_552, 3 * BLOCK + 1].into_iter().enumerate() {
                for past in [true, false] {
                    let path = folder.path().join(format!("{len}-{n}-{past}"));
                    let mut output = output(File::create_new(&path).unwrap(), past, &blocks);
                    data.chunks(step).for_each(|piece| output.write(piece).unwrap());
                    output.finish().unwrap().sync_all().unwrap();
                    assert!(std::fs::read(&path).unwrap() == data, "{len} by {step} {past}");
                    std::fs::remove_file(&path).unwrap();
                }
            }
        }
        assert_eq!(blocks.list().len(), BLOCKS, "they go round");
    }

    #[test]
    fn what_is_large_goes_past_the_cache_where_the_file_system_takes_that() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = Blocks::default();
        let new = |name: &str, len| Output::new(File::create_new(folder.path().join(name)).unwrap(), len, &blocks);
        let takes = takes_direct(&File::create_new(folder.path().join("asked")).unwrap());
        for (name, len) in [("unknown", None), ("large", Some(BLOCK))] {
            let mut output = new(name, len);
            assert_eq!(matches!(output, Output::Past(_)), takes);
            output.write(&vec![1; 2 * BLOCK]).unwrap();
            // As the last block left it.
            let flags = fcntl_getfl(output.finish().unwrap()).unwrap();
            assert_eq!(flags.contains(OFlags::DIRECT), takes);
        }
        assert!(matches!(new("small", Some(BLOCK - 1)), Output::Through(_)));
        assert!(!takes_direct(&File::open("/proc/self/status").unwrap()));
    }

    #[test]
    fn a_disk_that_is_full_is_told_and_what_is_given_up_ends() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let blocks = Blocks::default();
        for len in [1000, BLOCK, 9 * BLOCK] {
            for past in [true, false] {
                let mut output = output(full(), past, &blocks);
                let written = vec![1; len].chunks(100_000).try_for_each(|piece| output.write(piece));
                let told = written.and_then(|()| output.finish().map(drop)).unwrap_err();
                assert_eq!(told.kind(), io::ErrorKind::StorageFull, "{len} {past}");
            }
        }
        let mut given_up = output(full(), true, &blocks);
        let told: Vec<bool> = (0..9).map(|_| given_up.write(&vec![1; BLOCK]).is_err()).collect();
        assert!(told[8] && told.is_sorted(), "once it failed it goes on failing: {told:?}");
        drop(given_up);
        let (folder, blocks) = (tempfile::tempdir().unwrap(), Blocks::default());
        let mut given_up = output(File::create_new(folder.path().join("a")).unwrap(), true, &blocks);
        given_up.write(&vec![1; 2 * BLOCK + 1]).unwrap();
        drop(given_up);
        assert_eq!(blocks.list().len(), BLOCKS, "its thread has ended");
    }
}
