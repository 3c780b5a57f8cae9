//! Restores, on the virtual clock.

use darkslide_coldsim::{Fault, FaultKind};

use crate::client::{Bench, DAY, HOUR};

/// Seconds until a restore is done, to a minute.
fn duration(bench: &Bench, key: &str) -> u64 {
    for minutes in 0..49 * 60 {
        if bench.get(key).status == 200 {
            return minutes * 60;
        }
        bench.advance(60);
    }
    panic!("{key} was never restored");
}

#[test]
fn archived_objects_are_not_read_before_they_are_restored() {
    let bench = Bench::new();
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        bench.put(class, class, b"cold");
        let refused = bench.get(class);
        assert_eq!((refused.status, refused.code().as_str()), (403, "InvalidObjectState"));
        assert_eq!(refused.element("StorageClass").as_deref(), Some(class));
        let headers = [("x-amz-copy-source", format!("/photos/{class}"))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(bench.client.call("PUT", "/photos/copy", &headers, b"").code(), "InvalidObjectState");
    }
}

#[test]
fn each_tier_takes_its_documented_time() {
    for (class, tier, least, most) in [
        ("GLACIER", "Expedited", 60, 5 * 60),
        ("GLACIER", "Standard", 3 * HOUR, 5 * HOUR),
        ("GLACIER", "Bulk", 5 * HOUR, 12 * HOUR),
        ("DEEP_ARCHIVE", "Standard", 9 * HOUR, 12 * HOUR),
    ] {
        let bench = Bench::new();
        bench.put("k", class, b"cold");
        assert_eq!(bench.restore("k", tier, Some(1)).status, 202);
        let took = duration(&bench, "k");
        assert!((least..=most).contains(&took), "{class} {tier}: {took} s");
    }
}

#[test]
fn a_bulk_restore_of_deep_archive_takes_thirty_to_forty_eight_hours() {
    let bench = Bench::new();
    bench.put("k", "DEEP_ARCHIVE", b"cold");
    assert_eq!(bench.restore("k", "Bulk", Some(1)).status, 202);
    bench.advance(30 * HOUR - 1);
    assert_eq!(bench.get("k").status, 403);
    bench.advance(18 * HOUR + 1);
    assert_eq!(bench.get("k").status, 200);
}

#[test]
fn restored_copies_expire_at_midnight_and_can_be_kept_longer() {
    let bench = Bench::new();
    bench.put("k", "GLACIER", b"cold");
    bench.restore("k", "Standard", Some(2));
    assert_eq!(bench.head("k").header("x-amz-restore"), Some("ongoing-request=\"true\""));
    assert_eq!(bench.restore("k", "Standard", Some(2)).code(), "RestoreAlreadyInProgress");
    bench.advance(5 * HOUR);
    // Asked at noon of the 15th, done that evening, two days and up to the next midnight.
    let kept = "ongoing-request=\"false\", expiry-date=\"Sun, 18 Jan 2026 00:00:00 GMT\"";
    assert_eq!(bench.head("k").header("x-amz-restore"), Some(kept));
    let list = "/photos?list-type=2";
    let headers = [("x-amz-optional-object-attributes", "RestoreStatus")];
    let listed = bench.client.call("GET", list, &headers, b"");
    assert_eq!(listed.element("IsRestoreInProgress").as_deref(), Some("false"));
    assert_eq!(listed.element("RestoreExpiryDate").as_deref(), Some("2026-01-18T00:00:00.000Z"));
    assert!(!bench.client.call("GET", list, &[], b"").text().contains("RestoreStatus"));
    assert_eq!(bench.restore("k", "Bulk", Some(5)).status, 200);
    bench.advance(4 * DAY);
    assert_eq!(bench.get("k").status, 200);
    bench.advance(2 * DAY);
    assert_eq!(bench.get("k").code(), "InvalidObjectState");
    assert_eq!(bench.head("k").header("x-amz-restore"), None);
}

