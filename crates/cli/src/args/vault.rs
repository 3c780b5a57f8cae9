//! Arguments of what has to do with Glacier vaults.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use darkslide_words::{Money, Tier};

use super::check::span;
use super::{Json, money, tier};

/// Which vault, and the way there where it is no store of the configuration.
#[derive(Debug, Args)]
pub struct Which {
    /// The vault's name; the configured one, where there is only one
    #[arg(long, value_name = "NAME", global = true)]
    pub vault: Option<String>,
    /// Region of a vault that is not configured
    #[arg(long, value_name = "REGION", global = true)]
    pub region: Option<String>,
    /// Profile of the shared AWS files, likewise
    #[arg(long, value_name = "PROFILE", global = true)]
    pub profile: Option<String>,
    /// Server other than Amazon's, likewise
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint: Option<String>,
}

#[derive(Debug, Args)]
pub struct Vault {
    #[command(flatten)]
    pub which: Which,
    #[command(subcommand)]
    pub command: VaultCommand,
}

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// The vaults of the account in this region
    List(Json),
    /// What the vault holds, by the service's own daily list
    #[command(subcommand)]
    Inventory(InventoryCommand),
    /// Jobs of the last day: what was asked for, and what can be fetched
    Jobs(Json),
    /// Ask for archives by their ids, whoever's they are (priced first)
    Retrieve {
        /// Ids of archives, as `inventory show` tells them, or their beginnings; last, and after `--`
        /// where one begins with a hyphen
        #[arg(required = true)]
        archives: Vec<String>,
        /// How fast: bulk, standard or expedited
        #[arg(long, value_parser = tier, default_value = "bulk")]
        tier: Tier,
        /// Never spend more than this, in US dollars
        #[arg(long, value_name = "USD", value_parser = money)]
        max_cost: Option<Money>,
        /// Spend what the quote says without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Fetch what a job brought, checked by its tree hash
    Fetch {
        /// The job's id, as `jobs` tells it; after `--` where it begins with a hyphen
        job: String,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Delete archives that are second copies, or not this repository's
    Discard {
        /// Ids of archives; last, and after `--` where one begins with a hyphen
        #[arg(required = true)]
        archives: Vec<String>,
        /// Delete them without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// End uploads of this repository that were begun over a day ago
    Sweep(Json),
    /// Who is told when jobs end
    #[command(subcommand)]
    Notify(NotifyVault),
    /// The vault's access policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The vault's tags
    #[command(subcommand)]
    Tags(TagsCommand),
    /// The vault's lock: a policy that nobody can ever change
    #[command(subcommand)]
    Lock(LockCommand),
    /// How much the account allows to be retrieved at the tier standard
    #[command(subcommand)]
    RetrievalPolicy(RetrievalCommand),
    /// Move what the vault holds to another store: thawed in waves, verified, resumable (priced first)
    Leave {
        /// Where to: s3://bucket/prefix, or a folder
        #[arg(long, value_name = "PLACE")]
        to: String,
        /// Storage class of packs there [default: DEEP_ARCHIVE]
        #[arg(long, value_name = "CLASS")]
        class: Option<String>,
        /// How fast: bulk, standard or expedited
        #[arg(long, value_parser = tier, default_value = "bulk")]
        tier: Tier,
        /// Never spend more than this, in US dollars
        #[arg(long, value_name = "USD", value_parser = money)]
        max_cost: Option<Money>,
        /// Afterwards: delete from the vault what the other store is seen to hold
        #[arg(long)]
        empty: bool,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Files that another program put there: list them, or get them back under their names
    #[command(subcommand)]
    Import(ImportCommand),
    /// Give a vault whose companion was lost a new one; an inventory brings its receipts back
    Rebuild {
        /// Which set of archives, where the vault holds several repositories
        #[arg(long, value_name = "HEX")]
        set: Option<String>,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Subcommand)]
pub enum InventoryCommand {
    /// Ask for it: ready in hours
    Start(Json),
    /// Ask for it, and wait until it is there
    Wait {
        /// How often to look
        #[arg(long, value_name = "TIME", value_parser = span, default_value = "15min")]
        every: Duration,
        #[command(flatten)]
        json: Json,
    },
    /// Read it where it is ready, and tell all archives
    Show {
        /// Print the archives as CSV
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        #[command(flatten)]
        json: Json,
    },
}

/// Which of another program's files.
#[derive(Debug, Args)]
pub struct Foreign {
    /// The SQLite file out of the vault whose name ends in `_mapping`, of Synology Glacier Backup
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Only what lies below this path
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Tell them, from the last inventory: of mt-aws-glacier, or with --mapping of Synology's
    List(Foreign),
    /// Get them back (priced first); the same again goes on
    Get {
        #[command(flatten)]
        foreign: Foreign,
        /// The folder that they go to
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// How fast: bulk, standard or expedited
        #[arg(long, value_parser = tier, default_value = "bulk")]
        tier: Tier,
        /// Never spend more than this, in US dollars
        #[arg(long, value_name = "USD", value_parser = money)]
        max_cost: Option<Money>,
        /// Spend what the quote says without asking
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum NotifyVault {
    /// Who is told
    Show(Json),
    /// Tell this SNS topic
    Set {
        /// The topic's ARN
        #[arg(long, value_name = "ARN")]
        topic: String,
        /// Which events [default: both]
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
    },
    /// Tell nobody
    Clear,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show it
    Show(Json),
    /// Set it
    Set {
        /// A file with the policy as JSON
        file: PathBuf,
    },
    /// Remove it
    Clear,
}

#[derive(Debug, Subcommand)]
pub enum TagsCommand {
    /// Show them
    List(Json),
    /// Add tags, or give them other values
    Add {
        /// KEY=VALUE
        #[arg(required = true, value_parser = pair)]
        tags: Vec<(String, String)>,
    },
    /// Remove tags
    Remove {
        /// Their keys
        #[arg(required = true)]
        keys: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum LockCommand {
    /// Show it
    Show(Json),
    /// Begin it: it can be tried for 24 hours, and given up
    Initiate {
        /// A file with the policy as JSON
        #[arg(required_unless_present = "keep_days", conflicts_with = "keep_days")]
        file: Option<PathBuf>,
        /// In its place: nobody deletes an archive that is younger than so many days
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
        keep_days: Option<u32>,
        #[command(flatten)]
        json: Json,
    },
    /// Make it stay for ever: asks for the vault's name, typed out
    Complete {
        /// The lock's id, as `initiate` told it; after `--` where it begins with a hyphen
        id: String,
        /// The vault's name, typed out, where nobody can be asked
        #[arg(long, value_name = "NAME")]
        i_mean: Option<String>,
    },
    /// Give up one that is not complete
    Abort,
}

#[derive(Debug, Subcommand)]
pub enum RetrievalCommand {
    /// Show it
    Show(Json),
    /// Set it, for the whole account in this region: `none`, `free-tier`, or bytes an hour such as `5 GB`
    Set {
        /// The rule
        rule: String,
    },
}

/// Reads `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err(format!("`{text}` is no KEY=VALUE")),
    }
}

impl VaultCommand {
    /// True if the user wants JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::List(json) | Self::Jobs(json) | Self::Sweep(json) => json.json,
            Self::Inventory(InventoryCommand::Start(json)) => json.json,
            Self::Inventory(InventoryCommand::Wait { json, .. } | InventoryCommand::Show { json, .. }) => json.json,
            Self::Retrieve { json, .. } | Self::Fetch { json, .. } | Self::Discard { json, .. } => json.json,
            Self::Import(ImportCommand::List(foreign) | ImportCommand::Get { foreign, .. }) => foreign.json.json,
            Self::Rebuild { json, .. } | Self::Leave { json, .. } => json.json,
            Self::Notify(NotifyVault::Show(json)) | Self::Policy(PolicyCommand::Show(json)) => json.json,
            Self::Tags(TagsCommand::List(json)) | Self::RetrievalPolicy(RetrievalCommand::Show(json)) => json.json,
            Self::Lock(LockCommand::Show(json) | LockCommand::Initiate { json, .. }) => json.json,
            _ => false,
        }
    }
}
