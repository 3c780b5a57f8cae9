//! Cards that are made here, into libraries in temporary folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod card;
mod faults;
mod harness;
mod manifests;
mod together;
mod verdicts;
