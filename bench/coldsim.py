"""The server of the work `s3`: `darkslide coldsim`, and what its log and its bill say.

The simulator keeps a list of the requests that it answered and draws a bill of them. Its virtual
time stands still here, so that the bill has no storage in it, only what requests and bytes cost.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path

import listing

ACCESS_KEY, SECRET_KEY, REGION = "coldsim", "coldsim-secret", "us-east-1"
_EGRESS, _GIB = "transfer out to the internet", 1 << 30
KINDS = ("PUT", "LIST", "GET", "DELETE")
_START_SECONDS = 30
_STOP_SECONDS = 10
_CALL_SECONDS = 60
# Never through a proxy that the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ColdSim:
    """A server of its own in a folder of its own; it runs as long as its `with` block."""

    def __init__(self, program: str, folder: Path, log: Path):
        self._argv = [program, "coldsim", "--listen", "127.0.0.1:0", "--dir", str(folder)]
        self._argv += ["--region", REGION, "--speed", "0"]
        self._log = log
        self._process: subprocess.Popen | None = None
        self.url = ""

    def __enter__(self) -> "ColdSim":
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def make_bucket(self, name: str) -> None:
        self._call("POST", "buckets", {"name": name})

    def forget(self) -> None:
        """Begins the log of requests and the bill anew."""
        self._call("DELETE", "requests")
        self._call("POST", "bill/reset")

    def requests(self) -> list[dict]:
        return self._call("GET", "requests")

    def bill(self) -> dict:
        return self._call("GET", "bill")

    def sizes(self, bucket: str) -> dict[str, int]:
        """Key and size of every object. Call it after the log and the bill were read."""
        return listing.sizes(_OPENER, self.url, bucket, (ACCESS_KEY, SECRET_KEY), REGION)

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            said = self._log.read_text(errors="replace")
            if found := re.search(r"listens on (http://\S+)\n", said):
                return found.group(1)
            if self._process.poll() is not None:
                raise OSError(f"`darkslide coldsim` ended at once: {said.strip()[:300]}")
            time.sleep(0.02)
        raise OSError(f"`darkslide coldsim` did not listen within {_START_SECONDS} s")

    def _call(self, method: str, path: str, body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_coldsim/{path}", data, method=method)
        with _OPENER.open(request, timeout=_CALL_SECONDS) as answer:
            return json.load(answer)


def kind(request: dict) -> str:
    """How S3 prices it: as PUT, LIST or GET (HEAD among them), or not at all (DELETE)."""
    if request["method"] == "DELETE" or request["operation"].startswith("Delete"):
        return "DELETE"
    if request["operation"].startswith("List"):
        return "LIST"
    return "GET" if request["method"] in ("GET", "HEAD") else "PUT"


def counted(requests: list[dict]) -> dict:
    """How many requests of each kind and of each operation."""
    kinds = Counter(kind(request) for request in requests)
    operations = Counter(request["operation"] for request in requests)
    return {
        "requests": {name: kinds[name] for name in KINDS},
        "operations": dict(sorted(operations.items())),
        "refused": sum(not 200 <= request["status"] < 400 for request in requests),
    }


def billed(bill: dict, data_bytes: int) -> dict:
    """What the bill comes to, by line and for each TB of data, and the bytes that went out.

    Raises ValueError when there is storage in it: then time did not stand still.
    """
    lines: dict[str, float] = {}
    gone_out = 0.0
    for line in bill["lines"]:
        if line["unit"] == "GB-month" and float(line["amount"]):
            raise ValueError(f"the bill has storage in it: {line['what']}")
        if line["what"] == _EGRESS:
            gone_out += line["quantity"] * _GIB
        lines[line["what"]] = lines.get(line["what"], 0.0) + float(line["amount"])
    total = float(bill["total"])
    per_tb = total / data_bytes * 1e12 if data_bytes else None
    return {
        "bill": lines,
        "dollars": total,
        "dollars_per_tb": per_tb,
        "downloaded_bytes": round(gone_out),
    }


def objects_read(requests: list[dict], bucket: str, prefix: str) -> set[str]:
    """The objects below `prefix` whose bytes, all or some, were fetched."""
    return {
        request["key"]
        for request in requests
        if request["operation"] == "GetObject"
        and request["bucket"] == bucket
        and request["key"].startswith(prefix)
        and request["status"] in (200, 206)
    }


def to_thaw(read: set[str], sizes: dict[str, int], wanted: int) -> dict:
    """What would have to be thawed, were they archived: whole objects, for the bytes wanted.

    Raises ValueError when an object that was read is not in the bucket, or nothing is wanted.
    """
    if absent := sorted(read - sizes.keys()):
        raise ValueError(f"read but not listed: {absent[0]}")
    return thaw_ratio(len(read), sum(sizes[key] for key in read), wanted)


def thaw_ratio(objects: int, object_bytes: int, wanted: int) -> dict:
    """Raises ValueError when nothing is wanted."""
    if wanted <= 0:
        raise ValueError("nothing was wanted")
    return {
        "thaw_objects": objects,
        "thaw_bytes": object_bytes,
        "wanted_bytes": wanted,
        "thaw_ratio": object_bytes / wanted,
    }
