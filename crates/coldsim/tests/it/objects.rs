//! Objects: classes, checksums, conditions, ranges, listings, versions, copies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::client::{Bench, Client};

#[test]
fn what_is_put_comes_back_with_class_etag_and_checksum() {
    let bench = Bench::new();
    let reply = bench.put("a/b%20c", "STANDARD_IA", b"hello");
    assert_eq!(reply.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    // Without a checksum from the client S3 computes CRC64NVME.
    assert_eq!(reply.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let sum = reply.header("x-amz-checksum-crc64nvme").unwrap().to_string();
    let got = bench.client.call("GET", "/photos/a/b%20c", &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert_eq!((got.status, got.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(got.header("x-amz-storage-class"), Some("STANDARD_IA"));
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), Some(sum.as_str()));
    assert_eq!(got.header("last-modified"), Some("Thu, 15 Jan 2026 12:00:00 GMT"));
}

#[test]
fn an_unknown_class_is_refused() {
    let bench = Bench::new();
    let reply = bench.client.call("PUT", "/photos/k", &[("x-amz-storage-class", "FROZEN")], b"x");
    assert_eq!((reply.status, reply.code().as_str()), (400, "InvalidStorageClass"));
    assert_eq!(bench.get("k").status, 404);
}

#[test]
fn wrong_checksums_are_refused_and_nothing_is_kept() {
    let bench = Bench::new();
    for (name, value, code) in [
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha1", "short", "InvalidRequest"),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "nonsense", "InvalidDigest"),
        ("x-amz-checksum-xxhash3", "AAAA", "NotImplemented"),
    ] {
        let reply = bench.client.call("PUT", "/photos/k", &[(name, value)], b"hello");
        assert_eq!(reply.code(), code, "{name}: {value}: {}", reply.text());
    }
    assert_eq!(bench.get("k").status, 404);
}

#[test]
fn a_checksum_in_the_trailer_is_verified() {
    let bench = Bench::new();
    let put = |sum: u32| {
        let sum = BASE64.encode(sum.to_be_bytes());
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
        let headers = [
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        bench.client.call("PUT", "/photos/k", &headers, body.as_bytes())
    };
    let right = crc32fast::hash(b"hello");
    let reply = put(right.wrapping_add(1));
    assert_eq!((reply.status, reply.code().as_str()), (400, "BadDigest"));
    assert_eq!(bench.get("k").status, 404);
    assert_eq!(put(right).status, 200);
    let got = bench.get("k");
    assert_eq!(got.body, b"hello");
    assert_eq!(got.header("content-encoding"), None);
}

#[test]
fn signatures_keys_and_clocks_are_checked_against_real_time() {
    let bench = Bench::new();
    bench.advance(3650 * 86_400);
    bench.put("k", "STANDARD", b"x");
    let call = |client: &Client| client.call("GET", "/photos/k", &[], b"").code();
    assert_eq!(call(&Client::new(bench.server.addr(), "coldsim", "wrong")), "SignatureDoesNotMatch");
    assert_eq!(call(&Client::new(bench.server.addr(), "nobody", "wrong")), "InvalidAccessKeyId");
    assert_eq!(call(&Client { skew: -3600, ..bench.client.clone() }), "RequestTimeTooSkewed");
    let unsigned =
        crate::client::exchange(bench.server.addr(), "GET", "/photos/k", &[("host".into(), "x".into())], b"");
    assert_eq!(unsigned.unwrap().status, 403);
}

#[test]
fn only_one_of_many_creates() {
    let bench = Bench::new();
    let race = |n: u8| {
        let client = bench.client.clone();
        std::thread::spawn(move || client.call("PUT", "/photos/k", &[("if-none-match", "*")], &[n]).status)
    };
    let racers: Vec<_> = (0..8).map(race).collect();
    let mut found: Vec<u16> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[test]
fn writes_and_deletes_take_if_match() {
    let bench = Bench::new();
    let etag = bench.put("k", "STANDARD", b"1").header("etag").unwrap().to_string();
    let put = |etag: &str| bench.client.call("PUT", "/photos/k", &[("if-match", etag)], b"2").status;
    assert_eq!((put("\"other\""), put(&etag), put(&etag)), (412, 200, 412));
    let delete = |etag: &str| bench.client.call("DELETE", "/photos/k", &[("if-match", etag)], b"").status;
    assert_eq!((delete(&etag), delete("*")), (412, 204));
}

#[test]
fn ranges_and_conditions_of_reads() {
    let bench = Bench::new();
    let etag = bench.put("k", "STANDARD", b"0123456789").header("etag").unwrap().to_string();
    let get = |name: &str, value: &str| bench.client.call("GET", "/photos/k", &[(name, value)], b"");
    let part = get("range", "bytes=2-4");
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(get("range", "bytes=-3").text(), "789");
    assert_eq!(get("range", "bytes=10-").status, 416);
    assert_eq!(get("if-none-match", &etag).status, 304);
    assert_eq!(get("if-match", "\"x\"").status, 412);
    assert_eq!(get("if-modified-since", "Thu, 15 Jan 2026 12:00:00 GMT").status, 304);
    assert_eq!(get("if-unmodified-since", "Thu, 15 Jan 2026 11:59:59 GMT").status, 412);
}

/// All keys of a listing, by pages of `max`.
fn keys(bench: &Bench, query: &str, max: usize) -> Vec<String> {
    let (mut keys, mut token) = (Vec::new(), None);
    loop {
        let more = token.map(|t: String| format!("&continuation-token={t}")).unwrap_or_default();
        let reply = bench.client.call("GET", &format!("/photos?list-type=2&max-keys={max}{query}{more}"), &[], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        keys.extend(text.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap().to_string()));
        let prefixes = text.split("<CommonPrefixes><Prefix>").skip(1);
        keys.extend(prefixes.map(|rest| rest.split('<').next().unwrap().to_string()));
        match reply.element("NextContinuationToken") {
            None => return keys,
            next => token = next,
        }
    }
}

#[test]
fn listings_are_whole_whatever_the_page() {
    let bench = Bench::new();
    for key in ["a/1", "a/2", "b", "c/1", "c/2/x", "d"] {
        bench.put(key, "STANDARD", b"x");
    }
    for max in 1..8 {
        assert_eq!(keys(&bench, "", max), ["a/1", "a/2", "b", "c/1", "c/2/x", "d"], "{max}");
        let mut grouped = keys(&bench, "&delimiter=%2F", max);
        grouped.sort();
        assert_eq!(grouped, ["a/", "b", "c/", "d"], "{max}");
        assert_eq!(keys(&bench, "&prefix=c%2F", max), ["c/1", "c/2/x"], "{max}");
        assert_eq!(keys(&bench, "&start-after=a%2F1", max), ["a/2", "b", "c/1", "c/2/x", "d"], "{max}");
    }
}

#[test]
fn old_versions_stay_until_they_are_deleted_by_name() {
    let bench = Bench::new();
    bench.enable_versions();
    let first = bench.put("k", "STANDARD", b"1").header("x-amz-version-id").unwrap().to_string();
    bench.put("k", "STANDARD", b"2");
    let deleted = bench.client.call("DELETE", "/photos/k", &[], b"");
    assert_eq!(deleted.header("x-amz-delete-marker"), Some("true"));
    let gone = bench.get("k");
    assert_eq!((gone.status, gone.header("x-amz-delete-marker")), (404, Some("true")));
    let old = format!("k?versionId={first}");
    assert_eq!(bench.get(&old).body, b"1");
    let list = bench.client.call("GET", "/photos?versions", &[], b"").text();
    assert_eq!((list.matches("<Version>").count(), list.matches("<DeleteMarker>").count()), (2, 1));
    // A key with a delete marker on top counts as one that does not exist.
    assert_eq!(bench.client.call("PUT", "/photos/k", &[("if-none-match", "*")], b"3").status, 200);
    assert_eq!(bench.client.call("DELETE", &format!("/photos/{old}"), &[], b"").status, 204);
    assert_eq!(bench.get(&old).code(), "NoSuchVersion");
}

#[test]
fn a_copy_changes_class_and_keeps_content() {
    let bench = Bench::new();
    bench.put("k", "STANDARD", b"hello");
    let copy = |to: &str, class: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("x-amz-copy-source", "/photos/k"), ("x-amz-storage-class", class)];
        headers.extend_from_slice(more);
        bench.client.call("PUT", &format!("/photos/{to}"), &headers, b"")
    };
    assert_eq!(copy("k", "STANDARD", &[]).code(), "InvalidRequest");
    assert_eq!(copy("k", "GLACIER_IR", &[]).status, 200);
    assert_eq!(copy("k2", "DEEP_ARCHIVE", &[]).status, 200);
    assert_eq!(copy("k2", "STANDARD", &[("if-none-match", "*")]).status, 412);
    let head = bench.head("k");
    assert_eq!(head.header("x-amz-storage-class"), Some("GLACIER_IR"));
    assert_eq!(head.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(bench.get("k").body, b"hello");
}

#[test]
fn tags_are_kept_and_limited() {
    let bench = Bench::new();
    let put = |tags: &str| bench.client.call("PUT", "/photos/k", &[("x-amz-tagging", tags)], b"x");
    let many: Vec<String> = (0..11).map(|n| format!("t{n}=x")).collect();
    assert_eq!(put(&many.join("&")).code(), "BadRequest");
    assert_eq!(put("a=1&a=2").code(), "InvalidTag");
    assert_eq!(put("a=1&b=two%20words").status, 200);
    let tags = bench.get("k?tagging").text();
    assert!(tags.contains("<Key>b</Key><Value>two words</Value>"), "{tags}");
}

#[test]
fn bulk_delete_names_each_key() {
    let bench = Bench::new();
    bench.put("a", "STANDARD", b"x");
    let xml = "<Delete><Object><Key>a</Key></Object><Object><Key>never</Key></Object></Delete>";
    let md5 = BASE64.encode(<s3s::crypto::Md5 as s3s::crypto::Checksum>::checksum(xml.as_bytes()));
    let reply = bench.client.call("POST", "/photos?delete", &[("content-md5", &md5)], xml.as_bytes());
    assert_eq!(reply.text().matches("<Deleted>").count(), 2, "{}", reply.text());
    assert_eq!(bench.get("a").status, 404);
}
