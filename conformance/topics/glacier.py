"""Amazon Glacier's vaults: archives, parts, jobs, inventories, locks.

Tree hashes are botocore's own, so neither our simulator nor our client judges itself.
"""

import io
import json

from botocore.exceptions import ClientError
from botocore.utils import calculate_tree_hash

from checks import NotTried, Target, answer, check, eventually

MIB = 1 << 20
GUIDE = "Amazon Glacier Developer Guide"
JOBS = "InitiateJob"
OUTPUT = "GetJobOutput"
UPLOAD = "UploadArchive"
PARTS = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"
INVALID = "400 InvalidParameterValueException"
GONE = "404 ResourceNotFoundException"
DENIED = "403 AccessDeniedException"
REAL_SECONDS = 15.0


def tree(data: bytes) -> str:
    return calculate_tree_hash(io.BytesIO(data))


def sample(size: int) -> bytes:
    return b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1))[:size]


def client(t: Target):
    return t.kept.setdefault("glacier", t.client("glacier"))


def vault(t: Target, name: str) -> str:
    client(t).create_vault(vaultName=name)
    return name


def upload(t: Target, name: str, data: bytes = b"photograph", **how) -> dict:
    return client(t).upload_archive(vaultName=vault(t, name), body=data, **how)


def arn(t: Target, name: str) -> str:
    return client(t).describe_vault(vaultName=name)["VaultARN"]


def begin(t: Target, name: str, **wanted) -> str:
    wanted = {"Type": "archive-retrieval"} | wanted
    return client(t).initiate_job(vaultName=name, jobParameters=wanted)["jobId"]


def described(t: Target, name: str, job: str) -> dict:
    return client(t).describe_job(vaultName=name, jobId=job)


def done(t: Target, name: str, **wanted) -> str:
    """A job that has ended."""
    job = begin(t, name, **wanted)
    if t.server.pass_hours:
        t.server.pass_hours(5)
    else:
        eventually(lambda: described(t, name, job)["Completed"], REAL_SECONDS)
    return job


def output(t: Target, name: str, job: str, **how) -> tuple[dict, bytes]:
    found = client(t).get_job_output(vaultName=name, jobId=job, **how)
    return found, found["body"].read()


def pass_hours(t: Target, hours: float) -> None:
    if not t.server.pass_hours:
        raise NotTried("its clock cannot be moved")
    t.server.pass_hours(hours)


@check("vault", "201, described, listed", "CreateVault")
def _(t: Target):
    """A vault is made, described and listed."""
    seen = answer(lambda: client(t).create_vault(vaultName="made"))
    found = client(t).describe_vault(vaultName="made")
    listed = any(one["VaultName"] == "made" for one in client(t).list_vaults()["VaultList"])
    same = found["VaultARN"].endswith(":vaults/made") and found["NumberOfArchives"] == 0
    return f"{seen}, {'described' if same else 'otherwise'}, {'listed' if listed else 'not listed'}"


@check("vault-again", "201", "CreateVault")
def _(t: Target):
    """To make it once more is no error."""
    vault(t, "again")
    return answer(lambda: client(t).create_vault(vaultName="again"))


@check("vault-missing", GONE, "DescribeVault")
def _(t: Target):
    """A vault that is not there is not described."""
    return answer(lambda: client(t).describe_vault(vaultName="none"))


@check("vault-delete-full", INVALID, "DeleteVault")
def _(t: Target):
    """A vault with an archive is not deleted."""
    upload(t, "full")
    return answer(lambda: client(t).delete_vault(vaultName="full"))


@check("vault-delete-late", f"{INVALID}, 204", "DeleteVault")
def _(t: Target):
    """A vault that was emptied goes only after an inventory that shows it empty."""
    found = upload(t, "late")
    pass_hours(t, 48)
    client(t).delete_archive(vaultName="late", archiveId=found["archiveId"])
    first = answer(lambda: client(t).delete_vault(vaultName="late"))
    pass_hours(t, 24)
    return f"{first}, {answer(lambda: client(t).delete_vault(vaultName='late'))}"


@check("archive", "same tree hash", UPLOAD)
def _(t: Target):
    """An archive of some MiB is answered with its tree hash."""
    data = sample(3 * MIB + 17)
    found = upload(t, "archives", data, archiveDescription="three")
    return "same tree hash" if found["checksum"] == tree(data) else "another tree hash"


@check("archive-wrong-hash", INVALID, UPLOAD)
def _(t: Target):
    """An archive that does not fit its tree hash is refused."""
    return answer(lambda: upload(t, "archives", checksum=tree(b"other")))


