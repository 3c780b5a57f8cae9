//! Multipart uploads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::crypto::{Checksum, Crc64Nvme, Md5, Sha256};

use crate::client::{Bench, Reply};

const MIB5: usize = 5 * 1024 * 1024;

fn begin(bench: &Bench, key: &str, headers: &[(&str, &str)]) -> String {
    let reply = bench.client.call("POST", &format!("/photos/{key}?uploads"), headers, b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.element("UploadId").unwrap()
}

fn part(bench: &Bench, key: &str, id: &str, number: u32, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    bench.client.call("PUT", &format!("/photos/{key}?partNumber={number}&uploadId={id}"), headers, body)
}

/// Completes with parts given as ETag and further XML.
fn complete(bench: &Bench, key: &str, id: &str, headers: &[(&str, &str)], parts: &[(Reply, String)]) -> Reply {
    let parts = parts.iter().zip(1..).map(|((reply, more), number)| {
        let etag = reply.header("etag").unwrap();
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>")
    });
    let xml = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    bench.client.call("POST", &format!("/photos/{key}?uploadId={id}"), headers, xml.as_bytes())
}

fn plain(replies: Vec<Reply>) -> Vec<(Reply, String)> {
    replies.into_iter().map(|reply| (reply, String::new())).collect()
}

#[test]
fn parts_become_an_object_with_the_etag_and_checksum_of_all() {
    let bench = Bench::new();
    let body: Vec<u8> = (0..2 * MIB5 + 100).map(|n| (n % 251) as u8).collect();
    let id = begin(&bench, "k", &[("x-amz-storage-class", "GLACIER_IR")]);
    let pieces: Vec<&[u8]> = body.chunks(MIB5).collect();
    let replies: Vec<Reply> = pieces.iter().zip(1..).map(|(piece, n)| part(&bench, "k", &id, n, &[], piece)).collect();
    let listed = bench.client.call("GET", &format!("/photos/k?uploadId={id}&max-parts=2"), &[], b"");
    assert_eq!(listed.element("IsTruncated").as_deref(), Some("true"), "{}", listed.text());
    assert_eq!(listed.text().matches("<Part>").count(), 2);
    let done = complete(&bench, "k", &id, &[], &plain(replies));
    assert_eq!(done.status, 200, "{}", done.text());
    let md5s: Vec<u8> = pieces.iter().flat_map(|piece| Md5::checksum(piece)).collect();
    let etag = format!("&quot;{}-3&quot;", hex::encode(Md5::checksum(&md5s)));
    assert_eq!(done.element("ETag").unwrap().replace('"', "&quot;"), etag);
    let whole = BASE64.encode(Crc64Nvme::checksum(&body));
    assert_eq!(done.element("ChecksumCRC64NVME"), Some(whole.clone()));
    let got = bench.get("k");
    assert_eq!((got.body == body, got.header("x-amz-storage-class")), (true, Some("GLACIER_IR")));
    let second = bench.get("k?partNumber=2");
    assert_eq!((second.status, second.body.as_slice()), (206, pieces[1]));
    let headers = [("x-amz-object-attributes", "Checksum,ObjectSize,ObjectParts")];
    let attributes = bench.client.call("GET", "/photos/k?attributes", &headers, b"");
    assert_eq!(attributes.element("ObjectSize"), Some(body.len().to_string()));
    assert_eq!(attributes.element("ChecksumCRC64NVME"), Some(whole));
    assert_eq!(bench.client.call("GET", &format!("/photos/k?uploadId={id}"), &[], b"").code(), "NoSuchUpload");
}

#[test]
fn composite_checksums_are_those_of_the_parts() {
    let bench = Bench::new();
    let id = begin(&bench, "k", &[("x-amz-checksum-algorithm", "SHA256")]);
    assert_eq!(part(&bench, "k", &id, 1, &[], b"q").code(), "InvalidRequest");
    let sum = BASE64.encode(Sha256::checksum(b"q"));
    let reply = part(&bench, "k", &id, 1, &[("x-amz-checksum-sha256", &sum)], b"q");
    assert_eq!(reply.header("x-amz-checksum-sha256"), Some(sum.as_str()));
    let missing = complete(&bench, "k", &id, &[], &plain(vec![reply.clone()]));
    assert_eq!(missing.code(), "InvalidRequest");
    let more = format!("<ChecksumSHA256>{sum}</ChecksumSHA256>");
    let done = complete(&bench, "k", &id, &[], &[(reply, more)]);
    let expected = format!("{}-1", BASE64.encode(Sha256::checksum(&Sha256::checksum(b"q"))));
    assert_eq!(done.element("ChecksumSHA256"), Some(expected), "{}", done.text());
    assert_eq!(done.element("ChecksumType").as_deref(), Some("COMPOSITE"));
}

#[test]
fn algorithms_and_types_that_do_not_go_together_are_refused() {
    let bench = Bench::new();
    for (algorithm, kind) in [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")] {
        let headers = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        assert_eq!(bench.client.call("POST", "/photos/k?uploads", &headers, b"").code(), "InvalidRequest");
    }
}

#[test]
fn uploads_that_cannot_be_completed() {
    let bench = Bench::new();
    let id = begin(&bench, "k", &[]);
    let small: Vec<Reply> = (1..=2).map(|n| part(&bench, "k", &id, n, &[], b"small")).collect();
    assert_eq!(complete(&bench, "k", &id, &[], &plain(small.clone())).code(), "EntityTooSmall");
    assert_eq!(part(&bench, "k", &id, 10_001, &[], b"x").code(), "InvalidArgument");
    let one = plain(vec![small[0].clone()]);
    assert_eq!(complete(&bench, "k", &id, &[("x-amz-mp-object-size", "6")], &one).code(), "InvalidRequest");
    assert_eq!(complete(&bench, "k", &id, &[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], &one).code(), "BadDigest");
    bench.put("k", "STANDARD", b"first");
    assert_eq!(complete(&bench, "k", &id, &[("if-none-match", "*")], &one).status, 412);
    assert_eq!(bench.client.call("DELETE", &format!("/photos/k?uploadId={id}"), &[], b"").status, 204);
    assert_eq!(part(&bench, "k", &id, 1, &[], b"x").code(), "NoSuchUpload");
    assert_eq!(bench.get("k").body, b"first");
}

#[test]
fn parts_are_copied_by_range() {
    let bench = Bench::new();
    let body: Vec<u8> = (0..MIB5 + 10).map(|n| (n % 253) as u8).collect();
    bench.put("source", "STANDARD", &body);
    let id = begin(&bench, "k", &[]);
    let copy = |number: u32, range: &str| {
        let headers = [("x-amz-copy-source", "/photos/source"), ("x-amz-copy-source-range", range)];
        let mut reply = part(&bench, "k", &id, number, &headers, b"");
        let etag = reply.element("ETag").unwrap_or_default().replace("&quot;", "\"");
        reply.headers.push(("etag".into(), etag));
        reply
    };
    assert_eq!(copy(1, "bytes=0-99999999").code(), "InvalidArgument");
    let parts = vec![copy(1, &format!("bytes=10-{}", MIB5 + 9)), copy(2, "bytes=0-9")];
    // The source may go: its bytes stay as long as something refers to them.
    bench.client.call("DELETE", "/photos/source", &[], b"");
    assert_eq!(complete(&bench, "k", &id, &[], &plain(parts)).status, 200);
    assert!(bench.get("k").body == [&body[10..], &body[..10]].concat());
}
