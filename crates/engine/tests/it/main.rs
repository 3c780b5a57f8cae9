//! The engine on doubles: crashes, damage, trust, several stores, any edits.

#![allow(clippy::unwrap_used)]

mod cold;
mod crash;
mod damage;
mod detect;
mod harness;
mod regressions;
mod roundtrip;
mod stores;
mod trust;
