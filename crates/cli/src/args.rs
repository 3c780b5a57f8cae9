//! Arguments: parsed here, resolved in `commands`.

mod check;
mod cloud;
mod config;
mod jobs;
mod json;
mod keys;
mod local;
mod notify;
mod pictures;
mod retention;
mod serve;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use darkslide_words::{Money, Tier};

pub use check::{Audit, By, Copies, Repair, Scrub};
pub use cloud::{CloudApply, CloudCommand, CloudExport, CloudRotate, ExportFormat, ExportProgram};
pub use config::ConfigCommand;
pub use jobs::{Daemon, Logs, Run, Schedule, ScheduleCommand, Service, ServiceKind};
pub use keys::{Key, Writer};
pub use local::{CardCommand, Ingest, Mirror};
pub use notify::NotifyCommand;
pub use pictures::{Photos, PreviewsCommand};
pub use retention::{Forget, Prune};
pub use serve::{Login, RoleArg, Serve, ServeCommand};
pub use vault::{
    Foreign, ImportCommand, InventoryCommand, LockCommand, NotifyVault, PolicyCommand, RetrievalCommand, TagsCommand,
    Vault, VaultCommand, Which,
};

/// Photographs from the memory card to a cold archive that lasts decades, and back.
#[derive(Debug, Parser)]
#[command(name = "darkslide", version, max_term_width = 100, after_help = EXITS)]
pub struct Cli {
    /// Configuration file
    #[arg(long, global = true, env = "DARKSLIDE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File with prices, instead of those that are built in
    #[arg(long, global = true, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXITS: &str = "\
Start with `darkslide demo`, which needs nothing, or `darkslide init`.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but something could not be (it is named); \
4 waiting for a thaw; 5 refused by a brake or budget; 130 cancelled.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Found a repository and set this machine up to back up to it
    Init(Init),
    /// Join a repository: on a new machine, or after losing the catalog
    Open(Open),
    /// Show the whole way on a small made-up library, in a temporary folder
    Demo(Demo),
    /// How things stand: last backup, stores, failures
    Status(Json),
    /// Copy cards into the library, verified, to every target at once
    Ingest(Ingest),
    /// Cards: may one be formatted? And manifests
    #[command(subcommand)]
    Card(CardCommand),
    /// Keep a second copy of the library, verbatim, for anybody to read
    Mirror(Mirror),
    /// Lightroom's and other programs' catalogs in the library: sound? anything missing?
    Catalogs(Json),
    /// A check-up of this machine and its stores: each finding with what to do about it
    Doctor(Json),
    /// The configuration: does it hold together, what counts, what does a key mean
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Back up a library: what is new or changed is sealed and stored
    Backup(Backup),
    /// List snapshots
    Snapshots(Browse),
    /// List a folder of a snapshot
    Ls(Ls),
    /// Find files by name in all snapshots
    Find(Find),
    /// What changed between two snapshots
    Diff(Diff),
    /// Photographs by date, camera, lens, stars, folder and state, without a thaw
    Photos(Box<Photos>),
    /// Thumbnails and what photographs tell of themselves: count, make, fetch them
    #[command(subcommand)]
    Previews(PreviewsCommand),
    /// Restore files from a snapshot, verified
    Restore(Restore),
    /// What a restore or a backup would cost and how long it would take; asks no store
    #[command(subcommand)]
    Quote(Quote),
    /// Thaws that are under way
    #[command(subcommand)]
    Thaw(ThawCommand),
    /// Practise: thaw and restore a random sample to a temporary place, verify it, report
    Drill(Drill),
    /// What was spent this month, what the repository costs, and what another class would
    Cost(Cost),
    /// A store by itself
    #[command(subcommand)]
    Store(StoreCommand),
    /// Run the simulator of cold storage: S3 and vaults on a virtual clock, with a bill
    Coldsim(Coldsim),
    /// Check what the repository claims against what the stores hold
    Audit(Audit),
    /// Read objects and check every byte against its name
    Scrub(Scrub),
    /// Mend what is missing or damaged: from parity, another store, or the library
    Repair(Repair),
    /// Count the verified copies of each photograph: are there enough, on enough media?
    Copies(Copies),
    /// Drop snapshots that no rule of their job keeps
    Forget(Forget),
    /// Free what no snapshot needs: condemned first, deleted after the grace period
    Prune(Prune),
    /// Run a job of the configuration now
    Run(Run),
    /// Jobs, with their last and next runs; have the system start them
    Schedule(Schedule),
    /// Run jobs on their schedule, and ingest cards that are put in
    Daemon(Daemon),
    /// Serve the web page, to whoever may log in
    Serve(Serve),
    /// Messages to people: do they arrive?
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Glacier vaults: inventories, jobs, notifications, policies, tags, locks
    Vault(Vault),
    /// What ran, how it ended, and what it wrote down
    Logs(Logs),
    /// The AWS account behind a bucket: set up with the least privilege, and kept that way
    #[command(subcommand)]
    Cloud(CloudCommand),
    /// Keys: make them, print them, decide who can open photographs
    #[command(subcommand)]
    Key(Key),
    /// Machines that may back up
    #[command(subcommand)]
    Writer(Writer),
}

