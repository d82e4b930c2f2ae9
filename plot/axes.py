# SPDX-License-Identifier: GPL-2.0-only
"""What can be on a figure's axes: quantities, their limits and ticks, and ratios in words."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from plot import words
from plot.data import Data
from sweep import stats, units
from sweep.plan import Point


class Quantity(NamedTuple):
    """A column of a table on an axis: UNIT is what it is divided by, TEXT writes a tick, SENSE says
    what has to be known to read it."""

    key: str
    label: str
    unit: float
    text: Callable[[float], str] = "{:g}".format
    scale: str = "linear"
    sense: str = ""


IOPS = Quantity("iops", "IOPS", 1, units.human)
BYTES = Quantity("bw_bytes", "bandwidth (MB/s)", 1e6)
_IDLE = "idle left out; less is better"
CPU = Quantity("cpu_ns_per_io", "CPU time per I/O (µs)", 1e3, sense=_IDLE)
COST = Quantity("instructions_per_io", "instructions per I/O", 1, sense=_IDLE)
LATENCIES = tuple(Quantity(f"lat_{p}_ns", f"{name} latency (µs)", 1e3, scale="log")
                   for p, name in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")))


def ends(found: stats.Interval) -> tuple[float, float, float]:
    """Median, low and high; all the same where there is no interval."""
    mid, lo, hi = found
    return mid, mid if lo is None else lo, mid if hi is None else hi


def times(found: stats.Interval | None, same: str) -> str:
    """A ratio in the picture. SAME: what to say where there is no difference."""
    if found is None:
        return ""
    return same if stats.verdict(found) == words.NO_DIFFERENCE else f"{found.mid:.2f}×"


def ticks(values: Sequence[float], text: Callable[[Any], str]) -> str:
    """As gnuplot's `set xtics` takes them."""
    return ", ".join(f'"{text(v)}" {v:g}' for v in values)


def places(low: float, high: float, scale: str) -> list[float]:
    """Where an axis has ticks: about five of them, at round numbers."""
    steps = [m * 10.0 ** e for e in range(-3, 13) for m in (1, 2, 5)]
    if scale == "log":
        every = [v for v in steps if low <= v <= high]
        return [v for v in every if f"{v:e}"[0] == "1"] if len(every) > 8 else every
    step = next(v for v in steps if (high - low) / v < 8)
    return [n * step for n in range(int(high / step) + 1) if n * step >= low]


def limits(data: Data, points: Sequence[Point], q: Quantity) -> tuple[float, float]:
    """Of an axis, with room for the words at the points, of which one at least has the quantity."""
    every = [e / q.unit for p in points if (found := data.spread(p, q.key)) for e in ends(found)]
    if q.scale == "log":
        room = (max(every) / min(every)) ** 0.12 * 1.1
        return min(every) / room, max(every) * room
    return 0, max(every) * 1.15 or 1
