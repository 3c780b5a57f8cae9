"""Conditional writes: what keeps two machines from overwriting each other."""

from checks import Target, answer, at_once, check

SOURCE = "PutObject"


@check("create-only", "412 PreconditionFailed, first stays", SOURCE)
def _(t: Target):
    """With `If-None-Match: *` an object is created, never replaced."""
    t.put("create", b"first", IfNoneMatch="*")
    seen = answer(lambda: t.put("create", b"second", IfNoneMatch="*"))
    return f"{seen}, {t.read('create').decode()} stays"


@check("create-only-race", "1 of 16 wins, others refused", SOURCE)
def _(t: Target):
    """Of sixteen that create the same key at the same time, one wins; the others get 412 or 409."""
    seen = at_once(16, lambda n: answer(lambda: t.put("race", b"%d" % n, IfNoneMatch="*")))
    refused = all(one.startswith(("200", "412 ", "409 ")) for one in seen)
    return f"{seen.count('200')} of 16 wins, others {'refused' if refused else 'otherwise'}"


@check("replace-only", "200, 412 PreconditionFailed", SOURCE)
def _(t: Target):
    """With `If-Match` an object is replaced as long as it is the known one."""
    etag = t.put("replace", b"1")["ETag"]
    return ", ".join(answer(lambda: t.put("replace", body, IfMatch=etag)) for body in (b"2", b"3"))


@check("replace-missing", "404 NoSuchKey", SOURCE)
def _(t: Target):
    """With `If-Match` nothing is created."""
    return answer(lambda: t.put("replace-missing", IfMatch='"d41d8cd98f00b204e9800998ecf8427e"'))


@check("delete-if-match", "412 PreconditionFailed, 204", "DeleteObject")
def _(t: Target):
    """Only the known object is deleted."""
    etag = t.put("delete-if")["ETag"]
    other = '"d41d8cd98f00b204e9800998ecf8427e"'
    asks = (lambda: t.s3.delete_object(Bucket=t.bucket, Key="delete-if", IfMatch=m) for m in (other, etag))
    return ", ".join(answer(ask) for ask in asks)


@check("complete-create-only", "412 PreconditionFailed", "CompleteMultipartUpload")
def _(t: Target):
    """A multipart upload, too, does not replace where it may only create."""
    t.put("complete")
    upload = t.s3.create_multipart_upload(Bucket=t.bucket, Key="complete")["UploadId"]
    where = {"Bucket": t.bucket, "Key": "complete", "UploadId": upload}
    etag = t.s3.upload_part(**where, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    return answer(lambda: t.s3.complete_multipart_upload(**where, MultipartUpload=parts, IfNoneMatch="*"))
