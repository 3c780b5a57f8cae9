//! Tests of the page as a whole.

#![allow(clippy::unwrap_used)]

mod asked;
mod browser;
mod cloud;
mod exposition;
mod metrics;
mod money;
mod openapi;
mod pictures;
mod schema;
mod thawing;
mod upkeep;
mod world;
