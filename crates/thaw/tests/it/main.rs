//! The thaw, on a cold store that keeps its own bill.

#![allow(clippy::unwrap_used)]

mod cold;
mod drive;
mod executor;
mod kill;
mod laws;
mod money;
mod planner;
