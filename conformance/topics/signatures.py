"""Who may ask: signatures, clocks, payload hashes, streamed bodies."""

import datetime
import hashlib

import checksums
import sigv4
from checks import Target, answer, check

SIGNING = "Authenticating Requests (AWS Signature Version 4)"
ERRORS = "Error responses"


@check("secret-wrong", "403 SignatureDoesNotMatch", ERRORS)
def _(t: Target):
    """A request signed with another secret is refused."""
    other = t.client(aws_secret_access_key="not-the-secret-of-this-key")
    return answer(lambda: other.list_objects_v2(Bucket=t.bucket))


@check("key-unknown", "403 InvalidAccessKeyId", ERRORS)
def _(t: Target):
    """A key that does not exist is refused."""
    other = t.client(aws_access_key_id="AKIA0000000000000000")
    return answer(lambda: other.list_objects_v2(Bucket=t.bucket))


@check("anonymous", "403 AccessDenied", ERRORS)
def _(t: Target):
    """A request without a signature is refused."""
    return answer(lambda: t.client(anonymous=True).list_objects_v2(Bucket=t.bucket))


@check("clock-skew", "403 RequestTimeTooSkewed", ERRORS)
def _(t: Target):
    """A request that is dated an hour ago is refused."""
    return t.send("GET", "", late=3600)


@check("payload-hash-wrong", "400 XAmzContentSHA256Mismatch", ERRORS)
def _(t: Target):
    """A body that is not the signed one is refused."""
    return t.send("PUT", "payload", b"hello", payload=hashlib.sha256(b"other").hexdigest())


@check("presigned", "200 photograph", "Authenticating Requests: Using Query Parameters")
def _(t: Target):
    """A presigned URL reads the object without further ado."""
    t.put("presigned")
    found = sigv4.send("GET", t.signer.presigned("GET", f"{t.endpoint}/{t.bucket}/presigned", sigv4.now(), 600))
    return f"{found} {found.body.decode(errors='replace')[:20]}"


@check("presigned-expired", "403 AccessDenied", "Authenticating Requests: Using Query Parameters")
def _(t: Target):
    """A presigned URL past its time is refused."""
    t.put("presigned")
    then = sigv4.now() - datetime.timedelta(seconds=120)
    return sigv4.send("GET", t.signer.presigned("GET", f"{t.endpoint}/{t.bucket}/presigned", then, 60))


def _streamed(t: Target, key: str, crc: str) -> sigv4.Answer:
    body = b"photograph"
    framed = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc64nvme:%s\r\n\r\n" % (len(body), body, crc.encode())
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": len(body),
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
    }
    return t.send("PUT", key, framed, headers=headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")


@check("streamed-trailer", "200 photograph", SIGNING + ": Transferring Payload in Multiple Chunks")
def _(t: Target):
    """A body in chunks with its checksum behind it, as today's SDKs send it, is stored without the frame."""
    sent = _streamed(t, "streamed", checksums.of("CRC64NVME", b"photograph"))
    return f"{sent} {t.read('streamed').decode()}" if sent.status == 200 else sent


@check("streamed-encoding", "none", "PutObject")
def _(t: Target):
    """Of the chunks' frame nothing stays: `aws-chunked` is no content encoding of the object."""
    sent = _streamed(t, "streamed-encoding", checksums.of("CRC64NVME", b"photograph"))
    return t.head("streamed-encoding").get("ContentEncoding", "none") if sent.status == 200 else sent


@check("streamed-trailer-wrong", "400 BadDigest", SIGNING + ": Transferring Payload in Multiple Chunks")
def _(t: Target):
    """A body in chunks that does not fit the checksum behind it is refused."""
    return _streamed(t, "streamed-wrong", checksums.of("CRC64NVME", b"other"))
