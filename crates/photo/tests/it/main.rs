//! Photographs that are made here, hostile ones, and the samples where they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod bent;
mod build;
mod formats;
mod samples;
mod thumbnails;
