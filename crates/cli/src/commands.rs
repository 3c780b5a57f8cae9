//! What each command does with the engine, and how it tells it.

mod browse;
mod check;
mod cloud;
mod cloud_export;
mod cloud_first;
mod cold;
mod coldsim;
mod config;
mod daemon;
mod doctor;
mod drill;
mod jobs;
mod keys;
mod local;
mod logs;
mod loss;
mod money;
mod notify;
mod pictures;
mod repair;
mod retention;
mod serve;
mod service;
mod setup;
mod status;
mod stores;
mod vault;
mod vault_import;
mod vault_leave;
mod vault_rebuild;
mod work;

use anyhow::Result;

use crate::args::{Cli, Command, StoreCommand};
use crate::demo;
use crate::output::Exit;

pub use cold::hours as span;
pub use work::name as library_name;

/// Runs a command.
pub fn run(cli: Cli) -> Result<Exit> {
    let config = cli.config;
    if let Some(file) = cli.prices {
        crate::wiring::set_prices(file);
    }
    match cli.command {
        Command::Init(args) => setup::init(config, args),
        Command::Open(args) => setup::open(config, args),
        Command::Demo(args) => {
            demo::run(args.keep, if args.vault { demo::Workflow::Vault } else { demo::Workflow::Bucket })
        }
        Command::Status(args) => status::status(config, args.json),
        Command::Ingest(args) => local::ingest(config, args),
        Command::Card(command) => local::card(config, command),
        Command::Mirror(args) => local::mirror(config, args),
        Command::Catalogs(json) => local::catalogs(config, &json),
        Command::Config(command) => config::config(config, command),
        Command::Doctor(json) => doctor::run(config, json.json),
        Command::Backup(args) => work::backup(config, args),
        Command::Restore(args) => work::restore(config, args),
        Command::Snapshots(args) => browse::snapshots(config, &args),
        Command::Ls(args) => browse::ls(config, &args),
        Command::Find(args) => browse::find(config, &args),
        Command::Diff(args) => browse::diff(config, &args),
        Command::Photos(args) => pictures::photos(config, *args),
        Command::Previews(command) => pictures::previews(config, command),
        Command::Audit(args) => check::audit(config, &args),
        Command::Scrub(args) => check::scrub(config, &args),
        Command::Repair(args) => repair::repair(config, &args),
        Command::Copies(args) => repair::copies(config, &args),
        Command::Forget(args) => retention::forget(config, args),
        Command::Prune(args) => retention::prune(config, args),
        Command::Key(args) => keys::key(config, args),
        Command::Writer(args) => keys::writer(config, args),
        Command::Coldsim(args) => coldsim::run(args),
        Command::Store(StoreCommand::Check { stores, bucket, yes, json }) => {
            stores::check(config, &stores, &bucket, yes, &json)
        }
        Command::Quote(args) => cold::quote(config, args),
        Command::Thaw(args) => cold::thaw(config, args),
        Command::Cost(args) => money::cost(config, args),
        Command::Drill(args) => drill::run(config, args),
        Command::Run(args) => jobs::run(config, &args),
        Command::Schedule(args) => jobs::schedule(config, &args),
        Command::Daemon(args) => daemon::run(config, &args),
        Command::Serve(args) => serve::serve(config, &args),
        Command::Logs(args) => logs::logs(config, &args),
        Command::Cloud(command) => cloud::cloud(config, command),
        Command::Notify(command) => notify::notify(config, command),
        Command::Vault(args) => vault::run(config, args),
    }
}
