"""Tests of the benchmark itself: `python3 -m unittest discover bench/tests`."""

import json
import random
import sys
import tempfile
import unittest
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import catalog
import coldsim
import darkslide
import listing
import pictures
import report
import targets
import tiny
import trees
from library import CATALOG, Library
from measure import Job, Measured, Stopwatch
from records import Record, summarize
from s3tools import DarkslideS3, Rclone, ResticS3, RusticS3, quoted
from tools import Tool
from works import Runner

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


class RunnerTest(InFolder):
    def test_what_is_kept_is_there_at_the_end_and_nothing_else(self):
        original = self.place / "original"
        original.mkdir()
        (original / "a").write_text("a")
        tool = Tool("cp")
        tool.name, tool.init = "copier", list
        for keep in (False, True):
            place = self.place / str(keep)
            runner = Runner(place, Stopwatch(place / "logs", 60, False), True, keep)
            kept = []
            for runner.cycle in (1, 2):
                bound = runner.fresh(tool, "library", original)
                start = lambda out: tool.job(["cp", "-r", str(original), str(out)])
                record = runner.restore("restore", bound, original, start)
                self.assertEqual((record.error, record.facts["verified"]), (None, True))
                runner.discard([bound])
                kept += [f"tools/copier-library-{runner.cycle}", f"restored/restore-copier-{runner.cycle}"]
            found = [str(path.relative_to(place)) for path in place.glob("*/*") if path.is_dir()]
            self.assertEqual(sorted(found), sorted(kept) if keep else [])


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


def logged(operation: str, key: str = "", status: int = 200, method: str = "GET") -> dict:
    return {
        "method": method, "operation": operation, "bucket": "b", "key": key,
        "access_key": "coldsim", "status": status,
    }


def bill_line(what: str, quantity: float, unit: str, amount: str) -> dict:
    return {
        "month": "2026-11", "what": what, "quantity": quantity, "unit": unit,
        "rate": "0.000005000", "amount": amount,
    }


