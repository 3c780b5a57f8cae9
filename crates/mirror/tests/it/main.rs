//! Libraries and mirrors in temporary folders.

mod brakes;
mod faults;
mod harness;
mod model;
mod rot;
mod verbatim;
