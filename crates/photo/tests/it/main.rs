//! Photographs that are made here, hostile ones, and the samples where they are.

mod bent;
mod build;
mod formats;
mod samples;
mod thumbnails;
