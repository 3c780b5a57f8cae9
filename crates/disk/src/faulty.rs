//! A disk that fails when told to.
//!
//! Fault model: operations are counted from 1, reads and writes of a piece among them. At the
//! n-th one operation fails with an error of the system; or a write stops half way; or the power
//! goes: that operation and all later ones fail and change nothing. A read may give a flipped
//! bit, as a bad reader does. What was written before stays as it is: which bytes a real power cut
//! takes is for the tests of a real file system.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use darkslide_words::Name;

use crate::{Disk, Facts, Sink, Source, Stat, Xattr};

/// An operation, as the fault counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum Op {
    List,
    Stat,
    Open,
    Read,
    OpenUncached,
    ReadUncached,
    Create,
    Write,
    Finish,
    Sync,
    Rename,
    MakeFolder,
    Remove,
    Link,
    Apply,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The operation fails with this error number, once.
    Errno(i32),
    /// A write takes half of its bytes and fails with this error number; another operation fails.
    Short(i32),
    /// The power goes: this operation and all later ones fail.
    Dead,
    /// A read gives one flipped bit; other operations work.
    Flip,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    at: Option<(u64, Harm)>,
    only: Option<Op>,
    dead: bool,
    struck: Option<Op>,
    ops: Vec<Op>,
}

/// Wraps a disk.
#[derive(Debug, Clone)]
pub struct FaultyDisk<D> {
    inner: D,
    state: Arc<Mutex<State>>,
}

enum Verdict {
    Go,
    Flip,
    Half(io::Error),
}

impl<D: Disk> FaultyDisk<D> {
    /// Works until told otherwise.
    pub fn new(inner: D) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Harm at the n-th operation from here, from 1.
    pub fn arm(&self, n: u64, harm: Harm) {
        *lock(&self.state) = State { at: Some((n, harm)), ..State::default() };
    }

    /// Harm at the n-th operation of one kind.
    pub fn arm_at(&self, op: Op, n: u64, harm: Harm) {
        *lock(&self.state) = State { at: Some((n, harm)), only: Some(op), ..State::default() };
    }

    /// Works again; what was struck, if anything was.
    pub fn heal(&self) -> Option<Op> {
        std::mem::take(&mut *lock(&self.state)).struck
    }

    /// Operations since the last arming.
    pub fn ops(&self) -> Vec<Op> {
        lock(&self.state).ops.clone()
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn gone() -> io::Error {
    // ENODEV: the device is not there any more.
    io::Error::from_raw_os_error(19)
}

fn pass(state: &Mutex<State>, op: Op) -> io::Result<Verdict> {
    let mut state = lock(state);
    if state.dead {
        return Err(gone());
    }
    state.ops.push(op);
    if state.only.is_none_or(|only| only == op) {
        state.count += 1;
    } else {
        return Ok(Verdict::Go);
    }
    let Some((_, harm)) = state.at.filter(|(n, _)| *n == state.count) else { return Ok(Verdict::Go) };
    state.struck = Some(op);
    match harm {
        Harm::Errno(number) => Err(io::Error::from_raw_os_error(number)),
        Harm::Short(number) if op == Op::Write => Ok(Verdict::Half(io::Error::from_raw_os_error(number))),
        Harm::Short(number) => Err(io::Error::from_raw_os_error(number)),
        Harm::Dead => {
            state.dead = true;
            Err(gone())
        }
        Harm::Flip => Ok(Verdict::Flip),
    }
}

impl<D: Disk> FaultyDisk<D> {
    fn go(&self, op: Op) -> io::Result<()> {
        pass(&self.state, op).map(|_| ())
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    fn list(&self, folder: &Path) -> io::Result<Vec<(Name, io::Result<Stat>)>> {
        self.go(Op::List)?;
        self.inner.list(folder)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.go(Op::Stat)?;
        self.inner.stat(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Source>> {
        self.go(Op::Open)?;
        let inner = self.inner.open(path)?;
        Ok(Box::new(Reading { inner, op: Op::Read, state: self.state.clone() }))
    }
    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        self.go(Op::OpenUncached)?;
        let inner = self.inner.open_uncached(path)?;
        Ok(Box::new(Reading { inner, op: Op::ReadUncached, state: self.state.clone() }))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        self.go(Op::Create)?;
        Ok(Box::new(Writing { inner: self.inner.create(path)?, state: self.state.clone() }))
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.go(Op::Sync)?;
        self.inner.sync_file(path)
    }
    fn sync_all(&self, folder: &Path) -> io::Result<()> {
        self.go(Op::Sync)?;
        self.inner.sync_all(folder)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.go(Op::Sync)?;
        self.inner.sync_folder(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.go(Op::Rename)?;
        self.inner.rename(from, to)
    }
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.go(Op::Rename)?;
        self.inner.replace(from, to)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.go(Op::MakeFolder)?;
        self.inner.make_folder(path)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.go(Op::Remove)?;
        self.inner.remove_file(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.go(Op::Remove)?;
        self.inner.remove_folder(path)
    }
    fn symlink(&self, target: &Name, path: &Path) -> io::Result<()> {
        self.go(Op::Link)?;
        self.inner.symlink(target, path)
    }
    fn read_link(&self, path: &Path) -> io::Result<Name> {
        self.go(Op::Stat)?;
        self.inner.read_link(path)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.go(Op::Link)?;
        self.inner.hard_link(from, to)
    }
    fn xattrs(&self, path: &Path) -> io::Result<Vec<Xattr>> {
        self.go(Op::Stat)?;
        self.inner.xattrs(path)
    }
    fn apply(&self, path: &Path, facts: &Facts) -> io::Result<()> {
        self.go(Op::Apply)?;
        self.inner.apply(path, facts)
    }
    fn free(&self, folder: &Path) -> io::Result<u64> {
        self.inner.free(folder)
    }
}

struct Reading<R: ?Sized> {
    op: Op,
    state: Arc<Mutex<State>>,
    inner: Box<R>,
}

impl<R: Read + ?Sized> Read for Reading<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let verdict = pass(&self.state, self.op)?;
        let got = self.inner.read(buf)?;
        if let (Verdict::Flip, true) = (verdict, got > 0) {
            buf[got / 2] ^= 4;
        }
        Ok(got)
    }
}

impl Source for Reading<dyn Source> {
    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        pass(&self.state, self.op)?;
        self.inner.read_at(at, buf)
    }
}

struct Writing {
    inner: Box<dyn Sink>,
    state: Arc<Mutex<State>>,
}

impl Sink for Writing {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match pass(&self.state, Op::Write)? {
            Verdict::Half(error) => {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
                Err(error)
            }
            _ => self.inner.write_all(bytes),
        }
    }
    fn skip(&mut self, len: u64) -> io::Result<()> {
        pass(&self.state, Op::Write)?;
        self.inner.skip(len)
    }
    fn finish(self: Box<Self>, facts: &Facts) -> io::Result<()> {
        pass(&self.state, Op::Finish)?;
        self.inner.finish(facts)
    }
}
