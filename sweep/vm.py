# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command of this suite inside the emulated machine, as it would run on a bare one."""

import os
import platform
import re
import sys
from typing import Any

from sweep import paths, process
from sweep.errors import Impossible, Problem

_TIMED_OUT, _NO_START = 124, 125


def host_facts() -> dict[str, Any]:
    """What the guest cannot know: the machine that emulates it."""
    import subprocess
    try:
        out = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True,
                             check=False).stdout
    except OSError:
        raise Impossible("--vm: qemu-system-x86_64 is not installed; run ./configure "
                         "--install-deps") from None
    model = re.search(r"model name\s*:\s*(.*)", paths.read("/proc/cpuinfo", ""))
    return {"qemu": out.splitlines()[0] if out else "", "host_kernel": platform.release(),
            "host_cpu": model.group(1) if model else platform.machine(),
            "host_cpus": os.cpu_count()}


def boot(command: list[str], out: str, options: list[str], timeout: float) -> int:
    """Boots, runs COMMAND with `out` writable, and returns its exit status.

    The guest's output goes to standard error: it is progress; results are in the run folder.
    """
    if not os.path.exists(paths.VM):
        raise Impossible("--vm: kernel/vm is not there; run from a source tree")
    argv = [paths.VM, *options, "--rw", out, "--timeout", f"{timeout:.0f}",
            "--log", os.path.join(out, "console.log"), "--", *command]
    sys.stderr.flush()
    status = process.run(argv, stdout=2, stderr=2, cwd=paths.TOP, env=dict(os.environ),
                         timeout=timeout + 1800)
    if status == _TIMED_OUT:
        raise Problem(f"--vm: the guest did not end within {timeout:.0f} s; see {out}/console.log")
    if status == _NO_START:
        raise Problem(f"--vm: the guest did not start or died; see {out}/console.log")
    if status < 0:
        raise Problem(f"--vm: kernel/vm was killed by signal {-status}")
    return status
