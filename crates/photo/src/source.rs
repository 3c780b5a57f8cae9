//! Bytes at a position, with a bound on how many are read in all.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// A file, or bytes in memory.
pub trait ReadAt {
    /// Reads up to the length of `buf` at `at`; nothing past the end.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Bytes that there are.
    fn len(&self) -> u64;
    /// True without bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min((**self).len());
        let len = buf.len().min((**self).len() - from);
        buf[..len].copy_from_slice(&self[from..from + len]);
        Ok(len)
    }

    fn len(&self) -> u64 {
        (**self).len() as u64
    }
}

impl ReadAt for File {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buf, at)
    }

    fn len(&self) -> u64 {
        self.metadata().map_or(0, |meta| meta.len())
    }
}

/// A source that gives so many bytes and no more, whatever is asked of it.
pub struct Reading<'s> {
    source: &'s dyn ReadAt,
    left: Cell<u64>,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({} bytes left)", self.left.get())
    }
}

impl<'s> Reading<'s> {
    /// At most `budget` bytes in all.
    pub fn new(source: &'s dyn ReadAt, budget: u64) -> Self {
        Self { source, left: Cell::new(budget) }
    }

    /// Bytes that the source has.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// True without bytes.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// Reads up to the length of `buf`; short at the end of the file, an error past the budget.
    pub fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left < buf.len() as u64 {
            return Err(io::Error::other("more would be read than a file's facts are worth"));
        }
        let got = self.source.read_at(at, buf)?;
        self.left.set(left - got as u64);
        Ok(got)
    }

    /// Exactly `len` bytes; nothing where there are not so many, or they may not be read.
    pub fn bytes(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        if len > self.left.get() || at.checked_add(len)? > self.len() {
            return None;
        }
        let mut out = vec![0; usize::try_from(len).ok()?];
        let mut filled = 0;
        while filled < out.len() {
            match self.read_at(at + filled as u64, &mut out[filled..]) {
                Ok(0) | Err(_) => return None,
                Ok(got) => filled += got,
            }
        }
        Some(out)
    }

    /// As many of `len` bytes as there are.
    pub fn up_to(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        self.bytes(at, len.min(self.len().checked_sub(at)?))
    }
}

/// A range of a source as a stream of its own, for libraries.
pub(crate) struct Stream<'r, 's> {
    reading: &'r Reading<'s>,
    at: u64,
}

impl<'r, 's> Stream<'r, 's> {
    pub(crate) fn new(reading: &'r Reading<'s>) -> Self {
        Self { reading, at: 0 }
    }
}

impl Read for Stream<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reading.read_at(self.at, buf)?;
        self.at += got as u64;
        Ok(got)
    }
}

impl Seek for Stream<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.reading.len().checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
