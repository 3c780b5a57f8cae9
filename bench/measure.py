"""Runs one command or one pipeline and measures it: wall, CPU and peak memory.

CPU and peak memory come from `wait4` of each process, so they cover the process and the children
it has waited for, and nothing else. For a pipeline both are summed over its processes.

Linux counts the high-water mark of the *parent* towards `ru_maxrss` of a process that the parent
started itself. A Python program of 50 MB would make `tar` look like 50 MB. So a small shell
starts every process and exits, and this program, as the subreaper, adopts the process and waits
for it. Where that is not possible the processes are started directly and the figure has a floor.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
# Arguments: where standard error goes, then the command. The process id comes on standard error
# first. The outer shell ends at once: with any other command it might wait for the process itself.
_LAUNCH = """exec 3<&0; exec dash -c 'echo $$ >&2; exec "$@" 2>"$0"' "$0" "$@" <&3 3<&- &"""
_STDERR_LINES = 8
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass
class Job:
    """What to run: one command, or several joined by pipes."""

    commands: list[list[str]]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stdout: Path | None = None  # of the last command; None keeps it for `Measured.output`


@dataclass
class Measured:
    """One run. Times in seconds, memory in bytes."""

    wall: float
    user: float
    system: float
    peak_bytes: int
    error: str | None  # None when every process ended with 0
    output: Path

    @property
    def cpu(self) -> float:
        return self.user + self.system

    def last_line(self) -> str:
        """The last line of standard output that is not empty."""
        lines = _tail(self.output, 1 << 20).strip().splitlines()
        return lines[-1] if lines else ""


class Stopwatch:
    """Runs jobs; holds what is the same for all of them."""

    def __init__(self, logs: Path, timeout: float, cold: bool):
        self.logs = logs
        self.timeout = timeout
        self.cold = cold and can_drop_caches()
        self._shell = shutil.which("dash") if _become_subreaper() else None
        logs.mkdir(parents=True, exist_ok=True)

    def settle(self, drop: bool) -> None:
        """Writes back everything and, in a cold run, empties the page cache."""
        os.sync()
        if drop and self.cold:
            _DROP_CACHES.write_text("3\n")

    def run(self, job: Job) -> Measured:
        """Runs `job` to its end. A failure is in the result, never an exception."""
        output = job.stdout or self.logs / "stdout"
        stderr = [self.logs / f"stderr-{i}" for i in range(len(job.commands))]
        pids: list[int] = []
        waiting: set[int] = set()
        lock = threading.Lock()
        timer = threading.Timer(self.timeout, _kill_all, (waiting, lock))
        started = time.monotonic()
        try:
            self._start(job, output, stderr, pids)
            waiting.update(pids)
            timer.start()
            ends = [_wait(pid, waiting, lock) for pid in pids]
        except BaseException:
            waiting.update(pids)
            _kill_all(waiting, lock)
            raise
        finally:
            timer.cancel()
        wall = time.monotonic() - started
        return Measured(
            wall=wall,
            user=sum(usage.ru_utime for _, usage in ends),
            system=sum(usage.ru_stime for _, usage in ends),
            peak_bytes=sum(_peak_bytes(usage) for _, usage in ends),
            error=_error(job, [code for code, _ in ends], stderr, wall >= self.timeout),
            output=output,
        )

    def _start(self, job: Job, output: Path, stderr: list[Path], pids: list[int]) -> None:
        env = {**os.environ, **job.env}
        stdin: int = os.open(os.devnull, os.O_RDONLY)
        for i, argv in enumerate(job.commands):
            last = i + 1 == len(job.commands)
            if last:
                stdout, following = os.open(output, _write_flags(output), 0o644), -1
            else:
                following, stdout = os.pipe()
            settings = {"cwd": job.cwd, "env": env, "stdin": stdin, "stdout": stdout}
            try:
                pids.append(self._spawn(argv, stderr[i], settings))
            finally:
                os.close(stdin)
                os.close(stdout)
            stdin = following

    def _spawn(self, argv: list[str], stderr: Path, settings: dict) -> int:
        if self._shell is None:
            with open(stderr, "wb") as errors:
                child = subprocess.Popen(argv, stderr=errors, **settings)
            child.returncode = 0  # not for Popen to wait for: `_wait` does it
            return child.pid
        launch = [self._shell, "-c", _LAUNCH, str(stderr.absolute()), *argv]
        shell = subprocess.run(launch, stderr=subprocess.PIPE, check=True, **settings)
        return int(shell.stderr)


def can_drop_caches() -> bool:
    """Whether this process may empty the page cache."""
    try:
        os.close(os.open(_DROP_CACHES, os.O_WRONLY))
    except OSError:
        return False
    return True


def _become_subreaper() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def _write_flags(output: Path) -> int:
    return os.O_WRONLY | (0 if output == Path(os.devnull) else os.O_CREAT | os.O_TRUNC)


def _wait(pid: int, waiting: set[int], lock: threading.Lock):
    # Wait without reaping first, so that the timer can never signal a pid that was given away.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with lock:
        waiting.discard(pid)
        _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage


def _kill_all(waiting: set[int], lock: threading.Lock) -> None:
    with lock:
        for pid in waiting:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _peak_bytes(usage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _error(job: Job, codes: list[int], stderr: list[Path], timed_out: bool) -> str | None:
    if not any(codes):
        return None
    parts = ["timed out"] if timed_out else []
    for argv, code, path in zip(job.commands, codes, stderr):
        if code == 0:
            continue
        lines = _tail(path, 1 << 14).strip().splitlines()[-_STDERR_LINES:]
        parts.append("\n".join((f"{Path(argv[0]).name} ended with {code}", *lines)))
    return "\n".join(parts)


def _tail(path: Path, length: int) -> str:
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - length))
        return file.read().decode("utf-8", "replace")
