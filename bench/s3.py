"""The work `s3`: a library through S3 and back, for every tool on one server.

The server is Darkslide's own simulator, because it alone says which requests were made, what they
would have cost, and which objects a restore read. All objects lie in STANDARD, where every tool can
work; which of them would have to be thawed follows from what a restore reads. Darkslide backs up
once more into DEEP_ARCHIVE, for the bill and for its own quote.
"""

from collections.abc import Callable

import coldsim
import s3tools
import trees
from coldsim import ColdSim
from library import Library
from records import Record
from s3tools import DarkslideS3
from tools import Tool
from works import Runner, say

ARCHIVE = DarkslideS3(None, "DEEP_ARCHIVE").name


def run(runner: Runner, library: Library, tools: list[Tool], program: str) -> None:
    """One cycle; `program` is the Darkslide that is the server."""
    folder = runner.place / "coldsim"
    trees.remove(folder)
    log = runner.stopwatch.logs / "coldsim"
    try:
        with ColdSim(program, folder, log) as server:
            _Work(runner, library, server).run(tools)
    finally:
        trees.remove(folder)


class _Work:
    def __init__(self, runner: Runner, library: Library, server: ColdSim):
        self._runner, self._library, self._server = runner, library, server
        self._shoot = library.shoot()
        self._wanted = trees.total_bytes(library.root / self._shoot)

    def run(self, tools: list[Tool]) -> None:
        bound = [found for found in (self._fresh(tool) for tool in tools) if found]
        bound = [tool for tool in bound if self._backup(tool)]
        whole, root = self._library.root, self._library.root / self._shoot
        for tool in bound:
            if not _is_archive(tool):
                self._restore("s3-restore", tool, whole, tool.restore)
        for tool in bound:
            if _is_archive(tool):
                self._quote(tool)
            else:
                start = lambda out, tool=tool: tool.restore_folder(out, self._shoot)
                if record := self._restore("s3-shoot", tool, root, start):
                    self._note(record, lambda found: self._thawed(tool, found))
        self._runner.discard(bound)

    def _fresh(self, tool: Tool) -> Tool | None:
        self._server.make_bucket(tool.name)
        placed = tool.on(self._server.url, tool.name)
        return self._runner.fresh(placed, "s3", self._library.root)

    def _backup(self, tool: Tool) -> bool:
        self._server.forget()
        record, measured = self._runner.step("s3-first", tool, tool.backup())
        self._note(record, lambda _: self._stored(tool))
        if not record.error:
            tool.backed_up(measured)
        return not record.error

    def _restore(self, work: str, tool: Tool, original, start: Callable) -> Record | None:
        self._server.forget()
        record = self._runner.restore(work, tool, original, start)
        if record and work == "s3-restore":
            self._note(record, lambda _: {})
        return record

    def _quote(self, tool: DarkslideS3) -> None:
        record, measured = self._runner.step("s3-quote", tool, tool.quote(self._shoot))
        if not record.error:
            self._guarded(record, lambda: s3tools.quoted(measured))

    def _note(self, record: Record, more: Callable) -> None:
        """The requests and the bill since `forget`, and what `more` makes of the requests."""
        if record.error:
            return
        requests, bill = self._server.requests(), self._server.bill()
        record.facts.update(coldsim.counted(requests))
        data_bytes = self._library.facts["bytes"]
        self._guarded(record, lambda: {**coldsim.billed(bill, data_bytes), **more(requests)})

    def _stored(self, tool: Tool) -> dict:
        # rustic keeps an empty object for every folder.
        sizes = {key: size for key, size in self._server.sizes(tool.bucket).items() if size}
        archived = [size for key, size in sizes.items() if key.startswith(tool.archived)]
        return {
            "objects": len(sizes),
            "repository_bytes": sum(sizes.values()),
            "archived_objects": len(archived),
            "archived_bytes": sum(archived),
        }

    def _thawed(self, tool: Tool, requests: list[dict]) -> dict:
        read = coldsim.objects_read(requests, tool.bucket, tool.archived)
        return coldsim.to_thaw(read, self._server.sizes(tool.bucket), self._wanted)

    def _guarded(self, record: Record, facts: Callable) -> None:
        try:
            record.facts.update(facts())
        except ValueError as error:
            record.error = str(error)
            say(f"    FAILED {record.work} {record.tool}: {error}")


def _is_archive(tool: Tool) -> bool:
    return tool.name == ARCHIVE
