//! Arguments: parsed here, resolved in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Photographs from the memory card to a cold archive that lasts decades, and back.
#[derive(Debug, Parser)]
#[command(name = "darkslide", version, max_term_width = 100, after_help = EXITS)]
pub struct Cli {
    /// Configuration file
    #[arg(long, global = true, env = "DARKSLIDE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
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
    /// Restore files from a snapshot, verified
    Restore(Restore),
    /// Check what the repository claims against what the stores hold
    Audit(Audit),
    /// Read objects and check every byte against its name
    Scrub(Scrub),
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

#[derive(Debug, Args)]
pub struct Init {
    /// The library to back up
    #[arg(long, value_name = "FOLDER")]
    pub library: PathBuf,
    /// Where the repository goes; several make several full copies
    #[arg(long = "store", value_name = "FOLDER", required = true)]
    pub stores: Vec<PathBuf>,
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
}

#[derive(Debug, Args)]
pub struct Open {
    /// Where the repository is
    #[arg(long = "store", value_name = "FOLDER", required = true)]
    pub stores: Vec<PathBuf>,
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
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Scrub {
    /// Read every object
    #[arg(long, conflicts_with = "sample")]
    pub all: bool,
    /// Read this share of the objects, picked at random
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub sample: u8,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an owner's identity file
    New {
        /// The file to make
        file: PathBuf,
        /// Protect it with a passphrase
        #[arg(long)]
        passphrase: bool,
        /// File with the passphrase, instead of being asked
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Print a paper key: rows to type by hand, and a QR code
    Paper {
        #[command(flatten)]
        identity: Identity,
        /// Read typed rows from this file (- for standard input) instead
        #[arg(long, value_name = "FILE", requires = "out")]
        recover: Option<PathBuf>,
        /// With --recover: the identity file to make; else a text file to write
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Who can open photographs
    List(Json),
    /// Let one more recipient open everything, old and new
    Add {
        /// The public key, age1…
        recipient: String,
        /// For people
        #[arg(long)]
        name: String,
        #[command(flatten)]
        identity: Identity,
    },
    /// Seal new photographs to this recipient no more (old ones stay readable to it)
    Remove {
        /// Name or public key
        recipient: String,
        #[command(flatten)]
        identity: Identity,
    },
}

#[derive(Debug, Subcommand)]
pub enum Writer {
    /// Enroll a new machine; its secrets go into a file to carry there
    Enroll {
        /// Name of the machine
        name: String,
        /// The file to make
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        identity: Identity,
    },
    /// Machines that may back up, and those that may no more
    List(Json),
    /// Trust a machine no more
    Revoke {
        /// Name or id
        writer: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        identity: Identity,
    },
}

impl Cli {
    /// True if the user wants JSON.
    pub fn json(&self) -> bool {
        match &self.command {
            Command::Status(json) => json.json,
            Command::Backup(a) => a.json.json,
            Command::Snapshots(a) => a.json.json,
            Command::Ls(a) => a.browse.json.json,
            Command::Find(a) => a.browse.json.json,
            Command::Diff(a) => a.browse.json.json,
            Command::Restore(a) => a.json.json,
            Command::Audit(a) => a.json.json,
            Command::Scrub(a) => a.json.json,
            Command::Key(Key::List(json)) | Command::Writer(Writer::List(json)) => json.json,
            _ => false,
        }
    }
}
