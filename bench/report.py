"""The Markdown report."""

from collections.abc import Iterable

import coldsim
from records import Figures, Record, Summary
from targets import OURS, Target, changed_bytes_max
from tools import Tool

_LIBRARY = {
    "first": "first backup",
    "unchanged": "unchanged",
    "unchanged-warm": "unchanged, warm",
    "changed": "changed",
    "restore": "full restore",
    "shoot": "one shoot",
    "check": "check, all data",
}
_TINY = {
    "tiny-first": "first backup",
    "tiny-unchanged": "unchanged",
    "tiny-unchanged-warm": "unchanged, warm",
    "tiny-restore": "full restore",
}
_MILLION = {"million-first": "first backup", "million-unchanged": "unchanged"}
_S3 = {
    "s3-first": "first backup",
    "s3-restore": "full restore",
    "s3-shoot": "one shoot",
    "s3-quote": "quote for one shoot",
}
_CELL = "wall s / CPU s / peak MB"


def markdown(
    machine: dict,
    settings: dict,
    facts: dict,
    tools: list[Tool],
    s3_tools: list[Tool],
    records: list[Record],
    summary: Summary,
    judged: list[Target],
) -> str:
    """The whole report."""
    failed = {(record.work, record.tool) for record in records if record.error}
    sections = [
        "# Benchmark",
        _machine(machine, settings),
        _library(facts, tools, summary, failed),
        _shoot(summary),
        _small_files(facts, tools, summary, failed),
        _history(facts, summary),
        *s3(facts, s3_tools, summary, failed),
        _targets(judged),
        _failures(records),
        _tools(machine),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _machine(machine: dict, settings: dict) -> str:
    rows = [
        ("date", machine["date"]),
        ("CPU", f"{machine['cpu']}, {machine['cores']} cores"),
        ("memory", f"{machine['memory_gb']} GB"),
        ("system", f"{machine['system']}, {machine['filesystem']}"),
        ("load average", f"{machine['load_before']} before, {machine['load_after']} after"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
    ]
    return _table(("", ""), rows)


def _library(facts: dict, tools: list[Tool], summary: Summary, failed: set) -> str:
    about = facts.get("library")
    if about is None:
        return ""
    title = (
        f"## Photo library: {about['bytes'] / 1e9:.2f} GB, {about['files']} files, "
        f"{about['raw_files']} RAW in {about['shoots']} shoots, "
        f"catalog {about['catalog_bytes'] / 1e6:.0f} MB"
    )
    parts = [title, _works(_LIBRARY, tools, summary, failed), _bytes(about, tools, summary)]
    return "\n\n".join(part for part in parts if part)


def _bytes(about: dict, tools: list[Tool], summary: Summary) -> str:
    rows = []
    for tool in tools:
        found = [summary.get((work, tool.name)) for work in ("first", "unchanged", "changed")]
        if tool.is_backup and any(found):
            first, unchanged, changed = (figures.facts if figures else {} for figures in found)
            rows.append((
                tool.label,
                _mb(first.get("repository_bytes")),
                _mb(unchanged.get("bytes_added")),
                _mb(changed.get("bytes_added")),
            ))
    if not rows:
        return ""
    head = ("bytes, MB", "repository after the first", "added by unchanged", "added by changed")
    changes, note = about.get("changes"), ""
    if changes:
        note = (
            f"\n\nThe change: {_mb(changes['new_photograph_bytes'])} MB of new photographs, "
            f"{_mb(changes['changed_sidecar_bytes'])} MB of new and edited sidecars "
            f"({changes['sidecars_edited']} edited), {changes['catalog_rows_edited']} catalog rows "
            f"on {changes['catalog_pages_changed']} pages of 4 KiB; "
            f"darkslide may add {_mb(changed_bytes_max(changes))} MB."
        )
    return _table(head, rows) + note


def _shoot(summary: Summary) -> str:
    ours = summary.get(("shoot", OURS))
    if ours is None or "ratio" not in ours.facts:
        return ""
    return (
        f"One shoot with darkslide: {_mb(ours.facts['pack_bytes'])} MB of packs read for "
        f"{_mb(ours.facts['bytes_restored'])} MB wanted, {ours.facts['ratio']:.3f} ×."
    )


def _small_files(facts: dict, tools: list[Tool], summary: Summary, failed: set) -> str:
    parts = []
    for name, works, sizes in (("tiny", _TINY, "0–8 KB"), ("million", _MILLION, "0–1 KB")):
        about = facts.get(name)
        if about:
            title = f"## {about['files']:,} files of {sizes}, {about['bytes'] / 1e6:.0f} MB"
            parts += [title, _works(works, tools, summary, failed)]
    return "\n\n".join(parts)


def _history(facts: dict, summary: Summary) -> str:
    plan, ours = facts.get("history"), summary.get(("history", OURS))
    if plan is None or ours is None:
        return ""
    title = (
        f"## One shoot of a library built over {plan['runs']} backups "
        f"({plan['files']} RAW of {plan['file_bytes'] / 1e6:.1f} MB and "
        f"{plan['edits']} edited sidecars each)"
    )
    rows = [(shoot, f"{ratio:.3f} ×") for shoot, ratio in ours.facts["ratios"].items()]
    if rows:
        rows.append(("mean", f"{ours.facts['mean_ratio']:.3f} ×"))
        rows.append(("worst", f"{ours.facts['worst_ratio']:.3f} ×"))
    backups = f"All {plan['runs']} backups: {_cell(ours)} ({_CELL})."
    ratios = _table(("shoot", "packs read / bytes restored"), rows) if rows else ""
    return "\n\n".join(part for part in (title, ratios, backups) if part)


def s3(facts: dict, tools: list[Tool], summary: Summary, failed: set) -> list[str]:
    """The section of the work `s3`, in parts."""
    about = facts.get("s3")
    if about is None:
        return []
    title = (
        f"## Through S3: {about['bytes'] / 1e9:.2f} GB, {about['files']} files, "
        f"{about['raw_files']} RAW in {about['shoots']} shoots"
    )
    rows = {work: _s3_rows(tools, summary, work) for work in _S3}
    if not any(rows.values()) and not any(work in _S3 for work, _ in failed):
        return [title]
    return [
        title,
        _works(_S3, tools, summary, failed),
        _s3_requests("first backup: requests", rows["s3-first"]),
        _s3_requests("full restore: requests", rows["s3-restore"]),
        _s3_objects(rows["s3-first"]),
        _s3_thaw(rows["s3-shoot"] + rows["s3-quote"]),
    ]


def _s3_rows(tools: list[Tool], summary: Summary, work: str) -> list[tuple[Tool, dict]]:
    found = [(tool, summary.get((work, tool.name))) for tool in tools]
    return [(tool, figures.facts) for tool, figures in found if figures]


def _s3_requests(what: str, rows: list[tuple[Tool, dict]]) -> str:
    cells = [
        (
            tool.label,
            *(facts["requests"][kind] for kind in coldsim.KINDS),
            facts["refused"],
            _mb(facts["downloaded_bytes"]),
            f"{facts['dollars']:.6f}",
            f"{facts['dollars_per_tb']:.2f}",
        )
        for tool, facts in rows
    ]
    kinds = ("PUT", "LIST", "GET, HEAD", "DELETE", "of them refused")
    head = (what, *kinds, "MB downloaded", "$", "$ for each TB of data")
    return _table(head, cells) if cells else ""


def _s3_objects(rows: list[tuple[Tool, dict]]) -> str:
    cells = []
    for tool, facts in rows:
        count, size = facts["archived_objects"], facts["archived_bytes"]
        mean = _mb(size / count) if count else "–"
        rest = facts["repository_bytes"] - size
        cells.append((tool.label, count, _mb(size), mean, facts["objects"] - count, _mb(rest)))
    head = ("in the bucket", "objects of data", "MB", "mean MB", "other objects", "MB")
    return _table(head, cells) if cells else ""


def _s3_thaw(rows: list[tuple[Tool, dict]]) -> str:
    cells = [
        (
            tool.label + (", its quote" if "quote_dollars" in facts else ""),
            facts["thaw_objects"],
            _mb(facts["thaw_bytes"]),
            _mb(facts["wanted_bytes"]),
            f"{facts['thaw_ratio']:.3f} ×",
        )
        for tool, facts in rows
    ]
    head = ("one shoot", "objects to thaw", "MB to thaw", "MB wanted", "thawed / wanted")
    return _table(head, cells) if cells else ""


def _targets(judged: list[Target]) -> str:
    if all(target.met is None for target in judged):
        return ""
    verdicts = {True: "met", False: "**not met**", None: "not measured"}
    rows = [(t.work, t.promise, t.measured or "–", verdicts[t.met]) for t in judged]
    counts = {verdict: sum(t.met is verdict for t in judged) for verdict in verdicts}
    line = f"{counts[True]} met, {counts[False]} not met, {counts[None]} not measured."
    return "\n\n".join(("## Targets", _table(("work", "target", "measured", ""), rows), line))


def _failures(records: list[Record]) -> str:
    lines = []
    for record in records:
        if record.error:
            text = record.error.strip().replace("\n", "\n  ")
            lines.append(f"- {record.work}, {record.tool}: {text}")
    return "\n".join(("## Failed steps", "", *lines)) if lines else ""


def _tools(machine: dict) -> str:
    rows = [*machine["versions"].items()]
    rows += [(name, f"skipped: {reason}") for name, reason in machine["skipped"].items()]
    return "## Tools\n\n" + _table(("tool", "version"), rows)


def _works(works: dict[str, str], tools: list[Tool], summary: Summary, failed: set) -> str:
    shown = [
        work for work in works
        if any((work, tool.name) in summary or (work, tool.name) in failed for tool in tools)
    ]
    rows = []
    for tool in tools:
        cells = []
        for work in shown:
            key = (work, tool.name)
            cells.append("failed" if key in failed else _cell(summary.get(key)))
        if any(cell != "–" for cell in cells):
            rows.append((tool.label, *cells))
    return _table((_CELL, *(works[work] for work in shown)), rows)


def _cell(figures: Figures | None) -> str:
    if figures is None:
        return "–"
    return f"{_s(figures.wall)} / {_s(figures.cpu)} / {figures.peak_bytes / 1e6:.0f}"


def _s(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.{1 if seconds >= 10 else 2}f}"


def _mb(count: float | None) -> str:
    return "–" if count is None else f"{count / 1e6:.2f}"


def _table(head: Iterable[str], rows: Iterable[Iterable]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
