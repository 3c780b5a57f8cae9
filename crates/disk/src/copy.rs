//! The copy: one read of the source feeds the hash and every target; what was written is read
//! back past the page cache and compared before it gets its name.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use darkslide_words::{ContentHash, Name};

use crate::zeros::{Run, runs};
use crate::{Disk, Facts, Sink, Stat};

/// Bytes read at a time.
pub const PIECE: usize = 1 << 20;

/// Bytes of the head and of the tail that a [`sample`] covers.
const SAMPLE: u64 = 64 << 10;

/// Why a source could not be copied; of the targets nothing is left.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It cannot be read: a bad sector, a card that was pulled.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It changed meanwhile.
    #[error("it changed while it was read")]
    Changed,
    /// Whoever waits for it does not want it any more.
    #[error("cancelled")]
    Cancelled,
}

/// What shall be copied where.
#[derive(Debug)]
pub struct Order<'o> {
    /// The source.
    pub from: &'o Path,
    /// Temporary names, free, each on the file system of its target.
    pub to: &'o [PathBuf],
    /// What the copies carry; the source's times where none.
    pub facts: Option<&'o Facts>,
}

/// What was read, and where writing failed.
#[derive(Debug)]
pub struct Copied {
    /// The content's hash.
    pub hash: ContentHash,
    /// The source as it was before and after.
    pub stat: Stat,
    /// For each target, why it has no copy.
    pub failed: Vec<Option<io::Error>>,
}

impl Copied {
    /// True if every target has its copy.
    pub fn everywhere(&self) -> bool {
        self.failed.iter().all(Option::is_none)
    }
}

/// Reads the source once and writes it to all targets. `seen` gets each piece and says whether to
/// go on. A target that fails is left out, and what it has of the file is removed.
pub fn copy(disk: &dyn Disk, order: &Order<'_>, seen: &mut dyn FnMut(&[u8]) -> bool) -> Result<Copied, CopyError> {
    let mut targets: Vec<Target> = order.to.iter().map(|path| Target::new(disk, path)).collect();
    let done = read(disk, order.from, &mut targets, seen);
    let given_up = done.is_err();
    let facts = match (&done, order.facts) {
        (_, Some(facts)) => facts.clone(),
        (Ok((_, stat)), None) => Facts::dated(stat.mtime),
        (Err(_), None) => Facts::dated(darkslide_words::Time::default()),
    };
    let failed = targets.into_iter().map(|target| target.end(disk, &facts, given_up)).collect();
    let (hash, stat) = done?;
    Ok(Copied { hash, stat, failed })
}

