//! Buckets from settings.

use std::path::Path;

use darkslide_engine::provision::keys::read_key_file;
use darkslide_engine::{ChecksumSetting, ChecksumsWhen, StoreSettings, parse_bytes};
use darkslide_store::StoreError;
use darkslide_store_s3::bulk::BulkSettings;
use darkslide_store_s3::{Checksum, Classes, Key, S3Settings, S3Store, When};
use darkslide_words::{Bytes, StorageClass};
use secrecy::ExposeSecret as _;

/// Makes a store in a bucket that exists.
pub fn create(settings: &StoreSettings) -> Result<S3Store, StoreError> {
    S3Store::create(resolve(settings)?)
}

/// Opens a store; the bucket has to answer.
pub fn open(settings: &StoreSettings) -> Result<S3Store, StoreError> {
    let s3 = resolve(settings)?;
    let (bucket, prefix) = (s3.bucket.clone(), s3.prefix.clone());
    let mut store = S3Store::create(s3)?;
    if let Some(queue) = &settings.events {
        store = store.with_events(queue);
    }
    let Some(batch) = &settings.batch else { return Ok(store) };
    store.with_bulk(BulkSettings {
        account: batch.account.clone(),
        role_arn: batch.role.clone(),
        bucket: batch.bucket.clone().unwrap_or(bucket),
        prefix,
        endpoint: batch.endpoint.clone(),
    })
}

/// The key in a file; others must not be able to read it.
fn key(settings: &StoreSettings, file: &Path) -> Result<Key, StoreError> {
    let wrong = |why: String, advice: &str| StoreError::Setup { store: settings.label(), why, advice: advice.into() };
    let exposed = || format!("has its key in {}, which others can read", file.display());
    let read = read_key_file(file).map_err(|error| wrong(error.to_string(), "look at the permissions of the file"))?;
    let key = read.ok_or_else(|| {
        let why = format!("has its key in {}, and there is none", file.display());
        wrong(why, "bring the file back, or run `darkslide cloud rotate`")
    })?;
    #[cfg(unix)]
    if std::fs::metadata(file)
        .is_ok_and(|meta| std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o077 != 0)
    {
        return Err(wrong(exposed(), "`chmod 600` it, and `darkslide cloud rotate` the key"));
    }
    Ok(Key { id: key.id.0, secret: key.secret.expose_secret().to_string(), token: None })
}

/// What the settings say, for the client.
pub fn resolve(settings: &StoreSettings) -> Result<S3Settings, StoreError> {
    let mut s3 = S3Settings::from_url(settings.url.as_deref().unwrap_or_default())?;
    s3.endpoint.clone_from(&settings.endpoint);
    s3.region.clone_from(&settings.region);
    s3.profile.clone_from(&settings.profile);
    if let Some(file) = &settings.credentials {
        s3.credentials = Some(key(settings, file)?);
    }
    s3.path_style = settings.path_style;
    s3.classes = Classes {
        cold: settings.class.clone().unwrap_or(StorageClass::DeepArchive),
        warm: settings.warm_class.clone().unwrap_or(StorageClass::Standard),
        hot: StorageClass::Standard,
    };
    s3.checksum = match settings.checksum {
        Some(ChecksumSetting::Sha256) => Checksum::Sha256,
        _ => Checksum::Crc64Nvme,
    };
    s3.checksums = match settings.request_checksum_calculation {
        Some(ChecksumsWhen::WhenRequired) => When::Required,
        _ => When::Supported,
    };
    s3.limit_upload = settings.limit_upload.as_deref().and_then(parse_bytes).map(Bytes);
    if let Some(parallel) = settings.parallel {
        s3.parallel = parallel;
    }
    Ok(s3)
}
