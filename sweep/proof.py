# SPDX-License-Identifier: GPL-2.0-only
"""Was the path used? Counts the kernel's iommu map and unmap trace events.

A histogram trigger counts an event without recording it, in a tracing instance of our own, so
that nobody else's tracing is disturbed. The events have no device field: other devices that map
while we count are counted too; `quiet` says how many there were in a moment of no I/O of ours.
"""

import os
import re
import time
from typing import NamedTuple

from sweep import paths
from sweep.errors import Impossible

_ROOTS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_TRIGGER = "hist:keys=size"


class Count(NamedTuple):
    """Map and unmap events."""

    maps: int
    unmaps: int


class Tracer:
    """A tracing instance, gone again on close()."""

    def __init__(self) -> None:
        root = next((r for r in _ROOTS if os.path.exists(f"{r}/instances")), None)
        if root is None:
            raise Impossible("tracefs: not there (not mounted, or locked down), so the path cannot "
                             "be proved; mount -t tracefs tracefs /sys/kernel/tracing, or use "
                             "--no-proof")
        if not os.path.exists(f"{root}/events/iommu/map"):
            raise Impossible("tracefs: this kernel has no iommu trace events, so the path cannot "
                             "be proved; use --no-proof")
        self._dir = f"{root}/instances/fio-dmabuf-{os.getpid()}"
        os.mkdir(self._dir)
        self._on = False

    def start(self) -> None:
        """Counts from zero."""
        try:
            for event in ("map", "unmap"):
                paths.write(f"{self._dir}/events/iommu/{event}/trigger", _TRIGGER)
        except OSError as e:
            raise Impossible(f"tracefs: the kernel refused a histogram trigger ({e.strerror}), so "
                             "the path cannot be proved (CONFIG_HIST_TRIGGERS); use --no-proof"
                             ) from None
        self._on = True

    def stop(self) -> Count:
        """The counts since start()."""
        found = []
        for event in ("map", "unmap"):
            text = paths.read(f"{self._dir}/events/iommu/{event}/hist", "")
            m = re.search(r"Hits:\s*(\d+)", text)
            found.append(int(m.group(1)) if m else 0)
            paths.write(f"{self._dir}/events/iommu/{event}/trigger", "!" + _TRIGGER)
        self._on = False
        return Count(*found)

    def quiet(self, seconds: float) -> Count:
        """Events of everything but us."""
        self.start()
        time.sleep(seconds)
        return self.stop()

    def close(self) -> None:
        if self._on:
            self.stop()
        os.rmdir(self._dir)
