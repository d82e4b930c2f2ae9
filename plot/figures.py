# SPDX-License-Identifier: GPL-2.0-only
"""Which figures a run can answer for. A figure whose question the run leaves open is not drawn."""

from collections.abc import Sequence
from typing import Any

from plot import axes, bars, heat, lines, words
from plot.data import Data, arms
from plot.draw import Figure
from plot.frame import Frame
from plot.repeats import over_time
from sweep import plan, units
from sweep.plan import Point
from sweep.tables import Row

QUESTIONS = {
    "iops": "How many I/O, by IOMMU mode and arm?",
    "cost": "What does an I/O cost, in instructions?",
    "heat": "Where does it matter?",
    "depth": "How many I/O, by queue depth?",
    "size": "How many I/O, and how many bytes, by block size?",
    "latency": "How long does an I/O take, by queue depth?",
    "tradeoff": "What latency for how many I/O?",
    "cpu": "What CPU time does an I/O take?",
    "repeats": "Can the repeats be relied on?",
}


def cells(points: Sequence[Point], *varying: str) -> list[list[Point]]:
    """The points of each figure: they differ in mode, arm and the fields VARYING only, and have
    two values at least of each of these."""
    found: dict[Point, list[Point]] = {}
    for p in points:
        nothing: dict[str, Any] = dict.fromkeys(varying, 0)
        same = p._replace(mode="", arm="", exporter="", **nothing)
        found.setdefault(same, []).append(p)
    return [some for some in found.values()
            if all(len({getattr(p, k) for p in some}) > 1 for k in varying)]


def headlines(points: Sequence[Point]) -> list[Point]:
    """For each kind of load a point of the one at which mapping weighs most: the smallest block at
    the greatest depth. The others are in the figures over depth and block size."""
    best: dict[tuple[str, int, int], Point] = {}
    for p in sorted(points, key=lambda p: (-p.iodepth, p.bs)):
        best.setdefault((p.rw, p.numjobs, p.drives), p)
    return [best[key] for key in dict.fromkeys((p.rw, p.numjobs, p.drives) for p in points)]


def of_sweep(env: dict[str, Any], rows: list[Row]) -> list[Figure]:
    """Every figure that a sweep can answer for. ROWS: of points.csv."""
    data = Data(rows)
    frame = Frame(env, data)

    def measured(q: axes.Quantity, points: Sequence[Point] = data.points) -> list[Point]:
        """Those of which a quantity is known, and can be on its axis."""
        return [p for p in points if (found := data.spread(p, q.key))
                and (q.scale == "linear" or min(axes.ends(found)) > 0)]

    def lines_of(some: list[Point], *wanted: axes.Quantity) -> list[axes.Quantity]:
        return [q for q in wanted if measured(q, some)]

    out = []
    every = measured(axes.IOPS)
    for load in headlines(every):
        some = [p for p in every if p[3:] == load[3:]]
        name = words.file_name(load)
        out.append(bars.by_mode(frame, some, f"iops-{name}", "iops", axes.IOPS, "IOPS",
                                units.human))
        some = measured(axes.CPU, some)
        if some:
            out.append(bars.by_mode(frame, some, f"cpu-{name}", "cpu", axes.CPU,
                                    "CPU time per I/O", lambda v: f"{v:.3g} µs"))
    for some in cells(every, "iodepth", "bs"):
        for kind in arms(p for p in some if p.arm == "dmabuf" and data.ratio(p, "iops")):
            name = words.file_name(some[0], "bs", "iodepth")
            out.append(heat.over_loads(frame, some, f"ratio-{name}-{plan.file_name(kind[1])}",
                                       kind))
    for some in cells(every, "iodepth"):
        out.append(lines.along(
            frame, some, "iops-depth-" + words.file_name(some[0], "iodepth"), "depth", "iodepth",
            "queue depth", lines_of(some, axes.IOPS, axes.CPU),
            words.finding(data, some, "iops", "IOPS", "by queue depth")))
    for some in cells(measured(axes.LATENCIES[1], every), "iodepth"):
        name = words.file_name(some[0], "iodepth")
        out.append(lines.along(
            frame, some, f"latency-depth-{name}", "latency", "iodepth", "queue depth",
            lines_of(some, *axes.LATENCIES),
            words.finding(data, some, axes.LATENCIES[1].key, "p99 latency", "by queue depth")))
        out.append(lines.tradeoff(frame, some, f"latency-iops-{name}"))
    for some in cells(measured(axes.IOPS._replace(scale="log"), every), "bs"):
        out.append(lines.along(
            frame, some, "iops-size-" + words.file_name(some[0], "bs"), "size", "bs",
            "block size (bytes)", lines_of(some, axes.IOPS._replace(scale="log"), axes.BYTES,
                                           axes.CPU._replace(scale="log")),
            words.finding(data, some, "iops", "IOPS", "by block size")))
    repeats = over_time(frame, rows)
    return out + ([repeats] if repeats else [])


def of_cost(env: dict[str, Any], data: Data) -> list[Figure]:
    """Instructions per I/O by mode and arm; counted, so that an emulated drive does not matter."""
    frame = Frame({**env, "emulated_drive": False}, data)
    return [bars.by_mode(frame, some, "cost" if len(data.points) == len(some) else
                         "cost-" + words.file_name(some[0]), "cost", axes.COST,
                         "Instructions per I/O", lambda v: f"{v:.0f}")
            for some in cells(data.points)]
