//! Vaults, archives and multipart uploads.

use std::time::Duration;

use darkslide_coldsim::{Fault, FaultKind, Options};
use darkslide_words::Time;
use serde_json::json;

use crate::client::{DAY, HOUR, START};
use crate::glacier::{MIB, Vaults, body, call_as, code, sample, tree_hash};

#[test]
fn a_vault_is_made_once_described_and_listed_in_pages() {
    let vaults = Vaults::new();
    let again = vaults.call("PUT", "/123456789012/vaults/photos", "");
    assert_eq!((again.status, again.header("location")), (201, Some("/123456789012/vaults/photos")));
    let found = vaults.get("/-/vaults/photos");
    assert_eq!(found["VaultARN"], "arn:aws:glacier:us-east-1:123456789012:vaults/photos");
    assert_eq!((&found["LastInventoryDate"], &found["NumberOfArchives"]), (&json!(null), &json!(0)));
    assert_eq!(found["CreationDate"], "2026-01-15T12:00:00.000Z");
    for n in 0..11 {
        vaults.call("PUT", &format!("/-/vaults/v{n:02}"), "");
    }
    let (mut names, mut marker) = (Vec::new(), String::new());
    loop {
        let page = vaults.get(&format!("/-/vaults?limit=5{marker}"));
        names.extend(page["VaultList"].as_array().unwrap().iter().map(|vault| vault["VaultName"].clone()));
        let Some(next) = page["Marker"].as_str() else { break };
        marker = format!("&marker={}", next.replace(':', "%3A").replace('/', "%2F"));
    }
    assert_eq!((names.len(), &names[0], &names[11]), (12, &json!("photos"), &json!("v10")));
    assert_eq!(vaults.get("/-/vaults")["VaultList"].as_array().unwrap().len(), 10, "a page has ten at most");
    assert_eq!(code(&vaults.call("GET", "/-/vaults?limit=11", "")), "InvalidParameterValueException");
    let missing = vaults.call("GET", "/-/vaults/none", "");
    assert_eq!((missing.status, code(&missing).as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(code(&vaults.call("PUT", "/-/vaults/a%20b", "")), "InvalidParameterValueException");
    assert_eq!(code(&vaults.call("GET", "/111122223333/vaults", "")), "AccessDeniedException");
}

#[test]
fn a_vault_goes_only_when_an_empty_inventory_was_taken_since_the_last_write() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    let refuses = |when: &str| {
        let reply = vaults.call("DELETE", "/-/vaults/photos", "");
        assert_eq!((reply.status, code(&reply).as_str()), (400, "InvalidParameterValueException"), "{when}");
    };
    refuses("with an archive");
    vaults.bench.advance(2 * DAY);
    assert_eq!(vaults.get("/-/vaults/photos")["NumberOfArchives"], 1);
    assert_eq!(vaults.delete(&id).status, 204);
    refuses("before the next inventory");
    vaults.bench.advance(DAY);
    assert_eq!(vaults.call("DELETE", "/-/vaults/photos", "").status, 204);
    assert_eq!(vaults.call("GET", "/-/vaults/photos", "").status, 404);
    // One that never had an archive goes at once.
    vaults.call("PUT", "/-/vaults/empty", "");
    assert_eq!(vaults.call("DELETE", "/-/vaults/empty", "").status, 204);
}

#[test]
fn uploads_are_held_against_both_hashes_and_their_description() {
    let vaults = Vaults::new();
    let bytes = sample(3 * MIB + 17);
    let (one, other) = (vaults.upload("a/b c~", &bytes), vaults.upload("a/b c~", &bytes));
    assert_ne!(one, other, "the same bytes twice are two archives");
    assert_eq!(one.len(), 138);
    let hash = tree_hash(&bytes);
    let send = |headers: &[(&str, &str)], bytes: &[u8]| {
        let reply = call_as(&vaults.client, "POST", "/-/vaults/photos/archives", headers, bytes);
        format!("{} {}", reply.status, code(&reply))
    };
    let wrong = tree_hash(b"other");
    assert_eq!(send(&[("x-amz-sha256-tree-hash", &wrong)], &bytes), "400 InvalidParameterValueException");
    assert_eq!(send(&[], &bytes), "400 MissingParameterValueException");
    let unsigned = [("x-amz-sha256-tree-hash", hash.as_str()), ("x-amz-content-sha256", wrong.as_str())];
    assert_eq!(send(&unsigned, &bytes), "403 InvalidSignatureException");
    assert_eq!(send(&[("x-amz-sha256-tree-hash", &tree_hash(b""))], b""), "400 InvalidParameterValueException");
    let long = "x".repeat(1025);
    assert_eq!(code(&vaults.try_upload(&long, b"x")), "InvalidParameterValueException");
    let job = json!({ "Type": "inventory-retrieval", "Description": "caf\u{e9}" });
    assert_eq!(code(&vaults.try_job(&job)), "InvalidParameterValueException");
    assert_eq!(vaults.try_upload(&"~".repeat(1024), b"x").status, 201);
    let nowhere = [("x-amz-sha256-tree-hash", hash.as_str())];
    let reply = call_as(&vaults.client, "POST", "/-/vaults/none/archives", &nowhere, &bytes);
    assert_eq!(code(&reply), "ResourceNotFoundException");
    vaults.bench.advance(2 * DAY);
    assert_eq!(vaults.get("/-/vaults/photos")["NumberOfArchives"], 3, "what was refused is not there");
}

#[test]
fn an_archive_is_deleted_twice_without_an_error_and_one_that_never_was_is_one() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    assert_eq!((vaults.delete(&id).status, vaults.delete(&id).status), (204, 204));
    let other = format!("{}AAAA", &id[..134]);
    assert_eq!(vaults.delete(&other).status, 404);
    let job = vaults.try_job(&json!({ "Type": "archive-retrieval", "ArchiveId": id }));
    assert_eq!((job.status, code(&job).as_str()), (404, "ResourceNotFoundException"));
}