#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Identity {
    /// Identity file: what opens photographs
    #[arg(long, value_name = "FILE", env = "DARKSLIDE_IDENTITY")]
    pub identity: Option<PathBuf>,
    /// File with the passphrase of the identity file, instead of being asked
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The way to a bucket; goes into the configuration, where it can be changed.
#[derive(Debug, Args)]
pub struct Bucket {
    /// Server other than Amazon's, for s3:// stores
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Profile of the shared AWS files; else the environment's credentials
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Storage class of packs [default: DEEP_ARCHIVE]
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Checksums only where the server insists: for servers that do not know the newer ones
    #[arg(long)]
    pub checksums_when_required: bool,
    /// Bytes a second at most, such as 2MB
    #[arg(long, value_name = "RATE")]
    pub limit_upload: Option<String>,
    /// Beside a glacier://vault: the folder or bucket for what must be at hand
    #[arg(long, value_name = "PLACE")]
    pub companion: Option<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The library to back up
    #[arg(long, value_name = "FOLDER")]
    pub library: PathBuf,
    /// Where the repository goes: a folder, s3://bucket/prefix or glacier://vault; several make several full copies
    #[arg(long = "store", value_name = "PLACE", required = true)]
    pub stores: Vec<String>,
    #[command(flatten)]
    pub bucket: Bucket,
    /// Seal to this public key (age1…, or NAME=age1…) whose private key is elsewhere
    #[arg(long = "recipient", value_name = "AGE1", required_unless_present = "identity")]
    pub recipients: Vec<String>,
    #[command(flatten)]
    pub identity: Identity,
    /// Name of this machine as a writer
    #[arg(long, value_name = "NAME")]
    pub writer: Option<String>,
    /// Size of packs in MiB, 16 to 512
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(16..=512))]
    pub pack_size: u64,
    /// Set up the AWS account for the s3:// store, too: bucket, users, keys. Shows it all, and asks once
    #[arg(long, conflicts_with = "profile")]
    pub cloud: bool,
    /// With --cloud: the administrator's profile of the shared AWS files; else the environment's
    #[arg(long, value_name = "PROFILE", requires = "cloud")]
    pub cloud_profile: Option<String>,
    /// With --cloud: go on without being asked
    #[arg(long, requires = "cloud")]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Open {
    /// Where the repository is: a folder or s3://bucket/prefix
    #[arg(long = "store", value_name = "PLACE", required = true)]
    pub stores: Vec<String>,
    #[command(flatten)]
    pub bucket: Bucket,
    #[command(flatten)]
    pub identity: Identity,
    /// Rebuild from this machine's own secrets (writer.json) instead of an identity
    #[arg(long = "writer", value_name = "FILE", conflicts_with = "identity", required_unless_present = "identity")]
    pub secrets: Option<PathBuf>,
    /// The library of this machine, if it is to back up
    #[arg(long, value_name = "FOLDER")]
    pub library: Option<PathBuf>,
    /// Name of this machine as a writer
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The repository's owner key, where it is not the one beside the identity
    #[arg(long, value_name = "KEY")]
    pub owner: Option<String>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the temporary folder and say where it is
    #[arg(long)]
    pub keep: bool,
    /// Show the way into a Glacier vault and back instead
    #[arg(long)]
    pub vault: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// Which job; may be left out where there is only one
    pub job: Option<String>,
    /// Read every file and compare contents: finds bit rot
    #[arg(long)]
    pub rehash: bool,
    /// The library is empty and is meant to be
    #[arg(long)]
    pub allow_empty: bool,
    /// Accept that this file changed though its size and time did not
    #[arg(long, value_name = "PATH")]
    pub accept: Vec<PathBuf>,
    /// Never spend more than this on it, in US dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    pub max_cost: Option<Money>,
    /// Bytes a second to buckets at most, such as 2MB
    #[arg(long, value_name = "RATE")]
    pub limit_upload: Option<String>,
    /// Word that the snapshot carries, for retention (may be given several times)
    #[arg(long, value_name = "TAG", value_parser = tag)]
    pub tag: Vec<String>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Browse {
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// Snapshot: `latest` (of this machine), `latest:NAME` of a job or machine, or the beginning of its id
    pub snapshot: String,
    /// Folder or file in the library
    pub path: Option<PathBuf>,
    /// Everything below it too
    #[arg(long, short = 'R')]
    pub recursive: bool,
    #[command(flatten)]
    pub browse: Browse,
}

