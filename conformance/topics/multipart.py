"""Multipart uploads and their checksums."""

import hashlib
from functools import cache

import checksums
from checks import Target, answer, check

INTEGRITY = "Checking object integrity for data uploads in Amazon S3"
COMPLETE = "CompleteMultipartUpload"
FIVE = 5 << 20


@cache
def bodies() -> tuple:
    """A first part of the least size, and a last one."""
    return b"\x5a" * FIVE, b"the last part"


@cache
def whole(kind: str) -> str:
    return checksums.of(kind, b"".join(bodies()))


class Upload:
    """One under way."""

    def __init__(self, t: Target, key: str, **how):
        self.t, self.key = t, key
        made = t.s3.create_multipart_upload(Bucket=t.bucket, Key=key, **how)
        self.where = {"Bucket": t.bucket, "Key": key, "UploadId": made["UploadId"]}
        self.parts = []

    def part(self, body: bytes, number: int | None = None, **sums) -> dict:
        number = number or len(self.parts) + 1
        sent = self.t.s3.upload_part(**self.where, PartNumber=number, Body=body, **sums)
        self.parts.append({"PartNumber": number, "ETag": sent["ETag"], **sums})
        return sent

    def complete(self, parts: list | None = None, **how) -> dict:
        parts = self.parts if parts is None else parts
        return self.t.s3.complete_multipart_upload(**self.where, MultipartUpload={"Parts": parts}, **how)


def two_parts(t: Target, key: str, kind: str = "", **how) -> Upload:
    upload = Upload(t, key, **how)
    for body in bodies():
        upload.part(body, **({f"Checksum{kind}": _sum(kind, body)} if kind else {}))
    return upload


@cache
def _sum(kind: str, body: bytes) -> str:
    return checksums.of(kind, body)


@check("multipart", "same, MD5 of MD5s, 2 parts listed", COMPLETE)
def _(t: Target):
    """Parts become one object, whose ETag is made of theirs."""
    upload = two_parts(t, "multipart")
    listed = len(t.s3.list_parts(**upload.where).get("Parts", []))
    etag = upload.complete()["ETag"].strip('"')
    parts = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies())).hexdigest() + "-2"
    same = "same" if t.read("multipart") == b"".join(bodies()) else "other bytes"
    return f"{same}, {'MD5 of MD5s' if etag == parts else etag or 'no ETag'}, {listed} parts listed"


@check("multipart-read-part", "206, 2 parts, same", "GetObject")
def _(t: Target):
    """A part can be read by its number later."""
    two_parts(t, "by-part").complete()
    got = t.s3.get_object(Bucket=t.bucket, Key="by-part", PartNumber=2)
    same = "same" if got["Body"].read() == bodies()[1] else "other bytes"
    return f"{got['ResponseMetadata']['HTTPStatusCode']}, {got.get('PartsCount')} parts, {same}"


@check("multipart-small", "400 EntityTooSmall", COMPLETE)
def _(t: Target):
    """All parts but the last have 5 MiB at least."""
    upload = Upload(t, "small")
    upload.part(b"x")
    upload.part(b"y")
    return answer(upload.complete)


