//! Plans, their application, and what becomes of both when calls fail.

#![allow(clippy::unwrap_used)]

mod converge;
mod destroying;
mod failing;
mod others;
mod plans;
mod rotation;
mod setup;
mod verifying;
mod doing;
mod exports;
mod identities;
mod table;
