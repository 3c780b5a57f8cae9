"""Facts about the machine that belong beside every figure."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path


def facts(place: Path) -> dict:
    """What a reader needs to judge the figures; nothing that names the machine or a folder."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "filesystem": _filesystem(place),
        "load_before": load(),
    }


def load() -> str:
    """The load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def _cpu_model() -> str:
    for line in _lines("/proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):
        return None


def _filesystem(place: Path) -> str:
    best, kind = "", "unknown"
    for line in _lines("/proc/mounts"):
        _, mounted, fs_type, *_ = line.split(" ")
        inside = str(place.resolve()).startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= len(best):
            best, kind = mounted, fs_type
    return kind


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
