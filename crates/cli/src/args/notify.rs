//! Arguments of messages.

use clap::{Args, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test message, and say for each channel what became of it
    Test(NotifyTest),
    /// The channels, what each is told, and what became of the last message to it
    List(Json),
}

#[derive(Debug, Args)]
pub struct NotifyTest {
    /// Name of a [[notify]]; if none is named, all but watchers: a ping tells them that a run went well
    #[arg(value_name = "CHANNEL")]
    pub channel: Option<String>,
    #[command(flatten)]
    pub json: Json,
}
