"""What the benchmark compares Darkslide with, as the commands that each work means.

A `Tool` says what to run and runs nothing itself. `at` binds it to a folder of its own (its
repository, keys and caches) and to the tree it backs up. A method that returns None says that
the tool has nothing that corresponds to this work.
"""

import copy
import os
import re
import shutil
import subprocess
from pathlib import Path

from measure import Job, Measured

NOTHING = Path(os.devnull)
PASSWORD = "benchmark"


class Tool:
    """One row of the tables."""

    name = ""  # as in --only
    family = ""  # what --only may say as well
    label = ""
    program = ""
    is_backup = True  # has a repository; else a floor to compare with
    replaces = False  # a backup takes the place of the one before
    version_arguments = ("--version",)

    def __init__(self, program: str | None = None):
        program = program or self.program
        self.program = os.path.abspath(program) if "/" in program else program
        self.family = self.family or self.name
        self.home = self.source = Path()

    def at(self, home: Path, source: Path) -> "Tool":
        """A copy that keeps everything below `home` and backs up `source`."""
        bound = copy.copy(self)
        bound.home, bound.source = home.absolute(), source.absolute()
        return bound

    def missing(self) -> str | None:
        """Why it cannot be run, or None."""
        return None if shutil.which(self.program) else f"no program {Path(self.program).name}"

    def version(self) -> str:
        """The first line of what the program says about itself, without paths."""
        argv = [self.program, *self.version_arguments]
        shown = subprocess.run(argv, capture_output=True, text=True, check=False)
        lines = (shown.stdout or shown.stderr).strip().splitlines()
        return re.sub(r"\s+\(?/\S+", "", lines[0]) if lines else "unknown"

    @property
    def repository(self) -> Path:
        """The folder or file whose bytes count."""
        return self.home / "repo"

    def job(self, *commands: list, cwd: Path | None = None, stdout: Path | None = None) -> Job:
        """A job whose programs find their settings and caches below `home` only."""
        env = {"HOME": str(self.home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
            env[f"XDG_{kind}_HOME"] = str(self.home / "xdg" / kind.lower())
        argvs = [[str(word) for word in command] for command in commands]
        return Job(argvs, {**env, **self.environment()}, cwd, stdout)

    def environment(self) -> dict[str, str]:
        return {}

    def init(self) -> list[Job]:
        return []

    def backup(self) -> Job | None:
        return None

    def unchanged(self) -> Job | None:
        return self.backup()

    def backed_up(self, measured: Measured) -> None:
        """Told after every backup that went well."""

    def restore(self, out: Path) -> Job | None:
        return None

    def restore_folder(self, out: Path, folder: str) -> Job | None:
        return None

    def check(self) -> Job | None:
        return None


class Cat(Tool):
    """Reads every byte: the floor that the disk sets."""

    name, label, program, is_backup = "cat", "`cat` every file (disk floor)", "cat", False

    def backup(self) -> Job:
        find = ["find", self.source, "-type", "f", "-print0"]
        return self.job(find, ["xargs", "-0", self.program, "--"], stdout=NOTHING)

    def unchanged(self) -> None:
        return None


class Find(Tool):
    """Stats every file: the floor of looking for changes."""

    name, label, program, is_backup = "find", "`find -printf` (stat all)", "find", False

    def unchanged(self) -> Job:
        return self.job([self.program, self.source, "-printf", "%s %T@ %p\\n"], stdout=NOTHING)


class TarAge(Tool):
    """`tar | age` to a file: encryption and nothing else."""

    name, label, program = "tarage", "`tar \\| age`, `age -d \\| tar x`", "age"
    replaces = True

    @property
    def repository(self) -> Path:
        return self.home / "archive.tar.age"

    @property
    def _identity(self) -> Path:
        return self.home / "identity.txt"

    def missing(self) -> str | None:
        absent = [name for name in ("tar", "age", "age-keygen") if not shutil.which(name)]
        return f"no program {', '.join(absent)}" if absent else None

    def version(self) -> str:
        tar = Tool("tar").version()
        return f"age {super().version()}; {tar}"

    def init(self) -> list[Job]:
        return [self.job(["age-keygen", "-o", self._identity])]

    def backup(self) -> Job:
        recipient = re.search(r"age1[0-9a-z]+", self._identity.read_text()).group()
        tar = ["tar", "-C", self.source, "-cf", "-", "."]
        return self.job(tar, ["age", "-r", recipient, "-o", self.repository])

    def unchanged(self) -> None:
        return None

    def restore(self, out: Path) -> Job:
        return self._extract(out, [])

    def restore_folder(self, out: Path, folder: str) -> Job:
        return self._extract(out, [f"./{folder}"])

    def check(self) -> Job:
        return self.job(self._decrypt(), stdout=NOTHING)

    def _decrypt(self) -> list:
        return ["age", "-d", "-i", self._identity, self.repository]

    def _extract(self, out: Path, members: list[str]) -> Job:
        out.mkdir(parents=True)
        return self.job(self._decrypt(), ["tar", "-C", out, "-xf", "-", *members])


class Restic(Tool):
    family, label, program = "restic", "restic", "restic"
    version_arguments = ("version",)

    def __init__(self, program: str | None, compression: str):
        super().__init__(program)
        self.compression = compression
        off = compression == "off"
        self.name = "restic-off" if off else "restic"
        self.label = "restic, no compression" if off else "restic"
        self._compression = ["--compression", "off"] if off else []

    def environment(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(self.home / "cache"),
        }

    def init(self) -> list[Job]:
        return [self.job([self.program, "init"])]

    def backup(self) -> Job:
        return self.job([self.program, *self._compression, "backup", "-q", self.source])

    def restore(self, out: Path) -> Job:
        return self.job([self.program, "restore", "-q", "latest", "--target", out])

    def restore_folder(self, out: Path, folder: str) -> Job:
        include = ["--include", self.source / folder]
        return self.job([self.program, "restore", "-q", "latest", "--target", out, *include])

    def check(self) -> Job:
        return self.job([self.program, "check", "-q", "--read-data"])


class Rustic(Tool):
    family, label, program = "rustic", "rustic", "rustic"

    def __init__(self, program: str | None, compression: str):
        super().__init__(program)
        self.compression = compression
        off = compression == "off"
        self.name = "rustic-off" if off else "rustic"
        self.label = "rustic, no compression" if off else "rustic"
        self._compression = ["--set-compression", "0"] if off else []

    def environment(self) -> dict[str, str]:
        return {
            "RUSTIC_REPOSITORY": str(self.repository),
            "RUSTIC_PASSWORD": PASSWORD,
            "RUSTIC_NO_PROGRESS": "true",
        }

    def init(self) -> list[Job]:
        return [self.job([self.program, "init", *self._compression])]

    def backup(self) -> Job:
        return self.job([self.program, "backup", self.source])

    def restore(self, out: Path) -> Job:
        return self.job([self.program, "restore", f"latest:{self.source}", out])

    def restore_folder(self, out: Path, folder: str) -> Job:
        return self.job([self.program, "restore", f"latest:{self.source / folder}", out])

    def check(self) -> Job:
        return self.job([self.program, "check", "--read-data"])


class Borg(Tool):
    name, label, program = "borg", "borg", "borg"

    def __init__(self, program: str | None = None):
        super().__init__(program)
        self._archives = 0

    def environment(self) -> dict[str, str]:
        return {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": PASSWORD,
            "BORG_BASE_DIR": str(self.home),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }

    def init(self) -> list[Job]:
        return [self.job([self.program, "init", "--encryption", "repokey-blake2"])]

    def backup(self) -> Job:
        argv = [self.program, "create", f"::archive-{self._archives + 1}", "."]
        return self.job(argv, cwd=self.source)

    def backed_up(self, measured: Measured) -> None:
        self._archives += 1

    def restore(self, out: Path) -> Job:
        return self._extract(out, [])

    def restore_folder(self, out: Path, folder: str) -> Job:
        return self._extract(out, [folder])

    def check(self) -> Job:
        return self.job([self.program, "check", "--verify-data"])

    def _extract(self, out: Path, paths: list[str]) -> Job:
        out.mkdir(parents=True)
        return self.job([self.program, "extract", f"::archive-{self._archives}", *paths], cwd=out)


class Bupstash(Tool):
    name, label, program = "bupstash", "bupstash", "bupstash"
    version_arguments = ("version",)

    def __init__(self, program: str | None = None):
        super().__init__(program)
        self._item = ""

    def environment(self) -> dict[str, str]:
        return {
            "BUPSTASH_REPOSITORY": str(self.repository),
            "BUPSTASH_KEY": str(self.home / "key"),
            "BUPSTASH_SEND_LOG": str(self.home / "send-log"),
            "BUPSTASH_QUERY_CACHE": str(self.home / "query-cache"),
        }

    def init(self) -> list[Job]:
        key = self.job([self.program, "new-key", "-o", self.home / "key"])
        return [key, self.job([self.program, "init"])]

    def backup(self) -> Job:
        return self.job([self.program, "put", "-q", self.source])

    def backed_up(self, measured: Measured) -> None:
        self._item = f"id={measured.last_line().strip()}"

    def restore(self, out: Path) -> Job:
        out.mkdir(parents=True)
        return self.job([self.program, "restore", "-q", "--into", out, self._item])

    def restore_folder(self, out: Path, folder: str) -> Job:
        out.mkdir(parents=True)
        argv = [self.program, "restore", "-q", "--into", out, "--pick", folder, self._item]
        return self.job(argv)

    def check(self) -> Job:
        return self.job([self.program, "get", "-q", self._item], stdout=NOTHING)
