//! Plans, their application, and what becomes of both when calls fail.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod converge;
mod destroying;
mod doing;
mod exports;
mod failing;
mod identities;
mod others;
mod plans;
mod rotation;
mod setup;
mod simulated;
mod table;
mod verifying;
