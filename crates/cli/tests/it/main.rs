//! The binary `darkslide` as a user runs it: commands, exit codes, keys, crashes, a
//! full disk, and recovery with nothing but `age`, `zstd`, `tar` and `python3`.
//!
//! Every test works in a temporary folder of its own. Tools that are missing fail
//! the tests that need them: silence would look like proof.

#![allow(clippy::unwrap_used)]

mod cloud;
mod commands;
mod daemon;
mod exits;
#[path = "../../../web/tests/it/exposition.rs"]
mod exposition;
mod harness;
mod keys;
mod killed;
mod library;
mod local;
mod mending;
mod mishaps;
mod notify;
mod pictures;
mod quotes;
mod recovery;
mod retention;
mod serve;
mod trees;
mod upkeep;
mod vaults;