class S3Test(InFolder):
    def test_requests_are_counted_as_they_are_priced(self):
        found = coldsim.counted([
            logged("PutObject", "data/a", method="PUT"),
            logged("CreateMultipartUpload", "data/b", method="POST"),
            logged("UploadPart", "data/b", method="PUT"),
            logged("CompleteMultipartUpload", "data/b", method="POST"),
            logged("ListObjectsV2"),
            logged("ListObjects"),
            logged("GetObject", "data/a"),
            logged("HeadObject", "data/c", 404, "HEAD"),
            logged("GetBucketLocation"),
            logged("DeleteObject", "locks/x", 204, "DELETE"),
            logged("DeleteObjects", method="POST"),
        ])
        self.assertEqual(found["requests"], {"PUT": 4, "LIST": 2, "GET": 3, "DELETE": 2})
        self.assertEqual(found["operations"]["UploadPart"], 1)
        self.assertEqual(sum(found["operations"].values()), 11)
        self.assertEqual(found["refused"], 1)

    def test_the_bill_by_line_and_for_each_terabyte(self):
        bill = {"total": "0.000075000", "lines": [
            bill_line("STANDARD storage", 0.0, "GB-month", "0.000000000"),
            bill_line("STANDARD PUT requests", 10.0, "request", "0.000050000"),
            bill_line("STANDARD PUT requests", 5.0, "request", "0.000025000"),
            bill_line("transfer out to the internet", 0.25, "GB", "0.000000000"),
            bill_line("transfer out to the internet", 0.25, "GB", "0.000000000"),
        ]}
        found = coldsim.billed(bill, 500_000_000)
        self.assertAlmostEqual(found["bill"]["STANDARD PUT requests"], 0.000075)
        self.assertAlmostEqual(found["dollars"], 0.000075)
        self.assertAlmostEqual(found["dollars_per_tb"], 0.15)
        self.assertEqual(found["downloaded_bytes"], 1 << 29)
        bill["lines"].append(bill_line("STANDARD storage", 1.0, "GB-month", "0.023000000"))
        with self.assertRaisesRegex(ValueError, "storage"):
            coldsim.billed(bill, 500_000_000)

    def test_whole_objects_are_thawed_and_each_once(self):
        elsewhere = {**logged("GetObject", "data/other"), "bucket": "another"}
        read = coldsim.objects_read([
            logged("GetObject", "data/a", 206),
            logged("GetObject", "data/a", 206),
            logged("GetObject", "data/b"),
            logged("GetObject", "data/frozen", 403),
            logged("GetObject", "index/i"),
            logged("HeadObject", "data/seen", method="HEAD"),
            elsewhere,
        ], "b", "data/")
        self.assertEqual(read, {"data/a", "data/b"})
        found = coldsim.to_thaw(read, {"data/a": 100, "data/b": 50, "data/c": 7}, 120)
        self.assertEqual(found, {
            "thaw_objects": 2, "thaw_bytes": 150, "wanted_bytes": 120, "thaw_ratio": 1.25,
        })
        with self.assertRaisesRegex(ValueError, "data/b"):
            coldsim.to_thaw(read, {"data/a": 100}, 120)
        with self.assertRaises(ValueError):
            coldsim.to_thaw(read, {"data/a": 100, "data/b": 50}, 0)

    def test_a_quote_counts_only_what_has_to_be_thawed(self):
        output = self.place / "out"
        measured = Measured(0, 0, 0, 0, None, output)
        packs = [
            {"how": "thaw", "size": "60"}, {"how": "thaw", "size": "40"},
            {"how": "ready", "size": "3"},
        ]
        quote = {"bytes": "80", "total": "0.000760822", "plan": {"packs": packs}}
        output.write_text(json.dumps(quote))
        found = quoted(measured)
        self.assertEqual((found["thaw_objects"], found["thaw_ratio"]), (2, 1.25))
        self.assertEqual(found["quote_dollars"], 0.000760822)
        del quote["plan"]["packs"]
        output.write_text(json.dumps(quote))
        with self.assertRaises(ValueError):
            quoted(measured)

    def test_a_listing_goes_on_with_its_token(self):
        page = (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            "<IsTruncated>{}</IsTruncated><Contents><Key>data/a&amp;b</Key><Size>12</Size>"
            "</Contents><NextContinuationToken>go on</NextContinuationToken></ListBucketResult>"
        )
        self.assertEqual(listing.parsed(page.format("true").encode()), ({"data/a&b": 12}, "go on"))
        self.assertEqual(listing.parsed(page.format("false").encode()), ({"data/a&b": 12}, None))

    def test_the_signature_is_the_one_that_amazon_documents(self):
        # "GET Bucket (List Objects)" of the examples in the documentation of signature version 4.
        keys = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        now = datetime(2013, 5, 24, tzinfo=timezone.utc)
        query = {"prefix": "J", "max-keys": "2"}
        endpoint = "https://examplebucket.s3.amazonaws.com"
        request = listing.signed_get(endpoint, "/", query, keys, "us-east-1", now)
        signature = request.get_header("Authorization").rsplit("=", 1)[1]
        wanted = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        self.assertEqual(signature, wanted)

    def test_every_tool_is_told_of_its_bucket_and_nothing_of_the_machine(self):
        for tool in (DarkslideS3("d"), ResticS3("r", "auto"), RusticS3("r", "off"), Rclone("r")):
            home = self.place / tool.name
            home.mkdir()
            bound = tool.on("http://127.0.0.1:1234", "bucket-x").at(home, self.place)
            init = bound.init()[0]
            said = " ".join((*init.commands[0], *init.env.values()))
            said += "".join(path.read_text() for path in home.iterdir())
            self.assertIn("127.0.0.1:1234", said, tool.name)
            self.assertIn("bucket-x", said, tool.name)
            self.assertEqual(bound.backup().env["AWS_ACCESS_KEY_ID"], "coldsim")
            self.assertEqual(tool.bucket, "")

    def test_the_report_shows_what_was_measured(self):
        facts = {
            "requests": {"PUT": 4, "LIST": 2, "GET": 3, "DELETE": 1}, "refused": 0,
            "downloaded_bytes": 1e6, "dollars": 0.00005, "dollars_per_tb": 0.5, "objects": 5,
            "repository_bytes": 3e6, "archived_objects": 0, "archived_bytes": 0,
        }
        thawed = coldsim.thaw_ratio(2, 3_000_000, 2_000_000)
        tools = [DarkslideS3("d"), Rclone("r")]
        records = [Record("s3-first", tool.name, 1, facts=facts) for tool in tools]
        records.append(Record("s3-shoot", "rclone", 1, facts=thawed))
        records.append(Record("s3-restore", "darkslide", 1, error="broken"))
        about = {"bytes": 1e9, "files": 9, "raw_files": 3, "shoots": 2}
        failed = {("s3-restore", "darkslide")}
        shown = "\n\n".join(report.s3({"s3": about}, tools, summarize(records), failed))
        self.assertIn("| **darkslide** | 4 | 2 | 3 | 1 | 0 | 1.00 | 0.000050 | 0.50 |", shown)
        self.assertIn("| **darkslide** | 0 | 0.00 | – | 5 | 3.00 |", shown)
        self.assertIn("| rclone `crypt` | 2 | 3.00 | 2.00 | 1.500 × |", shown)
        self.assertIn("failed", shown)
        self.assertEqual(report.s3({}, tools, {}, set()), [])


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
