# SPDX-License-Identifier: GPL-2.0-only
"""What the whole machine did: /proc/stat and friends."""

import os
from typing import NamedTuple

from sweep import paths


class Stat(NamedTuple):
    """Since boot."""

    busy_ns: int
    switches: int
    interrupts: int

    def __sub__(self, other: "Stat") -> "Stat":
        return Stat(*(a - b for a, b in zip(self, other)))


def snapshot() -> Stat:
    """CPU time of everything but idle, and counts of context switches and interrupts.

    Steal is not ours, guest time is in user already.
    """
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    busy = switches = interrupts = 0
    for line in paths.read("/proc/stat").splitlines():
        word, _, rest = line.partition(" ")
        if word == "cpu":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, rest.split()[:7])
            busy = (user + nice + system + irq + softirq) * tick
        elif word == "ctxt":
            switches = int(rest)
        elif word == "intr":
            interrupts = int(rest.split(None, 1)[0])
    return Stat(busy, switches, interrupts)
