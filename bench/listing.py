"""Lists a bucket: the one signed call to S3 that this program makes itself."""

import hashlib
import hmac
import urllib.parse
import urllib.request
import xml.etree.ElementTree as xml
from datetime import datetime, timezone

_CALL_SECONDS = 60
_EMPTY = hashlib.sha256(b"").hexdigest()


def sizes(
    opener: urllib.request.OpenerDirector,
    endpoint: str,
    bucket: str,
    keys: tuple[str, str],
    region: str,
) -> dict[str, int]:
    """Key and size of every object of the bucket."""
    found: dict[str, int] = {}
    token: str | None = None
    while True:
        query = {"list-type": "2", **({"continuation-token": token} if token else {})}
        now = datetime.now(timezone.utc)
        request = signed_get(endpoint, f"/{bucket}", query, keys, region, now)
        with opener.open(request, timeout=_CALL_SECONDS) as answer:
            page, token = parsed(answer.read())
        found.update(page)
        if token is None:
            return found


def parsed(page: bytes) -> tuple[dict[str, int], str | None]:
    """Sizes of one page of a listing, and the token of the next page if there is one."""
    root = xml.fromstring(page)
    objects = {
        entry.findtext("{*}Key"): int(entry.findtext("{*}Size"))
        for entry in root.iterfind("{*}Contents")
    }
    more = root.findtext("{*}IsTruncated") == "true"
    return objects, root.findtext("{*}NextContinuationToken") if more else None


def signed_get(
    endpoint: str,
    path: str,
    query: dict[str, str],
    keys: tuple[str, str],
    region: str,
    now: datetime,
) -> urllib.request.Request:
    """A GET with AWS's signature version 4."""
    access_key, secret_key = keys
    host = urllib.parse.urlsplit(endpoint).netloc
    stamp, scope = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}/{region}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    listed = ";".join(sorted(headers))
    quote, pairs = urllib.parse.quote, sorted(query.items())
    encoded = urllib.parse.urlencode(pairs, quote_via=quote, safe="-_.~")
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical = "\n".join(("GET", path, encoded, *lines, "", listed, _EMPTY))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, "\n".join(("AWS4-HMAC-SHA256", stamp, scope, digest)).encode(), "sha256"
    ).hex()
    credential = f"Credential={access_key}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={listed}, Signature={signature}"
    )
    return urllib.request.Request(f"{endpoint}{path}?{encoded}", headers=headers)
