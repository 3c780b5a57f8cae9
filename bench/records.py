"""What was measured: a record for every step, and the figures that the records give together."""

from dataclasses import dataclass, field
from statistics import median


@dataclass
class Record:
    """One step of one tool. Times in seconds, memory and bytes in bytes."""

    work: str
    tool: str
    cycle: int
    wall: float = 0.0
    user: float = 0.0
    system: float = 0.0
    flush: float = 0.0  # what writing back afterwards took
    peak_bytes: int = 0
    error: str | None = None
    facts: dict = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass
class Figures:
    """All good repetitions of one step: least CPU, median wall, highest memory."""

    cpu: float
    wall: float
    peak_bytes: int
    repetitions: int
    facts: dict  # of the last repetition


Summary = dict[tuple[str, str], Figures]


def summarize(records: list[Record]) -> Summary:
    """Figures for every (work, tool) that went well in every cycle."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.work, record.tool), []).append(record)
    return {
        key: Figures(
            cpu=min(record.cpu for record in group),
            wall=median(record.wall for record in group),
            peak_bytes=max(record.peak_bytes for record in group),
            repetitions=len(group),
            facts=group[-1].facts,
        )
        for key, group in groups.items()
        if not any(record.error for record in group)
    }
