# SPDX-License-Identifier: GPL-2.0-only
"""What bars.gp draws: a quantity by IOMMU mode and arm."""

from collections.abc import Callable

from plot import axes, words
from plot.data import arms, modes
from plot.draw import Figure
from plot.frame import Frame
from sweep import plan, tables
from sweep.plan import Point


def by_mode(frame: Frame, points: list[Point], name: str, question: str, q: axes.Quantity,
            noun: str, label: Callable[[float], str]) -> Figure:
    """Bars of one quantity, under a name for it; LABEL writes it at the bar."""
    data, groups, kinds = frame.data, modes(points), arms(points)
    wide = 0.9 / (len(kinds) + 1)
    dat: list[str] = []
    ratios = []
    for i, kind in enumerate(kinds):
        dat += ["", ""] if i else []
        dat.append(f"# {plan.arm_name(*kind)}: x {q.key} low high label")
        for p in points:
            found = data.spread(p, q.key)
            if (p.arm, p.exporter) == kind and found:
                x = groups.index(p.mode) + (i - (len(kinds) - 1) / 2) * wide * 1.08
                mid, lo, hi = (v / q.unit for v in axes.ends(found))
                dat.append(f"{x:.4f} {tables.text(mid)} {tables.text(lo)} {tables.text(hi)} "
                           f'"{label(mid)}"')
                ratio = axes.times(data.ratio(p, q.key), "no diff." if len(kinds) < 5 else "≈ 1")
                ratios.append(f'{x:.4f} {hi} "{ratio}"')
    title = words.finding(data, points, q.key, noun, "by IOMMU mode and arm")
    sub = "; ".join(filter(None, (words.load(points[0]), q.sense,
                                  words.ratios(data, points, q.key))))
    _, high = axes.limits(data, points, q)
    return Figure(name, question, title, "bars", {
        **frame.around(title, sub, points), "modes": " ".join(groups),
        "ylabel": frame.axis(q.label), "high": high,
        "yticks": axes.ticks(axes.places(0, high, q.scale), q.text)}, {"Ratio": ratios}, dat)
