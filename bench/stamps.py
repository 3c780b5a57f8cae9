"""Stamp files: what was generated, with which parameters, so that it is not done twice."""

import json
import os
from pathlib import Path


def read(path: Path) -> dict:
    """The stamp, or an empty one when there is none that can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write(path: Path, stamp: dict) -> None:
    """Replaces the stamp in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(stamp, indent=1))
    os.replace(partial, path)
