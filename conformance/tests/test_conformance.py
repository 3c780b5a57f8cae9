"""Tests of the conformance tests: `target/venv/conformance/bin/python -m unittest discover conformance/tests`."""

import datetime
import hashlib
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import checks
import checksums
import report
import run
import servers
import sigv4
from checks import Check, Result
from topics import product

# The worked examples of "Authenticating Requests: Using the Authorization Header" and "… Query Parameters".
EXAMPLE = sigv4.Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
EXAMPLE_TIME = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)


class SigningTest(unittest.TestCase):
    def test_worked_example_of_a_header(self):
        nothing = hashlib.sha256(b"").hexdigest()
        url = "https://examplebucket.s3.amazonaws.com/test.txt"
        signed = EXAMPLE.headers("GET", url, {"Range": "bytes=0-9"}, nothing, EXAMPLE_TIME)
        wanted = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        self.assertTrue(signed["authorization"].endswith(f"Signature={wanted}"))

    def test_worked_example_of_a_url(self):
        url = EXAMPLE.presigned("GET", "https://examplebucket.s3.amazonaws.com/test.txt", EXAMPLE_TIME, 86400)
        self.assertTrue(url.endswith("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))

    def test_answers_in_words(self):
        body = b"<Error><Code>NoSuchKey</Code><Message>x</Message></Error>"
        self.assertEqual(str(sigv4.Answer(404, {}, body)), "404 NoSuchKey")
        self.assertEqual(str(sigv4.Answer(200)), "200")
        self.assertEqual(sigv4.Answer(200, {}, b"<Code>cut").element("Code"), "")


class ChecksumTest(unittest.TestCase):
    def test_check_values(self):
        wanted = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}
        found = {kind: checksums.KINDS[kind](b"123456789").hex() for kind in wanted}
        self.assertEqual(found, wanted)

    def test_composite_is_of_the_parts_digests(self):
        parts = [b"a", b"b"]
        digests = b"".join(hashlib.sha256(part).digest() for part in parts)
        self.assertEqual(checksums.composite("SHA256", parts), checksums.of("SHA256", digests) + "-2")


def result(name: str, aws: str, seen: str) -> Result:
    return Result(Check(name, aws, "page", "what", None), seen)


class ComparisonTest(unittest.TestCase):
    def test_only_what_is_known_passes(self):
        expected = {"other": {"a": "500"}}
        self.assertEqual(report.surprises("other", [result("a", "200", "500"), result("b", "1", "1")], expected), [])

    def test_surprises(self):
        expected = {"other": {"a": "500", "gone": "404"}}
        seen = [result("a", "200", "200"), result("b", "200", "503")]
        found = report.surprises("other", seen, expected)
        self.assertEqual(len(found), 3)
        self.assertIn("a: `500` was known of it, saw `200`", found)
        self.assertIn("b: wanted `200`, saw `503`", found)

    def test_a_known_difference_that_changes_is_a_surprise(self):
        self.assertTrue(report.surprises("other", [result("a", "200", "501")], {"other": {"a": "500"}}))

    def test_what_shows_now_and_then_is_no_surprise_and_is_not_recorded(self):
        raced = [result("contract", "all kept", "of several at once one wins: 2 of 8 were told that they created it")]
        self.assertEqual(report.surprises("moto", raced, {}), [])
        self.assertEqual(report.surprises("moto", [result("contract", "all kept", "all kept")], {}), [])
        self.assertEqual(report.differences("moto", raced), {})
        self.assertTrue(report.surprises("coldsim", raced, {}), "ours has no such excuse")
        self.assertTrue(report.surprises("moto", [result("contract", "all kept", "a range is read: no")], {}))


class KnownTest(unittest.TestCase):
    def setUp(self):
        self.checks = checks.load()
        self.expected = report.read_expected()

    def test_ours_has_no_known_differences(self):
        self.assertNotIn(report.OURS, self.expected)

    def test_all_known_differences_are_of_checks_and_differ(self):
        wanted = {check.name: check.aws for check in self.checks}
        for server, known in self.expected.items():
            self.assertIn(server, servers.known())
            for name, seen in known.items():
                self.assertIn(name, wanted, server)
                self.assertNotEqual(seen, wanted[name], f"{server}: {name}")

    def test_each_check_says_what_and_by_whom(self):
        self.assertGreater(len(self.checks), 100)
        for check in self.checks:
            self.assertTrue(check.aws and check.source and check.what.endswith((".", "”.")), check.name)

    def test_the_documentation_is_up_to_date(self):
        document = run.DOCUMENT.read_text()
        table = report.markdown(self.checks, servers.known(), self.expected)
        self.assertEqual(document, report.renewed(document, table), "run.py --record renews it")

    def test_a_document_without_marks_is_refused(self):
        with self.assertRaises(ValueError):
            report.renewed("no marks", "table")


class Silent(servers.Server):
    """Starts, and ends at once."""

    name = "silent"

    def start(self):
        self.spawn(sys.executable, "-c", "print('no licence'); raise SystemExit(3)")
        self.wait_for(self.answers, "it")


class Sleeping(servers.Server):
    """Runs, and does not end by itself."""

    name = "sleeping"

    def start(self):
        self.spawn(sys.executable, "-c", "import time; time.sleep(600)")


class ServerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Path(folder.name) / "server"

    def test_one_that_ends_is_reported_with_its_last_words(self):
        server = Silent(self.place, Path("darkslide"))
        with self.assertRaisesRegex(servers.CannotStart, "no licence"):
            server.start()
        server.stop()

    def test_stop_ends_what_was_started(self):
        server = Sleeping(self.place, Path("darkslide"))
        server.start()
        pid = server.children[0].pid
        server.stop()
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_ports_are_free_and_on_loopback(self):
        self.assertRegex(Sleeping(self.place, Path("darkslide")).endpoint, r"^http://127\.0\.0\.1:\d+$")


class LibraryTest(unittest.TestCase):
    def test_damage_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            machine = product.Machine.__new__(product.Machine)
            machine.folder = Path(folder)
            machine.library = machine.folder / "library"
            for root in (machine.library, machine.folder / "restored"):
                product.write_library(root)
            self.assertEqual(machine.compare(), "same")
            (machine.folder / "restored/2026/empty").unlink()
            (machine.folder / "restored/2026/雪/DSC_0.xmp").write_bytes(b"damaged")
            self.assertEqual(machine.compare(), "differs: 2026/empty 2026/雪/DSC_0.xmp")


if __name__ == "__main__":
    unittest.main()
