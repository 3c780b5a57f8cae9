//! Forget and prune on stores in memory, against a naive model.

#![allow(clippy::unwrap_used)]

mod model;
mod world;
