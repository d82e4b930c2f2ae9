# SPDX-License-Identifier: GPL-2.0-only
"""Running fio with the engine in a test, and not believing its exit status alone.

A forked job that is killed by a signal leaves fio's exit status at 0, so every run that
is to be good is also looked through for "got signal=" and for I/O that really happened.
"""

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

TOP = Path(__file__).resolve().parent.parent.parent
ENGINE = str(TOP / "engine/fio-dmabuf.so")
KIB = 1 << 10
MIB = 1 << 20
# Puts a command of root's into the place of somebody who may do nothing but read: the repository
# can lie in a folder that others may not look into.
SOMEBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def skip(reason: str) -> NoReturn:
    """End the test: it cannot run here."""
    print(reason)
    sys.exit(77)


def config() -> dict[str, str]:
    """What configure found: config-host.mak as a dictionary."""
    lines = (TOP / "config-host.mak").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def lockable() -> int:
    """Bytes that a registered pool may well have here.

    The limit is a user's, for all jobs, and the kernel gives back what a ring had only some
    time after it is gone: so a quarter of it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if os.geteuid() == 0 or limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit // 4


def environment() -> dict[str, str]:
    """The environment for fio: an engine built with ASan wants its runtime first."""
    env = dict(os.environ)
    cfg = config()
    if "CONFIG_SANITIZER" in cfg:
        libs = [subprocess.run([cfg["CC"], f"-print-file-name={lib}"], text=True, check=True,
                               capture_output=True).stdout.strip()
                for lib in ("libasan.so", "libubsan.so")]
        env["LD_PRELOAD"] = " ".join(libs)
        # fio itself leaks; an engine's error must fail the run
        env["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
        env["UBSAN_OPTIONS"] = "halt_on_error=1:exitcode=99:print_stacktrace=1"
    return env


@dataclass
class Result:
    """One run of fio."""
    command: str
    status: int
    stderr: str
    jobs: list[dict[str, Any]] = field(default_factory=list)
    counters: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.command}\nstatus {self.status}\n{self.stderr}"

    @property
    def crashed(self) -> bool:
        """Did fio or one of its jobs die of a signal, or a sanitizer speak up?"""
        return (self.status < 0 or self.status >= 128 or "got signal=" in self.stderr
                or "AddressSanitizer" in self.stderr or "runtime error:" in self.stderr)

    def total(self, direction: str, what: str = "total_ios") -> int:
        """Sum over the jobs of one of fio's figures."""
        return sum(int(job[direction][what]) for job in self.jobs)

    def counter(self, name: str) -> int:
        """Sum over the jobs of one of the engine's counters."""
        return sum(int(line[name]) for line in self.counters)


def _command(engine: str, name: str, options: dict[str, Any], *more: dict[str, Any]) -> list[str]:
    """fio with one job, and for each of `more` another that has those options besides."""
    words = [config()["FIO"], "--eta=never"]
    for number, job in enumerate(({}, *more)):
        words += [f"--name={name}{number or ''}",
                  f"--ioengine={'external:' * ('/' in engine)}{engine}"]
        words += [f"--{key}" if value is True else f"--{key}={value}"
                  for key, value in {**options, **job}.items() if value is not None]
    return words


