"""The servers under test: each is started on loopback, on a port of its own, and ended by its own pid."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3

import sigv4

READY_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class CannotStart(Exception):
    """What is missing, or what the server said."""


class Server:
    """One server, from its start to its end."""

    name = ""
    region = "us-east-1"
    access_key = "test"
    secret = "test"
    # How its thaw ends: `pass_hours` moves its clock; else it is waited for so long.
    pass_hours = None
    thaw_seconds = 0.0
    # Whether reading a cold object has to wait for a thaw.
    cold = False
    # Topics that it has nothing of.
    without: tuple[str, ...] = ()

    def __init__(self, folder: Path, darkslide: Path):
        self.folder, self.darkslide = folder, darkslide
        self.children: list[subprocess.Popen] = []
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True)

    def start(self) -> None:
        raise NotImplementedError

    def spawn(self, *command, **environment) -> subprocess.Popen:
        """Starts a process that writes to the log; `stop` ends it."""
        with open(self.folder / "log", "ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=os.environ | environment,
            )  # fmt: skip
        self.children.append(child)
        return child

    def wait_for(self, ready, what: str) -> None:
        """Until it answers, or one of its processes has ended."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if any(child.poll() is not None for child in self.children):
                break
            if ready():
                return
            time.sleep(0.2)
        raise CannotStart(f"{self.name}: {what} does not answer; its log ends so:\n{self.log_end()}")

    def answers(self) -> bool:
        try:
            return sigv4.send("GET", f"{self.endpoint}/").status > 0
        except OSError:
            return False

    def log_end(self) -> str:
        logs = sorted(self.folder.glob("*log"))
        return "\n".join(line for log in logs for line in log.read_text(errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """Ends what was started, the last first."""
        for child in reversed(self.children):
            child.terminate()
        for child in reversed(self.children):
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.children.clear()


class Coldsim(Server):
    """Our own simulator, as the product ships it."""

    name = "coldsim"
    access_key, secret = "coldsim", "coldsim-secret"
    cold = True
    thaw_seconds = 5.0

    def start(self) -> None:
        self.spawn(
            self.darkslide, "coldsim", "--listen", f"127.0.0.1:{self.port}", "--dir", self.folder / "state",
            "--speed", "0", "--enforce",
        )  # fmt: skip
        self.wait_for(self.answers, "the simulator")

    def pass_hours(self, hours: float) -> None:
        """Moves its clock."""
        body = json.dumps({"advance_seconds": hours * 3600}).encode()
        urllib.request.urlopen(f"{self.endpoint}/_coldsim/clock", body, timeout=60).read()


class Ministack(Server):
    """ministack from PyPI, with signatures and policies enforced, asked by an IAM user."""

    name = "ministack"
    cold = True
    without = ("glacier",)
    thaw_seconds = 20.0

    def start(self) -> None:
        program = Path(sys.executable).parent / "ministack"
        self.spawn(program, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(self.port), AUTH="true", HOME=str(self.folder))
        self.wait_for(self.answers, "ministack")
        # Of its root key it checks no secret.
        iam = boto3.client(
            "iam", endpoint_url=self.endpoint, region_name=self.region,
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret,
        )  # fmt: skip
        iam.create_user(UserName="tester")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(everything))
        key = iam.create_access_key(UserName="tester")["AccessKey"]
        self.access_key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]


class Moto(Server):
    """moto from PyPI, as a server."""

    name = "moto"

    def start(self) -> None:
        self.spawn(Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", self.port)
        self.wait_for(self.answers, "moto")


def known() -> dict:
    """All servers by name, ours first."""
    from ceph import Ceph

    return {server.name: server for server in (Coldsim, Ministack, Moto, Ceph)}
