//! The AWS side of a repository: what shall be there (`desired`), what is there (read through
//! `cloud`), what to do about it (`plan`), and doing it (`apply`).
//!
//! Level 2, beside the path: it prepares the place where packs will lie. **Invariant:** no photograph
//! and no key of the repository. A plan is a pure function of facts; what it does not name is never
//! touched. A secret that AWS hands out goes to its owner at once, and into nothing that is kept here.

pub mod apply;
pub mod aws;
pub mod cloud;
pub mod cost;
pub mod desired;
mod error;
pub mod export;
pub mod facts;
pub mod keys;
pub mod matrix;
pub mod model;
pub mod plan;
pub mod policy;
mod show;
pub mod verify;
mod wanted;

pub use apply::{Applied, apply};
pub use cloud::{Cloud, CloudError, Hands};
pub use cost::Pricing;
pub use desired::{Desired, IdentityKind};
pub use error::ProvisionError;
pub use facts::{Facts, Purpose, observe};
pub use keys::{KeyFiles, KeyKeeper, KeyProver, Keyring, OldKey, Rotated, Unkept, finish_rotation, rotate};
pub use plan::{Act, Plan, Step, plan, plan_destroy};
