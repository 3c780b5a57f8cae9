"""Tests of the benchmark itself: `python3 -m unittest discover bench/tests`."""

import random
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import catalog
import darkslide
import pictures
import targets
import tiny
import trees
from library import CATALOG, Library
from measure import Job, Measured, Stopwatch
from records import Record, summarize

SCALE = 0.002


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Path(folder.name)


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path: ((root / path).read_bytes(), (root / path).stat().st_mtime_ns)
        for path in trees.file_sizes(root)
    }


class LibraryTest(InFolder):
    def test_versions_are_reproducible(self):
        library = Library(self.place / "one", 7, SCALE)
        library.make()
        first = contents(library.root)
        changes = library.evolve()["changes"]
        second = contents(library.root)
        library.make()
        self.assertEqual(first, contents(library.root))
        library.evolve()
        self.assertEqual(second, contents(library.root))
        other = Library(self.place / "two", 7, SCALE)
        other.make()
        self.assertEqual(first, contents(other.root))
        new = [path for path in second if path not in first]
        pictured = sum(len(second[path][0]) for path in new if not path.endswith(".xmp"))
        self.assertEqual(changes["new_photograph_bytes"], pictured)

    def test_counts_what_changed(self):
        library = Library(self.place, 7, SCALE)
        library.make()
        before = contents(library.root)
        changes = library.evolve()["changes"]
        after = contents(library.root)
        edited = [path for path in before if before[path] != after[path] and path != CATALOG]
        self.assertEqual(changes["sidecars_edited"], len(edited))
        self.assertTrue(all(path.endswith(".xmp") for path in edited))
        old, new = before[CATALOG][0], after[CATALOG][0]
        pages = range(0, len(new), catalog.PAGE)
        changed = sum(old[at : at + catalog.PAGE] != new[at : at + catalog.PAGE] for at in pages)
        self.assertEqual(changes["catalog_pages_changed"], changed)

    def test_an_interrupted_change_is_made_again(self):
        library = Library(self.place, 7, SCALE)
        library.make()
        first = contents(library.root)
        library._save(0, library.facts)
        (library.root / CATALOG).write_bytes(b"half written")
        library.make()
        self.assertEqual(first, contents(library.root))

    def test_tiny_files(self):
        facts = tiny.make(self.place, "tiny", 3, 500, 8192, 40)
        sizes = trees.file_sizes(self.place / "tiny")
        self.assertEqual((facts["files"], facts["bytes"]), (len(sizes), sum(sizes.values())))
        self.assertEqual(len({path.rsplit("/", 1)[0] for path in sizes}), 40)
        self.assertLessEqual(max(sizes.values()), 8192)


class TreesTest(InFolder):
    def test_finds_every_kind_of_difference(self):
        for root in ("a", "b/inner"):
            (self.place / root / "sub").mkdir(parents=True)
            for name in ("same", "damaged", "sub/short", f"only-{root[0]}"):
                (self.place / root / name).write_text(name)
        original = self.place / "a"
        restored = trees.restored_root(self.place / "b", original)
        self.assertEqual(restored, self.place / "b" / "inner")
        (restored / "damaged").write_text("dAmaged")
        (restored / "sub/short").write_text("")
        self.assertEqual(trees.differences(original, restored), [
            "missing: only-a",
            "not in the original: only-b",
            "contents differ: damaged",
            "size 0 instead of 9: sub/short",
        ])


class StopwatchTest(InFolder):
    def run_job(self, *commands: list[str], timeout: float = 60) -> Measured:
        return Stopwatch(self.place, timeout, cold=False).run(Job(list(commands)))

    def test_pipeline_adds_up_and_keeps_output(self):
        burn = "import sys; x = b'x' * 60_000_000; sum(range(3_000_000)); print(len(x))"
        one = self.run_job([sys.executable, "-c", burn])
        two = self.run_job([sys.executable, "-c", burn], [sys.executable, "-c", f"{burn}; input()"])
        self.assertIsNone(two.error)
        self.assertEqual(two.last_line(), "60000000")
        self.assertGreater(one.peak_bytes, 60_000_000)
        self.assertGreater(two.peak_bytes, 1.8 * one.peak_bytes)
        self.assertGreater(two.cpu, 0.02)

    @unittest.skipUnless(sys.platform.startswith("linux"), "needs a subreaper")
    def test_peak_memory_is_not_that_of_this_program(self):
        ballast = bytearray(100_000_000)
        self.assertLess(self.run_job(["true"]).peak_bytes, 20_000_000)
        self.assertEqual(len(ballast), 100_000_000)

    def test_failures_are_results(self):
        failed = self.run_job(["true"], ["sh", "-c", "echo why >&2; exit 3"], ["true"])
        self.assertEqual(failed.error, "sh ended with 3\nwhy")
        self.assertIn("timed out", self.run_job(["sleep", "60"], timeout=0.2).error)

    def test_short_processes_are_never_lost(self):
        for _ in range(50):
            self.assertIsNone(self.run_job(["true"], ["true"]).error)


