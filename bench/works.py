"""The works that are measured, in their order, for any list of tools.

Every work goes through all tools before the next one starts, so that what is compared happens
close together. A tool whose backup failed takes no further part; the others go on.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import darkslide
import tiny
import trees
from darkslide import Darkslide
from library import Library
from measure import Job, Measured, Stopwatch
from records import Record
from tools import Tool

LIBRARY_WORKS = ("first", "unchanged", "changed", "restore", "shoot", "check")
ALL_WORKS = (*LIBRARY_WORKS, "tiny", "history", "million", "s3")
WARM = "-warm"


class Runner:
    """Runs steps one after the other and keeps a record of each."""

    def __init__(self, place: Path, stopwatch: Stopwatch, verify_peers: bool, keep: bool):
        self.place = place
        self.stopwatch = stopwatch
        self.records: list[Record] = []
        self.cycle = 1
        self._verify_peers = verify_peers
        self._keep = keep

    def fresh(self, tool: Tool, data: str, source: Path) -> Tool | None:
        """The tool with a new and empty repository for `source`; None when that failed."""
        bound = tool.at(self._folder("tools", f"{tool.name}-{data}"), source)
        trees.remove(bound.home)
        bound.home.mkdir(parents=True)
        for job in bound.init():
            measured = self.stopwatch.run(job)
            if measured.error:
                self._keep_record(Record(f"{data}-init", tool.name, self.cycle), measured)
                return None
        return bound

    def _folder(self, kind: str, name: str) -> Path:
        """Where something of this cycle goes; where all is kept, nothing of another lies there."""
        return self.place / kind / (f"{name}-{self.cycle}" if self._keep else name)

    def discard(self, bound: list[Tool]) -> None:
        """Removes the repositories, unless all is to be kept."""
        for tool in bound if not self._keep else []:
            trees.remove(tool.home)

    def step(self, work: str, tool: Tool, job: Job, drop: bool = True) -> tuple[Record, Measured]:
        """Runs and records one step."""
        self.stopwatch.settle(drop)
        measured = self.stopwatch.run(job)
        record = Record(work, tool.name, self.cycle)
        flushing = time.monotonic()
        os.sync()
        record.flush = time.monotonic() - flushing
        self._keep_record(record, measured)
        return record, measured

    def backup(self, work: str, tool: Tool, job: Job, drop: bool = True) -> bool:
        """A backup step with the bytes that it added; whether it went well."""
        before = 0 if tool.replaces else trees.total_bytes(tool.repository)
        record, measured = self.step(work, tool, job, drop)
        if record.error:
            return False
        if tool.is_backup:
            bytes_now = trees.total_bytes(tool.repository)
            record.facts["bytes_added"] = bytes_now - before
            record.facts["repository_bytes"] = bytes_now
        if isinstance(tool, Darkslide):
            inside, beside = tool.content_bytes()
            record.facts.update(pack_bytes=inside, overhead_bytes=beside)
        tool.backed_up(measured)
        return True

    def restore(self, work: str, tool: Tool, original: Path, start: Callable) -> Record | None:
        """Restores with the job that `start` makes for a folder, and compares with `original`."""
        out = self._folder("restored", f"{work}-{tool.name}")
        trees.remove(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        job = start(out)
        if job is None:
            return None
        record, measured = self.step(work, tool, job)
        if not record.error and (isinstance(tool, Darkslide) or self._verify_peers):
            found = ["nothing was restored"]
            if out.is_dir():
                found = trees.differences(original, trees.restored_root(out, original))
            record.facts["verified"] = not found
            record.error = "; ".join(found) or None
            self._say_error(record)
        if not record.error and isinstance(tool, Darkslide):
            self._note_ratio(record, measured)
        if not self._keep:
            trees.remove(out)
        return record

    def failed(self, work: str, tool: Tool, error: str) -> None:
        """Records a step that could not even be tried."""
        self.records.append(Record(work, tool.name, self.cycle, error=error))
        self._say_error(self.records[-1])

    def _note_ratio(self, record: Record, measured: Measured) -> None:
        try:
            record.facts.update(darkslide.pack_ratio(measured))
        except ValueError as error:
            record.facts["ratio_error"] = str(error)
            say(f"    {error}")

    def _keep_record(self, record: Record, measured: Measured) -> None:
        record.wall, record.user, record.system = measured.wall, measured.user, measured.system
        record.peak_bytes = measured.peak_bytes
        record.error = measured.error and measured.error.replace(str(self.place), "WORK-DIR")
        self.records.append(record)
        say(
            f"{record.work:20} {record.tool:12} {record.wall:8.2f} s wall {record.cpu:8.2f} s CPU"
            f" {record.peak_bytes / 1e6:7.0f} MB"
        )
        self._say_error(record)

    def _say_error(self, record: Record) -> None:
        if record.error:
            say(f"    FAILED {record.work} {record.tool}: {record.error}")


def say(line: str) -> None:
    """Progress, for whoever watches."""
    print(line, file=sys.stderr, flush=True)


def run_library(runner: Runner, library: Library, tools: list[Tool], works: set[str]) -> None:
    """One cycle of the library works."""
    library.make()
    bound = [tool for tool in (runner.fresh(t, "library", library.root) for t in tools) if tool]
    bound = _backups(runner, "first", bound)
    if "unchanged" in works:
        bound = _unchanged(runner, "unchanged", bound)
    if "changed" in works:
        library.evolve()
        bound = _backups(runner, "changed", [t for t in bound if t.is_backup])
    for tool in bound if "restore" in works else []:
        runner.restore("restore", tool, library.root, tool.restore)
    shoot = library.shoot()
    for tool in bound if "shoot" in works else []:
        start = _folder_restore(tool, shoot)
        runner.restore("shoot", tool, library.root / shoot, start)
    for tool in bound if "check" in works else []:
        if job := tool.check():
            runner.step("check", tool, job)
    runner.discard(bound)


def run_tiny(runner: Runner, tools: list[Tool], seed: int, files: int) -> dict:
    """One cycle of the works on very many small files; returns the facts of the tree."""
    folders = max(240, files // 1000)
    facts = tiny.make(runner.place / "data", "tiny", seed, files, 8192, folders)
    source = runner.place / "data" / "tiny"
    bound = [tool for tool in (runner.fresh(t, "tiny", source) for t in tools) if tool]
    bound = _backups(runner, "tiny-first", bound)
    bound = _unchanged(runner, "tiny-unchanged", bound)
    for tool in bound:
        runner.restore("tiny-restore", tool, source, tool.restore)
    runner.discard(bound)
    return facts


def run_million(runner: Runner, tool: Tool, seed: int, files: int) -> dict:
    """Memory of the tool at a million files; returns the facts of the tree."""
    facts = tiny.make(runner.place / "data", "million", seed, files, 1024, min(1000, files))
    bound = runner.fresh(tool, "million", runner.place / "data" / "million")
    if bound is None:
        return facts
    if runner.backup("million-first", bound, bound.backup()):
        runner.backup("million-unchanged", bound, bound.unchanged())
    runner.discard([bound])
    return facts


def _backups(runner: Runner, work: str, tools: list[Tool]) -> list[Tool]:
    """Backs up with every tool; returns the tools that are still in the running."""
    going_on = []
    for tool in tools:
        job = tool.backup()
        if job is None or runner.backup(work, tool, job):
            going_on.append(tool)
    return going_on


def _unchanged(runner: Runner, work: str, tools: list[Tool]) -> list[Tool]:
    """The backup of a tree in which nothing changed; in a cold run a second time, warm."""
    going_on = []
    for tool in tools:
        job = tool.unchanged()
        good = job is None or runner.backup(work, tool, job)
        if good and job is not None and runner.stopwatch.cold:
            good = runner.backup(work + WARM, tool, tool.unchanged(), drop=False)
        if good:
            going_on.append(tool)
    return going_on


def _folder_restore(tool: Tool, folder: str) -> Callable:
    return lambda out: tool.restore_folder(out, folder)
