//! Amazon Glacier: vaults with archives, jobs that bring them back hours later, locks.
//!
//! On the way of a call: `server` names it, checks its signature and takes the body in, the
//! [`State`] admits and answers it here, `server` writes the [`Reply`] down.
//!
//! **Invariant:** an archive is read through a job alone; when a job is done, what it cost and
//! what an inventory shows follow from the calls and the virtual clock. The rules are those of
//! the Amazon Glacier developer guide and of the API model 2012-06-01.

mod account;
mod admission;
mod archives;
mod due;
mod ids;
mod inventory;
pub(crate) mod jobs;
mod locks;
pub(crate) mod model;
pub(crate) mod multipart;
mod output;
mod retrieval;
pub(crate) mod route;
pub(crate) mod tree;
mod vaults;

use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::blobs::Segment;
use crate::state::{ACCOUNT, Record, State};
pub(crate) use archives::UPLOAD_BYTES_MAX;
pub(crate) use due::VaultDue;
use model::Vault;
use route::{Named, Operation};
use tree::Hashed;

/// What a call comes to.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Failure {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_string(), message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameterValueException", message)
    }

    pub fn missing(what: &str) -> Self {
        Self::new(400, "MissingParameterValueException", format!("Required parameter missing: {what}"))
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "ResourceNotFoundException", message)
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDeniedException", message)
    }

    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(400, "LimitExceededException", message)
    }

    /// As the service writes it.
    pub fn json(&self) -> Value {
        let kind = if self.status >= 500 { "Server" } else { "Client" };
        json!({ "code": self.code, "message": self.message, "type": kind })
    }
}

/// A call that was signed.
pub(crate) struct Call<'a> {
    pub operation: Operation,
    pub named: &'a Named,
    pub headers: &'a HeaderMap,
    /// Empty where the body is an archive.
    pub body: &'a [u8],
    pub who: &'a crate::account::Caller,
    /// There is no capacity for Expedited retrievals now.
    pub no_capacity: bool,
}

/// An archive or a part that arrived whole.
pub(crate) struct Received {
    pub segment: Segment,
    pub hashed: Hashed,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: ReplyBody,
}

/// What an answer carries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReplyBody {
    Nothing,
    Json(Value),
    /// Bytes that lie in blobs.
    Stored(Vec<Segment>),
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: ReplyBody::Nothing }
    }

    fn json(value: Value) -> Self {
        Self { body: ReplyBody::Json(value), ..Self::status(200) }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Call<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn wants(&self, name: &str) -> Outcome<&str> {
        self.header(name).ok_or_else(|| Failure::missing(name))
    }

    /// The body as what the operation takes.
    fn parse<T: DeserializeOwned>(&self) -> Outcome<T> {
        let body = if self.body.is_empty() { b"{}" } else { self.body };
        let bad = |error: serde_json::Error| Failure::new(400, "SerializationException", error.to_string());
        serde_json::from_slice(body).map_err(bad)
    }

    /// The page of a list that is wanted.
    fn page(&self, most: usize) -> Outcome<Page<'_>> {
        let limit = match self.named.value("limit") {
            None => most,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=most).contains(&limit) => limit,
                _ => return Err(Failure::invalid(format!("Invalid limit: {text}; it is from 1 to {most}"))),
            },
        };
        Ok(Page { limit, marker: self.named.value("marker") })
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
struct Page<'a> {
    limit: usize,
    marker: Option<&'a str>,
}

impl Page<'_> {
    /// Those of the page, and where the next one begins; items come with their ids.
    fn cut(&self, items: Vec<(String, Value)>) -> Outcome<(Vec<Value>, Option<String>)> {
        let first = match self.marker {
            None => 0,
            Some(marker) => {
                let found = items.iter().position(|(id, _)| id == marker);
                found.ok_or_else(|| Failure::invalid(format!("Invalid marker: {marker}")))?
            }
        };
        let next = items.get(first + self.limit).map(|(id, _)| id.clone());
        let here = items.into_iter().skip(first).take(self.limit).map(|(_, value)| value);
        Ok((here.collect(), next))
    }
}

