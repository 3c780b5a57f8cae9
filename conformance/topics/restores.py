"""RestoreObject: asked for, under way, readable for some days, gone."""

import datetime
import email.utils

from checks import NotTried, Target, answer, check, eventually

RESTORE = "RestoreObject"
ARCHIVED = "Working with archived objects"
OPTIONS = "Understanding archive retrieval options"


def ask(t: Target, key: str, tier: str = "Standard", days: int | None = 2) -> str:
    wanted = {"GlacierJobParameters": {"Tier": tier}} | ({"Days": days} if days else {})
    return answer(lambda: t.s3.restore_object(Bucket=t.bucket, Key=key, RestoreRequest=wanted))


def cold(t: Target, key: str, name: str = "GLACIER") -> str:
    t.put(key, StorageClass=name)
    return key


def thawed(t: Target, key: str, name: str = "GLACIER") -> str:
    """Asks and lets so much time pass as the server needs."""
    ask(t, cold(t, key, name))
    if not t.server.pass_hours:
        eventually(lambda: answer(lambda: t.s3.get_object(Bucket=t.bucket, Key=key)) == "200", t.server.thaw_seconds)
    else:
        t.server.pass_hours(13)
    return key


def _days(t: Target, key: str) -> datetime.datetime | None:
    text = t.head(key).get("Restore", "").partition('expiry-date="')[2].partition('"')[0]
    return email.utils.parsedate_to_datetime(text) if text else None


@check("restore", '202, ongoing-request="true"', RESTORE)
def _(t: Target):
    """A restore is accepted, and HEAD says that it is under way."""
    seen = ask(t, cold(t, "restore/first"))
    return f"{seen}, {t.head('restore/first').get('Restore', 'no header').partition(',')[0]}"


@check("restore-again", "409 RestoreAlreadyInProgress", RESTORE)
def _(t: Target):
    """While it is under way the same is not accepted again."""
    ask(t, cold(t, "restore/again"))
    return ask(t, "restore/again")


@check("restore-takes-time", "403 InvalidObjectState", RESTORE)
def _(t: Target):
    """While it is under way nothing is read."""
    ask(t, cold(t, "restore/time"))
    return answer(lambda: t.s3.get_object(Bucket=t.bucket, Key="restore/time"))


@check("restore-faster", "202", ARCHIVED + ": Upgrading the speed of an in-progress restore")
def _(t: Target):
    """A restore that is under way can be asked for again at a faster tier."""
    ask(t, cold(t, "restore/faster"), "Bulk")
    return ask(t, "restore/faster", "Standard")


@check("restore-slower", "409 RestoreAlreadyInProgress", ARCHIVED + ": Upgrading the speed of an in-progress restore")
def _(t: Target):
    """Not at a slower one."""
    ask(t, cold(t, "restore/slower"), "Standard")
    return ask(t, "restore/slower", "Bulk")


@check("restore-expedited-deep", "400 InvalidArgument", OPTIONS)
def _(t: Target):
    """DEEP_ARCHIVE knows no Expedited."""
    return ask(t, cold(t, "restore/expedited", "DEEP_ARCHIVE"), "Expedited")


@check("restore-not-cold", "403 InvalidObjectState", RESTORE)
def _(t: Target):
    """What is not cold cannot be restored."""
    return ask(t, cold(t, "restore/standard", "STANDARD"))


@check("restore-without-days", "400 MalformedXML", RESTORE)
def _(t: Target):
    """For how many days must be said."""
    return ask(t, cold(t, "restore/days"), days=None)


@check("restore-missing", "404 NoSuchKey", RESTORE)
def _(t: Target):
    """What is not there cannot be restored."""
    return ask(t, "restore/missing")


@check("restore-done", 'photograph, ongoing-request="false", midnight', RESTORE)
def _(t: Target):
    """Afterwards it is read, and HEAD says until which midnight (UTC)."""
    key = thawed(t, "restore/done")
    body, header = t.read(key).decode(), t.head(key).get("Restore", "")
    until = _days(t, key)
    midnight = "midnight" if until and (until.hour, until.minute, until.second) == (0, 0, 0) else "no midnight"
    return f"{body}, {header.partition(',')[0]}, {midnight}"


@check("restore-range", "oto", "GetObject")
def _(t: Target):
    """What is thawed is read in ranges, too."""
    return t.read(thawed(t, "restore/range"), Range="bytes=2-4").decode()


@check("restore-class", "DEEP_ARCHIVE", "HeadObject")
def _(t: Target):
    """A thawed object keeps its class."""
    return t.head(thawed(t, "restore/class", "DEEP_ARCHIVE")).get("StorageClass")


@check("restore-longer", "200, 5 days later", RESTORE)
def _(t: Target):
    """Asked for again afterwards, it stays longer."""
    key = thawed(t, "restore/longer")
    # The days count from the asking, so both are asked for at one moment: between the end
    # of the thaw and now lies a midnight at some times of day.
    ask(t, key, days=2)
    first = _days(t, key)
    seen = ask(t, key, days=7)
    then = _days(t, key)
    return f"{seen}, {(then - first).days if first and then else 'no'} days later"


@check("restore-copy", "GLACIER_IR", "CopyObject")
def _(t: Target):
    """What is thawed can be copied into another class for good."""
    source = {"Bucket": t.bucket, "Key": thawed(t, "restore/copy")}
    t.s3.copy_object(Bucket=t.bucket, Key="restore/copied", CopySource=source, StorageClass="GLACIER_IR")
    return t.head("restore/copied").get("StorageClass")


def _listed(t: Target, key: str) -> dict:
    found = t.s3.list_objects_v2(Bucket=t.bucket, Prefix=key, OptionalObjectAttributes=["RestoreStatus"])
    return found["Contents"][0].get("RestoreStatus", {})


@check("list-restore-under-way", "True", "ListObjectsV2")
def _(t: Target):
    """A listing can say what is under way."""
    ask(t, cold(t, "restore/list-under-way"))
    return _listed(t, "restore/list-under-way").get("IsRestoreInProgress", "nothing")


@check("list-restore-done", "False, as HEAD", "ListObjectsV2")
def _(t: Target):
    """And what is done, until when."""
    found = _listed(t, thawed(t, "restore/list-done"))
    same = found.get("RestoreExpiryDate") == _days(t, "restore/list-done")
    return f"{found['IsRestoreInProgress']}, {'as HEAD' if same else 'not as HEAD'}" if found else "nothing"


@check("restore-expires", "403 InvalidObjectState, no header", ARCHIVED)
def _(t: Target):
    """After its days a thawed copy is gone, and the header with it."""
    if not t.server.pass_hours:
        raise NotTried("its clock cannot be moved")
    key = thawed(t, "restore/expires")
    t.server.pass_hours(24 * 4)
    seen = answer(lambda: t.s3.get_object(Bucket=t.bucket, Key=key))
    return f"{seen}, {t.head(key).get('Restore', 'no header')}"


@check("restore-bulk-deep-48h", "403, then 200", OPTIONS)
def _(t: Target):
    """DEEP_ARCHIVE takes more than an hour and at most 48 at the Bulk tier."""
    if not t.server.pass_hours:
        raise NotTried("its clock cannot be moved")
    ask(t, cold(t, "restore/48h", "DEEP_ARCHIVE"), "Bulk", 3)
    t.server.pass_hours(1)
    first = answer(lambda: t.s3.get_object(Bucket=t.bucket, Key="restore/48h"))
    t.server.pass_hours(47)
    return f"{first[:3]}, then {answer(lambda: t.s3.get_object(Bucket=t.bucket, Key='restore/48h'))}"
