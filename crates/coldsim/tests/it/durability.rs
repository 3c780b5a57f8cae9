//! What survives a stop, and a stop in the middle of a write.

use std::fs;
use std::io::Write;
use std::path::Path;

use darkslide_coldsim::Options;
use darkslide_words::{SystemClock, Time};

use crate::client::{Bench, DAY, HOUR, START};

fn at(dir: &Path) -> Bench {
    Bench::with(Options { dir: Some(dir.into()), ..Options::new(Time::from_parts(START, 0)) })
}

#[test]
fn all_is_there_again_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let first = at(dir.path());
    first.enable_versions();
    let old = first.put("k", "STANDARD", b"one").header("x-amz-version-id").unwrap().to_string();
    first.put("k", "STANDARD", b"two");
    first.put("cold", "DEEP_ARCHIVE", b"cold");
    first.put("gone", "STANDARD", b"x");
    let version = first.head("gone").header("x-amz-version-id").unwrap().to_string();
    first.client.call("DELETE", &format!("/photos/gone?versionId={version}"), &[], b"");
    first.restore("cold", "Bulk", Some(3));
    let begun = first.client.call("POST", "/photos/up?uploads", &[], b"").element("UploadId").unwrap();
    first.client.call("PUT", &format!("/photos/up?partNumber=1&uploadId={begun}"), &[], b"part");
    first.sim.create_queue("q");
    first.advance(20 * HOUR);
    let (now, bill) = (first.sim.now(), first.sim.bill());
    drop(first);

    let second = at(dir.path());
    assert_eq!((second.sim.now(), second.sim.bill()), (now, bill));
    assert_eq!(second.get("k").body, b"two");
    assert_eq!(second.get(&format!("k?versionId={old}")).body, b"one");
    assert_eq!(second.get("gone").status, 404);
    assert_eq!(second.get(&format!("up?uploadId={begun}")).element("Size").as_deref(), Some("4"));
    assert_eq!(second.head("cold").header("x-amz-restore"), Some("ongoing-request=\"true\""));
    second.advance(28 * HOUR);
    assert_eq!(second.get("cold").body, b"cold");
    second.advance(5 * DAY);
    assert_eq!(second.get("cold").status, 403);
    assert!(second.sim.broken().is_none());
}

#[test]
fn a_simulator_that_is_killed_loses_no_object() {
    let dir = tempfile::tempdir().unwrap();
    let running = at(dir.path());
    running.put("k", "GLACIER", b"kept");
    running.restore("k", "Expedited", Some(1));
    running.advance(HOUR);
    // What lies on disk now is what a kill leaves.
    let left = tempfile::tempdir().unwrap();
    fs::create_dir(left.path().join("objects")).unwrap();
    fs::copy(dir.path().join("journal.jsonl"), left.path().join("journal.jsonl")).unwrap();
    for entry in fs::read_dir(dir.path().join("objects")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), left.path().join("objects").join(entry.file_name())).unwrap();
    }
    let again = at(left.path());
    assert_eq!(again.sim.now(), running.sim.now());
    assert_eq!(again.get("k").body, b"kept");
}

#[test]
fn a_directory_serves_one_simulator_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = at(dir.path());
    let options = Options { dir: Some(dir.path().into()), ..Options::new(Time::from_parts(START, 0)) };
    let open = || darkslide_coldsim::ColdSim::open(options.clone(), std::sync::Arc::new(SystemClock::default()));
    let error = open().err().unwrap();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("another simulator"));
    drop(first);
    assert!(open().is_ok());
}

#[test]
fn a_torn_last_line_costs_that_line_only() {
    let dir = tempfile::tempdir().unwrap();
    let bench = at(dir.path());
    bench.put("k", "STANDARD", b"kept");
    drop(bench);
    let journal = dir.path().join("journal.jsonl");
    let mut file = fs::File::options().append(true).open(&journal).unwrap();
    file.write_all(br#"{"record":{"Object":["photos","torn"]},"val"#).unwrap();
    fs::write(dir.path().join("objects/00000000000000ff"), b"of an upload cut short").unwrap();
    let again = at(dir.path());
    assert_eq!(again.get("k").body, b"kept");
    assert_eq!(again.get("torn").status, 404);
    assert!(!dir.path().join("objects/00000000000000ff").exists());
}

#[test]
fn a_damaged_line_is_reported_and_not_skipped() {
    let dir = tempfile::tempdir().unwrap();
    at(dir.path()).put("k", "STANDARD", b"kept");
    let journal = dir.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("\"record\"", "\"rekord\"", 1)).unwrap();
    let options = Options { dir: Some(dir.path().into()), ..Options::new(Time::from_parts(START, 0)) };
    let opened = darkslide_coldsim::ColdSim::open(options, std::sync::Arc::new(SystemClock::default()));
    let error = opened.err().unwrap();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("line 1"));
}

#[test]
fn bytes_that_nothing_refers_to_leave_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let bench = at(dir.path());
    let files = || fs::read_dir(dir.path().join("objects")).unwrap().count();
    bench.put("k", "STANDARD", b"one");
    let copy = [("x-amz-copy-source", "/photos/k"), ("x-amz-storage-class", "GLACIER_IR")];
    bench.client.call("PUT", "/photos/copy", &copy, b"");
    assert_eq!(files(), 1);
    bench.put("k", "STANDARD", b"two");
    assert_eq!(files(), 2);
    bench.client.call("DELETE", "/photos/copy", &[], b"");
    assert_eq!(files(), 1);
    bench.client.call("PUT", "/photos/bad", &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], b"refused");
    bench.client.call("PUT", "/photos/k", &[("if-none-match", "*")], b"refused");
    assert_eq!(files(), 1);
}
