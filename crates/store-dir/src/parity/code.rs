//! Reed–Solomon over GF(2^16), column by column, so that the work takes a few megabytes however
//! large the object is.

use std::collections::BTreeSet;

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::Shape;

/// Bytes of each shard that are worked on at a time. A multiple of 64: the code then gives the
/// same bytes as over whole shards.
const STRIPE: usize = 4096;

fn stripes(shape: &Shape) -> impl Iterator<Item = (usize, usize)> + use<> {
    let shard = shape.shard;
    (0..shard).step_by(STRIPE).map(move |at| (at, STRIPE.min(shard - at)))
}

/// The parity shards of an object, one after the other.
pub fn encode(shape: &Shape, object: &[u8]) -> Vec<u8> {
    let mut out = vec![0; shape.parity * shape.shard];
    let mut encoder: Option<ReedSolomonEncoder> = None;
    let mut last = Vec::new();
    for (at, len) in stripes(shape) {
        let ready = match encoder.as_mut() {
            Some(encoder) => encoder.reset(shape.data, shape.parity, len),
            None => ReedSolomonEncoder::new(shape.data, shape.parity, len).map(|made| encoder = Some(made)),
        };
        // invariant: a shape has 1 to 1,024 shards of each sort and an even number of bytes in each.
        ready.expect("a shape is one that the code supports");
        // invariant: it was made above.
        let encoder = encoder.as_mut().expect("an encoder");
        for n in 0..shape.data {
            let piece = &shape.piece(object, n, &mut last)[at..at + len];
            // invariant: as many shards of this length as were announced.
            encoder.add_original_shard(piece).expect("a shard of the announced length");
        }
        // invariant: all shards were added.
        let done = encoder.encode().expect("all shards are there");
        for (n, shard) in done.recovery_iter().enumerate() {
            out[n * shape.shard + at..][..len].copy_from_slice(shard);
        }
    }
    out
}

/// Computes the damaged shards of an object anew, in place, from the others and from as many
/// parity shards. `object` has the length of all shards.
pub fn decode(shape: &Shape, object: &mut [u8], damaged: &[usize], spare: &[(usize, &[u8])]) -> Option<()> {
    let lost: BTreeSet<usize> = damaged.iter().copied().collect();
    let mut decoder: Option<ReedSolomonDecoder> = None;
    for (at, len) in stripes(shape) {
        match decoder.as_mut() {
            Some(decoder) => decoder.reset(shape.data, shape.parity, len).ok()?,
            None => decoder = Some(ReedSolomonDecoder::new(shape.data, shape.parity, len).ok()?),
        }
        let decoder = decoder.as_mut()?;
        for n in (0..shape.data).filter(|n| !lost.contains(n)) {
            decoder.add_original_shard(n, &object[n * shape.shard + at..][..len]).ok()?;
        }
        for (n, shard) in spare {
            decoder.add_recovery_shard(*n, &shard[at..at + len]).ok()?;
        }
        let done = decoder.decode().ok()?;
        let mut found = Vec::with_capacity(lost.len());
        for n in &lost {
            found.push((*n, done.restored_original(*n)?.to_vec()));
        }
        drop(done);
        for (n, bytes) in found {
            object[n * shape.shard + at..][..len].copy_from_slice(&bytes);
        }
    }
    Some(())
}
