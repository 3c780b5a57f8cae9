//! The bytes of objects: one file per upload or part, or memory.
//!
//! **Invariant:** a blob is written once, then only read, then removed; objects refer to it by
//! [`Segment`]s, so a copy and a completed multipart upload move no bytes.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};

/// How much is read from a file at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// A stretch of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub blob: u64,
    pub offset: u64,
    pub len: u64,
}

/// All blobs.
pub(crate) struct Blobs {
    dir: Option<PathBuf>,
    memory: Mutex<HashMap<u64, Bytes>>,
    next: AtomicU64,
}

/// A blob that is being written; removed again unless it is finished.
pub(crate) struct BlobWriter<'a> {
    blobs: &'a Blobs,
    id: u64,
    file: Option<File>,
    buffer: Vec<u8>,
    len: u64,
    done: bool,
}

impl Blobs {
    /// Opens the folder, or keeps all in memory.
    pub fn open(dir: Option<PathBuf>) -> io::Result<Self> {
        let mut next = 1;
        if let Some(dir) = &dir {
            fs::create_dir_all(dir)?;
            for entry in fs::read_dir(dir)? {
                let id = entry?.file_name().to_str().and_then(|n| u64::from_str_radix(n, 16).ok());
                next = next.max(id.unwrap_or(0) + 1);
            }
        }
        Ok(Self { dir, memory: Mutex::default(), next: AtomicU64::new(next) })
    }

    fn path(&self, id: u64) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(format!("{id:016x}")))
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Bytes>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a blob.
    pub fn create(&self) -> io::Result<BlobWriter<'_>> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let file = self.path(id).map(|path| File::options().write(true).create_new(true).open(path)).transpose()?;
        Ok(BlobWriter { blobs: self, id, file, buffer: Vec::new(), len: 0, done: false })
    }

    /// Writes a whole blob.
    pub fn store(&self, bytes: &[u8]) -> io::Result<Segment> {
        let mut writer = self.create()?;
        writer.write(bytes)?;
        writer.finish()
    }

    /// Forgets a blob; one that is not there is no error.
    pub fn remove(&self, id: u64) {
        self.memory().remove(&id);
        if let Some(path) = self.path(id) {
            // Left over, it is removed at the next start.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes the files that nothing refers to: uploads cut short by a stop.
    pub fn sweep(&self, is_used: impl Fn(u64) -> bool) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|n| u64::from_str_radix(n, 16).ok());
            if id.is_some_and(|id| !is_used(id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The bytes in `range` of what the segments make up.
    pub fn stream(&self, segments: &[Segment], range: Range<u64>) -> io::Result<Pieces> {
        let mut sources = VecDeque::new();
        let mut at = 0;
        for segment in segments {
            let (from, to) = (range.start.max(at), range.end.min(at + segment.len));
            if from < to {
                let offset = segment.offset + (from - at);
                sources.push_back(self.source(segment.blob, offset, to - from)?);
            }
            at += segment.len;
        }
        Ok(Pieces { sources })
    }

    fn source(&self, blob: u64, offset: u64, len: u64) -> io::Result<Source> {
        let Some(path) = self.path(blob) else {
            let bytes = self.memory().get(&blob).cloned();
            let bytes = bytes.ok_or_else(|| io::Error::other(format!("the body {blob:016x} is gone")))?;
            return Ok(Source::Memory(bytes.slice(offset as usize..(offset + len) as usize)));
        };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Source::File(file, len))
    }

    /// All the bytes at once.
    pub fn read(&self, segments: &[Segment]) -> io::Result<Vec<u8>> {
        let total: u64 = segments.iter().map(|s| s.len).sum();
        let mut bytes = Vec::with_capacity(total as usize);
        let mut pieces = self.stream(segments, 0..total)?;
        while let Some(piece) = pieces.next_piece() {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }
}

impl BlobWriter<'_> {
    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.buffer.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Keeps what was written.
    pub fn finish(mut self) -> io::Result<Segment> {
        if self.file.is_none() {
            let bytes = Bytes::from(std::mem::take(&mut self.buffer));
            self.blobs.memory().insert(self.id, bytes);
        }
        self.done = true;
        Ok(Segment { blob: self.id, offset: 0, len: self.len })
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.blobs.remove(self.id);
        }
    }
}

/// A body on its way out.
pub(crate) struct Pieces {
    sources: VecDeque<Source>,
}

enum Source {
    File(File, u64),
    Memory(Bytes),
}

impl Pieces {
    fn next_piece(&mut self) -> Option<io::Result<Bytes>> {
        match self.sources.pop_front()? {
            Source::Memory(bytes) => Some(Ok(bytes)),
            Source::File(mut file, left) => {
                let mut buffer = vec![0; (left as usize).min(PIECE_BYTES)];
                if let Err(error) = file.read_exact(&mut buffer) {
                    return Some(Err(error));
                }
                let left = left - buffer.len() as u64;
                if left > 0 {
                    self.sources.push_front(Source::File(file, left));
                }
                Some(Ok(buffer.into()))
            }
        }
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next_piece())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_range(blobs: &Blobs, segments: &[Segment], range: Range<u64>) -> Vec<u8> {
        let mut pieces = blobs.stream(segments, range).unwrap();
        let mut all = Vec::new();
        while let Some(piece) = pieces.next_piece() {
            all.extend_from_slice(&piece.unwrap());
        }
        all
    }

    #[test]
    fn segments_are_read_across_their_borders() {
        let dir = tempfile::tempdir().unwrap();
        for blobs in [Blobs::open(None).unwrap(), Blobs::open(Some(dir.path().into())).unwrap()] {
            let (a, b) = (blobs.store(b"0123456789").unwrap(), blobs.store(b"abcdef").unwrap());
            let tail = Segment { offset: 5, len: 5, ..a };
            assert_eq!(blobs.read(&[tail, b]).unwrap(), b"56789abcdef");
            assert_eq!(read_range(&blobs, &[tail, b], 3..7), b"89ab");
            assert_eq!(read_range(&blobs, &[tail, b], 11..11), b"");
        }
    }

    #[test]
    fn what_is_not_finished_or_not_used_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(Some(dir.path().into())).unwrap();
        let kept = blobs.store(b"kept").unwrap();
        blobs.store(b"unused").unwrap();
        blobs.create().unwrap().write(b"half").unwrap();
        blobs.sweep(|id| id == kept.blob).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(Blobs::open(Some(dir.path().into())).unwrap().read(&[kept]).unwrap(), b"kept");
    }
}