#[test]
fn a_call_names_the_version_and_is_signed_for_it() {
    let vaults = Vaults::new();
    let without = vaults.client.call("GET", "/-/vaults", &[], b"");
    assert_eq!((without.status, code(&without).as_str()), (400, "MissingParameterValueException"));
    let mut stranger = vaults.client.clone();
    stranger.secret = "wrong".into();
    let reply = call_as(&stranger, "GET", "/-/vaults", &[], b"");
    assert_eq!((reply.status, code(&reply).as_str()), (403, "InvalidSignatureException"));
    stranger.id = "nobody".into();
    assert_eq!(code(&call_as(&stranger, "GET", "/-/vaults", &[], b"")), "UnrecognizedClientException");
    let late = crate::client::Client { skew: -3600, ..vaults.client.clone() };
    assert_eq!(code(&call_as(&late, "GET", "/-/vaults", &[], b"")), "InvalidSignatureException");
    assert_eq!(code(&vaults.call("GET", "/-/vaults/photos/nonsense", "")), "BadRequest");
}

/// Begins an upload with parts of so many MiB.
fn begin(vaults: &Vaults, mib: usize) -> String {
    let size = (mib * MIB).to_string();
    let headers = [("x-amz-part-size", size.as_str()), ("x-amz-archive-description", "parts")];
    let reply = call_as(&vaults.client, "POST", "/-/vaults/photos/multipart-uploads", &headers, b"");
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.header("x-amz-multipart-upload-id").unwrap().to_string()
}

fn send_part(vaults: &Vaults, upload: &str, from: usize, bytes: &[u8]) -> crate::client::Reply {
    let (hash, range) = (tree_hash(bytes), format!("bytes {from}-{}/*", from + bytes.len() - 1));
    let headers = [("x-amz-sha256-tree-hash", hash.as_str()), ("content-range", range.as_str())];
    call_as(&vaults.client, "PUT", &format!("/-/vaults/photos/multipart-uploads/{upload}"), &headers, bytes)
}

fn complete(vaults: &Vaults, upload: &str, size: usize, hash: &str) -> crate::client::Reply {
    let size = size.to_string();
    let headers = [("x-amz-sha256-tree-hash", hash), ("x-amz-archive-size", size.as_str())];
    call_as(&vaults.client, "POST", &format!("/-/vaults/photos/multipart-uploads/{upload}"), &headers, b"")
}

/// An archive that came in parts of so many MiB.
pub fn upload_in_parts(vaults: &Vaults, bytes: &[u8], mib: usize) -> String {
    let upload = begin(vaults, mib);
    for (n, part) in bytes.chunks(mib * MIB).enumerate() {
        assert_eq!(send_part(vaults, &upload, n * mib * MIB, part).status, 204);
    }
    let done = complete(vaults, &upload, bytes.len(), &tree_hash(bytes));
    done.header("x-amz-archive-id").unwrap().to_string()
}

