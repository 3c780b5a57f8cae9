//! Arguments of what happens on this machine's disks: cards, mirrors, catalogs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Identity, Json};

#[derive(Debug, Args)]
pub struct Ingest {
    /// Where the card is mounted; all cards that are in, if not given
    #[arg(value_name = "CARD")]
    pub cards: Vec<PathBuf>,
    /// Library to put photographs into, instead of the configured one
    #[arg(long, value_name = "LIBRARY")]
    pub to: Option<PathBuf>,
    /// A further target, written at the same time (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub second: Vec<PathBuf>,
    /// What the shoot is called: {job} in the template
    #[arg(long, value_name = "CODE", default_value = "")]
    pub job_code: String,
    /// Folders and names, such as 'raw_photos/{date:%Y}/{date:%Y-%m-%d}_{job}/{name}'
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
    /// Only say which file would go where
    #[arg(long)]
    pub dry_run: bool,
    /// Stay, and ingest each card that is put in
    #[arg(long, conflicts_with_all = ["cards", "dry_run"])]
    pub watch: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum CardCommand {
    /// May this card be formatted? Reads it and every copy of its files again
    Check {
        /// Where the card is mounted; the only card that is in, if not given
        card: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
    /// The cards that are in
    List(Json),
    /// Check a folder against its MHL manifests, whatever program wrote them
    VerifyMhl {
        /// Folder that holds `ascmhl`, or a file that ends with .mhl
        path: PathBuf,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Mirror {
    /// Which job; may be left out where there is only one
    pub job: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Read both sides whole and compare; copies nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Verify, then copy the good side over the bad one
    #[arg(long, conflicts_with_all = ["dry_run", "verify"])]
    pub heal: bool,
    /// Let a brake pass in this run: empty, deletions, changes or rot
    #[arg(long, value_name = "BRAKE", value_parser = ["empty", "deletions", "changes", "rot"])]
    pub allow: Vec<String>,
    /// With --heal: for what only the repository has
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}
