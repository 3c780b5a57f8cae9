"""One shoot of a library that was built over many backups.

Each run adds a shoot and edits sidecars of older ones, then backs up. At the end several shoots
are restored one by one: how many bytes of packs did each need for the bytes that were wanted?
"""

import random
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import mean

import pictures
import trees
from darkslide import Darkslide
from records import Record
from works import Runner, say

BYTES_MAX = 1_500_000_000


@dataclass(frozen=True)
class HistoryPlan:
    """How long the history is and how much each run adds."""

    runs: int
    files: int  # RAW files of a shoot
    file_bytes: int
    edits: int  # sidecars of older shoots that a run changes
    restores: int  # shoots that are restored at the end

    @property
    def bytes_total(self) -> int:
        return self.runs * self.files * self.file_bytes


def run(runner: Runner, tool: Darkslide, seed: int, plan: HistoryPlan) -> dict:
    """Builds the history, restores, records the ratios; returns the facts of the library."""
    root = runner.place / "data" / "history"
    trees.remove(root)
    root.mkdir(parents=True)
    bound = runner.fresh(tool, "history", root)
    if bound is None:
        return asdict(plan)
    rng, total = random.Random(f"history/{seed}"), Record("history", tool.name, runner.cycle)
    say(f"history: {plan.runs} backups")
    shoots: list[str] = []
    for number in range(plan.runs):
        shoots.append(_add_shoot(root, seed, number, plan))
        _edit_older(root, rng, seed, number, plan)
        measured = runner.stopwatch.run(bound.backup())
        _add_up(total, measured)
        if measured.error:
            runner.failed("history", tool, f"backup {number + 1}: {measured.error}")
            return asdict(plan)
        bound.backed_up(measured)
    total.facts["repository_bytes"] = trees.total_bytes(bound.repository)
    _restore_some(runner, bound, root, _chosen(shoots, plan.restores), total)
    runner.records.append(total)
    runner.discard([bound])
    trees.remove(root)
    return asdict(plan)


def _add_shoot(root: Path, seed: int, number: int, plan: HistoryPlan) -> str:
    day = date(2023, 1, 7) + timedelta(days=6 * number)
    shoot = f"{day.year}/{day}_shoot_{number + 1:02}"
    (root / shoot).mkdir(parents=True)
    for index in range(plan.files):
        name = f"IMG_{number * plan.files + index + 1:04}"
        path = root / shoot / f"{name}.CR3"
        pictures.write_raw(path, seed, f"history/{name}", plan.file_bytes)
        _write_sidecar(path.with_suffix(".xmp"), seed, 0)
    return shoot


def _edit_older(root: Path, rng: random.Random, seed: int, number: int, plan: HistoryPlan) -> None:
    older = sorted(root.rglob("*.xmp"))[: number * plan.files]
    for path in rng.sample(older, min(plan.edits, len(older))):
        _write_sidecar(path, seed, number)


def _write_sidecar(path: Path, seed: int, edits: int) -> None:
    rng = random.Random(f"history/{seed}/{path.name}")
    path.write_text(pictures.xmp(rng, path.stem, edits), encoding="utf-8")


def _add_up(total: Record, measured) -> None:
    total.wall += measured.wall
    total.user += measured.user
    total.system += measured.system
    total.peak_bytes = max(total.peak_bytes, measured.peak_bytes)


def _chosen(shoots: list[str], count: int) -> list[str]:
    """Evenly spread, the oldest and the newest among them."""
    count = min(count, len(shoots))
    return [shoots[i * (len(shoots) - 1) // max(1, count - 1)] for i in range(count)]


def _restore_some(
    runner: Runner, bound: Darkslide, root: Path, chosen: list[str], total: Record
) -> None:
    ratios = {}
    for shoot in chosen:
        start = lambda out, shoot=shoot: bound.restore_folder(out, shoot)
        record = runner.restore("history-shoot", bound, root / shoot, start)
        if record and "ratio" in record.facts:
            ratios[shoot] = record.facts["ratio"]
    total.facts["ratios"] = ratios
    total.facts["restores_without_ratio"] = len(chosen) - len(ratios)
    if ratios:
        total.facts["mean_ratio"] = mean(ratios.values())
        total.facts["worst_ratio"] = max(ratios.values())
