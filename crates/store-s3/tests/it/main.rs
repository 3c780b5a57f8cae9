//! The store against a simulated cloud that speaks S3, S3 Control and SQS over HTTP.

#![allow(clippy::unwrap_used)]

mod batch;
mod cloud;
mod cold;
mod contract;
mod faults;
mod limits;
mod locks;
mod queue;
mod rules;
mod writer;
