//! Arguments of `cloud`.

use clap::{Args, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// What would be made, changed and deleted in the AWS account, and why; changes nothing
    Plan(Json),
    /// Make the account as `[cloud]` says: asks once, goes on where a run was cut off
    Apply(CloudApply),
    /// Take down what `apply` made. Never a bucket or vault that holds data: it says what remains
    Destroy(CloudApply),
    /// A second key for a user; the first one goes when the second is proven
    Rotate(CloudRotate),
    /// Prove least privilege: by AWS's policy simulator, and by trying with each credential
    Verify(Json),
}

#[derive(Debug, Args)]
pub struct CloudApply {
    /// Go on without being asked
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct CloudRotate {
    /// writer, restorer, auditor, pruner, or a user's name
    #[arg(value_name = "WHO")]
    pub who: String,
    #[command(flatten)]
    pub json: Json,
}
