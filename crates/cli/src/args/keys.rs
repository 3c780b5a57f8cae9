//! Arguments of `key` and `writer`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Identity, Json};

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
