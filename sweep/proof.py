# SPDX-License-Identifier: GPL-2.0-only
"""Was the path used? Counts the kernel's iommu map and unmap trace events.

A histogram trigger counts an event without recording it, in a tracing instance of our own, so
that nobody else's tracing is disturbed. The events have no device field: other devices that map
while we count are counted too; `quiet` says how many there were in a moment of no I/O of ours.
"""

import os
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from sweep import paths, process, procstat
from sweep.errors import Impossible, Problem

_ROOTS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_TRIGGER = "hist:keys=size"
_EVENTS = ("map", "unmap")
_INSTANCE = "fio-dmabuf-"
# I/O that is mapped makes an event or more each, other I/O makes none.
_HALF = 0.5


class Count(NamedTuple):
    """Map and unmap events."""

    maps: int
    unmaps: int


def contradiction(arm: str, mode: str, maps: float | None) -> str:
    """Why these events per I/O cannot be the arm's in that mode, in words; None is not known."""
    if maps is None:
        return ""
    if arm == "dmabuf" and maps >= _HALF:
        return (f"proof: {maps:.2f} maps per I/O, and arm=dmabuf makes none: either the path was "
                "another, or other devices map as much meanwhile (or use --no-proof)")
    if arm != "dmabuf" and mode in ("strict", "lazy") and maps < _HALF:
        return (f"proof: {maps:.2f} maps per I/O, and arm={arm} makes one or more in {mode} mode: "
                "the path was another")
    return ""


def _remove(instance: str) -> None:
    """A tracing instance, with its triggers."""
    for event in _EVENTS:
        try:
            paths.write(f"{instance}/events/iommu/{event}/trigger", "!" + _TRIGGER)
        except OSError:
            pass
    os.rmdir(instance)


def _root() -> str:
    """Where tracefs is, or nothing."""
    return next((r for r in _ROOTS if os.path.exists(f"{r}/instances")), "")


def remove_stale() -> None:
    """What a killed run left counts on, and would slow down the arm that maps."""
    for name in paths.listdir(f"{_root()}/instances"):
        pid = name.removeprefix(_INSTANCE)
        if pid != name and pid.isdigit() and (
                int(pid) == os.getpid() or not os.path.exists(f"/proc/{pid}")):
            _remove(f"{_root()}/instances/{name}")


class Tracer:
    """A tracing instance, gone again on close()."""

    def __init__(self) -> None:
        root = _root()
        if not root:
            raise Impossible("tracefs: not there (not mounted, or locked down), so the path cannot "
                             "be proved; mount -t tracefs tracefs /sys/kernel/tracing, or use "
                             "--no-proof")
        if not os.path.exists(f"{root}/events/iommu/map"):
            raise Impossible("tracefs: this kernel has no iommu trace events, so the path cannot "
                             "be proved; use --no-proof")
        remove_stale()
        self._dir = f"{root}/instances/{_INSTANCE}{os.getpid()}"
        self._on = False
        process.undo_on_signal(self.close)
        try:
            os.mkdir(self._dir)
        except OSError as e:
            raise Impossible(f"tracefs: {self._dir}: {e.strerror}, so the path cannot be proved; "
                             "use --no-proof") from None

    def start(self) -> None:
        """Counts from zero."""
        try:
            for event in _EVENTS:
                paths.write(f"{self._dir}/events/iommu/{event}/trigger", _TRIGGER)
        except OSError as e:
            raise Impossible(f"tracefs: the kernel refused a histogram trigger ({e.strerror}), so "
                             "the path cannot be proved (CONFIG_HIST_TRIGGERS); use --no-proof"
                             ) from None
        self._on = True

    def count(self) -> Count:
        """The counts since start(); none if it was not called."""
        if not self._on:
            return Count(0, 0)
        found = []
        for event in _EVENTS:
            m = re.search(r"Hits:\s*(\d+)", paths.read(f"{self._dir}/events/iommu/{event}/hist"))
            if not m:
                raise Problem(f"tracefs: no count of iommu {event} events; use --no-proof")
            found.append(int(m.group(1)))
        return Count(*found)

    def stop(self) -> None:
        """Ends what start() began; harmless where it did not."""
        if self._on:
            for event in _EVENTS:
                paths.write(f"{self._dir}/events/iommu/{event}/trigger", "!" + _TRIGGER)
            self._on = False

    @property
    def on(self) -> bool:
        return self._on

    def quiet(self, seconds: float) -> Count:
        """Events of everything but us. To start and to stop takes as long as a short run, so what
        was started before is counted on."""
        if not self._on:
            self.start()
        before = self.count()
        time.sleep(seconds)
        after = self.count()
        return Count(after.maps - before.maps, after.unmaps - before.unmaps)

    def close(self) -> None:
        if os.path.exists(self._dir):
            _remove(self._dir)


class LateStart:
    """Starts a tracer once the drives have moved so many bytes; process.run's `watch`."""

    _POLL = 0.01

    def __init__(self, tracer: Tracer, names: Sequence[str], after: int) -> None:
        self._tracer, self._after = tracer, after
        self._moved = procstat.Moved(names)
        self.bytes = 1 << 62

    def __call__(self, _pid: int) -> float:
        """Started too late or never, `bytes` says so by what it is."""
        if self._tracer.on:
            return 3600.0
        if self._moved() < self._after:
            return self._POLL
        self._tracer.start()
        self.bytes = self._moved()
        return 3600.0
