# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel said while something ran."""

import os
import re
import time
from collections.abc import Callable
from typing import Any

from sweep.errors import Impossible, Problem

# Lines that mean that the repeat cannot be trusted, whatever fio says of it. The IOMMUs' ones
# matter most: a faulting DMA write may be reported to fio as a success.
_BAD = re.compile(
    r"BUG:|WARNING:|Oops|KASAN|KCSAN|UBSAN|DMAR:.*fault|DMAR-FR|AMD-Vi:.*(fault|FAULT|Event)"
    r"|arm-smmu.*event|virtio_iommu.* fault|hung task|blocked for more than|soft lockup|rcu.*stall"
    r"|nvme.*(timeout|I/O error|controller is down|Abort)|I/O error|critical .* error"
    r"|possible .*lock|general protection|Call Trace"
    # what was not seen may have been one of these
    r"|^\[messages lost\]$"
)


# After ten faults of an IOMMU the kernel says nothing of those that follow within five seconds
# (DEFAULT_RATELIMIT_INTERVAL and _BURST; drivers/iommu/intel/dmar.c, dmar_fault()).
_SILENCE = 5.5


class KernelLog:
    """Reads /dev/kmsg from the moment it is made."""

    def __init__(self) -> None:
        try:
            self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        except OSError as e:
            raise Impossible(f"/dev/kmsg: {e.strerror}, so what the kernel complains of could not "
                             "be seen; run as root, outside a container") from None
        os.lseek(self._fd, 0, os.SEEK_END)
        self._spoke = -_SILENCE

    def start(self) -> None:
        """What new() gives next is of what happens from here on; all of that, as the kernel has
        been given the time that it keeps silent for after many complaints."""
        self.new()
        left = self._spoke + _SILENCE - time.monotonic()
        if left > 0:
            time.sleep(left)
            self.new()

    def new(self) -> list[str]:
        """The messages since the last call."""
        lines = []
        while True:
            try:
                record = os.read(self._fd, 8192)
            except BlockingIOError:
                if bad(lines):
                    self._spoke = time.monotonic()
                return lines
            except BrokenPipeError:
                # Some were overwritten before we read them; those that are left still count.
                lines.append("[messages lost]")
                continue
            # "level,seq,usec,flags;text", continuation lines start with a blank
            head, _, text = record.decode(errors="replace").partition(";")
            usec = head.split(",")[2] if head.count(",") >= 2 else "0"
            lines.append(f"[{int(usec) / 1e6:12.6f}] {text.splitlines()[0] if text else ''}")

    def close(self) -> None:
        os.close(self._fd)


def bad(lines: list[str]) -> list[str]:
    """Those lines that void a repeat."""
    return [line for line in lines if _BAD.search(line)]


def sound(log: KernelLog, measure: Callable[..., dict[str, float]], *args: Any
          ) -> tuple[dict[str, float], str]:
    """What `measure` gives, and the kernel's complaint meanwhile, for which it does not count. A
    Problem of `measure` is raised only where the kernel has not told the reason."""
    log.new()
    got: dict[str, float] = {}
    problem = None
    try:
        got = measure(*args)
    except Problem as e:
        problem = e
    complaints = bad(log.new())
    if problem and not complaints:
        raise problem
    return got, complaints[0] if complaints else ""