@check("archive-description", INVALID, UPLOAD)
def _(t: Target):
    """A description has 1,024 characters at most."""
    return answer(lambda: upload(t, "archives", archiveDescription="x" * 1025))


@check("archive-twice", "two archives", UPLOAD)
def _(t: Target):
    """The same bytes twice are two archives."""
    ids = {upload(t, "archives")["archiveId"] for _ in range(2)}
    return "two archives" if len(ids) == 2 else "one archive"


@check("archive-delete", "204, 204", "DeleteArchive")
def _(t: Target):
    """An archive is deleted; to do so again is no error."""
    found = upload(t, "archives")
    ask = lambda: client(t).delete_archive(vaultName="archives", archiveId=found["archiveId"])  # noqa: E731
    return f"{answer(ask)}, {answer(ask)}"


def started(t: Target, size: int = MIB) -> dict:
    found = client(t).initiate_multipart_upload(
        vaultName=vault(t, "parts"), partSize=str(size), archiveDescription="in parts"
    )
    return {"vaultName": "parts", "uploadId": found["uploadId"]}


def part(t: Target, to: dict, at: int, data: bytes) -> dict:
    return client(t).upload_multipart_part(**to, range=f"bytes {at}-{at + len(data) - 1}/*", body=data)


def complete(t: Target, to: dict, data: bytes) -> dict:
    return client(t).complete_multipart_upload(**to, archiveSize=str(len(data)), checksum=tree(data))


@check("parts", "3 parts listed, same tree hash", COMPLETE)
def _(t: Target):
    """Parts in any order become one archive."""
    data, to = sample(2 * MIB + 5), started(t)
    for at in (2 * MIB, 0, MIB):
        part(t, to, at, data[at : at + MIB])
    listed = len(client(t).list_parts(**to)["Parts"])
    same = complete(t, to, data)["checksum"] == tree(data)
    return f"{listed} parts listed, {'same' if same else 'another'} tree hash"


@check("parts-listed", "0-1048575, same tree hash", "ListParts")
def _(t: Target):
    """A part is listed with its range and its tree hash."""
    data, to = sample(MIB), started(t)
    part(t, to, 0, data)
    found = client(t).list_parts(**to)["Parts"][0]
    return f"{found['RangeInBytes']}, {'same' if found['SHA256TreeHash'] == tree(data) else 'another'} tree hash"


@check("parts-size", INVALID, "InitiateMultipartUpload")
def _(t: Target):
    """A part has 1 MiB times a power of two."""
    return answer(lambda: client(t).initiate_multipart_upload(vaultName=vault(t, "parts"), partSize=str(3 * MIB)))


@check("parts-range", INVALID, PARTS)
def _(t: Target):
    """A part begins at a multiple of the parts' size."""
    to = started(t, 2 * MIB)
    return answer(lambda: part(t, to, MIB, b"x"))


@check("parts-gap", INVALID, COMPLETE)
def _(t: Target):
    """An upload with a gap is not completed."""
    to = started(t)
    part(t, to, MIB, b"last")
    return answer(lambda: complete(t, to, sample(MIB) + b"last"))


@check("parts-wrong-hash", f"{INVALID}, 201", COMPLETE)
def _(t: Target):
    """An upload that does not fit its tree hash is not completed, and can be with the right one."""
    to = started(t)
    part(t, to, 0, b"photograph")
    first = answer(lambda: complete(t, to, b"photograhp"))
    return f"{first}, {answer(lambda: complete(t, to, b'photograph'))}"


@check("parts-complete-again", "same archive", COMPLETE)
def _(t: Target):
    """To complete it again shortly afterwards brings the same archive."""
    to = started(t)
    part(t, to, 0, b"photograph")
    ids = {complete(t, to, b"photograph")["archiveId"] for _ in range(2)}
    return "same archive" if len(ids) == 1 else "another archive"


@check("parts-abort", f"204, {GONE}", "AbortMultipartUpload")
def _(t: Target):
    """Of an upload that was given up nothing stays."""
    to = started(t)
    seen = answer(lambda: client(t).abort_multipart_upload(**to))
    return f"{seen}, {answer(lambda: client(t).list_parts(**to))}"


@check("job", "202, InProgress", JOBS)
def _(t: Target):
    """A retrieval is accepted, and under way."""
    found = upload(t, "jobs")
    wanted = {"Type": "archive-retrieval", "ArchiveId": found["archiveId"]}
    job = client(t).initiate_job(vaultName="jobs", jobParameters=wanted)
    status = described(t, "jobs", job["jobId"])["StatusCode"]
    return f"{job['ResponseMetadata']['HTTPStatusCode']}, {status}"


