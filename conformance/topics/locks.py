"""Object Lock: what nobody deletes."""

import datetime

import checksums
import sigv4
from checks import Target, answer, check

SOURCE = "Locking objects with Object Lock"
BODY = b"photograph"


def until(days: int) -> datetime.datetime:
    return (sigv4.now() + datetime.timedelta(days=days)).replace(microsecond=0)


def locked(t: Target, key: str, mode: str, days: int = 400) -> str:
    """A locked version; for so long that a clock that was moved does not free it."""
    how = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until(days), "ContentMD5": checksums.md5(BODY)}
    return t.put(key, BODY, t.locked, **how)["VersionId"]


def delete(t: Target, key: str, version: str, **how) -> str:
    return answer(lambda: t.s3.delete_object(Bucket=t.locked, Key=key, VersionId=version, **how))


@check("lock-default", "GOVERNANCE 3 days; GOVERNANCE", "PutObjectLockConfiguration")
def _(t: Target):
    """A default retention is kept, and new objects have it."""
    bucket = t.new_bucket("lock-default", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    t.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)
    got = t.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    t.put("default", bucket=bucket, ContentMD5=checksums.md5(BODY))
    return f"{got['Mode']} {got['Days']} days; {t.head('default', bucket).get('ObjectLockMode', 'not locked')}"


@check("lock-compliance", "403 AccessDenied, 403 AccessDenied", SOURCE)
def _(t: Target):
    """Nobody deletes a version in COMPLIANCE, whatever he is allowed."""
    version = locked(t, "compliance", "COMPLIANCE")
    bypassed = delete(t, "compliance", version, BypassGovernanceRetention=True)
    return f"{delete(t, 'compliance', version)}, {bypassed}"


@check("lock-governance", "403 AccessDenied, 204", SOURCE)
def _(t: Target):
    """In GOVERNANCE one must be allowed to, and say so."""
    version = locked(t, "governance", "GOVERNANCE")
    seen = delete(t, "governance", version)
    return f"{seen}, {delete(t, 'governance', version, BypassGovernanceRetention=True)}"


@check("lock-hold", "403 AccessDenied, 204", "PutObjectLegalHold")
def _(t: Target):
    """A legal hold holds until it is taken away."""
    version = t.put("hold", BODY, t.locked, ContentMD5=checksums.md5(BODY))["VersionId"]
    seen = []
    for status in ("ON", "OFF"):
        where = {"Bucket": t.locked, "Key": "hold", "VersionId": version}
        t.s3.put_object_legal_hold(**where, LegalHold={"Status": status})
        seen.append(delete(t, "hold", version))
    return ", ".join(seen)


@check("lock-shorten", "403 AccessDenied", "PutObjectRetention")
def _(t: Target):
    """A COMPLIANCE retention is not shortened."""
    version = locked(t, "shorten", "COMPLIANCE", 420)
    less = {"Mode": "COMPLIANCE", "RetainUntilDate": until(410)}
    where = {"Bucket": t.locked, "Key": "shorten", "VersionId": version}
    return answer(lambda: t.s3.put_object_retention(**where, Retention=less))


@check("lock-extend", "200, longer", "PutObjectRetention")
def _(t: Target):
    """It can be made longer."""
    version = locked(t, "extend", "COMPLIANCE", 400)
    more = {"Mode": "COMPLIANCE", "RetainUntilDate": until(420)}
    where = {"Bucket": t.locked, "Key": "extend", "VersionId": version}
    seen = answer(lambda: t.s3.put_object_retention(**where, Retention=more))
    found = t.s3.get_object_retention(**where)["Retention"]["RetainUntilDate"]
    return f"{seen}, {'longer' if found > until(410) else 'not longer'}"


@check("lock-hides", "204, photograph kept", SOURCE)
def _(t: Target):
    """A plain deletion hides a locked object, and takes nothing away."""
    version = locked(t, "hides", "COMPLIANCE")
    seen = answer(lambda: t.s3.delete_object(Bucket=t.locked, Key="hides"))
    return f"{seen}, {t.read('hides', t.locked, VersionId=version).decode()} kept"


@check("lock-without", "400 InvalidRequest", "PutObject")
def _(t: Target):
    """A bucket without Object Lock takes no locked objects."""
    how = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until(400), "ContentMD5": checksums.md5(BODY)}
    return answer(lambda: t.put("lock-without", BODY, **how))


@check("lock-needs-checksum", "400 InvalidRequest", "PutObject")
def _(t: Target):
    """A locked object comes with its Content-MD5 or another checksum."""
    url = f"{t.endpoint}/{t.locked}/no-checksum"
    lock = {
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": until(400).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    headers = t.signer.headers("PUT", url, lock, sigv4.UNSIGNED, sigv4.now())
    return sigv4.send("PUT", url, headers, BODY)
