//! AWS, for the engine.

use std::path::Path;
use std::sync::Arc;

use darkslide_engine::provision::aws::{AwsCloud, AwsSettings, PathStyle, ProbeBucket};
use darkslide_engine::provision::cloud::NewKey;
use darkslide_engine::provision::desired::{BucketDesired, Region};
use darkslide_engine::provision::keys::read_key_file;
use darkslide_engine::provision::verify::Probe;
use darkslide_engine::provision::{CloudError, Hands};
use darkslide_engine::{CloudAccess, CloudOpener};

/// Opens AWS, or a server that speaks like it.
pub struct Aws;

impl CloudOpener for Aws {
    fn open(&self, access: &CloudAccess) -> Result<Arc<dyn Hands>, CloudError> {
        let (region, settings) = resolve(access)?;
        Ok(Arc::new(AwsCloud::open(&region, &settings)?))
    }

    fn probe(&self, access: &CloudAccess, bucket: &BucketDesired) -> Result<Box<dyn Probe>, CloudError> {
        let (region, settings) = resolve(access)?;
        Ok(Box::new(ProbeBucket::open(&region, &settings, &bucket.name, &bucket.prefix)?))
    }
}

fn resolve(access: &CloudAccess) -> Result<(Region, AwsSettings), CloudError> {
    let region = Region::new(&access.region)
        .map_err(|bad| CloudError::Setup { why: bad.to_string(), advice: "correct `region` in [cloud]".into() })?;
    let key = access.key_file.as_deref().map(key).transpose()?;
    let path_style = if access.endpoint.is_some() { PathStyle::Path } else { PathStyle::Host };
    let profile = if key.is_some() { None } else { access.profile.clone() };
    Ok((region, AwsSettings { profile, key, endpoint: access.endpoint.clone(), path_style }))
}

fn key(file: &Path) -> Result<NewKey, CloudError> {
    let read = read_key_file(file).map_err(|error| CloudError::Setup {
        why: error.to_string(),
        advice: "look at the permissions of the file".into(),
    })?;
    read.ok_or_else(|| CloudError::Setup {
        why: format!("{} holds no key", file.display()),
        advice: "move it away; `darkslide cloud rotate` makes another".into(),
    })
}
