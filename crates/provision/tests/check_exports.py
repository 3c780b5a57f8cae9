"""Reads exports with programs that are not ours: `check_exports.py FOLDER`.

Below FOLDER each folder is an export. Templates go to cfn-lint, `*.tf` and `*.tfvars` to an HCL parser and to
`terraform fmt -check`, policies to parliament. Prints what they find; exit code 1 where they find something.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import hcl2
import parliament

# Of parliament's findings those that are no fault here, each with its reason.
HARMLESS = {
    # Actions that AWS takes on `*` alone, and `NotAction` with Deny.
    "RESOURCE_STAR": "",
    # Its data types s3:TlsVersion and glacier:ArchiveAgeInDays otherwise than AWS's own examples do.
    "MISMATCHED_TYPE": "of type Num",
    # iam:PermissionsBoundary takes string operators, as AWS's own examples have it.
    "MISMATCHED_TYPE_BUT_USABLE": "given Arn",
    # Said in docs/identities.md: who may write the bucket's policy may give itself rights.
    "RESOURCE_POLICY_PRIVILEGE_ESCALATION": "s3:Put",
}


def terraform() -> Path:
    program = Path(sys.prefix) / "lib" / "terraform_linux"
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def said(command: list) -> str:
    """What a program says if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}" or f"exit code {done.returncode}"


def of_terraform(folder: Path) -> list[str]:
    files = sorted([*folder.rglob("*.tf"), *folder.rglob("*.tfvars")])
    found = []
    for file in files:
        try:
            hcl2.loads(file.read_text())
        except Exception as error:  # noqa: BLE001 - whatever the parser raises is the finding
            found.append(f"{file}: {error}")
    if files:
        formatted = said([terraform(), "fmt", "-check", "-diff", "-recursive", folder])
        found += [f"terraform fmt: {formatted}"] if formatted else []
    return found


def of_templates(folder: Path) -> list[str]:
    templates = sorted(folder.rglob("template.json"))
    lint = Path(sys.executable).parent / "cfn-lint"
    found = said([sys.executable, lint, "--regions", "eu-central-1", "--template", *templates]) if templates else ""
    return [f"cfn-lint: {found}"] if found else []


def statement(text: str, line: int) -> str:
    """The statement that begins in a line, of a document as it is exported."""
    return text.split("\n", line - 1)[-1].partition("\n    }")[0]


def is_harmless(finding, text: str) -> bool:
    """What is meant as it stands; and what concerns actions that only a wildcard of the policy brings in."""
    detail = str(finding.detail)
    if HARMLESS.get(finding.issue, "nothing like it") in detail:
        return True
    if finding.issue == "RESOURCE_MISMATCH":
        here = statement(text, finding.location["line"])
        return not any(f'"{one["action"]}"' in here for one in finding.detail)
    action = detail.rpartition(" for action ")[2]
    return finding.issue == "UNKNOWN_CONDITION_FOR_ACTION" and f'"{action}"' not in text


def of_policies(folder: Path) -> list[str]:
    found = []
    for file in sorted(folder.rglob("*.json")):
        # It knows no trust policies, which have no resource.
        if file.name == "template.json" or file.stem.endswith("-trust"):
            continue
        text = file.read_text()
        for finding in parliament.analyze_policy_string(text).findings:
            if not is_harmless(finding, text):
                found.append(f"{file}: {finding.issue} {finding.detail} {json.dumps(finding.location, default=str)}")
    return found


def main(folder: Path) -> int:
    os.environ["CHECKPOINT_DISABLE"] = "1"
    found = [*of_terraform(folder), *of_templates(folder), *of_policies(folder)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
