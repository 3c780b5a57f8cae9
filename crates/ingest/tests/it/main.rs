//! Cards that are made here, into libraries in temporary folders.

mod card;
mod faults;
mod harness;
mod manifests;
mod verdicts;
