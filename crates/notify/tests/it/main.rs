//! Each channel against a real server on this machine; hooks; secrets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod email;
mod hooks;
mod room;
mod secrets;
mod server;
mod sns;
mod webs;
