# SPDX-License-Identifier: GPL-2.0-only
"""What the whole machine did: /proc/stat and friends."""

import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from sweep import conditions, paths


class Stat(NamedTuple):
    """Since boot."""

    busy_ns: int
    switches: int
    interrupts: int

    def __sub__(self, other: "Stat") -> "Stat":
        return Stat(*(a - b for a, b in zip(self, other)))


def snapshot() -> Stat:
    """As it is now."""
    return parse(paths.read("/proc/stat"))


def parse(text: str) -> Stat:
    """CPU time of everything but idle, and counts of context switches and interrupts.

    Steal is not ours, guest time is in user already.
    """
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    busy = switches = interrupts = 0
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "cpu":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, rest.split()[:7])
            busy = (user + nice + system + irq + softirq) * tick
        elif word == "ctxt":
            switches = int(rest)
        elif word == "intr":
            interrupts = int(rest.split(None, 1)[0])
    return Stat(busy, switches, interrupts)


def moved(name: str) -> int:
    """Bytes read, written and trimmed by a drive since boot, as it counts them (0 without
    queue/iostats)."""
    return moved_in(paths.read(f"/sys/class/block/{name}/stat", ""))


def moved_in(text: str) -> int:
    """The same from a stat file's text."""
    fields = text.split()
    trimmed = int(fields[13]) if len(fields) > 13 else 0
    return 512 * (int(fields[2]) + int(fields[6]) + trimmed) if len(fields) > 6 else 0


class Moved:
    """Bytes that drives have moved since this was made, together.

    0 until each of them has moved some: of one that keeps no count the sum would know nothing.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._from = {name: moved(name) for name in names}

    def __call__(self) -> int:
        each = [moved(name) - before for name, before in self._from.items()]
        return sum(each) if all(each) else 0


class CpuPerByte:
    """CPU time of the whole machine per byte that the drives moved, over the steady part of a run.

    Called by and by while fio runs (process.run's `watch`): waits for the first I/O of each, lets
    the ramp pass, and looks at the machine and at the drives' own counters once, and once more
    before the end. So what fio's start and end cost is not in it.
    """

    _POLL = 0.05
    _SHARE = 0.85

    def __init__(self, names: Sequence[str], ramp_s: float, runtime_s: float) -> None:
        self._names, self._moved = names, Moved(names)
        # How it was at the end of the steady part.
        self.cpu_mhz: float | None = None
        self.drive_celsius: float | None = None
        self._wait = (ramp_s, runtime_s * self._SHARE)
        self._due = 0.0
        self._seen: list[tuple[int, int]] = []
        self._began = 0.0

    def __call__(self, _pid: int) -> float:
        now = time.monotonic()
        if not self._began:
            if not self._moved():
                return self._POLL
            self._began = now
            self._due = now + self._wait[0]
        while len(self._seen) < 2 and now >= self._due:
            self._seen.append((snapshot().busy_ns, self._moved()))
            self._due = now + self._wait[1]
            if len(self._seen) == 2:
                self.cpu_mhz = conditions.cpu_mhz()
                self.drive_celsius = conditions.drive_celsius(self._names)
        return max(self._due - now, 0.001) if len(self._seen) < 2 else 3600.0

    def age(self) -> float | None:
        """For how long there has been I/O; None if none was seen."""
        return time.monotonic() - self._began if self._began else None

    def result(self) -> float | None:
        """Nanoseconds per byte; None if a drive keeps no count (queue/iostats is 0)."""
        if len(self._seen) < 2 or self._seen[1][1] == self._seen[0][1]:
            return None
        (busy0, bytes0), (busy1, bytes1) = self._seen
        return (busy1 - busy0) / (bytes1 - bytes0)
