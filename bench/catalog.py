"""The catalog database of a raw developer: what it looks like and one round of editing in it."""

import random
import sqlite3
from pathlib import Path

import pictures

PAGE = 4096
_RUN_ROWS = 40  # a round of editing goes through neighbouring photographs

_SCHEMA = """
CREATE TABLE Adobe_images (
  id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, aspectRatioCache REAL,
  captureTime TEXT, fileFormat TEXT NOT NULL, fileHeight INTEGER, fileWidth INTEGER,
  masterImage INTEGER, rating INTEGER, rootFile INTEGER NOT NULL, touchTime REAL NOT NULL
);
CREATE TABLE AgLibraryFile (
  id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, baseName TEXT NOT NULL,
  extension TEXT NOT NULL, folder INTEGER NOT NULL, idx_filename TEXT NOT NULL,
  importHash TEXT, originalFilename TEXT NOT NULL
);
CREATE TABLE Adobe_additionalMetadata (
  id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, image INTEGER NOT NULL,
  externalXmpIsDirty INTEGER NOT NULL, internalXmpDigest TEXT, xmp NOT NULL
);
CREATE INDEX index_images_captureTime ON Adobe_images (captureTime);
CREATE INDEX index_images_rating ON Adobe_images (rating, captureTime);
CREATE INDEX index_images_touchTime ON Adobe_images (touchTime);
CREATE INDEX index_file_folder ON AgLibraryFile (folder, idx_filename);
CREATE INDEX index_file_importHash ON AgLibraryFile (importHash);
CREATE INDEX index_metadata_image ON Adobe_additionalMetadata (image);
"""


def make(path: Path, seed: int, rows: int) -> None:
    """Writes a new catalog with `rows` photographs, about 4 KB each."""
    rng = random.Random(f"catalog/{seed}")
    template = [pictures.xmp(rng, "IMG_{number}.CR3")[:2900] for _ in range(64)]
    path.unlink(missing_ok=True)
    with _opened(path) as database:
        database.executescript(_SCHEMA)
        for row in range(1, rows + 1):
            _insert(database, rng, row, template[rng.randrange(64)])


def edit(path: Path, seed: int, share: float) -> int:
    """One round of editing: updates `share` of the rows in short runs; returns how many."""
    rng = random.Random(f"edit/{seed}")
    with _opened(path) as database:
        (rows,) = database.execute("SELECT count(*) FROM Adobe_images").fetchone()
        wanted, touched = max(1, round(rows * share)), set()
        while len(touched) < wanted:
            start, length = rng.randint(1, rows), min(_RUN_ROWS, wanted - len(touched))
            touched.update(row for row in range(start, start + length) if row <= rows)
        for number, row in enumerate(sorted(touched)):
            _develop(database, rng, row, number)
    return len(touched)


def changed_pages(old: Path, new: Path) -> int:
    """How many 4 KiB pages of `new` are not the same at the same place in `old`."""
    changed = 0
    with open(old, "rb") as before, open(new, "rb") as after:
        while page := after.read(PAGE):
            changed += page != before.read(PAGE)
    return changed


class _opened:
    """A connection with fixed settings; commits and closes."""

    def __init__(self, path: Path):
        self._database = sqlite3.connect(path)
        self._database.execute(f"PRAGMA page_size = {PAGE}")
        self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.execute("PRAGMA synchronous = OFF")

    def __enter__(self) -> sqlite3.Connection:
        return self._database

    def __exit__(self, kind, _value, _trace) -> None:
        if kind is None:
            self._database.commit()
        self._database.close()


def _insert(database: sqlite3.Connection, rng: random.Random, row: int, xmp: str) -> None:
    name = f"IMG_{row % 10000:04}"
    captured = f"20{18 + row * 7 // 200000 % 8}-{1 + row // 2500 % 12:02}-{1 + row // 90 % 28:02}"
    database.execute(
        "INSERT INTO Adobe_images VALUES (?,?,1.5,?,'RAW',4000,6000,NULL,?,?,?)",
        (row, _uuid(rng), f"{captured}T{row % 24:02}:{row % 60:02}:00", rng.randint(0, 5), row,
         700000000.0 + row),
    )
    database.execute(
        "INSERT INTO AgLibraryFile VALUES (?,?,?,'CR3',?,?,?,?)",
        (row, _uuid(rng), name, row // 90, f"{name.lower()}.cr3", _uuid(rng), f"{name}.CR3"),
    )
    database.execute(
        "INSERT INTO Adobe_additionalMetadata VALUES (?,?,?,0,?,?)",
        (row, _uuid(rng), row, _uuid(rng), xmp.replace("{number}", str(rng.getrandbits(64)))),
    )


def _develop(database: sqlite3.Connection, rng: random.Random, row: int, number: int) -> None:
    database.execute(
        "UPDATE Adobe_images SET rating = ?, touchTime = ? WHERE id_local = ?",
        (rng.randint(0, 5), 760000000.0 + number, row),
    )
    (xmp,) = database.execute(
        "SELECT xmp FROM Adobe_additionalMetadata WHERE id_local = ?", (row,)
    ).fetchone()
    mark = xmp.index('crs:Exposure2012="') + len('crs:Exposure2012="')
    xmp = f"{xmp[:mark]}{rng.uniform(-2, 2):+.2f}{xmp[mark + 5:]}"
    database.execute(
        "UPDATE Adobe_additionalMetadata SET externalXmpIsDirty = 1, internalXmpDigest = ?,"
        " xmp = ? WHERE id_local = ?",
        (_uuid(rng), xmp, row),
    )


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032X}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
