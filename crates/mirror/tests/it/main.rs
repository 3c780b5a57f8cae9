//! Libraries and mirrors in temporary folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod brakes;
mod cases;
mod faults;
mod harness;
mod model;
mod rot;
mod verbatim;
