//! The format from outside: age's vectors, the worked pack, canonical documents,
//! the fuzz corpus.
#![allow(clippy::unwrap_used)]

mod canonical;
mod fuzz_corpus;
mod vectors;
mod worked;
