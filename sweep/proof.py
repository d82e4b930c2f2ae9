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

from sweep import paths, procstat
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
        """The counts since start(); none if it was not called."""
        if not self._on:
            return Count(0, 0)
        found = []
        for event in ("map", "unmap"):
            text = paths.read(f"{self._dir}/events/iommu/{event}/hist", "")
            m = re.search(r"Hits:\s*(\d+)", text)
            found.append(int(m.group(1)) if m else 0)
            paths.write(f"{self._dir}/events/iommu/{event}/trigger", "!" + _TRIGGER)
        self._on = False
        return Count(*found)

    @property
    def on(self) -> bool:
        return self._on

    def quiet(self, seconds: float) -> Count:
        """Events of everything but us."""
        self.start()
        time.sleep(seconds)
        return self.stop()

    def close(self) -> None:
        if self._on:
            self.stop()
        os.rmdir(self._dir)


class LateStart:
    """Starts a tracer once a drive has moved so many bytes; process.run's `watch`."""

    _POLL = 0.01

    def __init__(self, tracer: Tracer, name: str, after: int) -> None:
        self._tracer, self._name = tracer, name
        self._from = procstat.moved(name)
        self._after = after
        self.bytes = 1 << 62

    def __call__(self, _pid: int) -> float:
        """Started too late or never, `bytes` says so by what it is."""
        if self._tracer.on:
            return 3600.0
        if procstat.moved(self._name) - self._from < self._after:
            return self._POLL
        self._tracer.start()
        self.bytes = procstat.moved(self._name) - self._from
        return 3600.0