@check("multipart-wrong-part", "400 InvalidPart", COMPLETE)
def _(t: Target):
    """A part that was not uploaded cannot be named."""
    upload = Upload(t, "wrong-part")
    upload.part(b"x")
    return answer(lambda: upload.complete([{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]))


@check("multipart-order", "400 InvalidPartOrder", COMPLETE)
def _(t: Target):
    """Parts are named in ascending order."""
    upload = two_parts(t, "order")
    return answer(lambda: upload.complete(upload.parts[::-1]))


@check("multipart-abort", "404 NoSuchUpload, 0 left", "AbortMultipartUpload")
def _(t: Target):
    """Of an upload that was given up nothing stays."""
    upload = Upload(t, "aborted")
    upload.part(b"x")
    t.s3.abort_multipart_upload(**upload.where)
    seen = answer(lambda: upload.part(b"y"))
    left = t.s3.list_multipart_uploads(Bucket=t.bucket, Prefix="aborted").get("Uploads", [])
    return f"{seen}, {len(left)} left"


@check("multipart-size", "400 InvalidRequest", COMPLETE)
def _(t: Target):
    """With its size given, an upload that has another is not completed."""
    upload = Upload(t, "size")
    upload.part(b"x")
    return answer(lambda: upload.complete(MpuObjectSize=2))


@check("multipart-class", "DEEP_ARCHIVE", "CreateMultipartUpload")
def _(t: Target):
    """The storage class is that of the beginning."""
    upload = Upload(t, "class", StorageClass="DEEP_ARCHIVE")
    upload.part(b"x")
    upload.complete()
    return t.head("class").get("StorageClass")


@check("multipart-copy", "same", "UploadPartCopy")
def _(t: Target):
    """A part can be a range of another object."""
    t.put("copied", bytes(range(256)))
    upload = Upload(t, "of-copies")
    source = {"Bucket": t.bucket, "Key": "copied"}
    sent = t.s3.upload_part_copy(**upload.where, PartNumber=1, CopySource=source, CopySourceRange="bytes=10-19")
    upload.complete([{"PartNumber": 1, "ETag": sent["CopyPartResult"]["ETag"]}])
    return "same" if t.read("of-copies") == bytes(range(10, 20)) else "other bytes"


@check("full-crc64nvme", "same, FULL_OBJECT", INTEGRITY)
def _(t: Target):
    """The CRC64NVME of a multipart object is that of all its bytes."""
    how = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    two_parts(t, "full", "CRC64NVME", **how).complete(ChecksumCRC64NVME=whole("CRC64NVME"), ChecksumType="FULL_OBJECT")
    found = t.head("full", ChecksumMode="ENABLED")
    same = {whole("CRC64NVME"): "same", None: "none"}.get(found.get("ChecksumCRC64NVME"), "another")
    return f"{same}, {found.get('ChecksumType')}"


@check("full-crc64nvme-wrong", "400 BadDigest", COMPLETE)
def _(t: Target):
    """An upload whose bytes do not fit the CRC64NVME given at its end is not completed."""
    how = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    upload = two_parts(t, "full-wrong", "CRC64NVME", **how)
    other = checksums.of("CRC64NVME", b"other")
    return answer(lambda: upload.complete(ChecksumCRC64NVME=other, ChecksumType="FULL_OBJECT"))


@check("composite-sha256", "same, COMPOSITE", INTEGRITY)
def _(t: Target):
    """The SHA-256 of a multipart object is that of its parts' SHA-256."""
    done = two_parts(t, "composite", "SHA256", ChecksumAlgorithm="SHA256").complete()
    wanted = checksums.composite("SHA256", list(bodies()))
    same = {wanted: "same", None: "none"}.get(done.get("ChecksumSHA256"), "another")
    return f"{same}, {t.head('composite', ChecksumMode='ENABLED').get('ChecksumType')}"


@check("part-checksum-wrong", "400 BadDigest", "UploadPart")
def _(t: Target):
    """A part that does not fit its checksum is refused."""
    upload = Upload(t, "part-wrong", ChecksumAlgorithm="SHA256")
    return answer(lambda: upload.part(b"x", ChecksumSHA256=checksums.of("SHA256", b"y")))


@check("full-sha256", "400 InvalidRequest", INTEGRITY)
def _(t: Target):
    """There is no full-object SHA-256 of a multipart upload."""
    how = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    return answer(lambda: t.s3.create_multipart_upload(Bucket=t.bucket, Key="full-sha256", **how))


@check("composite-crc64nvme", "400 InvalidRequest", INTEGRITY)
def _(t: Target):
    """There is no composite CRC64NVME."""
    how = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"}
    return answer(lambda: t.s3.create_multipart_upload(Bucket=t.bucket, Key="composite-crc64", **how))
