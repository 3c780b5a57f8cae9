"""Darkslide itself as a `Tool`, and what its JSON output says."""

import json
from pathlib import Path

from measure import Job, Measured
from tools import Tool

# Below these is the content; everything else in a repository is overhead.
_CONTENT = ("packs", "warm")


class Darkslide(Tool):
    name, label, program = "darkslide", "**darkslide**", "darkslide"
    _previews = "false"

    def init(self) -> list[Job]:
        places = ["--config", self._config, "--library", self.source, "--store", self.repository]
        init = self.job([self.program, "init", *places, "--identity", self._identity])
        # No other tool makes thumbnails; `DarkslidePreviews` is the row that does.
        switch = self.job(["sh", "-c", f'printf "\\n[previews]\\nmake = {self._previews}\\n" >> "$0"', self._config])
        return [init, switch]

    def backup(self) -> Job:
        return self._run("backup", "--json")

    def restore(self, out: Path) -> Job:
        return self._restore(out)

    def restore_folder(self, out: Path, folder: str) -> Job:
        return self._restore(out, "--path", folder)

    def check(self) -> Job:
        return self._run("scrub", "--all", "--identity", self._identity)

    def content_bytes(self) -> tuple[int, int]:
        """Bytes of the repository in packs, and beside them."""
        inside = beside = 0
        for path in self.repository.rglob("*"):
            if not path.is_file():
                continue
            if path.relative_to(self.repository).parts[0] in _CONTENT:
                inside += path.stat().st_size
            else:
                beside += path.stat().st_size
        return inside, beside

    @property
    def _config(self) -> Path:
        return self.home / "darkslide.toml"

    @property
    def _identity(self) -> Path:
        return self.home / "identity.txt"

    def _run(self, *arguments) -> Job:
        return self.job([self.program, "--config", self._config, *arguments])

    def _restore(self, out: Path, *arguments: str) -> Job:
        out.parent.mkdir(parents=True, exist_ok=True)
        destination = ["--to", out, "--identity", self._identity, "--json"]
        return self._run("restore", "latest", *destination, *arguments)


class DarkslidePreviews(Darkslide):
    """The same, with thumbnails and what photographs tell of themselves, as it is by default."""

    name, family, label = "darkslide-previews", "darkslide", "darkslide with previews"
    _previews = "true"


def pack_ratio(measured: Measured) -> dict:
    """Bytes of packs read over bytes restored, from the last line of `restore --json`.

    Raises ValueError when the line does not say so.
    """
    try:
        line = json.loads(measured.last_line())
        wanted, touched = int(line["bytes_restored"]), int(line["pack_bytes"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("`restore --json` did not end with its totals") from error
    if wanted <= 0:
        raise ValueError("`restore --json` says that nothing was restored")
    return {"bytes_restored": wanted, "pack_bytes": touched, "ratio": touched / wanted}
