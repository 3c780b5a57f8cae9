//! `cloud export`: what `[cloud]` says, as files for other tools.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use darkslide_engine::provision::desired::{AccountId, BucketName, NasProgram, Region, VaultName};
use darkslide_engine::provision::export::{Export, Format};
use darkslide_engine::{ExportOf, ExportPlace, export_for_nas};

use crate::args::{CloudExport, ExportFormat, ExportProgram};
use crate::output::{self, Exit};
use crate::wiring;

/// Runs `cloud export`.
pub fn export(config: Option<PathBuf>, args: &CloudExport) -> Result<Exit> {
    let format = match args.format {
        ExportFormat::Terraform => Format::Terraform,
        ExportFormat::Cloudformation => Format::CloudFormation,
        ExportFormat::Policy => Format::Policy,
    };
    let at = ExportPlace {
        account: args.account.clone().map(AccountId::new).transpose()?,
        region: args.region.clone().map(Region::new).transpose()?,
    };
    let has_place = at.account.is_some() || at.region.is_some();
    let found = match what(args)? {
        ExportOf::Nas(program) if has_place || !wiring::config_path(config.clone()).exists() => {
            export_for_nas(&program, &at, format)?
        }
        of => wiring::engine(config)?.cloud_export(&of, format)?,
    };
    if let Some(folder) = &args.to {
        write(&found, folder)?;
    }
    for left in &found.left_out {
        eprintln!("left out: {left}");
    }
    if args.json.json {
        output::value(&serde_json::to_value(&found)?);
    } else {
        found.files.iter().for_each(|file| output::line(&file.name));
    }
    Ok(Exit::Ok)
}

fn what(args: &CloudExport) -> Result<ExportOf> {
    Ok(match args.program {
        None => ExportOf::Everything,
        Some(ExportProgram::QnapGlacier) => {
            let vault = VaultName::new(args.vault.clone().unwrap_or_default())?;
            ExportOf::Nas(NasProgram::QnapGlacier { vault })
        }
        Some(ExportProgram::HyperBackup) => {
            let bucket = BucketName::new(args.bucket.clone().unwrap_or_default())?;
            ExportOf::Nas(NasProgram::HyperBackup { bucket })
        }
    })
}

/// Writes the files; one that is there already is not replaced, and then none is written.
fn write(found: &Export, folder: &Path) -> Result<()> {
    if let Some(there) = found.files.iter().map(|file| folder.join(&file.name)).find(|path| path.exists()) {
        anyhow::bail!("{} is there already; name an empty folder", there.display());
    }
    for file in &found.files {
        let path = folder.join(&file.name);
        let failed = || format!("{} cannot be written", path.display());
        fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(failed)?;
        let mut out = File::create_new(&path).with_context(failed)?;
        out.write_all(file.content.as_bytes()).with_context(failed)?;
    }
    Ok(())
}
