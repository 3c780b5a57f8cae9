//! Plans, their application, and what becomes of both when calls fail.

mod converge;
mod destroying;
mod failing;
mod others;
mod plans;
mod rotation;
mod setup;
mod verifying;
