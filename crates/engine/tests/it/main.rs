//! The engine on doubles: crashes, damage, trust, several stores, any edits.

mod crash;
mod damage;
mod detect;
mod harness;
mod roundtrip;
mod stores;
mod trust;
