//! The binary `darkslide`: arguments, wiring of concrete stores, output, exit
//! codes.
//!
//! Level 5. **Invariant:** decides nothing about photographs; whatever it can do,
//! the engine can do without it. Data goes to standard output, all else to
//! standard error.

mod args;
mod buckets;
mod cloud_opener;
mod commands;
mod confirm;
mod demo;
mod keyfile;
mod maker;
mod output;
mod progress;
mod shown_keys;
mod vaults;
mod wiring;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let args = args::Cli::parse();
    wiring::on_interrupt();
    let json = args.json();
    match commands::run(args) {
        Ok(exit) => exit.into(),
        Err(error) => output::fail(&error, json).into(),
    }
}
