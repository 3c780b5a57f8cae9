"""AWS Signature Version 4 by hand, for the requests that no SDK would send: stale, mismatched, streamed."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
from dataclasses import dataclass, field

UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Signer:
    """Signs for one key in one region."""

    access_key: str
    secret: str
    region: str

    def _key(self, day: str) -> bytes:
        key = b"AWS4" + self.secret.encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def _scope(self, day: str) -> str:
        return f"{day}/{self.region}/s3/aws4_request"

    def _signature(self, canonical: str, stamp: str) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, self._scope(stamp[:8]), digest])
        return hmac.new(self._key(stamp[:8]), text.encode(), hashlib.sha256).hexdigest()

    def headers(self, method: str, url: str, headers: dict, payload: str, at: datetime.datetime) -> dict:
        """The headers to send: those given, with date, payload hash and signature."""
        parts = urllib.parse.urlsplit(url)
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        sent = {name.lower(): str(value).strip() for name, value in headers.items()}
        sent |= {"host": parts.netloc, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        names = sorted(sent)
        canonical = _canonical(method, parts, parts.query, names, sent, payload)
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self._scope(stamp[:8])},"
            f"SignedHeaders={';'.join(names)},Signature={self._signature(canonical, stamp)}"
        )
        return sent

    def presigned(self, method: str, url: str, at: datetime.datetime, seconds: int) -> str:
        """A URL that anybody may use for so many seconds from `at`."""
        parts = urllib.parse.urlsplit(url)
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{self._scope(stamp[:8])}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        text = urllib.parse.urlencode(query, quote_via=urllib.parse.quote, safe="")
        canonical = _canonical(method, parts, text, ["host"], {"host": parts.netloc}, UNSIGNED)
        return f"{url}?{text}&X-Amz-Signature={self._signature(canonical, stamp)}"


def _canonical(method: str, parts, query: str, names: list, headers: dict, payload: str) -> str:
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    quoted = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~")) for k, v in pairs)
    lines = [method, parts.path or "/", "&".join(f"{k}={v}" for k, v in quoted)]
    lines += [f"{name}:{headers[name]}" for name in names]
    return "\n".join([*lines, "", ";".join(names), payload])


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    def element(self, name: str) -> str:
        """The text of an XML element, without its namespace's ceremony."""
        opening, closing = f"<{name}>".encode(), f"</{name}>".encode()
        rest = self.body.partition(opening)[2]
        return rest.partition(closing)[0].decode() if closing in rest else ""

    def __str__(self) -> str:
        code = self.element("Code")
        return f"{self.status} {code}" if code else str(self.status)


def send(method: str, url: str, headers: dict | None = None, body: bytes = b"") -> Answer:
    """Sends a request as it is: what urllib would add or forbid stays out."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(method, target, skip_host="host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body or method in ("PUT", "POST"):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def now() -> datetime.datetime:
    """Real time: signatures are judged by it on every server."""
    return datetime.datetime.now(datetime.timezone.utc)
