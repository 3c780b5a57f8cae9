//! Which operation a request is: method, path and query name it.

use http::Method;

use crate::s3::convert::{query_pairs, url_decoded};

/// The operations of the API, 2012-06-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    ListVaults,
    CreateVault,
    DescribeVault,
    DeleteVault,
    UploadArchive,
    DeleteArchive,
    InitiateMultipartUpload,
    UploadMultipartPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    ListMultipartUploads,
    InitiateJob,
    DescribeJob,
    ListJobs,
    GetJobOutput,
    SetVaultNotifications,
    GetVaultNotifications,
    DeleteVaultNotifications,
    SetVaultAccessPolicy,
    GetVaultAccessPolicy,
    DeleteVaultAccessPolicy,
    InitiateVaultLock,
    CompleteVaultLock,
    AbortVaultLock,
    GetVaultLock,
    AddTagsToVault,
    RemoveTagsFromVault,
    ListTagsForVault,
    SetDataRetrievalPolicy,
    GetDataRetrievalPolicy,
    ListProvisionedCapacity,
    PurchaseProvisionedCapacity,
}

impl Operation {
    /// Its name, which is also that of the IAM action.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// True if the body is an archive or a part of one.
    pub fn uploads(self) -> bool {
        matches!(self, Self::UploadArchive | Self::UploadMultipartPart)
    }
}

/// A request's operation and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// None if there is no such operation.
    pub operation: Option<Operation>,
    /// `-` or twelve digits.
    pub account: String,
    /// Empty if it names none.
    pub vault: String,
    /// Archive, upload, job or lock; empty if it names none.
    pub id: String,
    pub query: Vec<(String, String)>,
}

impl Named {
    /// A query parameter; an empty one counts as absent.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }
}

/// Names the operation.
pub(crate) fn name(method: &Method, path: &str, query: &str) -> Named {
    let steps: Vec<String> = path.trim_start_matches('/').split('/').map(|step| url_decoded(step, false)).collect();
    let step = |at: usize| steps.get(at).cloned().unwrap_or_default();
    let query = query_pairs(query);
    let mut named = Named { operation: None, account: step(0), vault: String::new(), id: String::new(), query };
    let rest: Vec<&str> = steps.iter().skip(1).map(String::as_str).collect();
    if let ["vaults", vault, ..] = rest[..] {
        named.vault = vault.to_string();
    }
    if let ["vaults", _, _, id, ..] = rest[..] {
        named.id = id.to_string();
    }
    named.operation = of(method.as_str(), &rest, named.value("operation").unwrap_or_default());
    named
}

fn of(method: &str, rest: &[&str], tags: &str) -> Option<Operation> {
    use Operation as O;
    Some(match (method, rest) {
        ("GET", ["vaults"]) => O::ListVaults,
        ("PUT", ["vaults", _]) => O::CreateVault,
        ("GET", ["vaults", _]) => O::DescribeVault,
        ("DELETE", ["vaults", _]) => O::DeleteVault,
        ("POST", ["vaults", _, "archives"]) => O::UploadArchive,
        ("DELETE", ["vaults", _, "archives", _]) => O::DeleteArchive,
        ("POST", ["vaults", _, "multipart-uploads"]) => O::InitiateMultipartUpload,
        ("GET", ["vaults", _, "multipart-uploads"]) => O::ListMultipartUploads,
        ("PUT", ["vaults", _, "multipart-uploads", _]) => O::UploadMultipartPart,
        ("POST", ["vaults", _, "multipart-uploads", _]) => O::CompleteMultipartUpload,
        ("DELETE", ["vaults", _, "multipart-uploads", _]) => O::AbortMultipartUpload,
        ("GET", ["vaults", _, "multipart-uploads", _]) => O::ListParts,
        ("POST", ["vaults", _, "jobs"]) => O::InitiateJob,
        ("GET", ["vaults", _, "jobs"]) => O::ListJobs,
        ("GET", ["vaults", _, "jobs", _]) => O::DescribeJob,
        ("GET", ["vaults", _, "jobs", _, "output"]) => O::GetJobOutput,
        ("PUT", ["vaults", _, "notification-configuration"]) => O::SetVaultNotifications,
        ("GET", ["vaults", _, "notification-configuration"]) => O::GetVaultNotifications,
        ("DELETE", ["vaults", _, "notification-configuration"]) => O::DeleteVaultNotifications,
        ("PUT", ["vaults", _, "access-policy"]) => O::SetVaultAccessPolicy,
        ("GET", ["vaults", _, "access-policy"]) => O::GetVaultAccessPolicy,
        ("DELETE", ["vaults", _, "access-policy"]) => O::DeleteVaultAccessPolicy,
        ("POST", ["vaults", _, "lock-policy"]) => O::InitiateVaultLock,
        ("GET", ["vaults", _, "lock-policy"]) => O::GetVaultLock,
        ("DELETE", ["vaults", _, "lock-policy"]) => O::AbortVaultLock,
        ("POST", ["vaults", _, "lock-policy", _]) => O::CompleteVaultLock,
        ("POST", ["vaults", _, "tags"]) if tags == "add" => O::AddTagsToVault,
        ("POST", ["vaults", _, "tags"]) if tags == "remove" => O::RemoveTagsFromVault,
        ("GET", ["vaults", _, "tags"]) => O::ListTagsForVault,
        ("PUT", ["policies", "data-retrieval"]) => O::SetDataRetrievalPolicy,
        ("GET", ["policies", "data-retrieval"]) => O::GetDataRetrievalPolicy,
        ("GET", ["provisioned-capacity"]) => O::ListProvisionedCapacity,
        ("POST", ["provisioned-capacity"]) => O::PurchaseProvisionedCapacity,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_names_of_their_operations() {
        for (method, path, query, wanted, id) in [
            ("GET", "/-/vaults", "limit=5", Some(Operation::ListVaults), ""),
            ("PUT", "/-/vaults/photos", "", Some(Operation::CreateVault), ""),
            ("PUT", "/-/vaults/v/multipart-uploads/u", "", Some(Operation::UploadMultipartPart), "u"),
            ("GET", "/123456789012/vaults/v/jobs/j/output", "", Some(Operation::GetJobOutput), "j"),
            ("POST", "/-/vaults/v/tags", "operation=remove", Some(Operation::RemoveTagsFromVault), ""),
            ("POST", "/-/vaults/v/tags", "", None, ""),
            ("POST", "/-/vaults/v/lock-policy/l", "", Some(Operation::CompleteVaultLock), "l"),
            ("PUT", "/-/policies/data-retrieval", "", Some(Operation::SetDataRetrievalPolicy), ""),
            ("PATCH", "/-/vaults/v", "", None, ""),
        ] {
            let named = name(&method.parse().unwrap(), path, query);
            assert_eq!((named.operation, named.id.as_str()), (wanted, id), "{method} {path}?{query}");
        }
        assert_eq!(Operation::GetJobOutput.name(), "GetJobOutput");
    }
}