@check("job-unknown", GONE, JOBS)
def _(t: Target):
    """An archive that is not there is not retrieved."""
    vault(t, "jobs")
    return answer(lambda: client(t).initiate_job(
        vaultName="jobs", jobParameters={"Type": "archive-retrieval", "ArchiveId": "x" * 138}))  # fmt: skip


@check("job-early", INVALID, OUTPUT)
def _(t: Target):
    """Nothing is downloaded before a job is done."""
    found = upload(t, "jobs")
    job = begin(t, "jobs", ArchiveId=found["archiveId"])
    return answer(lambda: client(t).get_job_output(vaultName="jobs", jobId=job))


@check("job-done", "same bytes, same tree hash, three", OUTPUT)
def _(t: Target):
    """Afterwards the archive is downloaded, with its tree hash and its description."""
    data = sample(2 * MIB + 9)
    found = upload(t, "jobs", data, archiveDescription="three")
    head, body = output(t, "jobs", done(t, "jobs", ArchiveId=found["archiveId"]))
    same = "same" if body == data else "other"
    return f"{same} bytes, {'same' if head.get('checksum') == tree(body) else 'no'} tree hash, " + head.get(
        "archiveDescription", "no description"
    )


@check("job-range", "same bytes, same tree hash", JOBS)
def _(t: Target):
    """A part of an archive is retrieved, with the hash of its subtree."""
    data = sample(4 * MIB)
    found = upload(t, "jobs", data)
    wanted = f"{2 * MIB}-{4 * MIB - 1}"
    head, body = output(t, "jobs", done(t, "jobs", ArchiveId=found["archiveId"], RetrievalByteRange=wanted))
    same = "same" if body == data[2 * MIB :] else "other"
    return f"{same} bytes, {'same' if head.get('checksum') == tree(body) else 'no'} tree hash"


@check("job-range-uneven", "same bytes, no tree hash", "Receiving Checksums When Downloading Data")
def _(t: Target):
    """A range that is no subtree has no hash."""
    data = sample(4 * MIB)
    found = upload(t, "jobs", data)
    wanted = f"{MIB}-{3 * MIB - 1}"
    head, body = output(t, "jobs", done(t, "jobs", ArchiveId=found["archiveId"], RetrievalByteRange=wanted))
    same = "same" if body == data[MIB : 3 * MIB] else "other"
    return f"{same} bytes, {'a' if head.get('checksum') else 'no'} tree hash"


@check("job-range-crooked", INVALID, JOBS)
def _(t: Target):
    """A range lies on MiB."""
    found = upload(t, "jobs", sample(2 * MIB))
    return answer(lambda: client(t).initiate_job(vaultName="jobs", jobParameters={
        "Type": "archive-retrieval", "ArchiveId": found["archiveId"], "RetrievalByteRange": "5-1048575"}))  # fmt: skip


@check("job-output-range", "206, bytes 2-4/10, oto", OUTPUT)
def _(t: Target):
    """Any part of the output is downloaded."""
    found = upload(t, "jobs")
    head, body = output(t, "jobs", done(t, "jobs", ArchiveId=found["archiveId"]), range="bytes=2-4")
    return f"{head['status']}, {head.get('contentRange')}, {body.decode()}"


@check("job-times", "Expedited in 5 min, Standard in 5 h, Bulk in 12 h", JOBS)
def _(t: Target):
    """Each tier has its time, and is not earlier than documented."""
    found = upload(t, "times")["archiveId"]
    seen = []
    for tier, least, most, told in (
        ("Expedited", 1 / 60, 5 / 60, "5 min"), ("Standard", 3, 5, "5 h"), ("Bulk", 5, 12, "12 h"),
    ):  # fmt: skip
        job = begin(t, "times", ArchiveId=found, Tier=tier)
        pass_hours(t, least - 1 / 3600)
        early = described(t, "times", job)["Completed"]
        pass_hours(t, most - least + 1 / 3600)
        late = described(t, "times", job)["Completed"]
        seen.append(f"{tier} in {told}" if late and not early else f"{tier} otherwise")
    return ", ".join(seen)


@check("job-forgotten", GONE, OUTPUT)
def _(t: Target):
    """A job and its output are kept for a day; coldsim keeps them no longer."""
    pass_hours(t, 0)
    found = upload(t, "times")
    job = done(t, "times", ArchiveId=found["archiveId"])
    pass_hours(t, 24)
    return answer(lambda: client(t).get_job_output(vaultName="times", jobId=job))


