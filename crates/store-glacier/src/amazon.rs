//! The calls, by Amazon's SDK: archives, uploads and jobs. What is asked of the vault itself is in
//! `admin`.

use aws_sdk_glacier::primitives::ByteStream;
use aws_sdk_glacier::types::{ActionCode, GlacierJobDescription, JobParameters, StatusCode};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use darkslide_store::StoreError;
use darkslide_store::vault::JobKind;
use darkslide_words::{Span, Tier, Time};

use crate::failure::Failure;
use crate::link::{Link, Repeat, Surroundings};
use crate::service::{Body, JobAsk, JobFacts, OpenUpload, Output, Part, Uploaded};
use crate::settings::VaultSettings;

/// One vault of Amazon's service, or of a server that speaks as it does.
pub(crate) struct Amazon {
    pub(crate) link: Link,
    pub(crate) account: String,
    pub(crate) vault: String,
}

/// `2012-03-20T17:03:43.221Z`.
pub(crate) fn time(text: Option<&str>) -> Option<Time> {
    let at = DateTime::from_str(text?, Format::DateTime).ok()?;
    Some(Time::from_parts(at.secs(), i64::from(at.subsec_nanos())))
}

/// Reads `0-1048575`.
pub(crate) fn span(text: &str) -> Option<Span> {
    let (from, last) = text.split_once('-')?;
    let (from, last): (u64, u64) = (from.parse().ok()?, last.parse().ok()?);
    (from <= last).then(|| Span { from, to: last + 1 })
}

/// Writes it.
pub(crate) fn range(span: Span) -> String {
    format!("{}-{}", span.from, span.to.saturating_sub(1))
}

pub(crate) fn lacking(what: &str) -> Failure {
    Failure::unreadable(format!("the answer names no {what}"))
}

/// A request of the vault: its account and name are always the same.
macro_rules! of_vault {
    ($amazon:expr, $operation:ident) => {
        $amazon.link.glacier.$operation().account_id(&$amazon.account).vault_name(&$amazon.vault)
    };
}
pub(crate) use of_vault;

impl Amazon {
    pub(crate) fn open(settings: &VaultSettings, surroundings: Surroundings) -> Result<Self, StoreError> {
        let link = Link::open(settings, surroundings)?;
        Ok(Self { link, account: settings.account().into(), vault: settings.vault.clone() })
    }

    pub(crate) fn send_archive(&self, description: &str, body: &Body) -> Result<Uploaded, Failure> {
        self.link.call(Repeat::Passing, body.bytes.len() as u64, || async {
            let done = of_vault!(self, upload_archive)
                .archive_description(description)
                .checksum(&body.tree)
                .body(ByteStream::from(body.bytes.clone()))
                .send()
                .await?;
            Ok(Uploaded { archive: done.archive_id.ok_or_else(|| lacking("archive"))?, tree: done.checksum })
        })
    }

    pub(crate) fn begin_parts(&self, description: &str, part: u64) -> Result<String, Failure> {
        self.link.call(Repeat::Passing, 0, || async {
            let begun = of_vault!(self, initiate_multipart_upload)
                .archive_description(description)
                .part_size(part.to_string())
                .send()
                .await?;
            begun.upload_id.ok_or_else(|| lacking("upload"))
        })
    }

    pub(crate) fn send_part(&self, upload: &str, from: u64, body: &Body) -> Result<Option<String>, Failure> {
        let len = body.bytes.len() as u64;
        let range = format!("bytes {}/*", range(Span { from, to: from + len }));
        self.link.call(Repeat::Passing, len, || async {
            let done = of_vault!(self, upload_multipart_part)
                .upload_id(upload)
                .checksum(&body.tree)
                .range(&range)
                .body(ByteStream::from(body.bytes.clone()))
                .send()
                .await?;
            Ok(done.checksum)
        })
    }

    pub(crate) fn complete(&self, upload: &str, size: u64, tree: &str) -> Result<Uploaded, Failure> {
        self.link.call(Repeat::Passing, 0, || async {
            let done = of_vault!(self, complete_multipart_upload)
                .upload_id(upload)
                .archive_size(size.to_string())
                .checksum(tree)
                .send()
                .await?;
            Ok(Uploaded { archive: done.archive_id.ok_or_else(|| lacking("archive"))?, tree: done.checksum })
        })
    }

    pub(crate) fn abort(&self, upload: &str) -> Result<(), Failure> {
        self.link.call(Repeat::Passing, 0, || async {
            of_vault!(self, abort_multipart_upload).upload_id(upload).send().await?;
            Ok(())
        })
    }

    pub(crate) fn list_parts(&self, upload: &str) -> Result<Vec<Part>, Failure> {
        let (mut parts, mut marker) = (Vec::new(), None);
        loop {
            let page = self.link.call(Repeat::Passing, 0, || async {
                Ok(of_vault!(self, list_parts).upload_id(upload).set_marker(marker.clone()).send().await?)
            })?;
            for part in page.parts.unwrap_or_default() {
                let span = part.range_in_bytes.as_deref().and_then(span).ok_or_else(|| lacking("part's range"))?;
                parts.push(Part { from: span.from, tree: part.sha256_tree_hash.unwrap_or_default() });
            }
            marker = page.marker;
            if marker.is_none() {
                return Ok(parts);
            }
        }
    }

