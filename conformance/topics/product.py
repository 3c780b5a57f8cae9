"""Darkslide itself against the server: its contract suite, then founding, backing up and getting back."""

import json
import os
import random
import subprocess
from pathlib import Path

from checks import NotTried, Target, check, eventually

DARKSLIDE = "Darkslide itself"
TIMEOUT_SECONDS = 300
# As `store check` asks them.
QUESTIONS = (
    "refuses to replace objects", "verifies CRC64NVME", "verifies SHA-256", "verifies Content-MD5",
    "returns CRC64NVME", "ETag is the MD5", "can be read", "sends ranges", "thaws", "deletes",
)  # fmt: skip
REQUIRED = "--checksums-when-required"


class Machine:
    """A machine with a library, that backs up to a prefix of its own."""

    def __init__(self, t: Target, name: str, *bucket: str):
        self.t, self.name, self.bucket = t, name, bucket
        self.folder = Path(t.server.folder) / f"machine-{name}"
        self.library = self.folder / "library"
        write_library(self.library)

    def call(self, *arguments) -> subprocess.CompletedProcess:
        """Runs the program; no configuration or credentials but those of the test."""
        server = self.t.server
        keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DARKSLIDE_"))}
        command = [server.darkslide, "--config", self.folder / "darkslide.toml", *arguments]
        return subprocess.run(
            [str(word) for word in command],
            env=kept | keys | {"HOME": str(self.folder)}, capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip

    @property
    def store(self) -> tuple:
        t = self.t
        if "product" not in t.kept:
            t.kept["product"] = t.new_bucket("product")
        place = f"s3://{t.kept['product']}/{self.name}"
        return ("--store", place, "--endpoint", t.endpoint, "--region", t.server.region, *self.bucket)

    @property
    def identity(self) -> Path:
        return self.folder / "identity.txt"

    def found(self) -> None:
        arguments = ("init", "--library", self.library, "--identity", self.identity, "--pack-size", 16, *self.store)
        demand(self.call(*arguments))

    def restore(self) -> subprocess.CompletedProcess:
        out = self.folder / "restored"
        return self.call("restore", "latest", "--to", out, "--identity", self.identity, "--yes")

    def compare(self) -> str:
        """What came back, beside what was backed up."""
        wanted, found = contents(self.library), contents(self.folder / "restored")
        other = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
        return f"differs: {' '.join(other)}" if other else "same"


class Failed(ValueError):
    """The program failed; its last words."""


def demand(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
        raise Failed(f"exit {done.returncode}: {lines[-1]}")
    return done


def write_library(root: Path) -> None:
    """Two packs of photographs that do not shrink, sidecars, an empty file, a name in another script."""
    noise = random.Random(20261122)
    for folder, count in (("2026/Hochzeit Zürich", 3), ("2026/雪", 2)):
        (root / folder).mkdir(parents=True)
        for n in range(count):
            (root / folder / f"DSC_{n}.CR3").write_bytes(noise.randbytes(5_000_000))
            (root / folder / f"DSC_{n}.xmp").write_text(f"<x:xmpmeta rating='{n}'/>\n")
    (root / "2026/empty").write_bytes(b"")


def contents(root: Path) -> dict:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def _checked(t: Target, *bucket: str) -> dict:
    """`store check`, once for each way of calling it."""
    if bucket not in t.kept:
        machine = Machine(t, f"check{len(bucket)}", *bucket)
        done = machine.call("store", "check", *machine.store, "--yes", "--json")
        if not done.stdout.startswith("{"):
            demand(done)
            raise Failed(f"store check says {done.stdout[:60]!r}")
        t.kept[bucket] = json.loads(done.stdout)
    return t.kept[bucket]


def _contract(t: Target, *bucket: str) -> str:
    rows = _checked(t, *bucket)["checks"]
    broken = [f"{row['promise']}: {row['broken']}" for row in rows if row["broken"]]
    return "; ".join(broken) or ("all kept" if rows else "nothing checked")


@check("contract", "all kept", DARKSLIDE)
def _(t: Target):
    """`darkslide store check`: the contract that every store of Darkslide has to keep."""
    return _contract(t)


@check("contract-md5", "all kept", DARKSLIDE)
def _(t: Target):
    """The same with `--checksums-when-required`, that is with Content-MD5 alone."""
    return _contract(t, REQUIRED)


def _question(question: str):
    name = "probe-" + question.lower().replace(" ", "-")

    @check(name, "yes", DARKSLIDE, f"What `store check` finds out: “{question}”.")
    def _(t: Target):
        for note in _checked(t)["notes"]:
            asked, _, answer = note.partition(": ")
            if asked == question:
                return answer
        return "not asked"


for _text in QUESTIONS:
    _question(_text)


@check("advice", "none", DARKSLIDE)
def _(t: Target):
    """What `store check` advises for such a server."""
    return "; ".join(note for note in _checked(t)["notes"] if note.partition(": ")[0] not in QUESTIONS) or "none"


def _there_and_back(t: Target, name: str, *bucket: str) -> str:
    machine = Machine(t, name, "--class", "STANDARD", *bucket)
    machine.found()
    demand(machine.call("backup"))
    (machine.library / "2026/雪/DSC_0.xmp").write_text("<x:xmpmeta rating='5'/>\n")
    demand(machine.call("backup"))
    demand(machine.restore())
    demand(machine.call("audit", "--identity", machine.identity))
    return machine.compare()


@check("there-and-back", "same", DARKSLIDE)
def _(t: Target):
    """Founded, backed up, a sidecar edited, backed up again, restored, audited; class STANDARD."""
    return _there_and_back(t, "hot")


@check("there-and-back-md5", "same", DARKSLIDE)
def _(t: Target):
    """The same with `--checksums-when-required`."""
    return _there_and_back(t, "md5", REQUIRED)


def _thawed(t: Target, prefix: str) -> bool:
    """Whether HEAD says of all cold objects below the prefix that their thaw is done."""
    found = t.s3.list_objects_v2(Bucket=t.kept["product"], Prefix=f"{prefix}/")["Contents"]
    cold = [one["Key"] for one in found if one.get("StorageClass") == "DEEP_ARCHIVE"]
    heads = [t.head(key, t.kept["product"]).get("Restore", "") for key in cold]
    return bool(heads) and all('ongoing-request="false"' in head for head in heads)


@check("thaw", "waits, is thawed, same", DARKSLIDE)
def _(t: Target):
    """Packs in DEEP_ARCHIVE: the restore asks for the thaw, waits with exit code 4, and goes on afterwards."""
    if not t.server.cold:
        raise NotTried("its cold classes are labels, or thaw at once")
    machine = Machine(t, "cold")
    machine.found()
    demand(machine.call("backup"))
    first = machine.restore()
    seen = "waits" if first.returncode == 4 else f"exit {first.returncode}"
    if t.server.pass_hours:
        t.server.pass_hours(49)
    thawed = eventually(lambda: _thawed(t, "cold"), t.server.thaw_seconds)
    second = machine.restore()
    end = machine.compare() if second.returncode == 0 else f"exit {second.returncode}"
    return f"{seen}, {'is thawed' if thawed else 'is not thawed'}, {end}"