#[test]
fn parts_in_any_order_become_one_archive() {
    let vaults = Vaults::new();
    let bytes = sample(5 * MIB + 99);
    let upload = begin(&vaults, 2);
    let path = format!("/-/vaults/photos/multipart-uploads/{upload}");
    for at in [4 * MIB, 0, 2 * MIB] {
        let part = &bytes[at..bytes.len().min(at + 2 * MIB)];
        let reply = send_part(&vaults, &upload, at, part);
        assert_eq!((reply.status, reply.header("x-amz-sha256-tree-hash")), (204, Some(tree_hash(part).as_str())));
    }
    let listed = vaults.get("/-/vaults/photos/multipart-uploads");
    assert_eq!(listed["UploadsList"][0]["MultipartUploadId"], upload.as_str());
    let first = vaults.get(&format!("{path}?limit=2"));
    assert_eq!(first["PartSizeInBytes"], 2 * MIB);
    assert_eq!(first["Parts"][1]["RangeInBytes"], "2097152-4194303");
    assert_eq!(first["Parts"][1]["SHA256TreeHash"], tree_hash(&bytes[2 * MIB..4 * MIB]));
    let rest = vaults.get(&format!("{path}?limit=2&marker={}", first["Marker"].as_str().unwrap()));
    assert_eq!((rest["Parts"].as_array().unwrap().len(), &rest["Marker"]), (1, &json!(null)));

    let hash = tree_hash(&bytes);
    assert_eq!(code(&complete(&vaults, &upload, bytes.len() - 1, &hash)), "InvalidParameterValueException");
    assert_eq!(code(&complete(&vaults, &upload, bytes.len(), &tree_hash(b""))), "InvalidParameterValueException");
    let done = complete(&vaults, &upload, bytes.len(), &hash);
    assert_eq!((done.status, done.header("x-amz-sha256-tree-hash")), (201, Some(hash.as_str())));
    let again = complete(&vaults, &upload, bytes.len(), &hash);
    assert_eq!(again.header("x-amz-archive-id"), done.header("x-amz-archive-id"), "asked again, it is the same");
    assert_eq!(vaults.call("GET", &path, "").status, 404, "no parts of what is complete");
    assert_eq!(vaults.get("/-/vaults/photos/multipart-uploads")["UploadsList"], json!([]));

    let job = vaults.retrieve(done.header("x-amz-archive-id").unwrap(), "Expedited");
    vaults.bench.advance(HOUR);
    let output = vaults.output(&job, None);
    assert_eq!((output.body == bytes, output.header("x-amz-archive-description")), (true, Some("parts")));
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let vaults = Vaults::new();
    let refused = |size: &str| {
        let headers = [("x-amz-part-size", size)];
        code(&call_as(&vaults.client, "POST", "/-/vaults/photos/multipart-uploads", &headers, b""))
    };
    for size in ["0", "1048575", "3145728", "8589934592", "many"] {
        assert_eq!(refused(size), "InvalidParameterValueException", "{size}");
    }
    let upload = begin(&vaults, 1);
    let bytes = sample(2 * MIB);
    let refused = |from, bytes: &[u8]| code(&send_part(&vaults, &upload, from, bytes));
    assert_eq!(refused(1, b"x"), "InvalidParameterValueException", "not at a part's beginning");
    assert_eq!(refused(0, &bytes), "InvalidParameterValueException", "longer than a part");
    assert_eq!(refused(10_000 * MIB, b"x"), "InvalidParameterValueException", "one part too many");
    // A short part is taken; that it is not the last is found out at the end.
    assert_eq!(send_part(&vaults, &upload, 0, b"short").status, 204);
    assert_eq!(send_part(&vaults, &upload, MIB, b"last").status, 204);
    let reply = complete(&vaults, &upload, 9, &tree_hash(b"shortlast"));
    assert_eq!(code(&reply), "InvalidParameterValueException");
    // Sent again, it replaces what was there.
    assert_eq!(send_part(&vaults, &upload, 0, &bytes[..MIB]).status, 204);
    let whole = [&bytes[..MIB], b"last"].concat();
    assert_eq!(complete(&vaults, &upload, whole.len(), &tree_hash(&whole)).status, 201);
}

#[test]
fn an_upload_is_aborted_or_vanishes_when_it_is_idle_for_a_day() {
    let vaults = Vaults::new();
    let (one, other) = (begin(&vaults, 1), begin(&vaults, 1));
    let path = format!("/-/vaults/photos/multipart-uploads/{one}");
    assert_eq!(send_part(&vaults, &one, 0, b"x").status, 204);
    assert_eq!((vaults.call("DELETE", &path, "").status, vaults.call("DELETE", &path, "").status), (204, 404));
    assert_eq!(send_part(&vaults, &one, 0, b"x").status, 404);
    vaults.bench.advance(20 * HOUR);
    assert_eq!(send_part(&vaults, &other, 0, b"x").status, 204);
    vaults.bench.advance(20 * HOUR);
    assert_eq!(complete(&vaults, "nonsense", 1, &tree_hash(b"x")).status, 404);
    assert_eq!(vaults.get("/-/vaults/photos/multipart-uploads")["UploadsList"].as_array().unwrap().len(), 1);
    vaults.bench.advance(5 * HOUR);
    assert_eq!(complete(&vaults, &other, 1, &tree_hash(b"x")).status, 404);
}

