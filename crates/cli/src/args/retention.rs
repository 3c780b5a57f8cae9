//! Arguments of `forget` and `prune`.

use clap::Args;
use darkslide_engine::{KeepSettings, Rules};
use darkslide_words::Money;

use super::{Identity, Json, money};

#[derive(Debug, Args)]
pub struct Forget {
    /// Of this job alone [default: all jobs of the configuration]
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    #[command(flatten)]
    pub keep: Keep,
    /// Whose snapshots are meant (may be given several times) [default: this machine's]
    #[arg(long, value_name = "NAME")]
    pub writer: Vec<String>,
    /// Forget this snapshot, by the beginning of its id or name, and apply no rules (may be given
    /// several times)
    #[arg(long, value_name = "SNAPSHOT", conflicts_with_all = ["job", "writer"])]
    pub snapshot: Vec<String>,
    /// Only say what would be forgotten, and why the rest is kept
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub identity: Identity,
    #[command(flatten)]
    pub json: Json,
}

/// Rules instead of the configured ones.
#[derive(Debug, Args)]
pub struct Keep {
    /// Keep the last N snapshots
    #[arg(long, value_name = "N")]
    pub keep_last: Option<u32>,
    /// Keep the newest of each of the last N hours that have any
    #[arg(long, value_name = "N")]
    pub keep_hourly: Option<u32>,
    /// Of days
    #[arg(long, value_name = "N")]
    pub keep_daily: Option<u32>,
    /// Of weeks
    #[arg(long, value_name = "N")]
    pub keep_weekly: Option<u32>,
    /// Of months
    #[arg(long, value_name = "N")]
    pub keep_monthly: Option<u32>,
    /// Of years
    #[arg(long, value_name = "N")]
    pub keep_yearly: Option<u32>,
    /// Keep all that are not older than this, counted back from the newest, such as 90d
    #[arg(long, value_name = "SPAN")]
    pub keep_within: Option<String>,
    /// Keep all with this tag (may be given several times)
    #[arg(long, value_name = "TAG")]
    pub keep_tag: Vec<String>,
}

impl Keep {
    /// The rules, if any were given.
    pub fn rules(&self) -> Result<Option<Rules>, String> {
        let keep = KeepSettings {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within.clone().map(TryInto::try_into).transpose()?,
            tags: self.keep_tag.clone(),
            writers: Vec::new(),
        };
        if keep == KeepSettings::default() {
            return Ok(None);
        }
        let rules = keep.rules();
        match rules.is_empty() {
            true => Err("these rules keep nothing: give one of them a number above 0".into()),
            false => Ok(Some(rules)),
        }
    }
}

#[derive(Debug, Args)]
pub struct Prune {
    /// Only say what would be condemned and deleted, and what waits for what
    #[arg(long)]
    pub dry_run: bool,
    /// Delete also what its storage class bills on for a while; what that costs is said first
    #[arg(long)]
    pub pay_early_deletion: bool,
    /// Never spend more than this on it, in US dollars
    #[arg(long, value_name = "USD", value_parser = money)]
    pub max_cost: Option<Money>,
    /// Spend what the plan says without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub json: Json,
}
