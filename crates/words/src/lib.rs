//! The words everything else is written in: ids, sizes, time, names.
//!
//! Level 0. **Invariant:** no I/O; the clock and the source of randomness are
//! traits that callers pass down, and the one place that asks the operating
//! system for either is here.

mod class;
mod id;
mod money;
mod name;
mod rng;
mod size;
mod text;
mod time;

pub use class::{Readable, RetrievalPolicy, StorageClass, Tier};
pub use id::{BadId, ChunkId, ContentHash, ObjectId, RepositoryId, RunId, WriterId};
pub use money::Money;
pub use name::{BadName, Name, ObjectName};
pub use rng::{OsRng, Rng, SeededRng};
pub use size::{Bytes, Count, Span, Temperature};
pub use text::parsed;
pub use time::{BadTime, Clock, FixedClock, SystemClock, Time};