def run(timeout: int = 100, engine: str = ENGINE, prefix: tuple[str, ...] = (), name: str = "t",
        pass_fds: tuple[int, ...] = (), more: tuple[dict[str, Any], ...] = (),
        **options: Any) -> Result:
    """Run one job, with its options as fio's and the engine's names, and for each of `more` another
    that has those options besides.

    counters= is added where not given. Options whose value is None are left out, and those whose
    value is True are written without one. fio inherits the descriptors in pass_fds. An engine that
    is no path is one of fio's own.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="fio-dmabuf-run-") as tmp:
        os.chmod(tmp, 0o777)
        out, counters = Path(tmp, "json"), Path(tmp, "counters")
        options.setdefault("counters", counters if "/" in engine else None)
        if options["counters"] is not None:
            counters = Path(options["counters"])
        command = [*prefix, *_command(engine, name, options, *more), "--output-format=json",
                   f"--output={out}"]
        # fio leaves files where it runs
        proc = subprocess.run(command, cwd=tmp, env=environment(), text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, pass_fds=pass_fds)
        result = Result(shlex.join(command), proc.returncode, proc.stdout)
        if out.exists():
            # fio repeats its messages in the file, before the JSON
            text = out.read_text()
            start = text.find("{\n")
            if start >= 0:
                result.jobs = json.JSONDecoder().raw_decode(text[start:])[0]["jobs"]
        if counters.is_file():
            result.counters = [json.loads(line) for line in counters.read_text().splitlines()]
        return result


def good(**options: Any) -> Result:
    """Run a job that has to succeed, with nothing crashed, and with I/O done."""
    result = run(**options)
    assert not result.crashed, f"crashed: {result}"
    assert result.status == 0, f"failed: {result}"
    assert result.jobs and all(job["error"] == 0 for job in result.jobs), f"job error: {result}"
    ios = sum(result.total(d) for d in ("read", "write", "trim"))
    assert ios > 0, f"no I/O was done: {result}"
    return result


def bad(expect: str, **options: Any) -> Result:
    """Run a job that has to be refused, by an exit status and by one line that has `expect`."""
    result = run(**options)
    assert not result.crashed, f"crashed: {result}"
    assert result.status != 0, f"not refused: {result}"
    said = [line for line in result.stderr.splitlines() if line.startswith("fio-dmabuf: ")]
    assert len(said) == 1, f"{len(said)} lines, not one: {result}"
    assert expect in said[0], f"'{expect}' is not in: {result}"
    return result


def _ring(pid: int) -> dict[str, int]:
    """What the kernel tells of a process' only ring, or nothing, where it is just in use."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(fd) == "anon_inode:[io_uring]":
                text = Path(f"/proc/{pid}/fdinfo", fd.name).read_text()
                return {key: int(value)
                        for key, value in re.findall(r"^(\w+):\s*(\d+)$", text, re.M)}
        except FileNotFoundError:
            continue
    return {}


def midway(ios: int = 500, **options: Any) -> tuple[dict[str, int], list[str]]:
    """Start a job as a thread, and end it after so many I/Os. Return: what the kernel told of its
    ring by then, and the names of the process' threads."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="fio-dmabuf-run-") as tmp:
        command = _command(ENGINE, "t", {"output": "/dev/null", "thread": 1, "time_based": 1,
                                         "runtime": 100, **options})
        with subprocess.Popen(command, cwd=tmp, env=environment(), stdin=subprocess.DEVNULL) as fio:
            try:
                while (ring := _ring(fio.pid)).get("CqTail", 0) < ios:
                    assert fio.poll() is None, f"ended: {shlex.join(command)}"
                    time.sleep(0.05)
                tasks = Path(f"/proc/{fio.pid}/task").iterdir()
                return ring, [(task / "comm").read_text().strip() for task in tasks]
            finally:
                fio.terminate()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away, on a file system that has O_DIRECT."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="fio-dmabuf-test-") as tmp:
        os.chmod(tmp, 0o777)
        yield Path(tmp)


@contextmanager
def scratch_file(size: int = 64 * MIB) -> Iterator[str]:
    """A sparse file."""
    with scratch() as folder:
        path = folder / "file"
        with path.open("wb") as f:
            f.truncate(size)
        yield str(path)


@contextmanager
def loop_device(size: int = 64 * MIB) -> Iterator[str]:
    """A loop device on a sparse file, or the end of the test."""
    if os.geteuid() or not shutil.which("losetup"):
        skip("a loop device needs root and losetup")
    with scratch_file(size) as path:
        setup = subprocess.run(["losetup", "--find", "--show", path], text=True,
                               capture_output=True, check=False)
        if setup.returncode:
            skip(f"no loop device: {setup.stderr.strip()}")
        device = setup.stdout.strip()
        try:
            yield device
        finally:
            subprocess.run(["losetup", "--detach", device], check=False)
