//! Tests of the page as a whole.

#![allow(clippy::unwrap_used)]

mod browser;
mod exposition;
mod metrics;
mod openapi;
mod pictures;
mod schema;
mod world;
