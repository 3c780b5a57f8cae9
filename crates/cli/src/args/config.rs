//! Arguments of what looks at the configuration and at this machine.

use clap::{Args, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration file and say whether it holds together
    Check(Json),
    /// Show what counts: what the file says, and the defaults of what it does not say
    Show(Json),
    /// Say what a key or a table means; all of them, if none is named
    Explain(Explain),
}

#[derive(Debug, Args)]
pub struct Explain {
    /// Such as store.class, or a table such as mirror
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    pub json: Json,
}
