#!/usr/bin/env python3
"""Darkslide recovery: a second, independent reader of the repository format, version 1.

Written from docs/format.md alone, for the day when Darkslide itself is gone. It needs
Python 3.9+ on a POSIX system and the programs `age` and `zstd`; with `b3sum` or Python's
`blake3` it also checks content hashes and object names.
  recover.py --identity KEY REPO list
  recover.py --identity KEY REPO restore [--snapshot latest|NAME] [--path P]... OUT
  recover.py --identity KEY REPO packs [--all-versions] OUT
`restore` goes through snapshots/, index/ and trees/. `packs` needs only packs/ and warm/:
it reads every pack's manifest and writes the latest version of every path. KEY is an age
identity file; one under a passphrase asks once (or `age -d KEY > plain` first).

It checks NO signatures (the standard library has no Ed25519): age proves only that the
sealer knew the public recipients. Whoever can write to REPO could thus slip files in, but
not alter or read the old ones: bearable for a recovery of last resort. Files' set-id bits
and the security.* and trusted.* attributes are therefore not restored. Nothing is ever written
outside OUT or over an existing file. OUT/.darkslide-recover holds the work in progress.

Exit codes: 0 all good; 1 cannot work at all; 2 usage; 3 casualties, listed on stderr.
"""

import argparse
import base64
import bisect
import contextlib
import errno
import functools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

try:
    import blake3
except ImportError:
    blake3 = None

MIB, GIB, INT64 = 1 << 20, 1 << 30, (1 << 63) - 1
MAX_CHUNK, MAX_PAGE, MAX_MANIFEST, MAX_PACK = 64 * MIB, 16 * MIB, 512 * MIB, GIB
MAX_NAME, MAX_PATH, MAX_NESTING, MAX_DEPTH = 1024, 65536, 16, 4096
MAX_BAD_NAMES = 100  # in one folder
MAX_TAR = 64 * GIB  # decoded bytes of one pack: a guard against endless streams
BATCH_BYTES, BATCH_FRAMES = 32 * MIB, 4096  # for one run of zstd
KEPT_STREAMS = 4 * GIB  # decrypted packs kept for a second pass, if the disk allows
WORK = ".darkslide-recover"
DAMAGED = b".darkslide-damaged"  # put after the name of a file that is not whole
WAS_FOLDER = b".darkslide-folder"  # put after a folder where a file is found later

# chunk: where chunks lie. want: where in files they go (file 0: base of a delta).
SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE pack (id INTEGER PRIMARY KEY, name TEXT UNIQUE, repo TEXT);
CREATE TABLE chunk (id BLOB, pack INT, off INT, len INT, plain INT, base BLOB);
CREATE INDEX chunk_id ON chunk (id);
CREATE INDEX chunk_pack ON chunk (pack);
CREATE TABLE recipe (path BLOB, time INT, seq INT, pos INT, pack INT, writer TEXT, kind TEXT,
 entry TEXT);
CREATE INDEX recipe_path ON recipe (path, time, seq, pos);
CREATE TABLE page (id BLOB PRIMARY KEY, data BLOB);
CREATE TABLE file (id INTEGER PRIMARY KEY, entry TEXT, missing INT);
CREATE TABLE name (path BLOB, file INT);
CREATE INDEX name_file ON name (file);
CREATE TABLE want (chunk BLOB, file INT, at INT, plain INT);
CREATE INDEX want_chunk ON want (chunk);
"""
PACK = r"((packs|warm)/([0-9a-f]{2})/(?=\3)|trees/)[0-9a-f]{64}\.tar\.zst\.age"
WANTED = "SELECT 1 FROM want w WHERE w.chunk = c.id AND w.plain = c.plain"


class Fault(Exception):
    """One object or file cannot be used; the work goes on."""


class Fatal(Exception):
    """The work cannot go on."""


class Report:
    """What went wrong, and how much went right."""

    def __init__(self):
        self.casualties, self.notes, self.files, self.bytes = {}, set(), 0, 0

    def casualty(self, name, why):
        self.casualties["%s: %s" % (show(name) or "the root folder", show(why))] = True

    @contextlib.contextmanager
    def guard(self, name):
        """Whatever fails in here costs only the thing of that name."""
        try:
            yield
        except (Fatal, sqlite3.Error):
            raise
        except Exception as error:  # malformed things fail in many ways
            if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise Fatal("cannot write: %s" % error) from None
            self.casualty(name, error)

    def note(self, text, first=""):
        """Say something, but not again and again."""
        if text not in self.notes:
            self.notes.add(text)
            print("note: " + text + show(first), file=sys.stderr)

    def finish(self):
        for line in self.casualties:
            print("casualty: " + line, file=sys.stderr)
        if self.casualties:
            print("casualties: %d" % len(self.casualties), file=sys.stderr)
        return 3 if self.casualties else 0


def show(name):
    """A name or message, safe to print on a terminal."""
    text = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


# ---- JSON as the format has it ----------------------------------------------------------
def strict(pairs):
    """A JSON object without duplicate keys."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Fault("duplicate key in JSON")
    return found


