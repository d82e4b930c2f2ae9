# SPDX-License-Identifier: GPL-2.0-only
"""Having the engine's calls fail one after the other, and finding what it leaves behind: fio with
tests/engine/watch/watch.c preloaded. What it says of a process is for jobs that are threads."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from fio import ENGINE, TOP, Result, config, run, skip

LIBRARY = TOP / "build/tests/watch/watch.so"
DMABUFS = Path("/sys/kernel/debug/dma_buf/bufinfo")


def build() -> None:
    """On the host, also for the guest, or the end of the test."""
    if "CONFIG_SANITIZER" in config():
        skip("the sanitizer has to be preloaded first, and has a calloc() of its own")
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([config()["CC"], "-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                    "-shared", "-fPIC", "-o", LIBRARY, TOP / "tests/engine/watch/watch.c",
                    "-Wl,--no-as-needed", "-luring"], check=True)


def watched(fail: int = 0, call: str = "", prefix: tuple[str, ...] = (),
            **options: Any) -> tuple[Result, int]:
    """A job, and how many calls of the engine's, of that name if one is given, could have failed.
    Nothing of it may be left, but for the dma-bufs that it was given."""
    only = (f"WATCH_CALL={call}",) if call else ()
    result = run(prefix=(*prefix, "env", f"LD_PRELOAD={LIBRARY}", f"WATCH_FAIL={fail}", *only),
                 **options)
    said = re.findall(r"^watch: calls (\d+) (.*)$", result.stderr, re.M)
    assert len(said) == 1 and not result.crashed, result
    given = len(options.get("pass_fds", ()))
    assert said[0][1] == f"memory 0 mapped 0 fds {given} maps 0", result
    return result, int(said[0][0])


def synced(**options: Any) -> tuple[Result, int, int]:
    """A job in a thread, with how many times it copied to dma-bufs by the CPU, and from them. Each
    must have been within DMA_BUF_IOCTL_SYNC's start and end, of its direction."""
    result, _ = watched(thread=1, **options)
    said = re.findall(r"^watch: synced: in (\d+) out (\d+) wrong (\d+)$", result.stderr, re.M)
    assert len(said) == 1 and said[0][2] == "0" and result.status == 0, result
    return result, int(said[0][0]), int(said[0][1])


def each_fails(least: int, step: int = 1, **options: Any) -> int:
    """Each call of a thread's set-up, or each step-th, fails, once: with one line of the engine's
    and no I/O. Return: how many calls there are; fewer than `least` is a failure."""
    result, calls = watched(thread=1, **options)
    assert result.status == 0 and result.jobs, result
    assert calls >= least, (calls, result)
    for number in range(calls, 0, -step):
        for thread in (1, 0) if number == calls else (1,):
            result, _ = watched(fail=number, thread=thread, **options)
            said = [line for line in result.stderr.splitlines() if line.startswith("fio-dmabuf: ")]
            assert result.status != 0 and len(said) == 1, f"call {number}: {result}"
            assert "emory" in said[0] or "cannot register" in said[0], f"call {number}: {result}"
            assert not any(result.total(d) for d in ("read", "write")), f"call {number}: {result}"
    return calls


def dmabufs() -> int:
    """How many dma-bufs there are."""
    return int(DMABUFS.read_text().rsplit("Total ", 1)[1].split()[0])


def starts(number: int, **options: Any) -> None:
    """That many job starts, twenty at a time, by one fio, which must be rid of all of them."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="fio-dmabuf-run-") as tmp:
        counters = Path(tmp, "counters")
        lines = ["[global]", f"ioengine=external:{ENGINE}", f"counters={counters}",
                 *(f"{key}={value}" for key, value in options.items())]
        for group in range(number // 20):
            lines += [f"[group{group}]", "stonewall", "numjobs=20"]
        Path(tmp, "job").write_text("\n".join(lines) + "\n")
        done = subprocess.run([config()["FIO"], "--eta=never", "--minimal", "--output=/dev/null",
                               "job"], cwd=tmp, text=True, stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "LD_PRELOAD": str(LIBRARY)})
        jobs = [json.loads(line) for line in counters.read_text().splitlines()]
    assert done.returncode == 0 and "got signal=" not in done.stdout, done.stdout
    assert re.findall(r"^watch: calls \d+ (.*)$", done.stdout, re.M) == [
        "memory 0 mapped 0 fds 0 maps 0"], done.stdout
    assert len(jobs) == number // 20 * 20 and all(job["ios"] for job in jobs), len(jobs)
