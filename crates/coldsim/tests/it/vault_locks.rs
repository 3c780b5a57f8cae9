//! Who may do what with a vault: policies of users, of the vault, of its lock; tags.

use darkslide_coldsim::Options;
use darkslide_words::Time;
use serde_json::{Value, json};

use crate::client::{Client, DAY, HOUR, START};
use crate::glacier::{Vaults, call_as, code};

const ARN: &str = "arn:aws:glacier:us-east-1:123456789012:vaults/photos";

fn policy(statement: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn allow(actions: &[&str], resource: &str) -> String {
    policy(&json!({ "Effect": "Allow", "Action": actions, "Resource": resource }))
}

fn status(client: &Client, method: &str, path: &str, body: &str) -> u16 {
    call_as(client, method, path, &[], body.as_bytes()).status
}

#[test]
fn a_user_does_what_its_policy_names_on_the_vault_it_names() {
    let vaults = Vaults::new();
    vaults.call("PUT", "/-/vaults/other", "");
    let writer = vaults.user("writer", &[&allow(&["glacier:UploadArchive", "glacier:DescribeVault"], ARN)]);
    let hash = crate::glacier::tree_hash(b"x");
    let upload = |path: &str| call_as(&writer, "POST", path, &[("x-amz-sha256-tree-hash", &hash)], b"x");
    let id = upload("/-/vaults/photos/archives").header("x-amz-archive-id").unwrap().to_string();
    let other = upload("/-/vaults/other/archives");
    assert_eq!((other.status, code(&other).as_str()), (403, "AccessDeniedException"));
    assert_eq!(status(&writer, "GET", "/-/vaults/photos", ""), 200);
    assert_eq!(status(&writer, "DELETE", &format!("/-/vaults/photos/archives/{id}"), ""), 403);
    let job = json!({ "Type": "archive-retrieval", "ArchiveId": id }).to_string();
    assert_eq!(status(&writer, "POST", "/-/vaults/photos/jobs", &job), 403);
    // What belongs to the account is on `*` only.
    let lister = vaults.user("lister", &[&allow(&["glacier:ListVaults"], ARN)]);
    assert_eq!(status(&lister, "GET", "/-/vaults", ""), 403);
    let lister = vaults.user("lister", &[&allow(&["glacier:ListVaults"], "*")]);
    assert_eq!(status(&lister, "GET", "/-/vaults", ""), 200);
    // The right to make one vault, named by its ARN.
    let maker = vaults.user("maker", &[&allow(&["glacier:CreateVault"], &ARN.replace("photos", "new"))]);
    assert_eq!((status(&maker, "PUT", "/-/vaults/new", ""), status(&maker, "PUT", "/-/vaults/newer", "")), (201, 403));
}

#[test]
fn a_vaults_own_policy_grants_and_denies() {
    let vaults = Vaults::new();
    let guest = vaults.user("guest", &[]);
    let path = "/-/vaults/photos/access-policy";
    assert_eq!(vaults.call("GET", path, "").status, 404);
    let user = "arn:aws:iam::123456789012:user/guest";
    let statement =
        json!({ "Effect": "Allow", "Principal": { "AWS": user }, "Action": "glacier:DescribeVault", "Resource": ARN });
    let text = policy(&statement);
    assert_eq!(vaults.json("PUT", path, &json!({ "Policy": text })).status, 204);
    assert_eq!(vaults.get(path)["Policy"], text);
    assert_eq!(
        (status(&guest, "GET", "/-/vaults/photos", ""), status(&guest, "GET", "/-/vaults/photos/tags", "")),
        (200, 403)
    );
    let statement = json!({ "Effect": "Deny", "Principal": "*", "Action": "glacier:UploadArchive", "Resource": ARN });
    assert_eq!(vaults.json("PUT", path, &json!({ "Policy": policy(&statement) })).status, 204);
    assert_eq!(code(&vaults.try_upload("one", b"x")), "AccessDeniedException");
    assert_eq!(vaults.call("DELETE", path, "").status, 204);
    assert_eq!(vaults.try_upload("one", b"x").status, 201);
    let of_a_user = allow(&["glacier:*"], "*");
    let huge = "x".repeat(21 * 1024);
    for bad in [of_a_user.as_str(), "nonsense", &huge] {
        assert_eq!(code(&vaults.json("PUT", path, &json!({ "Policy": bad }))), "InvalidParameterValueException");
    }
    assert_eq!(code(&vaults.json("PUT", path, &json!({}))), "MissingParameterValueException");
}

/// No archive is deleted before it is a year old.
fn keep_a_year() -> Value {
    let condition = json!({ "NumericLessThan": { "glacier:ArchiveAgeInDays": "365" } });
    let statement = json!({ "Effect": "Deny", "Principal": "*", "Action": "glacier:DeleteArchive", "Resource": ARN, "Condition": condition });
    json!({ "Policy": policy(&statement) })
}

const LOCK: &str = "/-/vaults/photos/lock-policy";

#[test]
fn a_lock_is_on_trial_for_a_day_and_then_for_ever() {
    // A lock holds where no other policy is enforced, too.
    for enforce in [true, false] {
        let vaults = Vaults::with(Options { enforce, ..Options::new(Time::from_parts(START, 0)) });
        let id = vaults.upload("one", b"photograph");
        assert_eq!(vaults.call("GET", LOCK, "").status, 404);
        let begun = vaults.json("POST", LOCK, &keep_a_year());
        assert_eq!(begun.status, 201);
        let lock = begun.header("x-amz-lock-id").unwrap().to_string();
        let found = vaults.get(LOCK);
        assert_eq!(
            (&found["State"], &found["ExpirationDate"]),
            (&json!("InProgress"), &json!("2026-01-16T12:00:00.000Z"))
        );
        assert_eq!(code(&vaults.delete(&id)), "AccessDeniedException", "it holds on trial");
        assert_eq!(code(&vaults.json("POST", LOCK, &keep_a_year())), "AccessDeniedException", "abort it first");
        assert_eq!(code(&vaults.call("POST", &format!("{LOCK}/other"), "")), "InvalidParameterValueException");
        vaults.bench.advance(23 * HOUR);
        assert_eq!(vaults.call("POST", &format!("{LOCK}/{lock}"), "").status, 204);
        assert_eq!(vaults.call("POST", &format!("{LOCK}/{lock}"), "").status, 204, "once more is no error");
        let found = vaults.get(LOCK);
        assert_eq!((&found["State"], &found["ExpirationDate"]), (&json!("Locked"), &json!(null)));
        for (method, path) in
            [("DELETE", LOCK.to_string()), ("POST", LOCK.to_string()), ("POST", format!("{LOCK}/other"))]
        {
            assert_eq!(code(&vaults.json(method, &path, &keep_a_year())), "AccessDeniedException", "{method} {path}");
        }
        vaults.bench.advance(363 * DAY);
        assert_eq!(code(&vaults.delete(&id)), "AccessDeniedException");
        vaults.bench.advance(2 * DAY);
        assert_eq!(vaults.delete(&id).status, 204, "after its year an archive goes");
    }
}

#[test]
fn a_lock_that_is_not_completed_goes() {
    let vaults = Vaults::new();
    let id = vaults.upload("one", b"photograph");
    let begun = vaults.json("POST", LOCK, &keep_a_year());
    let lock = begun.header("x-amz-lock-id").unwrap().to_string();
    vaults.bench.advance(DAY);
    assert_eq!(vaults.call("GET", LOCK, "").status, 404);
    assert_eq!(vaults.call("POST", &format!("{LOCK}/{lock}"), "").status, 404);
    assert_eq!(vaults.json("POST", LOCK, &keep_a_year()).status, 201);
    assert_eq!((vaults.call("DELETE", LOCK, "").status, vaults.call("DELETE", LOCK, "").status), (204, 204));
    assert_eq!(vaults.delete(&id).status, 204);
}

#[test]
fn tags_are_kept_limited_and_seen_by_policies() {
    let vaults = Vaults::new();
    let (add, remove) = ("/-/vaults/photos/tags?operation=add", "/-/vaults/photos/tags?operation=remove");
    assert_eq!(vaults.json("POST", add, &json!({ "Tags": { "job": "nas", "owner": "" } })).status, 204);
    assert_eq!(vaults.json("POST", add, &json!({ "Tags": { "owner": "me" } })).status, 204);
    assert_eq!(vaults.get("/-/vaults/photos/tags")["Tags"], json!({ "job": "nas", "owner": "me" }));
    let tagged = json!({ "Effect": "Allow", "Action": "glacier:DescribeVault", "Resource": "*",
        "Condition": { "StringEquals": { "glacier:ResourceTag/job": "nas" } } });
    let user = vaults.user("user", &[&policy(&tagged)]);
    assert_eq!(status(&user, "GET", "/-/vaults/photos", ""), 200);
    assert_eq!(vaults.json("POST", remove, &json!({ "TagKeys": ["job", "none"] })).status, 204);
    assert_eq!(status(&user, "GET", "/-/vaults/photos", ""), 403);
    let many = |from: usize| -> Value { (from..from + 10).map(|n| (format!("t{n}"), json!("x"))).collect() };
    for from in [0, 10, 20, 30] {
        assert_eq!(vaults.json("POST", add, &json!({ "Tags": many(from) })).status, 204);
    }
    assert_eq!(code(&vaults.json("POST", add, &json!({ "Tags": many(40) }))), "LimitExceededException");
    let eleven: Value = (0..11).map(|n| (format!("t{n}"), json!("x"))).collect();
    assert_eq!(code(&vaults.json("POST", add, &json!({ "Tags": eleven }))), "InvalidParameterValueException");
    assert_eq!(code(&vaults.json("POST", add, &json!({}))), "MissingParameterValueException");
}
