//! `init` and `open`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use darkslide_engine::words::{Bytes, OsRng, Rng as _, StorageClass};
use darkslide_engine::{
    ChecksumsWhen, CloudSettings, Engine, Founder, InitOptions, JoinWith, OpenOptions, PackSizes, StoreSettings,
};

use darkslide_store_s3::S3Store;

use super::cloud_first;
use crate::args::{Bucket, Init, Open};
use crate::output::Exit;
use crate::{buckets, keyfile, wiring};

/// Stores from the command line.
pub fn stores(places: &[String], bucket: &Bucket) -> Result<Vec<StoreSettings>> {
    let rate = bucket.limit_upload.as_deref();
    if let Some(rate) = rate.filter(|rate| darkslide_engine::parse_bytes(rate).is_none()) {
        anyhow::bail!("--limit-upload {rate}: an amount such as 2MB is wanted");
    }
    let class = bucket.class.as_deref().map(|name| StorageClass::from_name(&name.to_ascii_uppercase()));
    let of_buckets = |store: StoreSettings| StoreSettings {
        endpoint: bucket.endpoint.clone(),
        region: bucket.region.clone(),
        profile: bucket.profile.clone(),
        class: class.clone(),
        request_checksum_calculation: bucket.checksums_when_required.then_some(ChecksumsWhen::WhenRequired),
        limit_upload: bucket.limit_upload.clone(),
        ..store
    };
    let in_cloud = |store: StoreSettings| if store.url.is_some() { of_buckets(store) } else { store };
    let companion = bucket.companion.as_deref().map(|place| Box::new(in_cloud(StoreSettings::parse(place))));
    let of_vault = |store: StoreSettings| StoreSettings {
        endpoint: bucket.endpoint.clone(),
        region: bucket.region.clone(),
        profile: bucket.profile.clone(),
        limit_upload: bucket.limit_upload.clone(),
        companion: companion.clone(),
        ..store
    };
    let stores = places.iter().map(|place| StoreSettings::parse(place));
    Ok(stores.map(|store| if store.vault().is_some() { of_vault(store) } else { in_cloud(store) }).collect())
}

/// `NAME=age1…` or `age1…`.
fn named(text: &str, n: usize) -> (String, String) {
    match text.split_once('=') {
        Some((name, recipient)) => (name.to_string(), recipient.to_string()),
        None => (format!("recipient {}", n + 1), text.to_string()),
    }
}

/// Founds a repository.
pub fn init(config: Option<PathBuf>, args: Init) -> Result<Exit> {
    let library =
        std::fs::metadata(&args.library).with_context(|| format!("the library {}", args.library.display()))?;
    if !library.is_dir() {
        anyhow::bail!("the library {} is no folder", args.library.display());
    }
    let config = wiring::config_path(config);
    let mut stores = stores(&args.stores, &args.bucket)?;
    let cloud = match args.cloud {
        // Before anything is made, here or there.
        true => match cloud_first::set_up(&config, &args, &mut stores)? {
            Some(settings) => settings,
            None => return Ok(Exit::Refused),
        },
        false => CloudSettings::default(),
    };
    let mut made = None;
    let founder = match &args.identity.identity {
        _ if !args.recipients.is_empty() => {
            Founder::Recipients(args.recipients.iter().enumerate().map(|(n, r)| named(r, n)).collect())
        }
        Some(path) if !path.exists() => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).with_context(|| format!("the folder {}", folder.display()))?;
            }
            made = Some(path.clone());
            Founder::Identity(keyfile::make(path, false, args.identity.passphrase_file.as_deref())?)
        }
        _ => Founder::Identity(keyfile::needed(&args.identity, "founding a repository")?),
    };
    let set_up = args.cloud;
    let options = InitOptions {
        config,
        library: args.library,
        stores,
        founder,
        cloud,
        writer: args.writer.unwrap_or_else(wiring::host),
        pack: PackSizes { target: Bytes::mib(args.pack_size), ..PackSizes::default() },
    };
    // A key that was made for backups writes nothing but a repository, so it cannot try a server out.
    let may_try = |store: &&StoreSettings| store.endpoint.is_some() && store.vault().is_none();
    let others: Vec<StoreSettings> = options.stores.iter().filter(may_try).filter(|_| !set_up).cloned().collect();
    let (_, founded) = Engine::init(options, wiring::opener(), wiring::clock(), &mut OsRng)?;
    for settings in &others {
        advise(settings);
    }
    eprintln!("Founded repository {}.", founded.repository);
    for recipient in &founded.recipients {
        eprintln!("  photographs are sealed to {recipient}");
    }
    eprintln!("  owner key: {}", founded.owner);
    eprintln!("  configuration: {}", founded.config.display());
    if let Some(path) = made {
        eprintln!(
            "\nThe identity that opens the photographs was made at {0}.\n\
             Move it away from this machine (a stick in a drawer, a safe), and print it:\n  \
             darkslide key paper --identity {0}\n\
             This machine backs up without it. Whoever loses it loses the photographs.",
            path.display()
        );
    }
    eprintln!("\nNext: darkslide --config {} backup", founded.config.display());
    Ok(Exit::Ok)
}

/// What another server than Amazon's does not keep of the protocol, found out by
/// asking it; a store that cannot be asked is not refused for it.
fn advise(settings: &StoreSettings) {
    let probed = buckets::resolve(settings).and_then(S3Store::connect).and_then(|store| {
        let id: [u8; 6] = OsRng.bytes();
        store.probe(&id.iter().map(|b| format!("{b:02x}")).collect::<String>())
    });
    match probed {
        Ok(probe) => probe.advice().iter().for_each(|line| eprintln!("{}: {line}", settings.label())),
        Err(error) => eprintln!("{}: it could not be probed: {error}", settings.label()),
    }
}

/// Joins a repository.
pub fn open(config: Option<PathBuf>, args: Open) -> Result<Exit> {
    let with = match &args.secrets {
        Some(path) => JoinWith::Writer(path.clone()),
        None => JoinWith::Identity(keyfile::needed(&args.identity, "joining a repository")?),
    };
    let options = OpenOptions {
        config: wiring::config_path(config),
        stores: stores(&args.stores, &args.bucket)?,
        with,
        library: args.library,
        writer: args.name.unwrap_or_else(wiring::host),
        owner: args.owner,
    };
    let (engine, joined) = Engine::open(options, wiring::opener(), wiring::clock(), &mut OsRng)?;
    eprintln!(
        "Joined repository {}: {} packs and {} snapshots are known again.",
        joined.repository, joined.packs, joined.snapshots
    );
    let may = if joined.enrolled { "may back up to it" } else { "can read it, not back up to it" };
    eprintln!("  this machine {may}");
    eprintln!("  configuration: {}", engine.settings().path.display());
    for refused in &joined.refused {
        eprintln!("refused: {refused}");
    }
    Ok(if joined.refused.is_empty() { Exit::Ok } else { Exit::Incomplete })
}
