# SPDX-License-Identifier: GPL-2.0-only
"""What lines.gp draws: quantities along depth, block size or each other, by mode and arm."""

from collections.abc import Callable, Sequence

from plot import axes, words
from plot.data import arms, modes
from plot.draw import Figure, Value
from plot.frame import Frame
from sweep import plan, stats, units
from sweep.plan import CONTROL, Point


def _beside(found: stats.Interval | None) -> tuple[str, str]:
    """Words above and below a point: a ratio, on the side that is away from the control."""
    word = axes.times(found, "")
    return (word, "") if found and found.mid > 1 else ("", word)


def _panels(frame: Frame, points: list[Point], rows: Sequence[axes.Quantity],
            line: Callable[[Point, axes.Quantity, float], str]
            ) -> tuple[dict[str, Value], list[str]]:
    """Variables and data of a row of panels for each of ROWS: LINE gives the data of a point, which
    is the how-manieth arm off the middle."""
    groups, kinds = modes(points), arms(points)
    dat: list[str] = []
    for q in rows:
        for mode in groups:
            for i, kind in enumerate(kinds):
                dat += ["", ""] if dat else []
                dat.append(f"# {mode}, {plan.arm_name(*kind)}: "
                           f"x low high {q.key} low high above below")
                some = [line(p, q, i - (len(kinds) - 1) / 2) for p in points
                        if p.mode == mode and (p.arm, p.exporter) == kind
                        and frame.data.spread(p, q.key)]
                # Out of the picture, as gnuplot warns of a plot of nothing.
                dat += some or ['9e99 9e99 9e99 1 1 1 "" ""']
    ranges = [axes.limits(frame.data, points, q) for q in rows]
    places = [axes.places(*ends, q.scale) for q, ends in zip(rows, ranges)]
    return {"cols": len(groups), "rows": len(rows), "Column": groups,
            "Ticks": [axes.ticks(at, q.text) for q, at in zip(rows, places)],
            "Marks": [axes.ticks(at, lambda _: "") for at in places],
            "Label": [frame.axis(q.label) for q in rows], "Scale": [q.scale for q in rows],
            "Low": [f"{lo:.6g}" for lo, _ in ranges],
            "High": [f"{hi:.6g}" for _, hi in ranges]}, dat


def along(frame: Frame, points: list[Point], name: str, question: str, field: str, xlabel: str,
          rows: Sequence[axes.Quantity], title: str) -> Figure:
    """A row of panels for each quantity along a FIELD of the points, depth or block size."""
    found = sorted({getattr(p, field) for p in points})
    # The ratios of several kinds of dma-buf would stand in each other's way.
    told = sum(arm == "dmabuf" for arm, _ in arms(points)) == 1
    room = max((found[-1] / found[0]) ** 0.1, 1.2)
    left, right = found[0] / room, found[-1] * room
    aside = (right / left) ** 0.012

    def line(p: Point, q: axes.Quantity, shift: float) -> str:
        x = getattr(p, field) * aside ** shift
        spread = frame.data.spread(p, q.key)
        assert spread
        mid, lo, hi = (v / q.unit for v in axes.ends(spread))
        above, below = _beside(frame.data.ratio(p, q.key) if told and p.arm == "dmabuf" else None)
        return f'{x:.6g} {x:.6g} {x:.6g} {mid:.6g} {lo:.6g} {hi:.6g} "{above}" "{below}"'

    values, dat = _panels(frame, points, rows, line)
    sub = words.load(points[0], field) + ("; at the points: dmabuf to fixed" + (
        ", where the 95 % interval of the ratio leaves out 1"
        if frame.data.repeats(points)[0] >= stats.FEWEST else "") if told else "")
    text: Callable[[int], str] = str
    if field == "bs":
        text = units.human_size
    return Figure(name, question, title, "lines", {
        **frame.around(title, sub, points), **values, "height": 240 + 220 * len(rows),
        "xlabel": xlabel, "xscale": "log", "xticks": axes.ticks(found, text),
        "xmarks": axes.ticks(found, lambda _: ""), "left": left, "right": right}, {}, dat)


def tradeoff(frame: Frame, points: list[Point], name: str) -> Figure:
    """p99 against IOPS, depth by depth; all points have both."""
    y = axes.LATENCIES[1]

    def line(p: Point, q: axes.Quantity, _: float) -> str:
        x, spread = frame.data.spread(p, "iops"), frame.data.spread(p, q.key)
        assert x and spread
        numbers = [*axes.ends(x), *(v / q.unit for v in axes.ends(spread))]
        above, below = (str(p.iodepth), "") if p.arm == CONTROL else ("", str(p.iodepth))
        return " ".join(f"{v:.6g}" for v in numbers) + f' "{above}" "{below}"'

    values, dat = _panels(frame, points, [y], line)
    deepest = max(p.iodepth for p in points)
    found = words.exchange(frame.data, [p for p in points if p.iodepth == deepest],
                           {"iops": "IOPS", y.key: "p99 latency"})
    title = f"dmabuf to fixed at depth {deepest}: {found}" if found else "p99 latency by IOPS"
    sub = words.load(points[0], "iodepth") + \
        "; at the points: queue depth; better is to the right and down"
    _, right = axes.limits(frame.data, points, axes.IOPS)
    places = axes.places(0, right, axes.IOPS.scale)
    return Figure(name, "tradeoff", title, "lines", {
        **frame.around(title, sub, points), **values, "height": 500, "xlabel": frame.axis("IOPS"),
        "xscale": "linear", "xticks": axes.ticks(places, units.human), "xmarks": "", "left": 0,
        "right": right}, {}, dat)