#[test]
fn all_of_it_survives_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(dir.path().into()), ..Options::new(Time::from_parts(START, 0)) };
    let bytes = sample(2 * MIB + 3);
    let (id, upload, job) = {
        let vaults = Vaults::with(options.clone());
        let id = vaults.upload("kept", &bytes);
        vaults.bench.advance(2 * DAY);
        let upload = begin(&vaults, 1);
        send_part(&vaults, &upload, 0, &bytes[..MIB]);
        vaults.json("POST", "/-/vaults/photos/tags?operation=add", &json!({ "Tags": { "camera": "Z9" } }));
        (id.clone(), upload, vaults.retrieve(&id, "Standard"))
    };
    let vaults = Vaults::with(options.clone());
    assert_eq!(vaults.describe(&job)["StatusCode"], "InProgress");
    vaults.bench.advance(5 * HOUR);
    assert_eq!(vaults.output(&job, None).body, bytes);
    assert_eq!(vaults.get("/-/vaults/photos")["NumberOfArchives"], 1);
    assert_eq!(vaults.get("/-/vaults/photos/tags")["Tags"], json!({ "camera": "Z9" }));
    send_part(&vaults, &upload, MIB, &bytes[MIB..2 * MIB]);
    send_part(&vaults, &upload, 2 * MIB, &bytes[2 * MIB..]);
    assert_eq!(complete(&vaults, &upload, bytes.len(), &tree_hash(&bytes)).status, 201);
    assert_eq!(vaults.delete(&id).status, 204);
    drop(vaults);
    let vaults = Vaults::with(options);
    let found = vaults.inventory();
    assert_eq!(found["ArchiveList"][0]["ArchiveId"], id.as_str(), "the inventory is older than the deletion");
    vaults.bench.advance(30 * HOUR);
    assert_eq!(vaults.inventory()["ArchiveList"][0]["ArchiveDescription"], "parts");
    // What was deleted, and outputs that were forgotten, leave no bytes.
    vaults.bench.advance(2 * DAY);
    drop(vaults);
    let left: u64 =
        std::fs::read_dir(dir.path().join("objects")).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(left, bytes.len() as u64);
}

#[test]
fn calls_fail_where_a_fault_says_so() {
    let vaults = Vaults::new();
    vaults.bench.sim.fault(Fault::new(FaultKind::Throttle).on("UploadArchive").under("photos"));
    let reply = vaults.try_upload("one", b"photograph");
    assert_eq!((reply.status, code(&reply).as_str()), (400, "ThrottlingException"));
    let fail = FaultKind::Fail { status: 500, code: "ServiceUnavailableException".into() };
    vaults.bench.sim.fault(Fault::new(fail).on("DescribeVault"));
    assert_eq!(code(&vaults.call("GET", "/-/vaults/photos", "")), "ServiceUnavailableException");
    // Carried out, and the answer lost: what a client has to find out by the inventory.
    vaults.bench.sim.fault(Fault::new(FaultKind::CutAfter).on("UploadArchive"));
    let (hash, version) = (tree_hash(b"x"), "2012-06-01");
    let headers = [("x-amz-sha256-tree-hash", hash.as_str()), ("x-amz-glacier-version", version)];
    assert!(vaults.client.try_call("POST", "/-/vaults/photos/archives", &headers, b"x").is_err());
    vaults.bench.advance(DAY);
    assert_eq!(vaults.get("/-/vaults/photos")["NumberOfArchives"], 1);
    let logged = vaults.bench.sim.requests();
    let lost = logged.iter().find(|call| call.operation == "UploadArchive" && call.status == 0).unwrap();
    assert_eq!((lost.bucket.as_str(), lost.access_key.as_str()), ("photos", "coldsim"));
}

#[test]
fn for_a_new_account_the_service_is_closed() {
    let vaults = Vaults::new();
    vaults.bench.sim.close_vaults();
    for reply in [vaults.call("GET", "/-/vaults", ""), vaults.try_upload("one", b"x")] {
        assert_eq!((reply.status, code(&reply).as_str()), (400, "NoLongerSupportedException"));
        assert!(body(&reply)["message"].as_str().unwrap().contains("S3 Glacier storage classes"));
    }
    // Who has archives goes on as before.
    let vaults = Vaults::new();
    vaults.upload("one", b"x");
    vaults.bench.sim.close_vaults();
    vaults.bench.sim.advance(Duration::from_secs(60));
    vaults.upload("two", b"x");
}
