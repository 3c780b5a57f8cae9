//! What a photograph is: when and with what it was taken, its embedded previews, its thumbnail, and
//! the files that travel with it.
//!
//! Level 1; beside the path: asked by name and bytes, it tells. **Invariant:** whatever it reads may
//! be hostile: no panic, and a bound on what is read, allocated and followed. A file that it cannot
//! read is still a photograph: without facts, dated by its file system.

mod boxes;
mod facts;
pub mod fuzzing;
mod group;
#[cfg(feature = "heic")]
mod heic;
mod jpeg;
mod kind;
mod raf;
mod read;
mod source;
mod taken;
mod thumbnail;
mod tiff;
mod tiff_tags;
mod video;
mod xmp;

pub use facts::{Facts, Gps, Preview};
pub use group::{Group, Role, groups};
pub use kind::{Format, Kind};
pub use read::{clip_facts, clip_xml, facts, sidecar_facts};
pub use source::{ReadAt, Reading};
pub use taken::{DateSource, Taken};
pub use thumbnail::{NoThumbnail, THUMBNAIL_EDGE, thumbnail};
