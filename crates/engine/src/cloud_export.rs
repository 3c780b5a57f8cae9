//! What `[cloud]` says, written down for other tools. Nobody is asked, and nothing is made.

use darkslide_provision::desired::{AccountId, IamName, NasProgram, NasUser};
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

impl Engine {
    /// Writes it down in a format. Policies alone need `account` of `[cloud]`; templates find it out.
    pub fn cloud_export(&self, of: &ExportOf, format: Format) -> Result<Export, EngineError> {
        let wrong = ProvisionError::from;
        let stand_in = match format {
            Format::Policy => None,
            Format::Terraform | Format::CloudFormation => Some(AccountId::new(NO_ACCOUNT).map_err(wrong)?),
        };
        let desired = self.cloud_desired(stand_in)?;
        let desired = match of {
            ExportOf::Everything => desired,
            ExportOf::Nas(program) => {
                let place = match program {
                    NasProgram::QnapGlacier { vault } => vault.as_str(),
                    NasProgram::HyperBackup { bucket } => bucket.as_str(),
                };
                let path = self.settings.cloud.path.clone().unwrap_or_default();
                let name = IamName::new(format!("{place}-user")).map_err(wrong)?;
                of_nas(&desired, NasUser { name, path, program: program.clone() })
            }
        };
        policy::check(&desired)?;
        Ok(export(&desired, format))
    }
}