class TargetsTest(unittest.TestCase):
    def judged(self, records: list[Record], facts: dict | None = None) -> dict[tuple, bool | None]:
        found = targets.judge(records, summarize(records), facts or {})
        return {(target.work, target.promise): target.met for target in found}

    def test_ratios(self):
        tarage = Record("restore", "tarage", 1, wall=10, user=8, system=2)
        for user, met in ((10.9, True), (11.1, False)):
            ours = Record("restore", "darkslide", 1, wall=9, user=user, system=2)
            judged = self.judged([tarage, ours])
            self.assertIs(judged["restore", "CPU ≤ 1.3 × `tar \\| age`"], met)
            self.assertIs(judged["restore", "wall ≤ 1 × `tar \\| age`"], True)
            self.assertIsNone(judged["restore", "CPU below every peer"])

    def test_bytes_added_by_a_change(self):
        changes = {
            "new_photograph_bytes": 900_000, "changed_sidecar_bytes": 59_040,
            "catalog_pages_changed": 20,
        }
        for added, met in ((1_010_000, True), (1_010_001, False)):
            ours = Record("changed", "darkslide", 1, facts={"bytes_added": added})
            judged = self.judged([ours], {"library": {"changes": changes}})
            (verdict,) = (met for (work, _), met in judged.items() if work == "changed")
            self.assertIs(verdict, met)

    def test_a_history_without_every_ratio_is_not_met(self):
        facts = {"mean_ratio": 1.0, "worst_ratio": 1.0, "restores_without_ratio": 1}
        judged = self.judged([Record("history", "darkslide", 1, facts=facts)])
        verdicts = [met for (work, _), met in judged.items() if work == "history"]
        self.assertEqual(verdicts, [False, False])

    def test_a_failed_step_is_not_met(self):
        judged = self.judged([Record("history-shoot", "darkslide", 1, error="contents differ")])
        self.assertIs(judged["history", "packs read ≤ 1.1 × bytes restored (mean)"], False)
        self.assertIsNone(judged["restore", "CPU below every peer"])

    def test_repetitions_give_least_cpu_and_median_wall(self):
        records = [Record("first", "x", n, wall=w, user=u) for n, (w, u) in
                   enumerate([(3, 2), (9, 1), (4, 5)])]
        figures = summarize(records)["first", "x"]
        self.assertEqual((figures.cpu, figures.wall, figures.repetitions), (1, 4, 3))
        records[1].error = "broken"
        self.assertEqual(summarize(records), {})


class DarkslideTest(InFolder):
    def test_ratio_from_the_last_line(self):
        output = self.place / "out"
        measured = Measured(0, 0, 0, 0, None, output)
        output.write_text('{"event":"file"}\n{"bytes_restored":200,"pack_bytes":"210"}\n')
        self.assertEqual(darkslide.pack_ratio(measured)["ratio"], 1.05)
        output.write_text('{"bytes_restored":200}\n')
        with self.assertRaises(ValueError):
            darkslide.pack_ratio(measured)


class PicturesTest(InFolder):
    def test_lengths_are_exact(self):
        for write in (pictures.write_raw, pictures.write_jpeg, pictures.write_tiff):
            path = self.place / write.__name__
            self.assertEqual(write(path, 1, "label", 100_000), path.stat().st_size)

    def test_an_edit_keeps_most_of_a_sidecar(self):
        before, after = (pictures.xmp(random.Random(5), "IMG_1", edits) for edits in (0, 1))
        lines = zip(before.splitlines(), after.splitlines())
        self.assertEqual(sum(one != other for one, other in lines), 4)
        self.assertLess(abs(len(before) - 6000), 600)


if __name__ == "__main__":
    unittest.main()
