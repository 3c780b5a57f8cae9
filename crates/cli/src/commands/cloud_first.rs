//! `init --cloud`: the account before the repository. One summary, one price, one confirmation.

use std::path::Path;

use anyhow::{Context as _, Result};
use darkslide_engine::provision::{IdentityKind, KeyFiles};
use darkslide_engine::words::{Bytes, Count, StorageClass};
use darkslide_engine::{CloudSettings, CloudSetup, PriceHolding, StoreOpener as _, StoreSettings, builtin_prices};

use crate::args::Init;
use crate::commands::cloud::{Told, tell};
use crate::{confirm, wiring};

/// Where keys go, beside the configuration.
const KEYS: &str = "cloud-keys";
/// The size of a pack on average, for the price.
const PACK: u64 = 48 << 20;

/// Sets up the account for the first bucket, which then gets the writer's key; nothing where the user
/// says no, and then nothing was made.
pub fn set_up(config: &Path, args: &Init, stores: &mut [StoreSettings]) -> Result<Option<CloudSettings>> {
    anyhow::ensure!(!config.exists(), "{} exists and was not touched: choose another --config", config.display());
    let store = stores.iter_mut().find(|store| store.url.as_deref().is_some_and(|url| url.starts_with("s3://")));
    let store = store.context("--cloud needs a --store s3://bucket/prefix")?;
    let settings = CloudSettings { profile: args.cloud_profile.clone(), ..CloudSettings::default() };
    let prices = match store.price_region() {
        Some(region) if store.endpoint.is_none() || store.region.is_some() => Some(builtin_prices(region)?),
        _ => None,
    };
    let opener = wiring::Opener;
    let cloud = opener.cloud().context("there is no cloud in this build")?;
    let setup = CloudSetup::begin(cloud, &settings, Some(&*store), "", prices)?;
    let bytes = size(&args.library)?;
    let class = store.class.clone().unwrap_or(StorageClass::DeepArchive);
    let objects = Count(bytes.0.div_ceil(PACK));
    let setup = setup.holding(vec![PriceHolding { class, access: None, objects, bytes, age_days: None }]);
    let folder = config.parent().unwrap_or(Path::new(".")).join(KEYS);
    let keeper = KeyFiles::new(&folder);
    let plan = setup.plan(&keeper)?;
    let what = format!("{}\nThe library holds {bytes}.", plan.to_string().trim_end());
    if plan.blocked.is_empty() && !confirm::spend(&what, args.yes)? {
        return Ok(None);
    }
    let done = setup.apply(&plan, &keeper, &mut Told)?;
    tell(&done, &[], false);
    let writer = setup.desired().identity(IdentityKind::Writer).context("there is no writer")?;
    // AWS takes some seconds until all its servers know a new key.
    setup.prove(&writer.name, &keeper)?;
    store.credentials = Some(std::path::absolute(folder.join(format!("{}.credentials", writer.name)))?);
    Ok(Some(settings))
}

/// All that lies in a folder.
fn size(folder: &Path) -> Result<Bytes> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("the folder {}", next.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(Bytes(bytes))
}