def slim(pairs):
    """The same; but rows of chunk tables become tuples, recipes (path, JSON): there are
    very many of them, and dictionaries take ten times the memory."""
    found = strict(pairs)
    if "off" in found and "plain" in found:
        with contextlib.suppress(Fault):
            return (digest(found.get("id")), number(found["off"], 0, MAX_PACK),
                    number(found.get("len"), 1, MAX_PACK), number(found["plain"], 1, MAX_CHUNK),
                    digest(found["base"]) if "base" in found else None)
        return None
    if "entry" in found and "path" in found:
        return (found["path"], json.dumps(found["entry"]))
    return found


def parse(data, hook=strict):
    try:
        # int() refuses what is not a whole number
        return json.loads(data, object_pairs_hook=hook, parse_float=int, parse_constant=int)
    except (ValueError, RecursionError) as error:
        raise Fault("not the JSON it should be: %s" % error) from None


def field(thing, key, kind):
    """A value of a JSON object that must be there and be of that type."""
    value = thing.get(key) if isinstance(thing, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Fault("`%s` is missing or malformed" % key)
    return value


def number(value, least=-INT64 - 1, most=INT64):
    """An *int* of the format: a string of decimal digits."""
    if not isinstance(value, str) or not re.fullmatch("0|-?[1-9][0-9]{0,18}", value):
        raise Fault("malformed integer")
    if not least <= int(value) <= most:
        raise Fault("integer beyond its limit: " + value)
    return int(value)


def digest(value):
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise Fault("malformed id or hash")
    return bytes.fromhex(value)


def name_bytes(value):
    """The bytes of a *Name*."""
    try:
        if isinstance(value, str):
            return value.encode("utf-8")
        return base64.b64decode(field(value, "b64", str), validate=True)
    except ValueError:  # lone surrogates, bad base64
        raise Fault("malformed name") from None


def check_path(path):
    """Refuse every path that is not plain components with `/` between them."""
    if len(path) > MAX_PATH or path.count(b"/") >= MAX_DEPTH:
        raise Fault("path too long or too deep")
    for part in path.split(b"/"):
        if part in (b"", b".", b"..") or b"\0" in part or len(part) > MAX_NAME:
            raise Fault("forbidden name")
    if path.split(b"/", 1)[0] == os.fsencode(WORK):
        raise Fault("has the name of this program's work folder")
    return path


def check_usual(thing, repository=None):
    """The three keys of every object that stands for itself."""
    if field(thing, "format", int) != 1:
        raise Fault("format version %d is unknown here" % thing["format"])
    for feature in field(thing, "features", list):
        raise Fault("needs the unknown feature %s" % feature)
    if field(thing, "repository", str) != (repository or thing["repository"]):
        raise Fault("belongs to another repository")
    return thing


# ---- Programs ---------------------------------------------------------------------------
def run_zstd(source, limit, *options):
    """What `zstd -d` makes of a file, or None if it fails or makes too much."""
    source.seek(0)
    with subprocess.Popen(["zstd", "-d", "-q", "-c", *options], stdin=source,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as zstd:
        data = zstd.stdout.read(limit + 1)
        if len(data) > limit:
            zstd.kill()
    return data if zstd.returncode == 0 else None


def find_manifest(tar):
    """Walk the tar of a pack; return the content of its last `.darkslide/<32 hex>.json`."""
    found, total = None, 0
    while True:
        head = tar.read(512)
        if not head.strip(b"\0"):  # the end mark, or a stream cut short
            break
        try:
            size = int(head[124:136].strip(b" \0") or b"0", 8)
            if sum(head) - sum(head[148:156]) + 256 != int(head[148:156].strip(b" \0"), 8):
                raise ValueError
        except ValueError:
            raise Fault("broken tar header") from None
        left = (size + 511) // 512 * 512
        total += 512 + left
        if size < 0 or total > MAX_TAR:
            raise Fault("absurdly long tar")
        name = head[345:500].rstrip(b"\0") + head[:100].rstrip(b"\0")
        if re.fullmatch(rb"\.darkslide/[0-9a-f]{32}\.json", name):
            if size > MAX_MANIFEST:
                raise Fault("manifest over the limit")
            found, left = tar.read(left)[:size], 0
        while left:
            left -= len(tar.read(min(left, MIB))) or left
    if found is None:
        raise Fault("no manifest found")
    return found


def hash_files(paths):
    """BLAKE3 of files, by whatever there is; {} if there is nothing."""
    result = {}
    for path in paths if blake3 else ():
        state = blake3.blake3()
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(MIB), b""):
                state.update(piece)
        result[path] = state.hexdigest()
    if not blake3 and shutil.which("b3sum"):
        for start in range(0, len(paths), 500):
            some = paths[start:start + 500]
            said = subprocess.run(["b3sum", "--no-names", "--", *some], stdout=subprocess.PIPE)
            sums = said.stdout.decode().split()
            result.update(zip(some, sums if len(sums) == len(some) else ["unreadable"] * 500))
    return result


# ---- Reading the repository -------------------------------------------------------------
class Repository:
    """The objects of a repository, opened with age and zstd."""

    def __init__(self, root, identity, report):
        self.root, self.report, self.id, self.work = os.path.abspath(root), report, None, None
        self.identity, self.extra, self.keys_tried = os.path.abspath(identity), b"", False
        self.kept, self.budget = {}, 0
        for program in ("age", "zstd"):
            if not shutil.which(program):
                raise Fatal("the program `%s` is needed" % program)
        if not os.path.isdir(self.root):
            raise Fatal("%s is not a folder" % root)
        if not blake3 and not shutil.which("b3sum"):
            report.note("without b3sum or Python's blake3 only age's authentication, sizes and"
                        " structure are checked, not content hashes and object ids")
        with open(identity, "rb") as file:
            start = file.read(64)
        if start.startswith((b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE")):
            opened = subprocess.run(["age", "-d", self.identity], stdout=subprocess.PIPE)
            if opened.returncode:
                raise Fatal("age did not open the identity file")
            self.identity, self.extra = None, opened.stdout + b"\n"

    def founding_facts(self):
        with self.report.guard("darkslide.json"):
            with open(os.path.join(self.root, "darkslide.json"), "rb") as file:
                self.id = field(check_usual(parse(file.read(MIB))), "repository", str)

    def listing(self, folder, pattern=r"\w+/[0-9a-f]{64}\.age"):
        """Sorted names of a folder's objects; everything else is ignored."""
        found = []
        for where, _, names in os.walk(os.path.join(self.root, folder)):
            found += [os.path.relpath(os.path.join(where, name), self.root) for name in names]
        return sorted(name for name in found if re.fullmatch(pattern, name))

    def age(self, name, limit, out):
        """Decrypt an object into a file; return age's complaint, "" if it has none."""
        path = os.path.join(self.root, name)
        if os.path.getsize(path) > limit:
            raise Fault("larger than the limit of %d bytes" % limit)
        command = ["age", "-d"] + (["-i", self.identity] if self.identity else [])
        command += (["-i", "-"] if self.extra else []) + [path]
        result = subprocess.run(command, input=self.extra, stdout=out, stderr=subprocess.PIPE)
        said = result.stderr.decode("utf-8", "replace").splitlines() or ["age: failed"]
        if result.returncode and "no identity matched" in said[0] and not self.keys_tried:
            self.load_keys()  # it may be older than KEY is a recipient
            return self.age(name, limit, out)
        if "no space left" in said[0]:
            raise Fatal(said[0])
        if not result.returncode:
            for found in hash_files([path]).values():
                if found not in os.path.basename(name):
                    raise Fault("its bytes do not hash to its name")
        return said[0] if result.returncode else ""

    def load_keys(self):
        """The identities of epochs and index that a keys/ object holds for KEY."""
        self.keys_tried, more = True, []
        for name in self.listing("keys"):
            with self.report.guard(name):
                keys = self.sealed(name, MIB, 8 * MIB)
                if keys.get("kind") == "keys":
                    more += [field(e, "identity", str) for e in field(keys, "epochs", list)]
                    more.append(field(keys, "index_identity", str))
        good = [key for key in more if re.fullmatch("AGE-SECRET-KEY-1[0-9A-Z]+", key)]
        self.extra += "".join(key + "\n" for key in good).encode()

    def sealed(self, name, limit, plain_limit):
        """The JSON of an object under keys/, index/ or snapshots/ (without signature)."""
        with tempfile.TemporaryFile(dir=self.work) as opened:
            complaint = self.age(name, limit, opened)
            data = None if complaint else run_zstd(opened, plain_limit)
        if data is None:
            raise Fault(complaint or "zstd failed, or made more than the limit")
        thing = parse(data, slim)
        return check_usual(thing.get("payload", thing), self.id)

    def stream(self, name):
        """The decrypted zstd stream of a pack, in a file of the work folder. A damaged pack
        gives what age authenticated before the damage."""
        if name in self.kept:
            return self.kept[name]
        if sys.stderr.isatty():
            print("reading " + name, file=sys.stderr)
        target = os.path.join(self.work, "stream-%d" % len(self.kept))
        with open(target, "wb") as out:
            complaint = self.age(name, MAX_PACK, out)
            size = out.tell()
        if complaint:
            self.report.casualty(name, "damaged or not openable: " + complaint)
        if size <= self.budget:
            self.budget -= size
            self.kept[name] = target
        return target

    def manifest(self, name):
        with open(self.stream(name), "rb") as stream, subprocess.Popen(
                ["zstd", "-d", "-q", "-c"], stdin=stream, bufsize=MIB, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL) as zstd:
            try:
                document = find_manifest(zstd.stdout)
            finally:
                zstd.kill()
        return check_usual(field(parse(document, slim), "payload", dict), self.id)

    def contents(self, stream, rows):
        """Yield (row, content) for rows (id, off, len, plain, base) of one pack; None for
        content that cannot be had. For a delta it is the inner frame."""
        with open(stream, "rb") as file:
            size, batch, weight = os.fstat(file.fileno()).st_size, [], 0
            for row in rows:
                if row[1] + row[2] > size:
                    yield row, None
                elif row[4]:
                    yield from self.decode(file, [row])
                else:
                    batch.append(row)
                    weight += row[3]
                if weight >= BATCH_BYTES or len(batch) >= BATCH_FRAMES:
                    yield from self.decode(file, batch)
                    batch, weight = [], 0
            yield from self.decode(file, batch)

    def decode(self, file, rows):
        """Frames may be strung together: one zstd decodes them all, as no process for each
        of 200,000 small files could. If something is wrong, find out by halves with what."""
        total = sum(row[3] for row in rows)
        with tempfile.TemporaryFile(dir=self.work) as source:
            for row in rows:
                file.seek(row[1])
                source.write(file.read(row[2]))
            is_delta = len(rows) == 1 and rows[0][4]
            data = run_zstd(source, MAX_CHUNK if is_delta else total) if rows else b""
        if is_delta or (data is not None and len(data) == total):
            pos = 0
            for row in rows:
                yield row, data if is_delta else data[pos:pos + row[3]]
                pos += row[3]
        elif len(rows) == 1:
            yield rows[0], None
        else:
            yield from self.decode(file, rows[:len(rows) // 2])
            yield from self.decode(file, rows[len(rows) // 2:])


# ---- Writing into OUT -------------------------------------------------------------------
class Out:
    """The folder that is written to. Every step down is an openat that follows no links."""

    def __init__(self, path, report):
        self.report, self.made, self.cached = report, {}, None  # made: folder -> entry
        if not os.path.isdir(path):
            os.makedirs(path)
            self.made[b""] = None
        self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.work = os.path.join(os.path.realpath(path), WORK)
        try:
            os.mkdir(self.work, 0o700)
        except FileExistsError:
            raise Fatal("%s is left from another run: remove it first" % self.work) from None

    def folder(self, path):
        """Descriptor of a folder, made where it is missing; good until the next call."""
        if self.cached and self.cached[0] == path:
            return self.cached[1]
        fd, done = os.dup(self.root), b""
        for part in path.split(b"/") if path else ():
            done = done + b"/" + part if done else part
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=fd)
                    self.made[done] = None
                down = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            finally:
                os.close(fd)
            fd = down
        if self.cached:
            os.close(self.cached[1])
        self.cached = (path, fd)
        return fd

    def attributes(self, target, entry, **how):
        """Owner, extended attributes, mode and time, as far as the system lets us."""
        mtime, mask = entry.get("mtime"), 0o3777 if entry["kind"] == "dir" else 0o777

        def extended():
            for pair in entry.get("xattrs", []):
                name = name_bytes(field(pair, "name", (str, dict)))
                if not name.startswith((b"security.", b"trusted.")):
                    os.setxattr(target, name, base64.b64decode(field(pair, "value", str)))

        steps = {
            "owner": lambda: os.geteuid() or os.chown(
                target, field(entry, "uid", int), field(entry, "gid", int), **how),
            "extended attributes": lambda: how or extended(),
            "mode": lambda: how or os.chmod(target, field(entry, "mode", int) & mask),
            "time": lambda: os.utime(target, ns=(number(mtime), number(mtime)), **how)}
        for what, step in steps.items():
            try:
                step()
            except (OSError, Fault, ValueError, AttributeError, OverflowError, TypeError) as error:
                self.report.note("could not set every file's %s; the first: " % what, error)

    def place(self, stage, path, entry):
        """Give the finished file `stage` a name in OUT, unless the name is taken."""
        parent, _, name = path.rpartition(b"/")
        fd = self.folder(parent)
        try:
            os.link(stage, name, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            raise Fault("already exists in OUT; left as it is") from None
        except OSError:  # a file system without hard links, perhaps: copy
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(stage, "rb") as source, open(os.open(name, flags, 0o600, dir_fd=fd),
                                                   "wb") as copy:
                shutil.copyfileobj(source, copy, MIB)
                copy.flush()
                self.attributes(copy.fileno(), entry)

    def symlink(self, path, entry):
        parent, _, name = path.rpartition(b"/")
        target, fd = name_bytes(entry.get("target")), self.folder(parent)
        if not target or b"\0" in target or len(target) > MAX_PATH:
            raise Fault("malformed link target")
        os.symlink(target, name, dir_fd=fd)
        self.attributes(name, entry, dir_fd=fd, follow_symlinks=False)

    def finish(self):
        """Attributes of the folders made here, the deepest first; others are left alone."""
        mask = os.umask(0)
        os.umask(mask)
        for path, entry in sorted(self.made.items(), reverse=True):
            with self.report.guard(path):
                fd = self.folder(path)
                self.attributes(fd, entry) if entry else os.chmod(fd, 0o777 & ~mask)


def write_piece(path, size, holes, at, data):
    """Write a chunk into a file in the making, leaving out the holes [(start, end)...]."""
    end, pos, view = at + len(data), at, memoryview(data)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(fd, size)
        for hole in holes[max(0, bisect.bisect(holes, (at, at)) - 1):] + [(end, end)]:
            while pos < min(hole[0], end):
                pos += os.pwrite(fd, view[pos - at:min(hole[0], end) - at], pos)
            pos = max(pos, min(hole[1], end))
            if pos == end:
                break
    finally:
        os.close(fd)


# ---- The catalogue and the extraction ---------------------------------------------------
class Recovery:
    """Collects where chunks lie and what files need; then reads pack after pack."""

    def __init__(self, repo, out, report):
        self.repo, self.out, self.report, self.temp = repo, out, report, out.work + "/file-%d"
        repo.work, space = out.work, os.statvfs(out.work)
        repo.budget = min(KEPT_STREAMS, space.f_bavail * space.f_frsize // 4)
        self.db = sqlite3.connect(out.work + "/catalogue")
        self.db.executescript(SCHEMA)
        self.links, self.folders, self.symlinks, self.scanned = {}, [], [], set()

    def rows(self, query, *args):
        return self.db.execute(query, args).fetchall()

    def add_pack(self, name, rows, repository=None):
        """Note a pack and its chunk table, unless it is known; return its number."""
        if self.rows("SELECT 1 FROM pack WHERE name = ?", name):
            return None
        good = [row for row in rows if isinstance(row, tuple) and len(row) == 5]
        if len(good) < len(rows):
            self.report.casualty(name, "malformed rows in its chunk table")
        pack = self.db.execute("INSERT INTO pack (name, repo) VALUES (?, ?)",
                               (name, repository)).lastrowid
        self.db.executemany("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
                            ((row[0], pack) + row[1:] for row in good))
        return pack

    def load_index(self):
        """Chunk tables out of the index segments."""
        for name in self.repo.listing("index"):
            with self.report.guard(name):
                for pack in field(self.repo.sealed(name, 256 * MIB, GIB), "packs", list):
                    if re.fullmatch(PACK, field(pack, "object", str)):
                        self.add_pack(pack["object"], field(pack, "chunks", list))

    def scan(self, *folders):
        """Read the manifests of the packs that are not in the catalogue, once."""
        folders = [folder for folder in folders if folder not in self.scanned]
        self.scanned.update(folders)
        for name in (name for folder in folders for name in self.repo.listing(folder, PACK)):
            if self.rows("SELECT 1 FROM pack WHERE name = ?", name):
                continue
            with self.report.guard(name):
                manifest = self.repo.manifest(name)
                pack = self.add_pack(name, field(manifest, "chunks", list),
                                     manifest["repository"])
                when = number(manifest.get("time")), number(manifest.get("sequence"))
                for pos, recipe in enumerate(field(manifest, "recipes", list)):
                    with self.report.guard("%s, recipe %d" % (name, pos)):
                        self.add_recipe(recipe, when + (pos, pack, str(manifest.get("writer"))))

    def add_recipe(self, recipe, when):
        if not isinstance(recipe, tuple) or len(recipe) != 2:
            raise Fault("malformed recipe")
        path, kind = name_bytes(recipe[0]), field(parse(recipe[1]), "kind", str)
        if path or kind != "dir":  # the empty path can only be the library itself
            check_path(path)
        self.db.execute("INSERT INTO recipe VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (path,) + when + (kind, recipe[1]))

    # -- what is wanted

    def add(self, path, entry, chunks=()):
        """Take one entry into the plan; `chunks` are a file's chunk ids in hex."""
        kind = field(entry, "kind", str)
        if kind == "file":
            self.add_file(path, entry, chunks)
        elif kind in ("dir", "symlink"):
            (self.folders if kind == "dir" else self.symlinks).append((path, entry))
        else:
            raise Fault("unknown kind of entry: " + kind)

    def add_file(self, path, entry, chunks):
        size, end, wants = number(entry.get("size"), 0), 0, []
        key = (entry.get("link"), digest(entry.get("hash")), size, entry.get("mtime"))
        if key[0] is not None and key in self.links:
            self.db.execute("INSERT INTO name VALUES (?, ?)", (path, self.links[key]))
            return
        for text in chunks:
            find = "SELECT plain FROM chunk WHERE id = ? LIMIT 1", digest(text)
            row = self.rows(*find)
            if not row:  # perhaps the index is incomplete
                self.scan("packs", "warm")
                row = self.rows(*find)
            if not row:
                raise Fault("lost: chunk %s is in no readable pack" % text)
            wants.append((find[1], end, row[0][0]))
            end += row[0][0]
            if end > size:
                break
        if end != size:
            raise Fault("lost: its chunks do not add up to its size")
        entry = json.dumps({key: entry[key] for key in entry if key != "chunks"})
        file = self.db.execute("INSERT INTO file (entry, missing) VALUES (?, ?)",
                               (entry, size)).lastrowid
        self.db.execute("INSERT INTO name VALUES (?, ?)", (path, file))
        self.db.executemany("INSERT INTO want VALUES (?, ?, ?, ?)",
                            ((chunk, file, at, plain) for chunk, at, plain in wants))
        if key[0] is not None:
            self.links[key] = file

    # -- reading packs

    def packs(self, condition, *args):
        """Packs with rows of `chunk c` that meet a condition; those that are gone come last:
        an old index segment may name what was repacked long ago."""
        found = self.rows("SELECT p.id, p.name FROM pack p WHERE p.id IN (SELECT c.pack FROM"
                          " chunk c WHERE %s) ORDER BY p.id" % condition, *args)
        return sorted(found, key=lambda f: not os.path.exists(os.path.join(self.repo.root, f[1])))

    def read_pack(self, pack, name, condition):
        """Yield (row, content) of the chunks of a pack that meet an SQL condition."""
        rows = self.rows("SELECT c.id, c.off, c.len, c.plain, c.base FROM chunk c WHERE c.pack"
                         " = ? AND %s ORDER BY c.off" % condition, pack)
        with self.report.guard(name):
            for row, data in self.repo.contents(self.repo.stream(name), rows) if rows else ():
                if data is None:
                    self.report.casualty(name, "some chunks cannot be read")
                else:
                    yield row, data

    def extract(self):
        """Read packs, the full chunks first, then the deltas. What is found goes off the
        list of wants; what is damaged stays on it, and comes from another pack, if any."""
        self.db.execute(  # the bases of deltas are wanted too
            "INSERT INTO want SELECT b.id, 0, 0, b.plain FROM chunk c JOIN chunk b ON b.id ="
            " c.base WHERE b.base IS NULL AND EXISTS (%s) GROUP BY b.id" % WANTED)
        self.settle(self.rows("SELECT id FROM file WHERE missing = 0"))
        for condition in ("c.base IS NULL", "c.base IS NOT NULL"):
            condition += " AND EXISTS (%s)" % WANTED
            for pack, name in self.packs(condition):
                ready = []
                for row, data in self.read_pack(pack, name, condition):
                    if row[4]:
                        data = self.undelta(row, data, name)
                    if data is not None:
                        ready += self.deliver(row[0], data)
                    if len(ready) >= 500:
                        self.settle(ready)
                        ready = []
                self.settle(ready)
        self.settle(self.rows("SELECT id FROM file"))

    def undelta(self, row, inner, name):
        """The plaintext of a delta chunk, or None."""
        data, base = None, "%s/base-%s" % (self.out.work, row[4].hex())
        if os.path.exists(base):
            with tempfile.TemporaryFile(dir=self.out.work) as source:
                source.write(inner)
                data = run_zstd(source, row[3], "--patch-from=" + base, "--long=31")
        if data is None or len(data) != row[3]:
            self.report.casualty(name, "delta of chunk %s cannot be read" % row[0].hex())
            return None
        return data

    @functools.lru_cache(maxsize=16)
    def layout(self, file):
        """Path, size and holes of a file in the making, and the name to report it by."""
        text, name = self.rows("SELECT f.entry, n.path FROM file f JOIN name n ON n.file = f.id"
                               " WHERE f.id = ?", file)[0]
        entry = json.loads(text)
        size, holes = number(entry["size"]), []
        with contextlib.suppress(Fault, TypeError, ValueError):  # holes are a nicety
            for start, length in entry.get("holes", []):
                start = number(start, 0, size)
                holes.append((start, start + number(length, 0, size - start)))
        return self.temp % file, size, sorted(holes), name

    def deliver(self, chunk, data):
        """Write a chunk wherever it is wanted; return the files that are now complete."""
        ready = []
        for file, at in self.rows("SELECT file, at FROM want WHERE chunk = ?", chunk):
            if not file:
                with open("%s/base-%s" % (self.out.work, chunk.hex()), "wb") as base:
                    base.write(data)
                continue
            path, size, holes, name = self.layout(file)
            with self.report.guard(name):
                write_piece(path, size, holes, at, data)
                self.db.execute("UPDATE file SET missing = missing - ? WHERE id = ?",
                                (len(data), file))
                ready += self.rows("SELECT id FROM file WHERE id = ? AND missing = 0", file)
        self.db.execute("DELETE FROM want WHERE chunk = ?", (chunk,))
        return ready

    def settle(self, files):
        """Check files and give them their names in OUT; damaged ones get an additional name."""
        staged = [(file,) + self.rows("SELECT entry, missing FROM file WHERE id = ?", file)[0]
                  for file, in files]
        for file, _, missing in staged:
            if not missing:
                open(self.temp % file, "ab").close()  # empty files have no chunk to make them
        hashes = hash_files([self.temp % file for file, _, missing in staged if not missing])
        for file, entry, missing in staged:
            entry, stage, fault = json.loads(entry), self.temp % file, None
            if missing:
                fault = "%d of %s bytes could not be read" % (missing, entry["size"])
            elif os.path.getsize(stage) != number(entry["size"]):
                fault = "wrong size"
            elif hashes.get(stage, entry["hash"]) != entry["hash"]:
                fault = "content does not match its hash"
            there = os.path.exists(stage)
            if there:
                with open(stage, "rb") as target:
                    self.out.attributes(target.fileno(), entry)
            for path, in self.rows("SELECT path FROM name WHERE file = ?", file):
                with self.report.guard(path):
                    if there:
                        self.out.place(stage, path + (DAMAGED if fault else b""), entry)
                    if fault:
                        raise Fault(fault + ("; the rest: *" + show(DAMAGED) if there else ""))
                    self.report.files += 1
                    self.report.bytes += number(entry["size"])
            if there:
                os.unlink(stage)
            self.db.execute("DELETE FROM file WHERE id = ?", (file,))

    def write(self):
        """Carry out the plan: folders, files, links, and at last the folders' attributes."""
        for path, entry in self.folders:
            with self.report.guard(path):
                self.out.folder(path)
                if path in self.out.made:
                    self.out.made[path] = entry
        self.extract()
        for path, entry in self.symlinks:
            with self.report.guard(path):
                self.out.symlink(path, entry)
        self.db.close()
        shutil.rmtree(self.out.work, ignore_errors=True)  # before OUT gets its time
        self.out.finish()
        print("%d files with %d bytes, %d folders, %d symlinks" % (
            self.report.files, self.report.bytes, len(self.folders), len(self.symlinks)))


# ---- From snapshots ---------------------------------------------------------------------
class Tree:
    """Walks the tree of a snapshot and takes what is wanted of it into the plan."""

    def __init__(self, recovery, paths):
        self.recovery, self.report = recovery, recovery.report
        self.paths, self.found, self.read, self.stack = paths, set(), set(), []

    def page(self, page_id):
        """One page. The first one wanted out of a pack brings all the pages of the pack."""
        find = "SELECT data FROM page WHERE id = ?", page_id
        found, where = self.recovery.rows(*find), ("c.id = ?", page_id)
        if not found and not self.recovery.packs(*where):
            self.recovery.scan("trees")
        for pack, name in () if found else self.recovery.packs(*where):
            if pack not in self.read and not found:
                self.read.add(pack)
                pages = self.recovery.read_pack(
                    pack, name, "c.base IS NULL AND c.plain <= %d" % MAX_PAGE)
                self.recovery.db.executemany("INSERT OR IGNORE INTO page VALUES (?, ?)",
                                             ((row[0], data) for row, data in pages))
                found = self.recovery.rows(*find)
        if not found:
            raise Fault("page %s is in no readable pack" % page_id.hex())
        return parse(found[0][0])

    def items(self, page_id, family, nesting=0):
        """The entries of a folder or the chunk ids of a list, over all their pages."""
        page = self.page(digest(page_id))
        kind = field(page, "page", str)
        if kind == family + "-index" and nesting < MAX_NESTING:
            for part in field(page, "parts", list):
                yield from self.items(part, family, nesting + 1)
        elif kind == family:
            found = field(page, "entries" if family == "dir" else "chunks", list)
            if nesting and not found:  # would let few pages make endless work
                raise Fault("empty page under an index page")
            yield from found
        else:
            raise Fault("page of the wrong kind, or index pages nested too deep")

    def walk(self, root):
        chain = []  # the trees above, against loops
        self.stack.append((b"", root, 0))
        while self.stack:
            path, folder, depth = self.stack.pop()
            with self.report.guard(path):
                self.recovery.add(path, folder)
                del chain[depth:]
                tree, last, bad = field(folder, "tree", str), None, 0
                if tree in chain:
                    raise Fault("a folder within itself")
                chain.append(tree)
                for entry in self.items(tree, "dir"):
                    name = name_bytes(field(entry, "name", (str, dict)))
                    with self.report.guard((path + b"/" + name).lstrip(b"/")):
                        if last is not None and name <= last:
                            bad += 1
                            raise Fault("name twice or out of order in its folder")
                        last = name
                        self.step(path, name, entry, depth)
                    if bad > MAX_BAD_NAMES:
                        raise Fault("too many such names: the rest of the folder is left out")
        for path in set(self.paths) - self.found:
            self.report.casualty(path, "not in this snapshot")

    def step(self, folder, name, entry, depth):
        path = check_path(folder + b"/" + name if folder else name)
        over = [p for p in self.paths if (path + b"/").startswith(p + b"/")]
        self.found.update(p for p in over if p == path)
        is_dir = entry.get("kind") == "dir"
        if self.paths and not over and not (
                is_dir and any(p.startswith(path + b"/") for p in self.paths)):
            return
        if b"/" in name:
            raise Fault("forbidden name")
        if is_dir:
            self.stack.append((path, entry, depth + 1))
        elif "list" in entry:
            self.recovery.add(path, entry, self.items(entry["list"], "list"))
        else:
            self.recovery.add(path, entry, entry.get("chunks") or ())


def snapshots(repo, report, start=""):
    """Yield (name, payload) of the snapshots that open, the newest first."""
    pattern, opened = r"snapshots/\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{64}\.age", 0
    for name in reversed(repo.listing("snapshots", pattern)):
        if name.startswith("snapshots/" + start):
            with report.guard(name):
                payload = repo.sealed(name, MIB, 8 * MIB)
                opened += 1
                yield name[len("snapshots/"):-len(".age")], payload
    if not opened:
        raise Fatal("no such snapshot that can be opened")


def list_snapshots(repo, report):
    repo.founding_facts()
    for name, payload in reversed(list(snapshots(repo, report))):
        counts = payload.get("counts", {})
        print("%s  host=%s job=%s %s %s" % (
            name, show(payload.get("host")), show(payload.get("job")),
            "complete" if payload.get("complete") is True else "INCOMPLETE",
            " ".join("%s=%s" % (show(key), show(counts[key])) for key in counts)))


def choose(repo, report, wanted):
    """The payload of the snapshot that is meant: the newest complete one, or by name."""
    if wanted == "latest":
        found = [next((pair for pair in snapshots(repo, report)
                       if pair[1].get("complete") is True), None)]
    else:
        found = list(snapshots(repo, report, re.sub(r"^snapshots/|\.age$", "", wanted)))
    if len(found) != 1 or not found[0]:
        raise Fatal("%d snapshots match: %s" % (len(found), wanted))
    print("snapshot %s, job %s" % (found[0][0], show(found[0][1].get("job"))))
    return found[0][1]


def restore(repo, recovery, args):
    repo.founding_facts()
    snapshot = choose(repo, recovery.report, args.snapshot)
    paths = [os.fsencode(path).strip(b"/") for path in args.path]
    recovery.load_index()
    Tree(recovery, [path for path in paths if path not in (b"", b".")]).walk(
        field(snapshot, "root", dict))


# ---- From packs alone -------------------------------------------------------------------
def stamp(nanoseconds):
    try:
        whole = time.strftime("%Y%m%dT%H%M%S", time.gmtime(nanoseconds // 10**9))
        return whole + ".%03dZ" % (nanoseconds // 10**6 % 1000)
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)


def free_path(recovery, path):
    """The path, with another name for any folder whose place a file or link took later."""
    parts = path.split(b"/")
    for depth in range(1, len(parts)):
        latest = recovery.rows("SELECT kind FROM recipe WHERE path = ? ORDER BY time DESC, seq"
                               " DESC, pos DESC, writer DESC LIMIT 1", b"/".join(path.split(b"/")[:depth]))
        if latest and latest[0][0] != "dir":
            parts[depth - 1] += WAS_FOLDER
    return b"/".join(parts)


def packs(repo, recovery, args):
    recovery.scan("packs", "warm")
    count = "SELECT repo FROM pack GROUP BY repo ORDER BY COUNT(*) DESC LIMIT 1"
    if not recovery.rows(count):
        raise Fatal("no pack can be opened up to its manifest")
    best = recovery.rows(count)[0][0]  # without darkslide.json, the majority is right
    for pack, name in recovery.rows("SELECT id, name FROM pack WHERE repo != ?", best):
        recovery.report.casualty(name, "belongs to another repository")
        recovery.db.execute("DELETE FROM chunk WHERE pack = ?", (pack,))
        recovery.db.execute("DELETE FROM recipe WHERE pack = ?", (pack,))
    last, used = None, set()
    for path, when, seq, pos, kind, text in recovery.db.execute(
            "SELECT path, time, seq, pos, kind, entry FROM recipe ORDER BY path, time DESC,"
            " seq DESC, pos DESC, writer DESC"):
        entry, target = json.loads(text), free_path(recovery, path)
        if path != last:
            last, used = path, set()
        elif args.all_versions and kind != "dir":
            suffix = "." + stamp(when) + "-%d" % seq
            target += os.fsencode(suffix + ("-%d" % pos if suffix in used else ""))
            used.add(suffix)
        else:
            continue
        with recovery.report.guard(target):
            recovery.add(target, entry, entry.get("chunks") or ())


def main():
    usage = argparse.ArgumentParser(description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--identity", required=True, metavar="KEY", help="age identity file")
    usage.add_argument("repo", metavar="REPO")
    modes = usage.add_subparsers(dest="mode", required=True)
    modes.add_parser("list", help="list the snapshots")
    mode = modes.add_parser("restore", help="restore a snapshot")
    mode.add_argument("--snapshot", default="latest", metavar="NAME", help="or its beginning")
    mode.add_argument("--path", action="append", default=[], help="only this (repeatable)")
    mode.add_argument("out", metavar="OUT")
    mode = modes.add_parser("packs", help="get files back from packs/ and warm/ alone")
    mode.add_argument("--all-versions", action="store_true", help="older versions too")
    mode.add_argument("out", metavar="OUT")
    args, report, out = usage.parse_args(), Report(), None
    try:
        repo = Repository(args.repo, args.identity, report)
        if args.mode == "list":
            list_snapshots(repo, report)
        else:
            out = Out(args.out, report)
            recovery = Recovery(repo, out, report)
            (restore if args.mode == "restore" else packs)(repo, recovery, args)
            recovery.write()
    except (Fatal, Fault, OSError, sqlite3.Error, KeyboardInterrupt) as error:
        report.finish()
        print("recover.py: " + (show(error) or "interrupted"), file=sys.stderr)
        return 1
    finally:
        if out:
            shutil.rmtree(out.work, ignore_errors=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
