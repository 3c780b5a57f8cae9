//! The format from outside: age's vectors, packs of anything, the worked one, canonical documents,
//! the fuzz corpus.
#![allow(clippy::unwrap_used)]

mod canonical;
mod fuzz_corpus;
mod packs;
mod vectors;
mod worked;
