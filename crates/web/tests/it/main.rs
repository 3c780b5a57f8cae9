//! Tests of the page as a whole.

mod browser;
mod exposition;
mod metrics;
mod openapi;
mod pictures;
mod schema;
mod world;
