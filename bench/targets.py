"""The targets, as ratios within one run on the same data: met, not met or not measured."""

from dataclasses import dataclass, replace

from catalog import PAGE
from records import Figures, Record, Summary

OURS = "darkslide"
_PEERS = ("restic", "restic-off", "rustic", "rustic-off", "borg", "bupstash")
_MEMORY_MAX = 200e6


@dataclass
class Target:
    """One promise and what became of it."""

    work: str
    promise: str
    measured: str
    met: bool | None  # None: not measured


def judge(records: list[Record], summary: Summary, facts: dict) -> list[Target]:
    """All targets; `facts` are those of the generated data."""
    failed = {record.work for record in records if record.error and record.tool == OURS}
    if "history-shoot" in failed:
        failed.add("history")
    return [
        replace(target, measured="failed", met=False) if target.work in failed else target
        for target in _compared(summary, facts)
    ]


def _compared(summary: Summary, facts: dict) -> list[Target]:
    return [
        *_first(summary),
        *_restore(summary),
        *_unchanged(summary),
        *_tiny(summary),
        _changed(summary, facts.get("library", {}).get("changes")),
        *_history(summary),
        *_memory(summary),
        _overhead(summary, facts.get("library", {})),
    ]


def _first(summary: Summary) -> list[Target]:
    return [
        _ratio(summary, "first", "cpu", "tarage", 1.6, note=" (aim: 1.3)"),
        _ratio(summary, "first", "wall", "tarage", 1.0),
        _ratio(summary, "first", "cpu", "bupstash", 0.5),
        _ratio(summary, "first", "cpu", "restic", 0.25),
        _ratio(summary, "first", "cpu", "rustic", 0.25),
    ]


def _restore(summary: Summary) -> list[Target]:
    return [
        _ratio(summary, "restore", "cpu", "tarage", 1.3),
        _ratio(summary, "restore", "wall", "tarage", 1.0),
        _below_peers(summary, "restore", "cpu"),
        _below_peers(summary, "restore", "wall"),
    ]


def _unchanged(summary: Summary) -> list[Target]:
    works = ["tiny-unchanged"]
    if ("tiny-unchanged-warm", OURS) in summary:
        works.append("tiny-unchanged-warm")
    found = []
    for work in works:
        found.append(_ratio(summary, work, "cpu", "find", 2.0))
        found.append(_below_peers(summary, work, "cpu"))
        found.append(_below_peers(summary, work, "wall"))
    return found


def _tiny(summary: Summary) -> list[Target]:
    found = []
    # On a disk, cold; on tmpfs, where files cost `tar` next to nothing, a first backup takes more: ADR 0042.
    for work in ("tiny-first", "tiny-restore"):
        found.append(_ratio(summary, work, "cpu", "tarage", 1.3))
        for peer in ("bupstash", "restic", "rustic", "borg"):
            found.append(_ratio(summary, work, "cpu", peer, 1.0, strictly=True))
    return found


def changed_bytes_max(changes: dict) -> float:
    """How many bytes the backup of the changed library may add."""
    pages = changes["catalog_pages_changed"] * PAGE
    new = changes["new_photograph_bytes"] + changes["changed_sidecar_bytes"]
    return 1.01 * (new + pages / 2)


def _changed(summary: Summary, changes: dict | None) -> Target:
    promise = "bytes added ≤ new photographs + changed sidecars + ½ changed catalog pages + 1 %"
    ours = summary.get(("changed", OURS))
    if ours is None or changes is None:
        return Target("changed", promise, "", None)
    added, limit = ours.facts["bytes_added"], changed_bytes_max(changes)
    measured = f"{added / 1e6:.2f} MB, limit {limit / 1e6:.2f} MB ({added / limit:.3f} ×)"
    return Target("changed", promise, measured, added <= limit)


def _history(summary: Summary) -> list[Target]:
    ours = summary.get(("history", OURS))
    found = []
    for name, what, limit in (("mean_ratio", "mean", 1.1), ("worst_ratio", "worst shoot", 1.5)):
        promise = f"packs read ≤ {limit} × bytes restored ({what})"
        ratio = ours.facts.get(name) if ours else None
        complete = ours is not None and not ours.facts.get("restores_without_ratio")
        if ratio is None:
            found.append(Target("history", promise, "", None))
        else:
            shown = f"{ratio:.3f} ×" + ("" if complete else ", not every restore told")
            found.append(Target("history", promise, shown, complete and ratio <= limit))
    return found


def _memory(summary: Summary) -> list[Target]:
    found = []
    for work in ("million-first", "million-unchanged"):
        ours, promise = summary.get((work, OURS)), "peak memory ≤ 200 MB"
        if ours is None:
            found.append(Target(work, promise, "", None))
        else:
            shown = f"{ours.peak_bytes / 1e6:.0f} MB"
            found.append(Target(work, promise, shown, ours.peak_bytes <= _MEMORY_MAX))
    return found


def _overhead(summary: Summary, library: dict) -> Target:
    promise = "repository beside the packs ≤ 0.1 % of the data"
    ours = summary.get(("first", OURS))
    if ours is None or "bytes" not in library:
        return Target("first", promise, "", None)
    share = ours.facts["overhead_bytes"] / library["bytes"]
    return Target("first", promise, f"{100 * share:.4f} %", share <= 0.001)


def _ratio(
    summary: Summary,
    work: str,
    unit: str,
    other: str,
    limit: float,
    *,
    strictly: bool = False,
    note: str = "",
) -> Target:
    sign = "<" if strictly else "≤"
    promise = f"{_UNITS[unit]} {sign} {limit:g} × {_NAMES.get(other, other)}{note}"
    ours, theirs = summary.get((work, OURS)), summary.get((work, other))
    if ours is None or theirs is None:
        return Target(work, promise, "", None)
    ratio = _divided(ours, theirs, unit)
    return Target(work, promise, f"{ratio:.2f} ×", ratio < limit if strictly else ratio <= limit)


def _below_peers(summary: Summary, work: str, unit: str) -> Target:
    promise = f"{_UNITS[unit]} below every peer"
    ours = summary.get((work, OURS))
    peers = {name: summary[work, name] for name in _PEERS if (work, name) in summary}
    if ours is None or not peers:
        return Target(work, promise, "", None)
    best = min(peers, key=lambda name: getattr(peers[name], unit))
    ratio = _divided(ours, peers[best], unit)
    return Target(work, promise, f"{ratio:.2f} × {best}, the best of {len(peers)}", ratio < 1)


def _divided(ours: Figures, theirs: Figures, unit: str) -> float:
    return getattr(ours, unit) / max(getattr(theirs, unit), 1e-6)


_UNITS = {"cpu": "CPU", "wall": "wall"}
_NAMES = {"tarage": "`tar \\| age`", "find": "`find -printf`"}
