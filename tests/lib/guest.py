# SPDX-License-Identifier: GPL-2.0-only
"""Tests that need the VM: the file starts as a test on this machine, and runs itself in a guest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fio import TOP, skip

MARK = "FIO_DMABUF_IN_GUEST"


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
