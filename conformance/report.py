"""What is known of the servers, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

from checks import Check, Result

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.json"
BEGIN = "<!-- begin: written by conformance/run.py --record -->"
END = "<!-- end -->"
# Our own simulator has no differences to be known: what it does otherwise is a bug.
OURS = "coldsim"

# What shows now and then, when a server is busy, by its text: moto looks and then writes, so that of several
# who create one name at once two may be told that they did.
SOMETIMES = {
    ("moto", "contract"): "of several at once one wins",
    ("moto", "contract-md5"): "of several at once one wins",
}


def _is_sometimes(server: str, result: Result) -> bool:
    text = SOMETIMES.get((server, result.check.name))
    return text is not None and result.seen.startswith(text)


def read_expected() -> dict:
    return json.loads(EXPECTED.read_text())


def write_expected(expected: dict) -> None:
    EXPECTED.write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n")


def surprises(server: str, results: list[Result], expected: dict) -> list[str]:
    """Differences that are not known, and known ones that are none any more."""
    known = expected.get(server, {})
    found = []
    for result in results:
        name = result.check.name
        if _is_sometimes(server, result):
            continue
        if name not in known and not result.same:
            found.append(f"{name}: wanted `{result.check.aws}`, saw `{result.seen}`")
        elif name in known and result.seen != known[name]:
            found.append(f"{name}: `{known[name]}` was known of it, saw `{result.seen}`")
    asked = {result.check.name for result in results}
    return found + [f"{name}: known of it, but there is no such check" for name in known if name not in asked]


def differences(server: str, results: list[Result]) -> dict:
    return {r.check.name: r.seen for r in results if not r.same and not _is_sometimes(server, r)}


def lines(server: str, results: list[Result], expected: dict) -> list[str]:
    """One server's table for the terminal: its differences, then the sum."""
    known = expected.get(server, {})
    table = []
    for result in results:
        if not result.same:
            is_known = known.get(result.check.name) == result.seen or _is_sometimes(server, result)
            mark = "known" if is_known else "NEW  "
            table.append(f"  {mark} {result.check.name:<28} AWS: {result.check.aws:<44} seen: {result.seen}")
    same = sum(result.same for result in results)
    seconds = sum(result.seconds for result in results)
    return [*table, f"{server}: {same} of {len(results)} as AWS documents, in {seconds:.0f} s"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _seen(server, check: Check, expected: dict) -> str:
    """What a server does at a check, in a cell."""
    if check.topic in server.without:
        return "does not have it"
    return _cell(expected.get(server.name, {}).get(check.name, "as AWS"))


def markdown(checks: list[Check], servers: dict, expected: dict) -> str:
    """The table of differences for the documentation."""
    others = [server for name, server in servers.items() if name != OURS]
    rows = [f"| | {' | '.join(servers)} |", "|---" * (len(servers) + 1) + "|"]
    asked = {name: sum(check.topic not in server.without for check in checks) for name, server in servers.items()}
    sums = [f"{count - len(expected.get(name, {}))} of {count}" for name, count in asked.items()]
    rows += [f"| as AWS documents | {' | '.join(sums)} |", ""]
    rows += [f"| check | AWS documents | {' | '.join(other.name for other in others)} |", "|---" * (len(others) + 2) + "|"]
    for check in checks:
        if any(check.name in expected.get(other.name, {}) for other in others):
            cells = " | ".join(_seen(other, check, expected) for other in others)
            rows.append(f"| {_cell(check.what)} ({check.source}) | {_cell(check.aws)} | {cells} |")
    return "\n".join(rows)


def renewed(document: str, table: str) -> str:
    """The document with the table between its marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
