# SPDX-License-Identifier: GPL-2.0-only
"""The figure of `fio-dmabuf compare`: a ratio with its interval for each point."""

from collections.abc import Sequence
from typing import NamedTuple

from plot import draw, words
from sweep import plan, sides, stats, store, table
from sweep.compare import Line
from sweep.literature import Source
from sweep.plan import Point
from sweep.sides import Side
from sweep.stats import Interval

# How far apart two marks of one line are.
_APART = 0.36


class _Mark(NamedTuple):
    """One ratio: in which series it is, in which line, how far off its middle."""

    series: int
    row: int
    off: float
    ratio: Interval


def _row_names(points: Sequence[Point]) -> list[str]:
    """What stands beside each line: its load too, where there are several."""
    several = len({p.load for p in points}) > 1
    return [", ".join((p.mode, plan.arm_name(p.arm, p.exporter), *([p.load] if several else [])))
            for p in points]


def _finding(found: Sequence[Interval], what: str, whose: str) -> str:
    """What the ratios say together: of WHAT, to WHOSE."""
    apart = [r.mid for r in found if stats.verdict(r) != words.NO_DIFFERENCE]
    if not apart:
        return f"{what}: {words.NO_DIFFERENCE} from {whose} at any of {len(found)} points"
    least, most = f"{min(apart):.2f}", f"{max(apart):.2f}"
    times = least if least == most else f"{least} to {most}"
    where = "" if len(apart) == len(found) else \
        f" at {len(apart)} of {len(found)} points; {words.NO_DIFFERENCE} at the others"
    return f"{what}: {times} times {whose}{where}"


def _note(runs: Sequence[Side]) -> str:
    """What an emulated drive's throughput is worth."""
    return "Emulated drive: which way things go, not how far they go on a real one." \
        if any(s.kind == "sweep" and words.emulated(s.env) for s in runs) else ""


def _draw(out: str, points: Sequence[Point], series: Sequence[tuple[str, str]],
          marks: Sequence[_Mark], about: dict[str, draw.Value]) -> None:
    """SERIES: (word for style.gp, name) of each."""
    ends = [v for m in marks for v in m.ratio if v is not None] + [1.0]
    wide = max(max(ends) - min(ends), 0.1)
    data = []
    for i, (_, name) in enumerate(series):
        rows = [f'{m.ratio.mid:.4f} {m.row + m.off:.2f} {m.ratio.lo or m.ratio.mid:.4f} '
                f'{m.ratio.hi or m.ratio.mid:.4f} "{table.span(m.ratio)}"'
                for m in marks if m.series == i]
        data += [*(["", ""] if i else []), f"# {name}: ratio line low high label", *rows]
    values: dict[str, draw.Value] = {
        "arms": " ".join(word for word, _ in series), "Name": [name for _, name in series],
        "rows": len(points), "Row": _row_names(points), "left": max(min(ends) - wide * 0.08, 0),
        "right": max(ends) + wide * 0.08, "lines": 1, **about}
    title = str(values["title"])
    figure = draw.Figure("compare", "compare", title, "compare",
                         {**values, "title": draw.bold(title)}, {}, data)
    draw.draw(store.Folder(out), [figure])


def _apart(a: Side, b: Side) -> str:
    """The first things that differ."""
    found = [f"{d.what}: {d.a} | {d.b}" for d in sides.differences(a, b)]
    return "differs: " + ", ".join(found[:3]) + (f" and {len(found) - 3} more"
                                                 if len(found) > 3 else "") if found else ""


def draw_runs(out: str, a: Side, b: Side, found: Sequence[Line]) -> None:
    """OUT/figures/compare.*: B to A; where only ratios may be shown, those of both."""
    noun, way = sides.NOUNS[a.kind]
    about: dict[str, draw.Value] = {
        "subtitle": f"A: {sides.describe(a)}", "second": f"B: {sides.describe(b)}",
        "note": _note((a, b)), "footer": _apart(a, b)}
    if all(x.ratio for x in found):
        arms = list(dict.fromkeys((x.point.arm, x.point.exporter) for x in found))
        series = list(zip(draw.arm_words(arms).split(), (plan.arm_name(*arm) for arm in arms)))
        marks = [_Mark(arms.index((x.point.arm, x.point.exporter)), i, 0.0, x.ratio)
                 for i, x in enumerate(found, 1) if x.ratio]
        points = [x.point for x in found]
        about |= {"title": _finding([m.ratio for m in marks], f"{noun} of B", "A's"),
                  "xlabel": f"{noun} of B to those of A ({way}), 95 % interval"}
    else:
        both = [x for x in found if x.gain_a and x.gain_b]
        series = [("udmabuf1", "A"), ("udmabuf2", "B")]
        marks = [_Mark(s, i, (s - 0.5) * _APART, r) for i, x in enumerate(both, 1)
                 for s, r in enumerate((x.gain_a, x.gain_b)) if r]
        points = [x.point for x in both]
        about |= {"title": _finding([x.gain for x in both if x.gain],
                                    f"ratio to fixed of B's {noun}", "A's"),
                  "xlabel": f"{noun}, ratio to fixed ({way}), 95 % interval"}
    _draw(out, points, series, marks, about)


def draw_published(out: str, a: Side, found: Sequence[tuple[Point, Interval, Source]]) -> None:
    """OUT/figures/compare.*: the run's ratios and the published ones."""
    noun, way = sides.NOUNS[a.kind]
    points = list(dict.fromkeys(p for p, _, _ in found))
    marks = [_Mark(0, points.index(p) + 1, -_APART / 2, r) for p, r, _ in found]
    marks = list(dict.fromkeys(marks)) + [
        _Mark(1, points.index(p) + 1, _APART / 2, Interval(s.ratio, None, None))
        for p, _, s in found]
    sources = "; ".join(dict.fromkeys(f"{s.row['id']}: {s.row['device']}, {s.row['date']}"
                                      for _, _, s in found))
    _draw(out, points, [("udmabuf1", "A"), ("published1", "published")], marks, {
        "title": _finding([m.ratio for m in marks if not m.series], f"{noun} of dmabuf in A",
                          "fixed's"),
        "subtitle": f"A: {sides.describe(a)}", "second": f"published: {sources}",
        "note": _note([a]), "footer": "What is published was not measured here.",
        "xlabel": f"ratio of dmabuf to fixed, of {noun} ({way}) and of published IOPS"})