@check("job-listed", "listed, not among those that are done", "ListJobs")
def _(t: Target):
    """Jobs are listed by state."""
    found = upload(t, "listed")
    job = begin(t, "listed", ArchiveId=found["archiveId"], Tier="Bulk")
    ids = lambda **how: {one["JobId"] for one in client(t).list_jobs(vaultName="listed", **how)["JobList"]}  # noqa: E731
    ended = "among those that are done" if job in ids(completed="true") else "not among those that are done"
    return f"{'listed' if job in ids() else 'not listed'}, {ended}"


def stocked(t: Target, name: str) -> dict:
    """A vault with one archive, and an inventory of it where time can be moved."""
    found = upload(t, name, sample(MIB + 1), archiveDescription='a "b", c')
    if t.server.pass_hours:
        t.server.pass_hours(24)
    return found


@check("inventory", "the archive, its size, its tree hash", GUIDE + ": Downloading a Vault Inventory")
def _(t: Target):
    """An inventory tells id, size and tree hash of each archive."""
    found = stocked(t, "inventory")
    _, body = output(t, "inventory", done(t, "inventory", Type="inventory-retrieval"))
    item = json.loads(body)["ArchiveList"][0]
    same = item["ArchiveId"] == found["archiveId"], item["Size"] == MIB + 1, item["SHA256TreeHash"] == tree(sample(MIB + 1))
    words = ("the archive", "its size", "its tree hash")
    return ", ".join(word if one else f"not {word}" for word, one in zip(words, same))


@check("inventory-csv", 'text/csv, "a \\"b\\", c"', OUTPUT)
def _(t: Target):
    """As CSV, too: a quote within has a backslash before it."""
    stocked(t, "csv")
    head, body = output(t, "csv", done(t, "csv", Type="inventory-retrieval", Format="CSV"))
    row = body.decode().splitlines()[1]
    description = row[row.index(",") + 1 : row.rindex('"') + 1]
    return f"{head['contentType']}, {description}"


@check("inventory-pages", "1 of 2, then 1 of 2", JOBS + ": Range Inventory Retrieval")
def _(t: Target):
    """An inventory is taken in parts, with the marker of the part before."""
    upload(t, "pages")
    stocked(t, "pages")

    def taken(**how):
        job = done(t, "pages", Type="inventory-retrieval", InventoryRetrievalParameters={"Limit": "1"} | how)
        _, body = output(t, "pages", job)
        told = described(t, "pages", job).get("InventoryRetrievalParameters", {})
        return {one["ArchiveId"] for one in json.loads(body)["ArchiveList"]}, told.get("Marker")

    first, marker = taken()
    second, end = taken(Marker=marker or "")
    both = len(first | second)
    return f"{len(first)} of {both}, then {len(second)} of {both}" + (", no end" if end else "")


@check("inventory-lag", "not told, then told", GUIDE + ": Vault Inventory")
def _(t: Target):
    """What was uploaded today is in no inventory before the next one."""
    upload(t, "lag")
    pass_hours(t, 11)
    first = client(t).describe_vault(vaultName="lag")["NumberOfArchives"]
    pass_hours(t, 13)
    then = client(t).describe_vault(vaultName="lag")["NumberOfArchives"]
    return f"{'told' if first else 'not told'}, then {'told' if then else 'not told'}"


@check("vault-notifications", "204, same, 204, " + GONE, "SetVaultNotifications")
def _(t: Target):
    """A vault keeps whom it tells of its jobs."""
    vault(t, "notifications")
    wanted = {"SNSTopic": "arn:aws:sns:us-east-1:123456789012:told", "Events": ["ArchiveRetrievalCompleted"]}
    set_ = answer(lambda: client(t).set_vault_notifications(vaultName="notifications", vaultNotificationConfig=wanted))
    found = client(t).get_vault_notifications(vaultName="notifications")["vaultNotificationConfig"]
    gone = answer(lambda: client(t).delete_vault_notifications(vaultName="notifications"))
    none = answer(lambda: client(t).get_vault_notifications(vaultName="notifications"))
    return f"{set_}, {'same' if found == wanted else 'other'}, {gone}, {none}"


def denies(t: Target, name: str, action: str, **condition) -> dict:
    statement = {"Sid": "s", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": f"glacier:{action}",
                 "Resource": arn(t, name)} | condition  # fmt: skip
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


