//! Listings: 1,000 names a call, with class and readability, without asking for
//! any object by itself.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object, OptionalObjectAttributes, RestoreStatus};
use aws_smithy_types::DateTime;
use darkslide_store::{Listed, OnListed, Readable, StoreError};
use darkslide_words::{Bytes, ObjectName, StorageClass, Time};

use crate::S3Store;
use crate::failure::Failure;
use crate::link::ANSWER;
use crate::percent::{Plus, decode};

/// Names a call: the most that S3 gives.
const PAGE: i32 = 1000;

/// An instant of the SDK as one of ours.
pub(crate) fn time(at: &DateTime) -> Time {
    Time::from_parts(at.secs(), i64::from(at.subsec_nanos()))
}

/// Whether an object of the class can be read, given what a listing says of its thaw.
pub(crate) fn readable(class: &StorageClass, status: Option<&RestoreStatus>) -> Readable {
    let thawing = status.and_then(RestoreStatus::is_restore_in_progress) == Some(true);
    let until = status.and_then(RestoreStatus::restore_expiry_date).map(time);
    match (class, thawing, until) {
        (_, true, _) => Readable::Thawing,
        (class, false, Some(until)) if class.may_be_cold() => Readable::Until(until),
        (class, false, _) if class.is_archive() => Readable::Cold,
        (StorageClass::IntelligentTiering, false, _) => Readable::Unknown,
        (StorageClass::Other(name), false, _) => match name.as_str() {
            "REDUCED_REDUNDANCY" | "EXPRESS_ONEZONE" => Readable::Now,
            _ => Readable::Unknown,
        },
        _ => Readable::Now,
    }
}

impl S3Store {
    /// One page of the keys that begin with `prefix`.
    pub(crate) async fn page(
        &self,
        prefix: &str,
        token: Option<String>,
        most: i32,
    ) -> Result<ListObjectsV2Output, Failure> {
        self.link
            .attempts(ANSWER, || async {
                let list = self
                    .s3
                    .list_objects_v2()
                    .bucket(&self.settings.bucket)
                    .prefix(prefix)
                    .max_keys(most)
                    // Keys of others may hold what XML cannot.
                    .encoding_type(EncodingType::Url)
                    .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
                    .set_continuation_token(token.clone());
                Ok(list.send().await?)
            })
            .await
    }

    /// The size of one object, from a listing: all that a writer may ask.
    pub(crate) async fn size_of(&self, key: &str) -> Result<Option<u64>, Failure> {
        Ok(self.entry_of(key).await?.map(|object| size(&object)))
    }

    /// One object's entry in a listing. It comes first of all that begin like it.
    pub(crate) async fn entry_of(&self, key: &str) -> Result<Option<Object>, Failure> {
        let page = self.page(key, None, 1).await?;
        let coded = is_coded(&page);
        Ok(page
            .contents
            .unwrap_or_default()
            .into_iter()
            .find(|object| plain_key(object, coded).as_deref() == Some(key)))
    }

    pub(crate) fn list_objects(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        let whole = format!("{}{prefix}", self.settings.prefix);
        let mut token = None;
        loop {
            let page = self.link.block(self.page(&whole, token.take(), PAGE));
            let page = page.map_err(|f| self.error(&f, &format!("listing {prefix}"), None))?;
            let coded = is_coded(&page);
            for object in page.contents.as_deref().unwrap_or_default() {
                match plain_key(object, coded).and_then(|key| self.listed(&key, object)) {
                    Some(listed) => each(listed)?,
                    None => {
                        self.foreign.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            token = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            match (&token, page.is_truncated) {
                (Some(_), _) => {}
                (None, Some(true)) => {
                    let cut = Failure::unreadable("the listing breaks off without saying where to go on");
                    return Err(self.error(&cut, &format!("listing {prefix}"), None));
                }
                (None, _) => return Ok(()),
            }
        }
    }

    fn listed(&self, key: &str, object: &Object) -> Option<Listed> {
        let name = ObjectName::new(key.strip_prefix(&self.settings.prefix)?).ok()?;
        let class = object.storage_class().map_or_else(StorageClass::default, |c| StorageClass::from_name(c.as_str()));
        let readable = match self.server().thaws {
            true => readable(&class, object.restore_status()),
            false => Readable::Now,
        };
        let modified = object.last_modified().map(time).unwrap_or_default();
        Some(Listed { name, size: Bytes(size(object)), modified, class, readable })
    }
}

fn size(object: &Object) -> u64 {
    u64::try_from(object.size().unwrap_or_default()).unwrap_or_default()
}

/// True if the server did encode the keys; some ignore the wish.
fn is_coded(page: &ListObjectsV2Output) -> bool {
    page.encoding_type() == Some(&EncodingType::Url)
}

fn plain_key(object: &Object, coded: bool) -> Option<String> {
    let key = object.key()?;
    if coded { decode(key, Plus::Space) } else { Some(key.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_follows_from_class_and_status() {
        let thawing = RestoreStatus::builder().is_restore_in_progress(true).build();
        let expiry = DateTime::from_secs(1_800_000_000);
        let thawed = RestoreStatus::builder().is_restore_in_progress(false).restore_expiry_date(expiry).build();
        let until = Readable::Until(Time::from_parts(1_800_000_000, 0));
        for class in [StorageClass::Glacier, StorageClass::DeepArchive] {
            assert_eq!(readable(&class, None), Readable::Cold);
            assert_eq!(readable(&class, Some(&thawing)), Readable::Thawing);
            assert_eq!(readable(&class, Some(&thawed)), until);
        }
        let moving = StorageClass::IntelligentTiering;
        assert_eq!(readable(&moving, None), Readable::Unknown);
        assert_eq!(readable(&moving, Some(&thawing)), Readable::Thawing);
        for class in
            [StorageClass::Standard, StorageClass::StandardIa, StorageClass::OnezoneIa, StorageClass::GlacierIr]
        {
            assert_eq!(readable(&class, None), Readable::Now);
        }
        assert_eq!(readable(&StorageClass::Other("FSX_ONTAP".into()), None), Readable::Unknown);
        assert_eq!(readable(&StorageClass::Other("REDUCED_REDUNDANCY".into()), None), Readable::Now);
    }
}