fn read(
    disk: &dyn Disk,
    from: &Path,
    targets: &mut [Target],
    seen: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(ContentHash, Stat), CopyError> {
    let mut file = disk.open(from).map_err(CopyError::Unreadable)?;
    let stat = file.stat().map_err(CopyError::Unreadable)?;
    let sparse = stat.allocated < stat.size;
    let mut hasher = blake3::Hasher::new();
    // One more than there is, so that the end shows in the same read.
    let mut space = Space::new(usize::try_from(stat.size).unwrap_or(PIECE).saturating_add(1));
    let mut total = 0u64;
    loop {
        let got = fill(&mut *file, &mut space).map_err(CopyError::Unreadable)?;
        let piece = &space[..got];
        hasher.update(piece);
        total += got as u64;
        if !seen(piece) {
            return Err(CopyError::Cancelled);
        }
        for target in targets.iter_mut() {
            target.write(piece, sparse);
        }
        if got < space.len() {
            break;
        }
    }
    let after = file.stat().map_err(CopyError::Unreadable)?;
    if !after.same_content_facts(&stat) || total != stat.size {
        return Err(CopyError::Changed);
    }
    Ok((ContentHash::new(*hasher.finalize().as_bytes()), stat))
}

thread_local! {
    /// Memory for one piece, used again by the next file: clearing it costs more than a small file.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory for a piece of a file.
struct Space {
    bytes: Vec<u8>,
    len: usize,
}

impl Space {
    /// Room for so much, a piece at the most.
    fn new(len: usize) -> Self {
        let mut bytes = SPARE.take();
        bytes.resize(PIECE, 0);
        Self { bytes, len: len.min(PIECE) }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = SPARE.try_with(|spare| spare.replace(std::mem::take(&mut self.bytes)));
    }
}

impl std::ops::Deref for Space {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::ops::DerefMut for Space {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Reads until the space is full or the file ends.
fn fill(from: &mut dyn Read, space: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < space.len() {
        match from.read(&mut space[at..]) {
            Ok(0) => break,
            Ok(got) => at += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

/// One target while it is written.
struct Target {
    path: PathBuf,
    sink: Result<Box<dyn Sink>, io::Error>,
    /// There is a file of ours under the name.
    made: bool,
}

impl Target {
    fn new(disk: &dyn Disk, path: &Path) -> Self {
        let sink = disk.create(path);
        Self { path: path.to_path_buf(), made: sink.is_ok(), sink }
    }

    fn write(&mut self, piece: &[u8], sparse: bool) {
        let Ok(sink) = &mut self.sink else { return };
        let written = match sparse {
            false => sink.write_all(piece),
            true => runs(piece).into_iter().try_for_each(|run| match run {
                Run::Data(bytes) => sink.write_all(bytes),
                Run::Hole(len) => sink.skip(len),
            }),
        };
        if let Err(error) = written {
            self.sink = Err(error);
        }
    }

    fn end(self, disk: &dyn Disk, facts: &Facts, given_up: bool) -> Option<io::Error> {
        let ended = match self.sink {
            Ok(_) if given_up => Err(io::ErrorKind::Interrupted.into()),
            Ok(sink) => sink.finish(facts),
            Err(error) => Err(error),
        };
        let error = ended.err()?;
        if self.made {
            // The first error is the one to tell; a leftover is swept by the next run.
            let _ = disk.remove_file(&self.path);
        }
        Some(error)
    }
}

/// How a copy came under its name.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is there, verified.
    Yes,
    /// The name is taken by something else; the copy is still under its temporary name.
    Taken,
    /// What was read back differs from what was written; it is removed.
    Differs {
        /// The hash of what was read back.
        found: ContentHash,
    },
}

/// Reads back what was written, past the page cache, and gives it its name. It has to be synced.
pub fn place(disk: &dyn Disk, temporary: &Path, name: &Path, hash: ContentHash) -> io::Result<Placed> {
    let found = hash_uncached(disk, temporary, &mut |_| true)?;
    if found != hash {
        disk.remove_file(temporary)?;
        return Ok(Placed::Differs { found });
    }
    match disk.rename(temporary, name) {
        Ok(()) => Ok(Placed::Yes),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Placed::Taken),
        Err(error) => Err(error),
    }
}

/// The hash of a file, read past the page cache.
pub fn hash_uncached(disk: &dyn Disk, path: &Path, seen: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<ContentHash> {
    hash(&mut *disk.open_uncached(path)?, seen)
}

/// The hash of a file, read by the shortest way.
pub fn hash_cached(disk: &dyn Disk, path: &Path, seen: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<ContentHash> {
    hash(&mut *disk.open(path)?, seen)
}

fn hash(from: &mut dyn Read, seen: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    let mut space = Space::new(PIECE);
    loop {
        let got = fill(from, &mut space)?;
        hasher.update(&space[..got]);
        if !seen(&space[..got]) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
        }
        if got < space.len() {
            return Ok(ContentHash::new(*hasher.finalize().as_bytes()));
        }
    }
}

/// A quick look at a file: the hash of its first 64 KiB. Photographs of one camera are often of
/// one size, but their heads carry time and number; who has the same head and size is worth a
/// whole read.
pub fn sample(disk: &dyn Disk, path: &Path) -> io::Result<ContentHash> {
    let mut head = Vec::new();
    disk.open(path)?.take(SAMPLE).read_to_end(&mut head)?;
    Ok(ContentHash::new(*blake3::hash(&head).as_bytes()))
}

/// Temporary names of one run.
impl Order<'_> {
    /// A name that no photograph has; what is left of a run that died is known by it.
    pub fn temporary(run: u64, number: u64) -> Name {
        Name::new(format!(".darkslide-part-{run:x}-{number:x}"))
    }
}
