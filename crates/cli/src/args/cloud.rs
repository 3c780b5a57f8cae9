//! Arguments of `cloud`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Json;

#[derive(Debug, Subcommand)]
pub enum CloudCommand {
    /// What would be made, changed and deleted in the AWS account, and why; changes nothing
    Plan(Json),
    /// Make the account as `[cloud]` says: asks once, goes on where a run was cut off
    Apply(CloudApply),
    /// Take down what `apply` made. Never a bucket or vault that holds data: it says what remains
    Destroy(CloudApply),
    /// A second key for a user; the first one goes when the second is proven, and in use (--finish)
    Rotate(CloudRotate),
    /// Prove least privilege: by AWS's policy simulator, and by trying with each credential
    Verify(Json),
    /// Write the same for Terraform or CloudFormation, or as plain policies; makes nothing
    Export(CloudExport),
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
    /// Let the old key go: the new one is where it is used
    #[arg(long)]
    pub finish: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct CloudExport {
    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Terraform)]
    pub format: ExportFormat,
    /// The user of a program on a NAS, in place of all that `[cloud]` says
    #[arg(long = "for", value_enum, value_name = "PROGRAM")]
    pub program: Option<ExportProgram>,
    /// The vault of QNAP's Glacier app
    #[arg(long, value_name = "NAME", required_if_eq("program", "qnap-glacier"), requires = "program")]
    pub vault: Option<String>,
    /// The bucket of Hyper Backup
    #[arg(long, value_name = "NAME", required_if_eq("program", "hyper-backup"), requires = "program")]
    pub bucket: Option<String>,
    /// The account's number, where no configuration tells it
    #[arg(long, value_name = "NUMBER", requires = "program")]
    pub account: Option<String>,
    /// The region, likewise
    #[arg(long, value_name = "REGION", requires = "program")]
    pub region: Option<String>,
    /// The folder for the files; none of them may be there
    #[arg(long, value_name = "FOLDER", required_unless_present = "json")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub json: Json,
}

/// A way to write it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Terraform,
    Cloudformation,
    Policy,
}

/// A program on a NAS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportProgram {
    QnapGlacier,
    HyperBackup,
}
