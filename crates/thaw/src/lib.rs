//! Cold to readable: what a thaw costs and when it is there, and making it so.
//!
//! Level 2. **Invariant:** no decryption and no paths of photographs: it knows packs by name. Whatever
//! costs money is first a plan that can be read, then rows with deadlines, and each request is
//! written down before it is made: a process that is killed anywhere asks for nothing twice.
//!
//! - [`plan`] chooses the copies, cuts the packs into waves and quotes: pure.
//! - [`Executor`] makes a plan true, step by step; between steps nothing waits in memory.
//! - [`Budget`] is looked at before each request.

mod ask;
mod budget;
mod bulk;
mod choose;
mod cost;
mod error;
mod execute;
mod jobs;
mod look;
mod plan;
mod progress;
mod settle;
mod show;
mod upgrade;
mod waves;
mod work;

pub use budget::{Budget, BudgetLeft, Limit, OverBudget};
pub use bulk::{BULK_FROM, bulk_pays};
pub use cost::PriceMap;
pub use error::{NotOffered, PlanError, ThawError};
pub use execute::{Cancelled, Executor, Settings, Warmed};
pub use plan::{How, Need, Options, Place, Planned, ThawPlan, Wave, compare, plan};
pub use progress::{Progress, Stop, Tally, ready};
pub use show::Listing;
pub use upgrade::Upgrade;
