"""Storage classes, and reads of what is cold."""

from checks import Target, answer, check

CLASSES = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
CLASSES_PAGE = "Understanding and managing Amazon S3 storage classes"


def _kept(t: Target, told) -> str:
    lost = []
    for name in CLASSES:
        seen = answer(lambda: t.put(f"class/{name}", StorageClass=name))
        seen = told(f"class/{name}") if seen == "200" else seen
        lost += [] if seen == name else [f"{name}: {seen}"]
    return "; ".join(lost) or "all six"


@check("classes-head", "all six", "HeadObject")
def _(t: Target):
    """Each class can be given with the object, and HEAD tells it."""
    return _kept(t, lambda key: t.head(key).get("StorageClass"))


@check("classes-list", "all six", "ListObjectsV2")
def _(t: Target):
    """So does the listing."""
    return _kept(t, lambda key: t.s3.list_objects_v2(Bucket=t.bucket, Prefix=key)["Contents"][0].get("StorageClass"))


@check("class-standard", "none, STANDARD", "HeadObject")
def _(t: Target):
    """Of STANDARD, HEAD says nothing, and the listing its name."""
    t.put("class/standard")
    listed = t.s3.list_objects_v2(Bucket=t.bucket, Prefix="class/standard")["Contents"][0]
    return f"{t.head('class/standard').get('StorageClass', 'none')}, {listed.get('StorageClass')}"


@check("class-unknown", "400 InvalidStorageClass", "Error responses")
def _(t: Target):
    """A class that does not exist is refused."""
    return answer(lambda: t.put("class/unknown", StorageClass="PERMAFROST"))


@check("class-copy", "GLACIER_IR, same", "CopyObject")
def _(t: Target):
    """A copy onto itself changes the class."""
    t.put("class/copy")
    source = {"Bucket": t.bucket, "Key": "class/copy"}
    t.s3.copy_object(Bucket=t.bucket, Key="class/copy", CopySource=source, StorageClass="GLACIER_IR")
    same = "same" if t.read("class/copy") == b"photograph" else "other bytes"
    return f"{t.head('class/copy').get('StorageClass')}, {same}"


def _cold_read(name: str):
    @check(f"cold-get-{name.lower()}", "403 InvalidObjectState", "GetObject", f"A {name} object is not read, but thawed.")
    def _(t: Target):
        key = f"cold/{name}"
        t.put(key, StorageClass=name)
        return answer(lambda: t.s3.get_object(Bucket=t.bucket, Key=key))


for _name in ("GLACIER", "DEEP_ARCHIVE"):
    _cold_read(_name)


@check("cold-get-class", "DEEP_ARCHIVE", "GetObject")
def _(t: Target):
    """The refusal says which class it is."""
    t.put("cold/says", StorageClass="DEEP_ARCHIVE")
    found = t.send("GET", "cold/says")
    return found.element("StorageClass") or "nothing" if found.status == 403 else found


@check("cold-head", "200, 10 bytes, no restore", "HeadObject")
def _(t: Target):
    """Whether it is there, and how large, is told of cold objects too."""
    t.put("cold/head", StorageClass="DEEP_ARCHIVE")
    found = t.head("cold/head")
    restore = found.get("Restore", "no restore")
    return f"{found['ResponseMetadata']['HTTPStatusCode']}, {found['ContentLength']} bytes, {restore}"


@check("cold-copy", "403, cold", "CopyObject")
def _(t: Target):
    """What is cold cannot be copied: ObjectNotInActiveTierError by the reference, InvalidObjectState as for reads."""
    t.put("cold/copy", StorageClass="GLACIER")
    source = {"Bucket": t.bucket, "Key": "cold/copy"}
    seen = answer(lambda: t.s3.copy_object(Bucket=t.bucket, Key="cold/copied", CopySource=source))
    return "403, cold" if seen in ("403 ObjectNotInActiveTierError", "403 InvalidObjectState") else seen


@check("instant-get", "photograph", CLASSES_PAGE)
def _(t: Target):
    """GLACIER_IR is read at once."""
    t.put("cold/instant", StorageClass="GLACIER_IR")
    return t.read("cold/instant").decode()
