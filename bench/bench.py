#!/usr/bin/env python3
"""Measures Darkslide beside other tools, in one run and on the same data.

Prints a Markdown report with tables, ratios against the targets and facts about the machine, and
writes everything it measured as JSON. See README.md beside this file.
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import history
import machine
import report
import s3
import targets
import trees
import works
from darkslide import Darkslide, DarkslidePreviews
from history import HistoryPlan
from library import Library
from measure import Stopwatch, can_drop_caches
from records import Record, summarize
from s3tools import DarkslideS3, Rclone, ResticS3, RusticS3
from tools import Borg, Bupstash, Cat, Find, Restic, Rustic, TarAge, Tool
from works import Runner, say

_PROJECT = Path(__file__).resolve().parent.parent
_DEFAULT_WORKS = [work for work in works.ALL_WORKS if work not in ("million", "s3")]
_BYTES_AT_SCALE_1 = 5.83e9


def main() -> int:
    options = _arguments()
    place = options.work_dir.absolute()
    (place / "data").mkdir(parents=True, exist_ok=True)
    if options.make_only:
        return _make_only(options, place)
    tools, s3_tools, skipped = _tools(options)
    about = machine.facts(place)
    about["versions"] = _versions(tools, s3_tools)
    about["skipped"] = skipped
    stopwatch = Stopwatch(place / "logs", options.timeout, options.cold)
    runner = Runner(place, stopwatch, options.verify_peers, options.keep)
    facts: dict = {}
    try:
        _run(options, runner, tools, facts)
        if "s3" in options.work and s3_tools:
            _run_s3(options, runner, s3_tools, facts)
    except KeyboardInterrupt:
        runner.records.append(Record("run", "benchmark", runner.cycle, error="interrupted"))
    except OSError as error:
        runner.records.append(Record("run", "benchmark", runner.cycle, error=f"stopped: {error}"))
    about["load_after"] = machine.load()
    _publish(options, place, about, facts, (tools, s3_tools), runner)
    return 1 if any(record.error for record in runner.records) else 0


def _run(options, runner: Runner, tools: list[Tool], facts: dict) -> None:
    """All works that were asked for; fills in the facts of the data as it goes."""
    wanted = set(options.work)
    if wanted & set(works.LIBRARY_WORKS):
        _run_library(options, runner, tools, wanted, facts)
    if "tiny" in wanted and options.tiny:
        for group in _groups(options, tools):
            for runner.cycle in range(1, options.repeat + 1):
                facts["tiny"] = works.run_tiny(runner, group, options.seed, options.tiny)
    runner.cycle = 1
    ours = next((tool for tool in tools if isinstance(tool, Darkslide)), None)
    if ours and "history" in wanted:
        facts["history"] = history.run(runner, ours, options.seed, options.history)
    if ours and "million" in wanted:
        facts["million"] = works.run_million(runner, ours, options.seed, options.million)


def _run_library(options, runner: Runner, tools: list[Tool], wanted: set, facts: dict) -> None:
    library = Library(runner.place / "data", options.seed, options.scale)
    say("making the library")
    library.make()
    repositories = sum(tool.is_backup for tool in tools)
    needed = library.facts["bytes"] * 1.2 * (repositories + 1)
    if options.order == "work" and shutil.disk_usage(runner.place).free < needed:
        say(f"{needed / 1e9:.0f} GB would be needed at once: one tool after the other instead")
        options.order = "tool"
    for group in _groups(options, tools):
        for runner.cycle in range(1, options.repeat + 1):
            works.run_library(runner, library, group, wanted)
            facts["library"] = {**facts.get("library", {}), **library.facts}


def _run_s3(options, runner: Runner, tools: list[Tool], facts: dict) -> None:
    place = runner.place / "data" / "s3"
    scale = options.s3_size * 1e9 / _BYTES_AT_SCALE_1
    library = Library(place, options.seed, scale, options.s3_shoots)
    say("making the library for S3")
    library.make()
    facts["s3"] = library.facts
    for runner.cycle in range(1, options.repeat + 1):
        s3.run(runner, library, tools, options.darkslide)


def _groups(options, tools: list[Tool]) -> list[list[Tool]]:
    """Which tools go through the works together."""
    return [tools] if options.order == "work" else [[tool] for tool in tools]


def _tools(options) -> tuple[list[Tool], list[Tool], dict[str, str]]:
    """The tools to measure, those to measure through S3, and why others are skipped."""
    known = [
        Cat(),
        Find(),
        TarAge(),
        Darkslide(options.darkslide),
        DarkslidePreviews(options.darkslide),
        Bupstash(options.bupstash),
        *(Restic(options.restic, level) for level in ("auto", "off")),
        *(Rustic(options.rustic, level) for level in ("auto", "off")),
        Borg(options.borg),
    ]
    known_s3 = [
        DarkslideS3(options.darkslide),
        DarkslideS3(options.darkslide, "DEEP_ARCHIVE"),
        *(ResticS3(options.restic, level) for level in ("auto", "off")),
        *(RusticS3(options.rustic, level) for level in ("auto", "off")),
        Rclone(options.rclone),
    ]
    names = {tool.name for tool in known} | {tool.family for tool in known_s3}
    if unknown := set(options.only or []) - names:
        sys.exit(f"--only: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(names))}")
    skipped: dict[str, str] = {}
    s3_only = set(options.work) == {"s3"}
    chosen = [] if s3_only else _chosen(known, options, skipped)
    chosen_s3 = _chosen(known_s3, options, skipped) if "s3" in options.work else []
    return chosen, chosen_s3, skipped


def _chosen(known: list[Tool], options, skipped: dict[str, str]) -> list[Tool]:
    """Those of `known` that are wanted and can be run; adds the others to `skipped`."""
    chosen = []
    for tool in known:
        if not _is_wanted(tool, options):
            continue
        if reason := tool.missing():
            if tool.name not in skipped:
                say(f"{tool.name} is skipped: {reason}")
            skipped[tool.name] = reason
        else:
            chosen.append(tool)
    return chosen


def _versions(*groups: list[Tool]) -> dict[str, str]:
    return {tool.name: tool.version() for group in groups for tool in group}


def _is_wanted(tool: Tool, options) -> bool:
    """By its name, or by its family and --compression."""
    if options.only and tool.name in options.only and tool.name != tool.family:
        return True
    if options.only and tool.family not in options.only:
        return False
    if not isinstance(tool, (Restic, Rustic)):
        return True
    return options.compression in ("both", tool.compression)


def _make_only(options, place: Path) -> int:
    library = Library(place / "data", options.seed, options.scale)
    library.make()
    facts = library.evolve() if options.make_only == "changed" else library.facts
    print(json.dumps(facts, indent=1))
    return 0


def _publish(
    options, place: Path, about: dict, facts: dict, tools: tuple[list, list], runner: Runner
) -> None:
    summary = summarize(runner.records)
    judged = targets.judge(runner.records, summary, facts)
    settings = {
        **({"scale": options.scale} if "library" in facts else {}),
        "seed": options.seed,
        "repeat": options.repeat,
        "page cache": "dropped before each step" if runner.stopwatch.cold else "as it is",
        "order": f"by {options.order}",
    }
    text = report.markdown(about, settings, facts, *tools, runner.records, summary, judged)
    print(text)
    raw = {
        "machine": about,
        "settings": settings,
        "facts": facts,
        "records": [asdict(record) for record in runner.records],
        "targets": [asdict(target) for target in judged],
    }
    raw_path = options.out.with_suffix(".json") if options.out else place / "result.json"
    raw_path.parent.mkdir(parents=True, exist_ok=True)
    raw_path.write_text(json.dumps(raw, indent=1) + "\n")
    if options.out:
        options.out.write_text(text)
    if not options.keep:
        trees.remove(place / "tools")
        trees.remove(place / "restored")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--work-dir", type=Path, default=Path("/tmp/darkslide-bench"), metavar="DIR",
        help="data, repositories and logs (default %(default)s)")
    add("--scale", type=float, default=1.0, help="1.0 is about 5.8 GB")
    add("--seed", type=int, default=1)
    add("--tiny", type=int, default=200_000, metavar="N", help="how many small files; 0: none")
    add("--million", type=int, nargs="?", const=1_000_000, metavar="N",
        help="measure memory at a million (or N) files as well")
    add("--only", type=_names, metavar="TOOL,…", help="only these tools")
    add("--work", type=_names, default=_DEFAULT_WORKS, metavar="WORK,…",
        help=f"of {', '.join(works.ALL_WORKS)}; works that others need run too")
    add("--repeat", type=int, default=1, metavar="N", help="least CPU and median wall of N cycles")
    add("--cold", action="store_true", help="drop the page cache before each step (root)")
    add("--order", choices=("work", "tool"), default="work",
        help="all tools in each work (default), or tool by tool (needs less disk)")
    add("--compression", choices=("auto", "off", "both"), default="auto",
        help="of restic and rustic")
    add("--verify-peers", action="store_true", help="compare what other tools restore as well")
    add("--timeout", type=float, default=14_400, metavar="SECONDS", help="of one step")
    add("--keep", action="store_true",
        help="delete nothing, neither repositories nor what was restored: after a deletion ext4 lets "
        "the next step pay")
    add("--make-only", nargs="?", const="first", choices=("first", "changed"),
        help="make the library in its first or changed version, and stop")
    add("--out", type=Path, metavar="FILE.md", help="write the report, and FILE.json beside it")
    add("--darkslide", default=str(_PROJECT / "target/release/darkslide"), metavar="PATH")
    add("--s3-size", type=float, default=1.0, metavar="GB",
        help="about so large is the library of the work s3 (default %(default)s)")
    add("--s3-shoots", type=int, default=5, metavar="N", help="and so many shoots are in it")
    for peer in ("restic", "rustic", "borg", "bupstash", "rclone"):
        add(f"--{peer}", metavar="PATH", help="default: from PATH")
    _history_arguments(parser)
    return _checked(parser, parser.parse_args())


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--history-runs", type=int, default=50, metavar="N")
    add("--history-files", type=int, default=8, metavar="N", help="RAW files of each shoot")
    add("--history-file-bytes", type=int, default=1_000_000, metavar="N")
    add("--history-edits", type=int, default=10, metavar="N", help="edited sidecars of each run")
    add("--history-restores", type=int, default=10, metavar="N", help="shoots restored at the end")


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    if unknown := set(options.work) - set(works.ALL_WORKS):
        parser.error(f"--work: unknown {', '.join(sorted(unknown))}")
    if options.million:
        options.work = [*options.work, "million"]
    options.million = options.million or 1_000_000
    options.history = HistoryPlan(
        options.history_runs,
        options.history_files,
        options.history_file_bytes,
        options.history_edits,
        options.history_restores,
    )
    if options.history.bytes_total > history.BYTES_MAX:
        parser.error(f"the history would be larger than {history.BYTES_MAX / 1e9} GB")
    if options.repeat < 1 or options.scale <= 0 or options.tiny < 0:
        parser.error("--repeat, --scale and --tiny must be positive")
    if options.s3_size <= 0 or options.s3_shoots < 1:
        parser.error("--s3-size and --s3-shoots must be positive")
    old = [options.work_dir / name for name in ("tools", "restored")]
    if options.keep and (left := [str(folder) for folder in old if folder.exists()]):
        parser.error(f"--keep would have to delete {' and '.join(left)} first")
    if options.cold and not can_drop_caches():
        say("the page cache cannot be dropped here (root only): --cold is ignored")
    return options


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
