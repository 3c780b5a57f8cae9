//! ASC MHL: manifests of what was copied, for other people's tools; and the check of any MHL.
//!
//! Source: ASC Media Hash List specification 1.0 (2022), <https://github.com/ascmitc/mhl-specification>,
//! whose schema decides where its prose differs.

mod read;
mod sums;
mod verify;
mod write;

pub use sums::{Sum, SumKind};
pub use verify::{MhlFinding, MhlReport, verify};
pub use write::{Generation, Hashed};

/// Folder of the manifests, in the root of what they are about.
pub(crate) const FOLDER: &str = "ascmhl";
/// The list of manifests.
pub(crate) const CHAIN: &str = "ascmhl_chain.xml";
/// Never part of a manifest.
pub(crate) const IGNORED: [&str; 5] = [".DS_Store", "ascmhl", "ascmhl/", ".darkslide-tmp", ".darkslide-trash"];
