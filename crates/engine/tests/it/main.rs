//! The engine on doubles: crashes, damage, trust, several stores, any edits.

#![allow(clippy::unwrap_used)]

mod arriving;
mod cold;
mod copies;
mod crash;
mod daemon;
mod damage;
mod detect;
mod harness;
mod jobs;
mod previews;
mod priced;
mod pruning;
mod regressions;
mod repair;
mod roundtrip;
mod soak;
mod stores;
mod trust;
mod vaults;
