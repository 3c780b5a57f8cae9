"""Versions: what an overwrite or a deletion leaves."""

from checks import Target, answer, check

SOURCE = "Using versioning in S3 buckets"


@check("version-none", "none", "PutObject")
def _(t: Target):
    """Without versioning no version is named."""
    return t.put("unversioned").get("VersionId", "none")


@check("versions", "2 versions, latest second, first read", "ListObjectVersions")
def _(t: Target):
    """What is overwritten stays, and can be read by its version."""
    first = t.put("kept", b"first", t.versioned)["VersionId"]
    t.put("kept", b"second", t.versioned)
    found = t.s3.list_object_versions(Bucket=t.versioned, Prefix="kept")["Versions"]
    latest = [t.read("kept", t.versioned, VersionId=v["VersionId"]).decode() for v in found if v["IsLatest"]]
    return f"{len(found)} versions, latest {' '.join(latest)}, {t.read('kept', t.versioned, VersionId=first).decode()} read"


@check("delete-marker", "404 NoSuchKey, 1 marker, photograph kept", "DeleteObject")
def _(t: Target):
    """A deletion hides."""
    version = t.put("hidden", bucket=t.versioned)["VersionId"]
    t.s3.delete_object(Bucket=t.versioned, Key="hidden")
    seen = answer(lambda: t.s3.get_object(Bucket=t.versioned, Key="hidden"))
    markers = t.s3.list_object_versions(Bucket=t.versioned, Prefix="hidden").get("DeleteMarkers", [])
    return f"{seen}, {len(markers)} marker, {t.read('hidden', t.versioned, VersionId=version).decode()} kept"


@check("marker-removed", "photograph", "DeleteObject")
def _(t: Target):
    """Whoever deletes the marker has the object back."""
    t.put("back", bucket=t.versioned)
    marker = t.s3.delete_object(Bucket=t.versioned, Key="back")["VersionId"]
    t.s3.delete_object(Bucket=t.versioned, Key="back", VersionId=marker)
    return t.read("back", t.versioned).decode()


@check("version-deleted", "404 NoSuchVersion", "GetObject")
def _(t: Target):
    """A version that is deleted is gone."""
    version = t.put("gone", bucket=t.versioned)["VersionId"]
    t.s3.delete_object(Bucket=t.versioned, Key="gone", VersionId=version)
    return answer(lambda: t.s3.get_object(Bucket=t.versioned, Key="gone", VersionId=version))


@check("version-suspended", "null", SOURCE)
def _(t: Target):
    """While versioning is suspended, objects have the version `null`."""
    bucket = t.new_bucket("suspended")
    for status in ("Enabled", "Suspended"):
        t.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    t.put("null", bucket=bucket)
    return t.s3.list_object_versions(Bucket=bucket)["Versions"][0]["VersionId"]
