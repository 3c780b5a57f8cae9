"""Holds S3 servers to what AWS documents: our simulator to all of it, the others to what is known of them.

    python run.py --darkslide target/debug/darkslide                       # all servers
    python run.py --darkslide target/debug/darkslide --server coldsim      # one of them

Exit code 1 where a server differs otherwise than `expected.json` says, 2 where one does not start.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checks
import report
import servers

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "coldsim.md"


def parse(words: list[str] | None = None) -> argparse.Namespace:
    known = servers.known()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=list(known), help="all, if none is named")
    parser.add_argument("--darkslide", type=Path, required=True, help="the program under test")
    parser.add_argument("--record", action="store_true", help="write down what the servers of others do now")
    parser.add_argument("--all", action="store_true", help="print every answer, not only differences")
    found = parser.parse_args(words)
    found.darkslide = found.darkslide.resolve()
    if not found.darkslide.is_file():
        parser.error(f"{found.darkslide} is not there; `cargo build -p darkslide-cli` makes it")
    found.server = found.server or list(known)
    return found


def started(names: list[str], darkslide: Path, folder: Path) -> list[servers.Server]:
    return [servers.known()[name](folder / name, darkslide) for name in names]


def examine(server: servers.Server, expected: dict, show_all: bool) -> tuple[list, list]:
    """Asks one server everything and prints what it did otherwise."""
    results = checks.run(checks.Target(server))
    for result in results if show_all else ():
        print(f"  {'same ' if result.same else 'other'} {result.check.name:<28} {result.seconds:5.1f} s  {result.seen}")
    print("\n".join(report.lines(server.name, results, expected)), flush=True)
    return results, report.surprises(server.name, results, expected)


def main(words: list[str] | None = None) -> int:
    wanted = parse(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    expected, begin, wrong = report.read_expected(), time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        running = started(wanted.server, wanted.darkslide, Path(folder))
        try:
            # The slow ones start while the quick ones are examined.
            with ThreadPoolExecutor(len(running)) as pool:
                ready = [(server, pool.submit(server.start)) for server in running]
                for server, start in ready:
                    start.result()
                    results, surprises = examine(server, expected, wanted.all)
                    if wanted.record and server.name != report.OURS:
                        expected[server.name], surprises = report.differences(server.name, results), []
                    wrong |= {server.name: surprises} if surprises else {}
                    server.stop()
        except servers.CannotStart as why:
            print(f"error: {why}", file=sys.stderr)
            return 2
        finally:
            for server in running:
                server.stop()
    if wanted.record:
        report.write_expected(expected)
        table = report.markdown(checks.load(), servers.known(), expected)
        DOCUMENT.write_text(report.renewed(DOCUMENT.read_text(), table))
    for name, surprises in wrong.items():
        print(f"\n{name} differs otherwise than is known:", *surprises, sep="\n  ", file=sys.stderr)
    print(f"conformance: {len(running)} servers in {time.monotonic() - begin:.0f} s, {len(wrong)} with surprises")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