/// A description of an archive or a job: up to 1,024 printable ASCII characters.
fn checked_description(text: Option<&str>) -> Outcome<Option<String>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > 1024 || !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err(Failure::invalid("Invalid description: it has at most 1,024 characters of printable ASCII"));
    }
    Ok(Some(text.to_string()))
}

impl State {
    /// Answers a call whose body is not an archive. It has been admitted.
    pub fn call_glacier(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        use Operation as O;
        match call.operation {
            O::ListVaults => self.list_vaults(call),
            O::CreateVault => self.create_vault(call),
            O::DescribeVault => self.describe_vault(call),
            O::DeleteVault => self.delete_vault(call),
            O::DeleteArchive => self.delete_archive(call),
            O::InitiateMultipartUpload => self.initiate_upload(call),
            O::CompleteMultipartUpload => self.complete_vault_upload(call),
            O::AbortMultipartUpload => self.abort_vault_upload(call),
            O::ListParts => self.list_vault_parts(call),
            O::ListMultipartUploads => self.list_vault_uploads(call),
            O::InitiateJob => self.initiate_job(call),
            O::DescribeJob => self.describe_job(call),
            O::ListJobs => self.list_jobs(call),
            O::GetJobOutput => self.job_output(call),
            O::SetVaultNotifications => self.set_notifications(call),
            O::GetVaultNotifications => self.notifications(call),
            O::DeleteVaultNotifications => self.delete_notifications(call),
            O::SetVaultAccessPolicy => self.set_access_policy(call),
            O::GetVaultAccessPolicy => self.access_policy(call),
            O::DeleteVaultAccessPolicy => self.delete_access_policy(call),
            O::InitiateVaultLock => self.initiate_lock(call),
            O::CompleteVaultLock => self.complete_lock(call),
            O::AbortVaultLock => self.abort_lock(call),
            O::GetVaultLock => self.vault_lock(call),
            O::AddTagsToVault => self.add_tags(call),
            O::RemoveTagsFromVault => self.remove_tags(call),
            O::ListTagsForVault => self.list_tags(call),
            O::SetDataRetrievalPolicy => self.set_retrieval_policy(call),
            O::GetDataRetrievalPolicy => Ok(self.retrieval_policy()),
            O::ListProvisionedCapacity => Ok(self.list_capacity()),
            O::PurchaseProvisionedCapacity => self.purchase_capacity(),
            O::UploadArchive | O::UploadMultipartPart => Err(Failure::missing("the archive")),
        }
    }

    /// Keeps an archive or a part that has come; what is refused has to be removed.
    pub fn take_upload(&mut self, call: &Call<'_>, received: Received) -> Outcome<Reply> {
        match call.operation {
            Operation::UploadMultipartPart => self.upload_part(call, received),
            _ => self.upload_archive(call, received),
        }
    }

    fn vault_arn(&self, vault: &str) -> String {
        format!("arn:aws:glacier:{}:{ACCOUNT}:vaults/{vault}", self.region)
    }

    fn vault(&self, name: &str) -> Outcome<&Vault> {
        let unknown = || Failure::not_found(format!("Vault not found for ARN: {}", self.vault_arn(name)));
        self.glacier.vaults.get(name).ok_or_else(unknown)
    }

    /// A vault whose own record changes.
    fn vault_mut(&mut self, name: &str) -> Outcome<&mut Vault> {
        self.vault(name)?;
        self.dirty.insert(Record::Vault(name.to_string()));
        self.part_of_vault_mut(name)
    }

    /// A vault of which an archive, an upload or a job changes.
    fn part_of_vault_mut(&mut self, name: &str) -> Outcome<&mut Vault> {
        let arn = self.vault_arn(name);
        let unknown = || Failure::not_found(format!("Vault not found for ARN: {arn}"));
        self.glacier.vaults.get_mut(name).ok_or_else(unknown)
    }
}
