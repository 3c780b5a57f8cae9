//! The AWS side, against the simulator with enforced policies.

#![allow(clippy::unwrap_used)]

mod doing;
mod exports;
mod identities;
mod table;
