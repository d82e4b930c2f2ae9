# SPDX-License-Identifier: GPL-2.0-only
"""What repeats.gp draws: every repeat over time."""

import calendar
import time

from plot.data import arms, modes
from plot.draw import Figure, arm_values
from plot.frame import Frame
from sweep import plan, stats, store
from sweep.tables import Row


def _seconds(started: str) -> int | None:
    """Since 1970; None for what is no time."""
    try:
        return calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return None


def over_time(frame: Frame, rows: list[Row]) -> Figure | None:
    """Every repeat against the median of its point, over time; nothing if no point has two."""
    timed = [(when, r) for r in rows if (when := _seconds(r["started"])) is not None]
    good_ones = [r for _, r in timed if r["status"] == "ok"]
    points = frame.data.points
    if not good_ones or (frame.data.repeats(points)[1] < 2 and len(good_ones) == len(timed)):
        return None
    every = plan.in_order(map(store.point_of, rows))
    groups, kinds = modes(every), arms(every)
    start, end = min(timed, key=lambda t: t[0])[0], max(timed, key=lambda t: t[0])[0]
    good: dict[tuple[str, tuple[str, str]], list[tuple[float, float]]] = {}
    void: dict[str, list[tuple[float, float]]] = {}
    outliers: dict[str, list[tuple[float, float]]] = {}
    far_off = {(p, n) for p, found in store.good_iops(rows).items() for n in stats.outliers(found)}
    off: list[float] = []
    for when, r in timed:
        p = store.point_of(r)
        minutes = (when - start) / 60
        mid = frame.data.spread(p, "iops")
        # A repeat that failed early has none, and lies at the bottom.
        share = float(r["iops"] or 0) / mid.mid if mid and mid.mid else 0.0
        if r["status"] == "ok":
            good.setdefault((p.mode, (p.arm, p.exporter)), []).append((minutes, share))
            off.append(abs(share - 1))
            if (p, int(r["repeat"])) in far_off:
                outliers.setdefault(p.mode, []).append((minutes, share))
        else:
            void.setdefault(p.mode, []).append((minutes, share))
    far = max(0.1, 1.1 * max(off, default=0.0))

    def lines(some: list[tuple[float, float]]) -> list[str]:
        """Each within the axis; one out of the picture, as gnuplot warns of a plot of nothing."""
        return [f"{x:.3f} {min(max(y, 1 - far), 1 + far):.4f}" for x, y in some] or ["-9e9 1"]

    dat: list[str] = []
    for mode in groups:
        for kind in kinds:
            dat += ["", ""] if dat else []
            dat += [f"# {mode}, {plan.arm_name(*kind)}: minutes, IOPS to the point's median",
                    *lines(good.get((mode, kind), []))]
        dat += ["", "", f"# {mode}, void", *lines(void.get(mode, [])),
                "", "", f"# {mode}, outliers", *lines(outliers.get(mode, []))]
    title = (f"{len(off)} of {len(timed)} repeats are good; half of them within "
             f"{100 * stats.median(off):.1f} % of their point's median, "
             f"all within {100 * max(off):.0f} %")
    return Figure("repeats", "repeats", title, "repeats", {
        **frame.around(title, "every repeat of every point, in the order in which they ran; a void "
                              "one lends no figure, an outlier does", points),
        **arm_values(every), "Row": groups, "right": max((end - start) / 60, 0.1), "far": far,
        "xlabel": "minutes since the first", "ylabel": "IOPS / median"}, {}, dat)