    pub(crate) fn list_uploads(&self) -> Result<Vec<OpenUpload>, Failure> {
        let (mut uploads, mut marker) = (Vec::new(), None);
        loop {
            let page = self.link.call(Repeat::Passing, 0, || async {
                Ok(of_vault!(self, list_multipart_uploads).set_marker(marker.clone()).send().await?)
            })?;
            for upload in page.uploads_list.unwrap_or_default() {
                uploads.push(OpenUpload {
                    id: upload.multipart_upload_id.ok_or_else(|| lacking("upload"))?,
                    description: upload.archive_description.unwrap_or_default(),
                    created: time(upload.creation_date.as_deref()).unwrap_or_default(),
                });
            }
            marker = page.marker;
            if marker.is_none() {
                return Ok(uploads);
            }
        }
    }

    pub(crate) fn delete_archive(&self, archive: &str) -> Result<(), Failure> {
        self.link.call(Repeat::Passing, 0, || async {
            of_vault!(self, delete_archive).archive_id(archive).send().await?;
            Ok(())
        })
    }

    /// Each job costs money: it is repeated only where the service says that it did nothing.
    pub(crate) fn ask_job(&self, ask: &JobAsk) -> Result<String, Failure> {
        let parameters = match ask {
            JobAsk::Archive { archive, tier, span, description } => JobParameters::builder()
                .r#type("archive-retrieval")
                .archive_id(archive)
                .tier(tier.as_str())
                .set_retrieval_byte_range(span.map(range))
                .description(description),
            JobAsk::Inventory { description } => {
                JobParameters::builder().r#type("inventory-retrieval").format("JSON").description(description)
            }
        };
        let parameters = parameters.build();
        self.link.call(Repeat::Harmless, 0, || async {
            let begun = of_vault!(self, initiate_job).job_parameters(parameters.clone()).send().await?;
            begun.job_id.ok_or_else(|| lacking("job"))
        })
    }

    pub(crate) fn list_jobs(&self) -> Result<Vec<JobFacts>, Failure> {
        let (mut jobs, mut marker) = (Vec::new(), None);
        loop {
            let page = self.link.call(Repeat::Passing, 0, || async {
                Ok(of_vault!(self, list_jobs).set_marker(marker.clone()).send().await?)
            })?;
            jobs.extend(page.job_list.unwrap_or_default().into_iter().filter_map(facts));
            marker = page.marker;
            if marker.is_none() {
                return Ok(jobs);
            }
        }
    }

    pub(crate) fn describe_job(&self, id: &str) -> Result<JobFacts, Failure> {
        let done = self
            .link
            .call(Repeat::Passing, 0, || async { Ok(of_vault!(self, describe_job).job_id(id).send().await?) })?;
        let job = GlacierJobDescription::builder()
            .set_job_id(done.job_id)
            .set_job_description(done.job_description)
            .set_action(done.action)
            .set_archive_id(done.archive_id)
            .set_creation_date(done.creation_date)
            .completed(done.completed)
            .set_status_code(done.status_code)
            .set_completion_date(done.completion_date)
            .set_archive_size_in_bytes(done.archive_size_in_bytes)
            .set_inventory_size_in_bytes(done.inventory_size_in_bytes)
            .set_sha256_tree_hash(done.sha256_tree_hash)
            .set_retrieval_byte_range(done.retrieval_byte_range)
            .set_tier(done.tier);
        facts(job.build()).ok_or_else(|| lacking("kind of job"))
    }

    pub(crate) fn read_output(&self, job: &str, part: Option<Span>) -> Result<Output, Failure> {
        let range = part.map(|part| format!("bytes={}", range(part)));
        let expected = part.map_or(1 << 30, Span::len);
        self.link.call(Repeat::Passing, expected, || async {
            let done = of_vault!(self, get_job_output).job_id(job).set_range(range.clone()).send().await?;
            let body =
                done.body.collect().await.map_err(|e| Failure::no_answer(format!("the download broke off: {e}")))?;
            // `to_vec` would copy byte by byte.
            let bytes = Vec::from(body.into_bytes());
            match part {
                Some(part) if bytes.len() as u64 != part.len() => {
                    Err(Failure::unreadable(format!("{} bytes came where {} were asked for", bytes.len(), part.len())))
                }
                _ => Ok(Output { bytes, tree: done.checksum }),
            }
        })
    }
}

/// A job of the two kinds that there are.
fn facts(job: GlacierJobDescription) -> Option<JobFacts> {
    let kind = match job.action? {
        ActionCode::ArchiveRetrieval => JobKind::Archive,
        ActionCode::InventoryRetrieval => JobKind::Inventory,
        _ => return None,
    };
    let succeeded = match job.status_code {
        Some(StatusCode::Succeeded) => Some(true),
        Some(StatusCode::Failed) => Some(false),
        _ => None,
    };
    let size = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    Some(JobFacts {
        id: job.job_id?,
        kind,
        archive: job.archive_id,
        description: job.job_description.unwrap_or_default(),
        created: time(job.creation_date.as_deref()).unwrap_or_default(),
        completed: time(job.completion_date.as_deref()),
        succeeded,
        tier: job.tier.as_deref().and_then(Tier::from_name),
        span: job.retrieval_byte_range.as_deref().and_then(span),
        archive_size: size(job.archive_size_in_bytes),
        tree: job.sha256_tree_hash,
        inventory_size: size(job.inventory_size_in_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_times_are_read_as_they_are_written() {
        assert_eq!(span("0-1048575"), Some(Span { from: 0, to: 1 << 20 }));
        assert_eq!(span(&range(Span { from: 5, to: 9 })), Some(Span { from: 5, to: 9 }));
        for bad in ["", "5", "9-5", "a-b", "-1-5"] {
            assert_eq!(span(bad), None, "{bad}");
        }
        let at = time(Some("2012-03-20T17:03:43.221Z")).unwrap();
        assert_eq!((at.seconds(), at.nanos()), (1_332_263_023, 221_000_000));
        assert_eq!(time(Some("yesterday")), None);
    }
}
