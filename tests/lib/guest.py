# SPDX-License-Identifier: GPL-2.0-only
"""Tests that need the VM: the file starts as a test on this machine, and runs itself in a guest."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fio import TOP, skip

MARK = "FIO_DMABUF_IN_GUEST"
EVENT = Path("/sys/kernel/tracing/events/iommu/map")
T = TypeVar("T")


def enter(*options: str) -> None:
    """Return in the guest; on the host, boot one, run the test in it, and end with its status."""
    if os.environ.get(MARK):
        return
    if not shutil.which("qemu-system-x86_64"):
        skip("needs qemu-system-x86_64")
    command = [str(TOP / "kernel/vm"), "--env", f"{MARK}=1", *options, "--",
               "/usr/bin/python3", str(Path(sys.argv[0]).resolve())]
    sys.exit(subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, check=False).returncode)


def drives(number: int) -> list[str]:
    """The guest's NVMe drives."""
    found = sorted(str(p) for p in Path("/dev").glob("nvme*n1"))
    assert len(found) == number, found
    return found


def count_maps(what: Callable[[], T]) -> tuple[T, int]:
    """What a call returns, and how many IOMMU mappings the kernel made meanwhile."""
    # one key that all events share, so that the histogram is a count
    (EVENT / "trigger").write_text("hist:keys=common_type")
    result = what()
    text = (EVENT / "hist").read_text()
    (EVENT / "trigger").write_text("!hist:keys=common_type")
    return result, sum(int(line.split("hitcount:")[1]) for line in text.splitlines()
                       if "hitcount:" in line and not line.startswith("#"))
