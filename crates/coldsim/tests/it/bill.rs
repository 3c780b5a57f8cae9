//! What the simulator tells its meter. The prices' own arithmetic is tested with them.

use darkslide_coldsim::Bill;
use darkslide_words::Money;

use crate::client::{Bench, DAY};

/// Quantity of all lines of that name.
fn quantity(bill: &Bill, what: &str) -> f64 {
    let lines = bill.lines.iter().filter(|line| line.what == what);
    lines.map(|line| line.quantity).sum()
}

fn show(bill: &Bill) -> String {
    let lines = bill.lines.iter().map(|l| format!("{} {} {} {}", l.month, l.what, l.quantity, l.unit));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn requests_count_by_class() {
    let bench = Bench::new();
    bench.sim.reset_bill();
    bench.put("a", "DEEP_ARCHIVE", b"x");
    bench.put("b", "STANDARD", b"x");
    bench.put("b", "STANDARD", b"y");
    bench.get("b");
    bench.head("a");
    bench.client.call("GET", "/photos?list-type=2", &[], b"");
    let bill = bench.sim.bill();
    assert_eq!(quantity(&bill, "DEEP_ARCHIVE PUT requests"), 1.0, "{}", show(&bill));
    assert_eq!(quantity(&bill, "STANDARD PUT requests"), 2.0, "{}", show(&bill));
    assert_eq!(quantity(&bill, "LIST requests"), 1.0, "{}", show(&bill));
    bench.sim.reset_bill();
    assert_eq!(bench.sim.bill().total, Money::ZERO);
}

#[test]
fn storage_is_billed_once_however_often_the_bill_is_asked_for() {
    let (often, once) = (Bench::new(), Bench::new());
    let body = vec![0; 1 << 20];
    for bench in [&often, &once] {
        bench.put("k", "STANDARD", &body);
        bench.sim.reset_bill();
    }
    for _ in 0..10 {
        often.advance(DAY);
        often.sim.bill();
    }
    once.advance(10 * DAY);
    let (a, b) = (often.sim.bill(), once.sim.bill());
    let (a, b) = (quantity(&a, "STANDARD storage"), quantity(&b, "STANDARD storage"));
    assert!(a > 0.0 && (a - b).abs() < 1e-9, "{a} {b}");
}

#[test]
fn a_thaw_costs_its_request_its_bytes_and_its_copy() {
    let bench = Bench::new();
    let body = vec![0; 1 << 20];
    bench.put("k", "DEEP_ARCHIVE", &body);
    bench.sim.reset_bill();
    bench.restore("k", "Standard", Some(5));
    bench.restore("k", "Standard", Some(5));
    bench.advance(30 * DAY);
    let bill = bench.sim.bill();
    let (requests, bytes) = ("DEEP_ARCHIVE restore requests, standard", "DEEP_ARCHIVE retrieval, standard");
    assert_eq!(quantity(&bill, requests), 1.0, "{}", show(&bill));
    assert!((quantity(&bill, bytes) - 1.0 / 1024.0).abs() < 1e-9, "{}", show(&bill));
    let copies = bill.lines.iter().filter(|line| line.what.contains("thawed") || line.what.contains("restored"));
    assert!(copies.map(|line| line.quantity).sum::<f64>() > 0.0, "{}", show(&bill));
}

#[test]
fn reads_of_infrequent_access_and_bytes_out_are_billed() {
    let bench = Bench::new();
    let body = vec![0; 1 << 20];
    bench.put("k", "STANDARD_IA", &body);
    bench.sim.reset_bill();
    assert_eq!(bench.get("k").body.len(), 1 << 20);
    assert_eq!(bench.client.call("GET", "/photos/k", &[("range", "bytes=0-524287")], b"").status, 206);
    let bill = bench.sim.bill();
    let read = bill.lines.iter().filter(|line| line.what.contains("STANDARD_IA retrieval"));
    let read: f64 = read.map(|line| line.quantity).sum();
    assert!((read - 1.5 / 1024.0).abs() < 1e-9, "{}", show(&bill));
    let out = quantity(&bill, "transfer out to the internet");
    assert!(out >= 1.5 / 1024.0, "{}", show(&bill));
}

#[test]
fn what_leaves_an_archive_class_early_pays_for_the_rest() {
    let bench = Bench::new();
    let body = vec![0; 1 << 20];
    bench.put("early", "DEEP_ARCHIVE", &body);
    bench.put("late", "DEEP_ARCHIVE", &body);
    bench.advance(90 * DAY);
    bench.client.call("DELETE", "/photos/early", &[], b"");
    bench.advance(90 * DAY);
    let early = |bill: &Bill| bill.lines.iter().filter(|l| l.what.contains("early")).map(|l| l.quantity).sum::<f64>();
    let before = early(&bench.sim.bill());
    assert!(before > 0.0, "{}", show(&bench.sim.bill()));
    bench.client.call("DELETE", "/photos/late", &[], b"");
    assert_eq!(early(&bench.sim.bill()), before);
}

#[test]
fn parts_of_an_upload_cost_as_standard_and_the_object_as_its_class() {
    let bench = Bench::new();
    bench.sim.reset_bill();
    let headers = [("x-amz-storage-class", "DEEP_ARCHIVE")];
    let id = bench.client.call("POST", "/photos/k?uploads", &headers, b"").element("UploadId").unwrap();
    let part = bench.client.call("PUT", &format!("/photos/k?partNumber=1&uploadId={id}"), &[], b"part");
    let etag = part.header("etag").unwrap();
    let xml = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    assert_eq!(bench.client.call("POST", &format!("/photos/k?uploadId={id}"), &[], xml.as_bytes()).status, 200);
    let bill = bench.sim.bill();
    assert_eq!(quantity(&bill, "STANDARD PUT requests"), 2.0, "{}", show(&bill));
    assert_eq!(quantity(&bill, "DEEP_ARCHIVE PUT requests"), 1.0, "{}", show(&bill));
}
