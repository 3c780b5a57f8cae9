//! Memory that a file is read into and a pack is put together in: large pages where the
//! system has them, which spares a fault for each 4 KiB and lookups of addresses in every
//! pass over the bytes.

use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that grow; kept from one file or pack to the next.
#[derive(Debug, Default)]
pub struct Space {
    /// The large pages, and how many of their bytes are in use; without them, the heap.
    pages: Option<(memmap2::MmapMut, usize)>,
    heap: Vec<u8>,
}

impl Space {
    /// For up to about `capacity` bytes, which take no memory until they are there.
    pub fn large(capacity: usize) -> Self {
        let Ok(map) = memmap2::MmapMut::map_anon(capacity.max(1)) else { return Self::default() };
        // Whether it is followed or not, the bytes are the same.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Self { pages: Some((map, 0)), heap: Vec::new() }
    }

    /// Adds bytes at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        match self.room(bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used(bytes.len());
            }
            None => self.heap(bytes.len()).extend_from_slice(bytes),
        }
    }

    /// Adds bytes at the end that are whatever was there before, or zero: to be written over.
    pub fn grow(&mut self, more: usize) {
        match self.room(more) {
            Some(_) => self.used(more),
            None => {
                let heap = self.heap(more);
                heap.resize(heap.len() + more, 0);
            }
        }
    }

    /// Adds what `from` gives, up to `most` bytes; how many there were.
    pub fn read_from(&mut self, from: impl Read, most: usize) -> io::Result<usize> {
        let mut from = from.take(most as u64);
        let Some(room) = self.room(most) else { return from.read_to_end(self.heap(most)) };
        let mut got = 0;
        while got < most {
            match from.read(&mut room[got..]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.used(got);
        Ok(got)
    }

    /// Room for so many bytes more in large pages.
    fn room(&mut self, more: usize) -> Option<&mut [u8]> {
        let (map, len) = self.pages.as_mut()?;
        map.get_mut(*len..*len + more)
    }

    fn used(&mut self, more: usize) {
        if let Some((_, len)) = &mut self.pages {
            *len += more;
        }
    }

    /// The heap, which what is in large pages moves to, with room for so many bytes more.
    fn heap(&mut self, more: usize) -> &mut Vec<u8> {
        if let Some((map, len)) = self.pages.take() {
            self.heap = Vec::with_capacity((len + more).next_power_of_two());
            self.heap.extend_from_slice(&map[..len]);
        }
        &mut self.heap
    }

    /// Forgets the first `n` bytes.
    pub fn skip(&mut self, n: usize) {
        let rest = self.len() - n;
        self.copy_within(n.., 0);
        self.truncate(rest);
    }

    /// Forgets all from `to` on.
    pub fn truncate(&mut self, to: usize) {
        match &mut self.pages {
            Some((_, len)) => *len = to.min(*len),
            None => self.heap.truncate(to),
        }
    }

    /// The bytes, on the heap.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(self.heap(0))
    }
}

impl From<Vec<u8>> for Space {
    fn from(heap: Vec<u8>) -> Self {
        Self { pages: None, heap }
    }
}

impl Deref for Space {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.pages {
            Some((map, len)) => &map[..*len],
            None => &self.heap,
        }
    }
}

impl DerefMut for Space {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.pages {
            Some((map, len)) => &mut map[..*len],
            None => &mut self.heap,
        }
    }
}

/// Memory in pieces of one size that go round: whoever is done with one gives it back.
#[derive(Debug, Clone)]
pub struct Pool {
    size: usize,
    spaces: Arc<Mutex<Vec<Space>>>,
}

impl Pool {
    /// Of pieces of `size` bytes; empty at first.
    pub fn new(size: usize) -> Self {
        Self { size, spaces: Arc::default() }
    }

    fn spaces(&self) -> std::sync::MutexGuard<'_, Vec<Space>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that was given back, or a new one.
    pub fn take(&self) -> Space {
        let back = self.spaces().pop();
        back.unwrap_or_else(|| Space::large(self.size))
    }

    /// For the next who needs one.
    pub fn give(&self, mut space: Space) {
        space.truncate(0);
        self.spaces().push(space);
    }

    /// How many there are to be taken.
    pub fn len(&self) -> usize {
        self.spaces().len()
    }

    /// True if none is there to be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl AsRef<[u8]> for Space {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_shrinks_and_outgrows_what_was_thought_enough() {
        for mut space in [Space::large(10_000), Space::large(0), Space::default()] {
            let mut wanted = Vec::new();
            for n in 0..60usize {
                let piece = vec![n as u8; n * 17];
                match n % 2 {
                    0 => space.extend(&piece),
                    _ => assert_eq!(space.read_from(&[&piece[..], b"more"].concat()[..], n * 17).unwrap(), n * 17),
                }
                wanted.extend_from_slice(&piece);
                if n % 7 == 0 {
                    space.truncate(wanted.len() - n);
                    wanted.truncate(wanted.len() - n);
                    space.truncate(usize::MAX);
                }
                if n % 11 == 0 {
                    space.skip(n);
                    wanted.drain(..n);
                }
                assert_eq!(&space[..], wanted, "{n}");
            }
            assert!(space.len() > 10_000, "the last ones do not fit");
            assert_eq!(space.read_from(&b"end"[..], 20_000).unwrap(), 3, "less than was asked for");
            space[7] = 9;
            wanted[7] = 9;
            wanted.extend_from_slice(b"end");
            assert_eq!(space.into_vec(), wanted);
        }
    }

    /// Gives two bytes at a time, and is interrupted before each.
    struct Halting(bool);

    impl Read for Halting {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = into.len().min(2);
            into[..n].fill(b'x');
            Ok(n)
        }
    }

    #[test]
    fn short_and_interrupted_reads_go_on_and_failed_ones_are_told() {
        for mut space in [Space::large(100), Space::default()] {
            assert_eq!(space.read_from(Halting(false), 7).unwrap(), 7);
            assert_eq!(&space[..], b"xxxxxxx");
            let failing = b"ab".chain(Failing);
            assert_eq!(space.read_from(failing, 9).unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    #[test]
    fn what_fits_stays_where_it_is() {
        let mut space = Space::large(1 << 20);
        space.extend(&[5; 1 << 20]);
        assert!(space.pages.is_some());
        space.truncate(0);
        space.extend(&[6; 3]);
        assert!(space.pages.is_some());
        assert_eq!(space.as_ref(), [6; 3]);
        assert_eq!(space.into_vec(), [6; 3]);
        // More than any address space has: the heap does it.
        let mut none = Space::large(usize::MAX / 2);
        none.extend(b"here");
        assert_eq!(&none[..], b"here");
    }
}
