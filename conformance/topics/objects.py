"""Objects: writing, reading, parts of them, listing, deleting."""

import hashlib

from checks import Target, answer, check

KEY = "2026/Zürich – 雪 + 100%/a b&c=d.CR3"


@check("put-get", "same, text/x-raw, v", "PutObject")
def _(t: Target):
    """Bytes, content type and metadata come back, under a key with blanks, signs and other scripts."""
    t.put(KEY, b"\0raw\xff", ContentType="text/x-raw", Metadata={"k": "v"})
    got = t.s3.get_object(Bucket=t.bucket, Key=KEY)
    same = "same" if got["Body"].read() == b"\0raw\xff" else "other bytes"
    return f"{same}, {got['ContentType']}, {got['Metadata'].get('k')}"


@check("put-sdk-default", "200", "PutObject")
def _(t: Target):
    """What an SDK sends by itself, with its own checksum, is taken."""
    sdk = t.client(checksums="when_supported")
    return answer(lambda: sdk.put_object(Bucket=t.bucket, Key="sdk", Body=b"photograph"))


@check("etag", "MD5", "Object")
def _(t: Target):
    """The ETag of an object that was put at once is its MD5."""
    etag = t.put("etag")["ETag"].strip('"')
    return "MD5" if etag == hashlib.md5(b"photograph").hexdigest() else etag


@check("head-missing", "404", "HeadObject")
def _(t: Target):
    """HEAD of a missing key, by who may list, says that it is missing."""
    return answer(lambda: t.head("missing"))


@check("get-missing", "404 NoSuchKey", "GetObject")
def _(t: Target):
    """So does GET."""
    return answer(lambda: t.s3.get_object(Bucket=t.bucket, Key="missing"))


@check("bucket-missing", "404 NoSuchBucket", "ListObjectsV2")
def _(t: Target):
    """A bucket that does not exist is not found."""
    return answer(lambda: t.s3.list_objects_v2(Bucket="conformance-no-such-bucket"))


@check("range", "206, bytes 1000-1999/4096, same", "GetObject")
def _(t: Target):
    """A range comes as a range."""
    body = bytes(n % 251 for n in range(4096))
    t.put("range", body)
    got = t.s3.get_object(Bucket=t.bucket, Key="range", Range="bytes=1000-1999")
    same = "same" if got["Body"].read() == body[1000:2000] else "other bytes"
    return f"{got['ResponseMetadata']['HTTPStatusCode']}, {got.get('ContentRange')}, {same}"


@check("range-end", "same, same", "GetObject")
def _(t: Target):
    """The last bytes, and a range that ends behind the object."""
    body = bytes(range(256))
    t.put("range-end", body)
    seen = t.read("range-end", Range="bytes=-10"), t.read("range-end", Range="bytes=200-999")
    return ", ".join("same" if a == b else "other bytes" for a, b in zip(seen, (body[-10:], body[200:])))


@check("range-beyond", "416 InvalidRange", "GetObject")
def _(t: Target):
    """A range that begins behind the object is refused."""
    t.put("range-beyond")
    return answer(lambda: t.s3.get_object(Bucket=t.bucket, Key="range-beyond", Range="bytes=100-200"))


@check("get-if-match", "412 PreconditionFailed, 304", "GetObject")
def _(t: Target):
    """Conditional reads: another ETag is refused, the same one need not be sent again."""
    etag = t.put("get-if")["ETag"]
    other = answer(lambda: t.s3.get_object(Bucket=t.bucket, Key="get-if", IfMatch='"0123"'))
    return f"{other}, {answer(lambda: t.s3.get_object(Bucket=t.bucket, Key='get-if', IfNoneMatch=etag))}"


@check("list-pages", "10 in 4, sorted", "ListObjectsV2")
def _(t: Target):
    """A listing in pages of three is whole and in order."""
    for n in range(10):
        t.put(f"pages/{n:02}")
    pages = t.s3.get_paginator("list_objects_v2").paginate(
        Bucket=t.bucket, Prefix="pages/", PaginationConfig={"PageSize": 3}
    )
    pages = [[found["Key"] for found in page.get("Contents", [])] for page in pages]
    keys = sum(pages, [])
    return f"{len(set(keys))} in {len(pages)}, {'sorted' if keys == sorted(keys) else 'not sorted'}"


@check("list-folders", "a/ b/ top", "ListObjectsV2")
def _(t: Target):
    """With a delimiter, folders are listed once."""
    for key in ("a/1", "a/2", "b/1", "top"):
        t.put(f"folders/{key}")
    found = t.s3.list_objects_v2(Bucket=t.bucket, Prefix="folders/", Delimiter="/")
    folders = [one["Prefix"] for one in found.get("CommonPrefixes", [])]
    return " ".join(key.removeprefix("folders/") for key in [*folders, *(o["Key"] for o in found["Contents"])])


@check("list-after", "after/b after/c", "ListObjectsV2")
def _(t: Target):
    """StartAfter begins behind a key, whether or not it exists."""
    for key in "abc":
        t.put(f"after/{key}")
    found = t.s3.list_objects_v2(Bucket=t.bucket, Prefix="after/", StartAfter="after/aa")
    return " ".join(one["Key"] for one in found["Contents"])


@check("list-order", "B a ~ é ｚ 😀", "ListObjectsV2")
def _(t: Target):
    """Keys are listed in the order of their UTF-8 bytes."""
    for key in "aB😀é~ｚ":
        t.put(f"order/{key}")
    return " ".join(o["Key"][6:] for o in t.s3.list_objects_v2(Bucket=t.bucket, Prefix="order/")["Contents"])


@check("delete-missing", "204", "DeleteObject")
def _(t: Target):
    """To delete what is not there succeeds."""
    return answer(lambda: t.s3.delete_object(Bucket=t.bucket, Key="never-was"))


@check("delete-many", "2 deleted, then 0", "DeleteObjects")
def _(t: Target):
    """Many are deleted at once."""
    keys = [{"Key": f"many/{n}"} for n in range(2)]
    for key in keys:
        t.put(key["Key"])
    deleted = t.s3.delete_objects(Bucket=t.bucket, Delete={"Objects": keys}).get("Deleted", [])
    left = t.s3.list_objects_v2(Bucket=t.bucket, Prefix="many/").get("KeyCount")
    return f"{len(deleted)} deleted, then {left}"


@check("tags", "a=1 b=2", "GetObjectTagging")
def _(t: Target):
    """Tags given with the object are kept."""
    t.put("tags", Tagging="a=1&b=2")
    tags = t.s3.get_object_tagging(Bucket=t.bucket, Key="tags")["TagSet"]
    return " ".join(sorted(f"{tag['Key']}={tag['Value']}" for tag in tags))


@check("bucket-not-empty", "409 BucketNotEmpty", "DeleteBucket")
def _(t: Target):
    """A bucket that holds something is not deleted."""
    t.put("stays")
    return answer(lambda: t.s3.delete_bucket(Bucket=t.bucket))
