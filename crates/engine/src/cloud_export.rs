//! What `[cloud]` says, written down for other tools. Nobody is asked, and nothing is made.

use darkslide_provision::desired::{AccountId, Desired, IamName, IamPath, NasProgram, NasUser, Region};
use darkslide_provision::export::{Export, Format, export, of_nas};
use darkslide_provision::{ProvisionError, policy};

use crate::{Engine, EngineError};

/// Stands where a template puts in the account's number itself.
const NO_ACCOUNT: &str = "000000000000";

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportOf {
    /// All that `[cloud]` says.
    Everything,
    /// The user of a NAS program, and nothing else.
    Nas(NasProgram),
}

/// Where an account is, where no configuration says so.
#[derive(Debug, Clone, Default)]
pub struct ExportPlace {
    /// The account's number.
    pub account: Option<AccountId>,
    /// The region.
    pub region: Option<Region>,
}

/// The user of a NAS program, for whoever has no repository.
pub fn export_for_nas(program: &NasProgram, at: &ExportPlace, format: Format) -> Result<Export, EngineError> {
    let missing = |what: &str, option: &str| {
        EngineError::Provision(ProvisionError::Impossible {
            what: format!("the {what} is not known, and there is no configuration"),
            advice: format!("say {option}"),
        })
    };
    let account = match (&at.account, stand_in(format)?) {
        (Some(account), _) => account.clone(),
        (None, Some(stand_in)) => stand_in,
        (None, None) if matches!(program, NasProgram::HyperBackup { .. }) => no_account()?,
        (None, None) => return Err(missing("account", "--account NUMBER")),
    };
    // A bucket's ARN has no region, but that of China's or of the government's has another partition.
    let region = match (&at.region, program) {
        (Some(region), _) => region.clone(),
        (None, NasProgram::HyperBackup { .. }) => Region::new("us-east-1").map_err(ProvisionError::from)?,
        (None, NasProgram::QnapGlacier { .. }) => return Err(missing("region", "--region NAME")),
    };
    finish(alone(&Desired::new(account, region, place(program)), program, IamPath::default())?, format)
}

fn no_account() -> Result<AccountId, EngineError> {
    Ok(AccountId::new(NO_ACCOUNT).map_err(ProvisionError::from)?)
}

/// Templates find the account's number out themselves; policies alone need it.
fn stand_in(format: Format) -> Result<Option<AccountId>, EngineError> {
    match format {
        Format::Policy => Ok(None),
        Format::Terraform | Format::CloudFormation => no_account().map(Some),
    }
}

fn place(program: &NasProgram) -> &str {
    match program {
        NasProgram::QnapGlacier { vault } => vault.as_str(),
        NasProgram::HyperBackup { bucket } => bucket.as_str(),
    }
}

fn alone(desired: &Desired, program: &NasProgram, path: IamPath) -> Result<Desired, EngineError> {
    let name = IamName::new(format!("{}-user", place(program))).map_err(ProvisionError::from)?;
    Ok(of_nas(desired, NasUser { name, path, program: program.clone() }))
}

fn finish(desired: Desired, format: Format) -> Result<Export, EngineError> {
    policy::check(&desired)?;
    Ok(export(&desired, format))
}

impl Engine {
    /// Writes it down in a format. Policies alone need `account` of `[cloud]`; templates find it out.
    pub fn cloud_export(&self, of: &ExportOf, format: Format) -> Result<Export, EngineError> {
        let desired = self.cloud_desired(stand_in(format)?)?;
        let desired = match of {
            ExportOf::Everything => desired,
            ExportOf::Nas(program) => alone(&desired, program, self.settings.cloud.path.clone().unwrap_or_default())?,
        };
        finish(desired, format)
    }
}
