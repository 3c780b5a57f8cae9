//! The simulator over HTTP, as a client sees it.

#![allow(clippy::unwrap_used)]

mod account;
mod bill;
mod buckets;
mod client;
mod durability;
mod faults;
mod glacier;
mod multipart;
mod objects;
mod policies;
mod queues;
mod restores;
mod vault_jobs;
mod vault_locks;
mod vault_quotes;
mod vaults;