#[derive(Debug, Args)]
pub struct Find {
    /// Pattern such as '*.CR3'; with a / it is matched against the whole path
    pub pattern: String,
    #[command(flatten)]
    pub browse: Browse,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// The older snapshot
    pub old: String,
    /// The newer one
    pub new: String,
    #[command(flatten)]
    pub browse: Browse,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// Snapshot: `latest` (of this machine), `latest:NAME` of a job or machine, or the beginning of its id
    pub snapshot: String,
    /// Where to
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// Only this file or folder of the library (may be given several times)
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Replace files that are in the target
    #[arg(long)]
    pub overwrite: bool,
    /// Only say what would be restored and what it needs
    #[arg(long)]
    pub dry_run: bool,
    /// Trust this writer although it was revoked or is unknown
    #[arg(long, value_name = "WRITER")]
    pub accept_writer: Vec<String>,
    #[command(flatten)]
    pub thaw: Thawing,
    /// Spend what the quote says without asking
    #[arg(long)]
    pub yes: bool,
    /// Stay until everything is thawed and restored, instead of ending with exit code 4
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

/// How cold packs are thawed.
#[derive(Debug, Args)]
pub struct Thawing {
    /// How fast, and how dear: bulk, standard or expedited
    #[arg(long, value_name = "TIER", value_parser = tier, default_value = "bulk")]
    pub tier: Tier,
    /// Days that the thawed copies stay [default: as many as the download needs, 3 at least]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: Option<u32>,
    /// Never spend more than this on it, in US dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    pub max_cost: Option<Money>,
}

fn tier(text: &str) -> Result<Tier, String> {
    Tier::from_name(text).ok_or_else(|| "bulk, standard or expedited".into())
}

fn tag(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= 100 && !text.contains(char::is_control);
    fits.then(|| text.to_string()).ok_or_else(|| "a word of at most 100 bytes".into())
}

fn money(text: &str) -> Result<Money, String> {
    Money::parse(text).ok_or_else(|| "an amount in US dollars, such as 5.00".into())
}

#[derive(Debug, Subcommand)]
pub enum Quote {
    /// What getting files back would cost, by tier
    Restore {
        /// Snapshot, as for `restore`
        snapshot: String,
        /// Only this file or folder of the library (may be given several times)
        #[arg(long = "path", value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        thaw: Thawing,
        /// List the stores first (its price is said), instead of going by what was last known
        #[arg(long)]
        refresh: bool,
        /// Name every pack
        #[arg(long)]
        packs: bool,
        #[command(flatten)]
        browse: Browse,
    },
    /// What storing more would cost: at once, and each month
    Backup {
        /// Bytes to store; what the library now holds beyond the last snapshot, if not given
        #[arg(long, value_name = "AMOUNT")]
        add: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// What deleting everything that is stored would cost now: minimum stays that are not over
    Prune(Json),
}

#[derive(Debug, Subcommand)]
pub enum ThawCommand {
    /// All thaws and how far they are
    List(Json),
    /// How far each pack of a thaw is
    Packs {
        /// Its number; the open one where there is only one
        id: Option<i64>,
        #[command(flatten)]
        json: Json,
    },
    /// Wait until a thaw is done and its files are restored
    Wait {
        /// Its number; the open one where there is only one
        id: Option<i64>,
        /// How often to look, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 900)]
        every: u64,
        #[command(flatten)]
        identity: Identity,
        #[command(flatten)]
        json: Json,
    },
    /// Let a thaw that stopped because it costs more than was confirmed go on
    Confirm {
        /// Its number; the open one where there is only one
        id: Option<i64>,
        /// Its limit from here on, in US dollars
        #[arg(long, value_name = "USD", value_parser = money)]
        max_cost: Option<Money>,
        /// Spend what it says without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Ask for nothing more; what is thawed freezes again by itself
    Cancel {
        /// Its number; the open one where there is only one
        id: Option<i64>,
        #[command(flatten)]
        json: Json,
    },
    /// Hurry: ask again at a faster tier for what is still frozen (quoted first)
    Upgrade {
        /// Its number; the open one where there is only one
        id: Option<i64>,
        /// The faster tier
        #[arg(long, value_name = "TIER", value_parser = tier)]
        tier: Tier,
        /// What the whole thaw may cost from here on, in US dollars
        #[arg(long, value_name = "USD", value_parser = money)]
        max_cost: Option<Money>,
        /// Spend what the quote says without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Drill {
    #[command(flatten)]
    pub thaw: Thawing,
    /// Spend what the quote says without asking
    #[arg(long)]
    pub yes: bool,
    /// Stay until the sample is thawed and verified
    #[arg(long)]
    pub wait: bool,
    /// Lose the house on the simulator: hours and dollars for the whole library, by tier
    #[arg(long)]
    pub simulate: bool,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Cost {
    /// What if all packs lay in this storage class?
    #[arg(long, value_name = "CLASS")]
    pub what_if: Option<String>,
    /// Growth a month, for the forecast [default: as it was over the last year]
    #[arg(long, value_name = "AMOUNT")]
    pub growth: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Hold a store to everything that Darkslide relies on, under a prefix of its own
    Check {
        /// A folder or s3://bucket/prefix; the configured stores if none is given
        #[arg(long = "store", value_name = "PLACE")]
        stores: Vec<String>,
        #[command(flatten)]
        bucket: Bucket,
        /// Spend what it says without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Coldsim {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9191")]
    pub listen: std::net::SocketAddr,
    /// Where its state lies; kept between runs
    #[arg(long, value_name = "FOLDER")]
    pub dir: PathBuf,
    /// Region it pretends to be
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: String,
    /// Virtual seconds in a real one; 0: time passes only when told to
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,
    /// Make this bucket
    #[arg(long, value_name = "NAME")]
    pub bucket: Vec<String>,
    /// Make this Glacier vault
    #[arg(long, value_name = "NAME")]
    pub vault: Vec<String>,
    /// Enforce the policies of access keys
    #[arg(long)]
    pub enforce: bool,
}