@check("vault-policy", "204, " + DENIED, "SetVaultAccessPolicy")
def _(t: Target):
    """A Deny in a vault's policy holds against whoever is allowed otherwise."""
    wanted = denies(t, vault(t, "policy"), "UploadArchive")
    seen = answer(lambda: client(t).set_vault_access_policy(vaultName="policy", policy=wanted))
    return f"{seen}, {answer(lambda: upload(t, 'policy'))}"


YOUNG = {"Condition": {"NumericLessThan": {"glacier:ArchiveAgeInDays": "365"}}}


@check("lock", "201, InProgress, 204, Locked, " + DENIED, "CompleteVaultLock")
def _(t: Target):
    """A lock is on trial, then completed, and never aborted after that."""
    upload(t, "lock")
    begun = client(t).initiate_vault_lock(vaultName="lock", policy=denies(t, "lock", "DeleteArchive", **YOUNG))
    first = client(t).get_vault_lock(vaultName="lock")["State"]
    ended = answer(lambda: client(t).complete_vault_lock(vaultName="lock", lockId=begun["lockId"]))
    then = client(t).get_vault_lock(vaultName="lock")["State"]
    aborted = answer(lambda: client(t).abort_vault_lock(vaultName="lock"))
    return f"{begun['ResponseMetadata']['HTTPStatusCode']}, {first}, {ended}, {then}, {aborted}"


@check("lock-holds", DENIED, GUIDE + ": Amazon Glacier Access Control with Vault Lock Policies")
def _(t: Target):
    """A lock's policy holds, on the age of an archive."""
    found = upload(t, "holds")
    client(t).initiate_vault_lock(vaultName="holds", policy=denies(t, "holds", "DeleteArchive", **YOUNG))
    return answer(lambda: client(t).delete_archive(vaultName="holds", archiveId=found["archiveId"]))


@check("lock-twice", DENIED, "InitiateVaultLock")
def _(t: Target):
    """While a lock is on trial there is no other."""
    vault(t, "twice")
    begin_ = lambda: client(t).initiate_vault_lock(vaultName="twice", policy=denies(t, "twice", "DeleteArchive"))  # noqa: E731
    begin_()
    return answer(begin_)


@check("lock-expires", GONE, "InitiateVaultLock")
def _(t: Target):
    """A lock that is not completed within a day is gone."""
    vault(t, "trial")
    client(t).initiate_vault_lock(vaultName="trial", policy=denies(t, "trial", "DeleteArchive"))
    pass_hours(t, 24)
    return answer(lambda: client(t).get_vault_lock(vaultName="trial"))


@check("vault-tags", "camera=Z9 job=nas, camera=Z9", "AddTagsToVault")
def _(t: Target):
    """A vault has tags, which are added to and removed."""
    vault(t, "tags")
    client(t).add_tags_to_vault(vaultName="tags", Tags={"job": "nas", "camera": "Z9"})
    shown = lambda: " ".join(f"{k}={v}" for k, v in sorted(client(t).list_tags_for_vault(vaultName="tags")["Tags"].items()))  # noqa: E731
    first = shown()
    client(t).remove_tags_from_vault(vaultName="tags", TagKeys=["job"])
    return f"{first}, {shown()}"


@check("retrieval-policy", "204, BytesPerHour, 400 PolicyEnforcedException", GUIDE + ": Data Retrieval Policies")
def _(t: Target):
    """The account's policy refuses what would be retrieved too fast."""
    found = upload(t, "limited", sample(2 * MIB))
    rule = lambda **how: client(t).set_data_retrieval_policy(Policy={"Rules": [how]})  # noqa: E731
    seen = answer(lambda: rule(Strategy="BytesPerHour", BytesPerHour=1000))
    try:
        told = client(t).get_data_retrieval_policy()["Policy"]["Rules"][0]["Strategy"]
        wanted = {"Type": "archive-retrieval", "ArchiveId": found["archiveId"]}
        refused = answer(lambda: client(t).initiate_job(vaultName="limited", jobParameters=wanted))
    except ClientError as error:
        told, refused = answer(lambda: (_ for _ in ()).throw(error)), "not asked"
    finally:
        answer(lambda: rule(Strategy="None"))
    return f"{seen}, {told}, {refused}"


@check("capacity", "201, listed", "PurchaseProvisionedCapacity")
def _(t: Target):
    """A capacity unit is bought and listed."""
    bought = client(t).purchase_provisioned_capacity()
    listed = client(t).list_provisioned_capacity()["ProvisionedCapacityList"]
    there = any(one["CapacityId"] == bought["capacityId"] for one in listed)
    return f"{bought['ResponseMetadata']['HTTPStatusCode']}, {'listed' if there else 'not listed'}"
