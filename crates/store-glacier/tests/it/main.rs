//! The store over the simulator: the contract, cold objects too; what the SDK says and hears.

#![allow(clippy::unwrap_used)]

mod contract;
