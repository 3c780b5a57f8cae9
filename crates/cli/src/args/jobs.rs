//! Arguments of what runs by itself: jobs, schedule, daemon, logs.

use clap::{Args, Subcommand, ValueEnum};

use super::Json;

#[derive(Debug, Args)]
pub struct Run {
    /// Which [[job]] of the configuration
    pub job: String,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Schedule {
    #[command(subcommand)]
    pub command: Option<ScheduleCommand>,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Have the system start Darkslide: writes its service, timer or task
    Install(Service),
    /// Take away what `install` wrote
    Uninstall(Service),
}

#[derive(Debug, Args)]
pub struct Service {
    /// What starts it [default: what this system has]
    #[arg(long, value_enum)]
    pub kind: Option<ServiceKind>,
    /// For this user alone, while somebody is logged in (the default)
    #[arg(long, conflicts_with = "system")]
    pub user: bool,
    /// For the machine, from its start on; as the user who installs it
    #[arg(long)]
    pub system: bool,
    /// Only print what would be written
    #[arg(long)]
    pub print: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceKind {
    /// A service that stays, and a timer for those who want none that stays
    Systemd,
    /// A property list for macOS
    Launchd,
    /// A task for the Task Scheduler
    Windows,
    /// A line of a crontab
    Cron,
}

#[derive(Debug, Args)]
pub struct Daemon {
    /// Run what is due now, then end: for timers
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// Of this job, library or mirror; of all if none is named
    pub job: Option<String>,
    /// The log of this run
    #[arg(long, value_name = "N")]
    pub run: Option<i64>,
    /// Show the log of the run that goes on, line by line, or of the next one
    #[arg(long, short)]
    pub follow: bool,
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: u32,
    #[command(flatten)]
    pub json: Json,
}
