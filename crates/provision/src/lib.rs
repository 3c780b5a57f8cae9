//! The AWS side of a repository: what shall be there (`desired`), what is there (read through
//! `cloud`), what to do about it (`plan`), and doing it (`apply`).
//!
//! Level 2, beside the path: it prepares the place where packs will lie. **Invariant:** no photograph
//! and no key of the repository. A plan is a pure function of facts; what it does not name is never
//! touched. A secret that AWS hands out goes to its owner at once, and into nothing that is kept here.

pub mod cloud;
pub mod desired;
mod error;
pub mod export;
pub mod policy;

pub use cloud::{Cloud, CloudError};
pub use desired::{Desired, IdentityKind};
pub use error::ProvisionError;
