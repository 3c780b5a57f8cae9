"""The list of S3 checks, and what they share.

A check does something to a server and says what it saw, in a few words. AWS's documented behaviour
stands beside it as `aws`, with the page that documents it. What a server does otherwise is a
difference; those that are known stand in `expected.json`.
"""

from __future__ import annotations

import datetime
import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError

import sigv4

TOPICS = (
    "signatures", "objects", "conditions", "uploads", "multipart", "classes", "restores", "versions", "locks",
    "settings", "glacier", "identities", "product",
)  # fmt: skip


class NotTried(Exception):
    """This server gives no way to find out; why."""


@dataclass(frozen=True)
class Check:
    """One question to a server."""

    name: str
    aws: str
    source: str
    what: str
    ask: object

    @property
    def topic(self) -> str:
        """The module it stands in."""
        return self.ask.__module__.rpartition(".")[2] if self.ask else ""


@dataclass(frozen=True)
class Result:
    """What one server answered."""

    check: Check
    seen: str
    seconds: float = 0.0

    @property
    def same(self) -> bool:
        return self.seen == self.check.aws


CHECKS: list[Check] = []


def check(name: str, aws: str, source: str, what: str = ""):
    """Adds a check; its docstring, or `what`, says in words what AWS does."""

    def add(ask):
        if any(other.name == name for other in CHECKS):
            raise ValueError(f"two checks are called {name}")
        CHECKS.append(Check(name, aws, source, " ".join((what or ask.__doc__).split()), ask))
        return ask

    return add


def load() -> list[Check]:
    """All checks, in the order of their topics."""
    for topic in TOPICS:
        importlib.import_module(f"topics.{topic}")
    return sorted(CHECKS, key=lambda one: TOPICS.index(one.topic))


class Target:
    """A server under test, with the buckets that checks use."""

    def __init__(self, server):
        self.server = server
        self.endpoint = server.endpoint
        self.signer = sigv4.Signer(server.access_key, server.secret, server.region)
        self.s3 = self.client()
        # What a topic keeps between its checks.
        self.kept: dict = {}

    def client(self, service: str = "s3", anonymous: bool = False, **keys):
        """A boto3 client that sends just what it is told to: no checksum of its own, no second try."""
        config = Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
            request_checksum_calculation=keys.pop("checksums", "when_required"),
            response_checksum_validation="when_required",
            signature_version=UNSIGNED if anonymous else None,
        )
        keys = {"aws_access_key_id": self.server.access_key, "aws_secret_access_key": self.server.secret} | keys
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=self.server.region, config=config, **keys
        )

    @cached_property
    def bucket(self) -> str:
        """A plain bucket."""
        return self.new_bucket("plain")

    @cached_property
    def versioned(self) -> str:
        """A bucket that keeps versions."""
        name = self.new_bucket("versions")
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    @cached_property
    def locked(self) -> str:
        """A bucket with Object Lock."""
        return self.new_bucket("locks", ObjectLockEnabledForBucket=True)

    def new_bucket(self, name: str, **how) -> str:
        name = f"conformance-{name}"
        self.s3.create_bucket(Bucket=name, **how)
        return name

    def put(self, key: str, body: bytes = b"photograph", bucket: str | None = None, **how) -> dict:
        """Puts an object, into the plain bucket unless another is named."""
        return self.s3.put_object(Bucket=bucket or self.bucket, Key=key, Body=body, **how)

    def read(self, key: str, bucket: str | None = None, **how) -> bytes:
        return self.s3.get_object(Bucket=bucket or self.bucket, Key=key, **how)["Body"].read()

    def head(self, key: str, bucket: str | None = None, **how) -> dict:
        return self.s3.head_object(Bucket=bucket or self.bucket, Key=key, **how)

    def send(self, method: str, key: str, body: bytes = b"", *, headers=None, payload=sigv4.UNSIGNED, late=0):
        """A request signed by hand; `late` seconds ago."""
        url = f"{self.endpoint}/{self.bucket}/{key}"
        at = sigv4.now() - datetime.timedelta(seconds=late)
        return sigv4.send(method, url, self.signer.headers(method, url, headers or {}, payload, at), body)


def answer(ask) -> str:
    """Status and, of an error, its code: `200`, `412 PreconditionFailed`."""
    try:
        return str(ask()["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        status = str(error.response["ResponseMetadata"]["HTTPStatusCode"])
        code = str(error.response["Error"].get("Code", ""))
        return status if code in ("", status) else f"{status} {code}"


def at_once(count: int, ask) -> list:
    """Asks so many times at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def eventually(ask, seconds: float = 20.0):
    """Asks again until the answer is not empty, on servers whose time is real."""
    deadline = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _asked(one: Check, target: Target):
    """A connection that was kept open may be closed by the server in the very moment it is used again;
    clients repeat the request then."""
    try:
        return one.ask(target)
    except ConnectionClosedError:
        return one.ask(target)


def run(target: Target) -> list[Result]:
    """Asks everything that the server has; a check that breaks is an answer too."""
    results = []
    for one in (one for one in load() if one.topic not in target.server.without):
        begin = time.monotonic()
        try:
            seen = str(_asked(one, target))
        except NotTried as why:
            seen = f"not tried: {why}"
        except ClientError as error:
            seen = answer(lambda: _again(error))
        except ResponseParserError:
            seen = "broken: the answer cannot be read"
        except (BotoCoreError, OSError, KeyError, IndexError, ValueError) as error:
            seen = f"broken: {type(error).__name__} {error}".splitlines()[0][:100]
        results.append(Result(one, seen, time.monotonic() - begin))
    return results


def _again(error: Exception):
    raise error
