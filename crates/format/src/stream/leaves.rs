//! Leaves: what of a file goes out while the rest of it is filled, and the memory for that.

use super::{Passes, SEGMENT};
use crate::space::{Pool, Space};

/// Memory of the largest leaf: two large pages.
const LEAF: usize = 4 << 20;
/// Its segments. With the first of them goes the head of the file, which has room beside so many.
const LEAF_SEGMENTS: usize = 63;

/// Memory for leaves, which goes round.
#[derive(Debug, Clone)]
pub struct Leaves {
    pub(super) pool: Pool,
    pub(super) segments: usize,
    in_pack: usize,
}

impl Leaves {
    /// Of so many segments, so many in a pack.
    pub fn of(segments: usize, in_pack: usize) -> Self {
        let segments = segments.clamp(1, LEAF_SEGMENTS);
        Self { pool: Pool::new((segments + 1) * LEAF / (LEAF_SEGMENTS + 1)), segments, in_pack }
    }

    /// For packs of about `target` bytes: sixteen leaves or more make one.
    pub fn for_packs(target: u64) -> Self {
        let target = usize::try_from(target).unwrap_or(usize::MAX) / SEGMENT;
        let segments = (target / 16).clamp(1, LEAF_SEGMENTS);
        Self::of(segments, target.div_ceil(segments))
    }

    /// How many make about a pack.
    pub fn in_pack(&self) -> usize {
        self.in_pack
    }

    /// Gives back what is not needed any more.
    pub fn give(&self, space: Space) {
        self.pool.give(space);
    }
}

/// A stretch of whole segments, laid out as in the finished file, that is not changed any more.
pub struct Leaf {
    pub(super) bytes: Space,
    /// Bytes before the first segment.
    pub(super) head: usize,
    /// With the first leaf of a file, what is to be made of it and of those after it.
    pub(super) passes: Option<Box<Passes>>,
}

impl Leaf {
    /// What is made of this leaf and those after it; with the first one only.
    pub fn begins(&mut self) -> Option<Box<Passes>> {
        self.passes.take()
    }

    /// Its memory, for the next one.
    pub fn into_space(self) -> Space {
        self.bytes
    }
}
