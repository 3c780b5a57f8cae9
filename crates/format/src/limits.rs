//! Limits of format version 1 (`docs/format.md`, section 13). All in bytes or counts.

/// Plain JSON objects.
pub const PLAIN_OBJECT_MAX: usize = 1 << 20;
/// Sealed keys and snapshots, and what they may grow to.
pub const SMALL_SEALED_MAX: usize = 1 << 20;
/// See [`SMALL_SEALED_MAX`].
pub const SMALL_PLAIN_MAX: usize = 8 << 20;
/// Sealed index and refs objects, and what they may grow to.
pub const LARGE_SEALED_MAX: usize = 256 << 20;
/// See [`LARGE_SEALED_MAX`].
pub const LARGE_PLAIN_MAX: usize = 1 << 30;
/// A sealed pack.
pub const PACK_MAX: u64 = 1 << 30;
/// An age header.
pub const HEADER_MAX: usize = 64 << 10;
/// A chunk's plaintext.
pub const CHUNK_MAX: usize = 64 << 20;
/// A page's plaintext.
pub const PAGE_MAX: usize = 16 << 20;
/// A manifest's plaintext.
pub const MANIFEST_MAX: usize = 512 << 20;
/// One component of a path.
pub const NAME_MAX: usize = 1024;
/// A path or a link target.
pub const PATH_MAX: usize = 65_536;
/// Nesting of index pages.
pub const PAGE_NESTING_MAX: usize = 16;
/// Depth of folders.
pub const FOLDER_DEPTH_MAX: usize = 1024;
/// Length of a chain of refs objects.
pub const REFS_CHAIN_MAX: usize = 64;
/// Items of one page before it is split.
pub const PAGE_ITEMS_MAX: usize = 1000;
/// Items that a split page has at least.
pub const PAGE_ITEMS_MIN: usize = 16;
/// Bounds of a pack's target size.
pub const PACK_TARGET: std::ops::RangeInclusive<u64> = 16 << 20..=512 << 20;
/// A sealed pack of previews.
pub const PREVIEWS_MAX: usize = 64 << 20;
/// Its table.
pub const PREVIEW_TABLE_MAX: usize = 16 << 20;
/// A thumbnail.
pub const THUMBNAIL_MAX: usize = 1 << 20;
/// A text of a preview.
pub const PREVIEW_TEXT_MAX: usize = 256;
