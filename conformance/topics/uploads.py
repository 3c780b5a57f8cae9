"""Checksums of objects that are put at once."""

import checksums
from checks import Target, answer, check

INTEGRITY = "Checking object integrity for data uploads in Amazon S3"
BODY = b"photograph"


def _of_kind(kind: str):
    field = f"Checksum{kind}"

    @check(f"{kind.lower()}", "same, FULL_OBJECT", "HeadObject", f"A {kind} that fits is kept and given back.")
    def _(t: Target):
        t.put(f"sum-{kind}", BODY, **{field: checksums.of(kind, BODY)})
        found = t.head(f"sum-{kind}", ChecksumMode="ENABLED")
        same = {checksums.of(kind, BODY): "same", None: "dropped"}.get(found.get(field), "another")
        return f"{same}, {found.get('ChecksumType')}"

    @check(f"{kind.lower()}-wrong", "400 BadDigest", INTEGRITY, f"Bytes that do not fit their {kind} are refused.")
    def _(t: Target):
        return answer(lambda: t.put(f"wrong-{kind}", BODY, **{field: checksums.of(kind, b"other")}))


for _kind in checksums.KINDS:
    _of_kind(_kind)


@check("md5-wrong", "400 BadDigest", "Error responses")
def _(t: Target):
    """Bytes that do not fit their Content-MD5 are refused."""
    return answer(lambda: t.put("wrong-md5", BODY, ContentMD5=checksums.md5(b"other")))


@check("md5-malformed", "400 InvalidDigest", "Error responses")
def _(t: Target):
    """A Content-MD5 that is none is refused."""
    return t.send("PUT", "bad-md5", BODY, headers={"content-md5": "bm90IDE2IGJ5dGVz"})


@check("wrong-leaves-nothing", "404", INTEGRITY)
def _(t: Target):
    """What was refused for its checksum is not there afterwards."""
    answer(lambda: t.put("refused", BODY, ChecksumSHA256=checksums.of("SHA256", b"other")))
    return answer(lambda: t.head("refused"))


@check("checksum-by-default", "same", INTEGRITY)
def _(t: Target):
    """Of an object that came without a checksum, S3 makes a CRC64NVME itself."""
    t.send("PUT", "without", BODY)
    found = t.head("without", ChecksumMode="ENABLED").get("ChecksumCRC64NVME")
    return {checksums.of("CRC64NVME", BODY): "same", None: "none"}.get(found, "another")


@check("attributes", "10 bytes, DEEP_ARCHIVE, same", "GetObjectAttributes")
def _(t: Target):
    """Size, class and checksum are told without reading, of cold objects too."""
    t.put("attributes", BODY, StorageClass="DEEP_ARCHIVE", ChecksumSHA256=checksums.of("SHA256", BODY))
    wanted = ["ObjectSize", "StorageClass", "Checksum"]
    got = t.s3.get_object_attributes(Bucket=t.bucket, Key="attributes", ObjectAttributes=wanted)
    same = got.get("Checksum", {}).get("ChecksumSHA256") == checksums.of("SHA256", BODY)
    return f"{got.get('ObjectSize')} bytes, {got.get('StorageClass')}, {'same' if same else 'no checksum'}"
