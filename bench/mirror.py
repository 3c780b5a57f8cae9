#!/usr/bin/env python3
"""Times the mirror beside cp, rsync and rclone: first copy and unchanged run, on the photo library
and on very many small files. Prints Markdown. See README.md beside this file.

Darkslide reads back what it wrote, past the page cache, and makes it durable. The others do neither,
so each first copy of theirs ends with a `sync`, and one row does the same work with stock tools: copy,
sync, read back from the disk, compare.
"""

import argparse
import shutil
import sys
from pathlib import Path

import machine
import tiny
import trees
from library import Library
from measure import Job, Measured, Stopwatch

COMPARED = "cp and compare"
_PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = _arguments()
    place = options.work_dir.absolute()
    (place / "data").mkdir(parents=True, exist_ok=True)
    stopwatch = Stopwatch(place / "logs", 3600, options.cold)
    library = Library(place / "data", 1, options.scale)
    library.make()
    sources = {"library": library.root}
    if options.tiny:
        tiny.make(place / "data", "tiny", 1, options.tiny, 8 << 10, 240)
        sources["small files"] = place / "data" / "tiny"
    print(f"{machine.facts(place)}\n")
    failed = False
    for name, source in sources.items():
        print(f"## {name}: {trees.total_bytes(source) / 1e9:.2f} GB\n")
        print("| tool | first copy: wall / CPU s | unchanged: wall / CPU s | peak MB | same |")
        print("|---|---|---|---|---|")
        for tool in _tools(options):
            failed |= _row(stopwatch, place, tool, source)
        print()
    return 1 if failed else 0


def _tools(options) -> list[str]:
    found = [tool for tool in ("cp", COMPARED, "rsync", "rclone") if shutil.which(tool.split()[0])]
    return [*found, str(options.darkslide)]


def _row(stopwatch: Stopwatch, place: Path, tool: str, source: Path) -> bool:
    home, target = place / "mirror-home", place / "mirror-target"
    trees.remove(home)
    trees.remove(target)
    home.mkdir()
    target.mkdir()
    ours = "/" in tool
    if ours:
        _prepare(stopwatch, tool, home, source, target)
    first_job, next_job = _jobs(tool, home, source, target)
    stopwatch.settle(drop=True)
    first = stopwatch.run(first_job)
    stopwatch.settle(drop=True)
    following = stopwatch.run(next_job)
    same = "yes" if not trees.differences(source, target) else "NO"
    peak = max(first.peak_bytes, following.peak_bytes) / 1e6
    label = "**darkslide**" if ours else tool
    print(f"| {label} | {_times(first)} | {_times(following)} | {peak:.0f} | {same} |", flush=True)
    for measured in (first, following):
        if measured.error:
            print(f"{label}: {measured.error}", file=sys.stderr)
    trees.remove(home)
    trees.remove(target)
    return bool(first.error or following.error or same == "NO")


def _times(measured: Measured) -> str:
    return f"{measured.wall:.1f} / {measured.cpu:.1f}"


def _jobs(tool: str, home: Path, source: Path, target: Path) -> tuple[Job, Job]:
    synced = ["sh", "-c", '"$@" && sync -f "$0"', str(target)]
    if tool == "cp":
        job = ["cp", "-a", f"{source}/.", str(target)]
        return Job([[*synced, *job]]), Job([["cp", "-au", f"{source}/.", str(target)]])
    if tool == COMPARED:
        evict = f'"{sys.executable}" "{Path(__file__).resolve().parent / "evict.py"}"'
        whole = f'cp -a "$1/." "$2" && sync -f "$2" && {evict} "$2" && diff -r --no-dereference "$1" "$2"'
        job = ["sh", "-c", whole, "sh", str(source), str(target)]
        return Job([job]), Job([["cp", "-au", f"{source}/.", str(target)]])
    if tool == "rsync":
        job = ["rsync", "-a", f"{source}/", f"{target}/"]
    elif tool == "rclone":
        job = ["rclone", "sync", str(source), str(target)]
    else:
        job = [tool, "--config", str(home / "darkslide.toml"), "mirror", "--json"]
        return Job([job]), Job([job])
    return Job([[*synced, *job]]), Job([job])


def _prepare(stopwatch: Stopwatch, tool: str, home: Path, source: Path, target: Path) -> None:
    config = home / "darkslide.toml"
    arguments = ["init", "--config", config, "--library", source, "--store", home / "repo"]
    made = stopwatch.run(Job([[str(part) for part in [tool, *arguments, "--identity", home / "id"]]]))
    if made.error:
        raise SystemExit(f"darkslide init: {made.error}")
    with config.open("a") as file:
        file.write(f'\n[[mirror]]\nname = "bench"\ntarget = "{target}"\n')


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.2, help="library; 1.0 is 5.8 GB")
    parser.add_argument("--tiny", type=int, default=200_000, help="small files; 0: none")
    parser.add_argument("--cold", action="store_true", help="empty the page cache first (root)")
    parser.add_argument("--work-dir", type=Path, default=Path("/tmp/darkslide-bench"))
    parser.add_argument("--darkslide", type=Path, default=_PROJECT / "target/release/darkslide")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