#[test]
fn a_faster_tier_speeds_a_restore_up_and_a_slower_one_is_refused() {
    let bench = Bench::new();
    bench.put("k", "DEEP_ARCHIVE", b"cold");
    assert_eq!(bench.restore("k", "Bulk", Some(3)).status, 202);
    assert_eq!(bench.restore("k", "Standard", Some(4)).code(), "RestoreAlreadyInProgress");
    assert_eq!(bench.restore("k", "Standard", Some(3)).status, 202);
    assert_eq!(bench.restore("k", "Bulk", Some(3)).code(), "RestoreAlreadyInProgress");
    bench.advance(12 * HOUR);
    assert_eq!(bench.get("k").status, 200);
}

#[test]
fn restores_that_can_never_be_are_refused() {
    let bench = Bench::new();
    bench.put("standard", "STANDARD", b"x");
    bench.put("instant", "GLACIER_IR", b"x");
    bench.put("deep", "DEEP_ARCHIVE", b"x");
    bench.put("tiered", "INTELLIGENT_TIERING", b"x");
    assert_eq!(bench.restore("standard", "Bulk", Some(1)).code(), "InvalidObjectState");
    assert_eq!(bench.restore("instant", "Bulk", Some(1)).code(), "InvalidObjectState");
    let expedited = bench.restore("deep", "Expedited", Some(1));
    assert_eq!((expedited.status, expedited.code().as_str()), (400, "InvalidArgument"));
    assert_eq!(bench.restore("deep", "Bulk", None).status, 400);
    assert_eq!(bench.restore("deep", "Bulk", Some(0)).status, 400);
    assert_eq!(bench.restore("tiered", "Bulk", None).code(), "ObjectAlreadyInActiveTierError");
    assert_eq!(bench.restore("never", "Bulk", Some(1)).code(), "NoSuchKey");
}

#[test]
fn expedited_restores_may_find_no_capacity() {
    let bench = Bench::new();
    bench.put("k", "GLACIER", b"x");
    bench.sim.fault(Fault::new(FaultKind::NoExpeditedCapacity));
    let refused = bench.restore("k", "Expedited", Some(1));
    assert_eq!((refused.status, refused.code().as_str()), (503, "GlacierExpeditedRetrievalNotAvailable"));
    assert_eq!(bench.restore("k", "Expedited", Some(1)).status, 202);
}

const TIERING: &str = "<IntelligentTieringConfiguration><Id>all</Id><Status>Enabled</Status>\
    <Tiering><AccessTier>ARCHIVE_ACCESS</AccessTier><Days>120</Days></Tiering>\
    <Tiering><AccessTier>DEEP_ARCHIVE_ACCESS</AccessTier><Days>200</Days></Tiering>\
    </IntelligentTieringConfiguration>";

#[test]
fn intelligent_tiering_archives_what_nobody_reads_and_brings_it_back() {
    let bench = Bench::new();
    assert_eq!(bench.configure("intelligent-tiering&id=all", TIERING).status, 200);
    let body = vec![7; 200 * 1024];
    bench.put("big", "INTELLIGENT_TIERING", &body);
    bench.put("small", "INTELLIGENT_TIERING", b"x");
    bench.advance(100 * DAY);
    // A read: the days begin anew.
    assert_eq!(bench.get("big").status, 200);
    bench.advance(119 * DAY);
    assert_eq!(bench.head("big").header("x-amz-archive-status"), None);
    bench.advance(2 * DAY);
    assert_eq!(bench.head("big").header("x-amz-archive-status"), Some("ARCHIVE_ACCESS"));
    let refused = bench.get("big");
    assert_eq!(refused.element("AccessTier").as_deref(), Some("ARCHIVE_ACCESS"));
    bench.advance(80 * DAY);
    assert_eq!(bench.head("big").header("x-amz-archive-status"), Some("DEEP_ARCHIVE_ACCESS"));
    assert_eq!(bench.restore("big", "Standard", Some(1)).status, 400);
    assert_eq!(bench.restore("big", "Standard", None).status, 202);
    bench.advance(12 * HOUR);
    assert_eq!(bench.get("big").body, body);
    assert_eq!(bench.head("big").header("x-amz-restore"), None);
    bench.advance(60 * DAY);
    assert_eq!(bench.get("big").status, 200);
    assert_eq!(bench.get("small").status, 200);
}
