"""Facts about folders: their bytes, where a restore put its root, and whether two are equal."""

import os
import shutil
from collections import deque
from pathlib import Path

_BLOCK = 1 << 20
_DIFFERENCES_MAX = 5
_DEPTH_MAX = 12


def file_sizes(root: Path) -> dict[str, int]:
    """Relative path and size of every regular file below `root`."""
    sizes: dict[str, int] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif entry.is_file(follow_symlinks=False):
                    sizes[path] = entry.stat(follow_symlinks=False).st_size
    return sizes


def total_bytes(root: Path) -> int:
    """Apparent size of all regular files below `root`, or of the file `root`."""
    if root.is_file():
        return root.stat().st_size
    return sum(file_sizes(root).values()) if root.is_dir() else 0


def restored_root(out: Path, original: Path) -> Path:
    """The folder below `out` that holds something that `original` holds.

    Some tools restore the contents, some the folder, some the whole path from `/`.
    """
    wanted = set(os.listdir(original))
    pending = deque([(out, 0)])
    while pending:
        folder, depth = pending.popleft()
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        if wanted & found.keys():
            return folder
        if depth < _DEPTH_MAX:
            pending.extend((folder / name, depth + 1) for name, is_dir in found.items() if is_dir)
    return out


def differences(original: Path, restored: Path) -> list[str]:
    """What differs between two trees in paths, sizes and contents; at most a few lines."""
    want, have = file_sizes(original), file_sizes(restored)
    found = [f"missing: {path}" for path in sorted(want.keys() - have.keys())]
    found += [f"not in the original: {path}" for path in sorted(have.keys() - want.keys())]
    for path in sorted(want.keys() & have.keys()):
        if len(found) >= _DIFFERENCES_MAX:
            break
        if want[path] != have[path]:
            found.append(f"size {have[path]} instead of {want[path]}: {path}")
        elif not _same_contents(original / path, restored / path):
            found.append(f"contents differ: {path}")
    return found[:_DIFFERENCES_MAX]


def remove(path: Path) -> None:
    """Removes a tree or a file; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _same_contents(one: Path, other: Path) -> bool:
    with open(one, "rb", buffering=0) as a, open(other, "rb", buffering=0) as b:
        while True:
            left = a.read(_BLOCK)
            if left != b.read(_BLOCK):
                return False
            if not left:
                return True
