# SPDX-License-Identifier: GPL-2.0-only
"""What heat.gp draws: a ratio over depth and block size."""

from plot import words
from plot.data import modes
from plot.draw import Figure
from plot.frame import Frame
from sweep import plan, stats, units
from sweep.plan import Point


def over_loads(frame: Frame, points: list[Point], name: str, kind: tuple[str, str]) -> Figure:
    """The ratio of one kind of dma-buf to fixed, over depth and block size."""
    points = [p for p in points if (p.arm, p.exporter) == kind and frame.data.ratio(p, "iops")]
    groups = modes(points)
    sizes, depths = (sorted({getattr(p, k) for p in points}) for k in ("bs", "iodepth"))
    dat: list[str] = []
    for mode in groups:
        dat += ["", ""] if dat else []
        dat.append(f"# {mode}: depth block ratio differs; the first two are counted")
        for p in points:
            r = frame.data.ratio(p, "iops")
            if p.mode == mode and r:
                differs = int(stats.verdict(r) != words.NO_DIFFERENCE)
                dat.append(f"{depths.index(p.iodepth)} {sizes.index(p.bs)} {r.mid:.4f} {differs}")
    title = words.finding(frame.data, points, "iops", "IOPS", "")
    sub = (f"{words.load(points[0], 'bs', 'iodepth')}; {plan.arm_name(*kind)} to fixed; " + (
        "white: no difference, as the 95 % interval of the ratio holds 1"
        if frame.data.repeats(points)[0] >= stats.FEWEST else "too few repeats for intervals"))
    return Figure(name, "heat", title, "heat", {
        **frame.around(title, sub, points), "Column": groups, "xlabel": "queue depth",
        "ylabel": "block size (bytes)", "Size": [units.human_size(b) for b in sizes],
        "Depth": [str(d) for d in depths]}, {}, dat)
