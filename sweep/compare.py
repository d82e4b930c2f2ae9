# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf compare`: one run beside another, or beside what was published.

What differs between two runs is said, a line each; those that are unlike are refused, unless told
otherwise. A VM's throughput is never put beside a real machine's; their ratios to `fixed` are.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sweep import literature, plan, sides, stats, table, units
from sweep.errors import Misuse
from sweep.literature import Source
from sweep.plan import CONTROL, Point
from sweep.sides import Side
from sweep.stats import Interval

PUBLISHED = "published"


class Line(NamedTuple):
    """One point of both runs. What may not be put side by side is None."""

    point: Point
    a: Interval | None
    b: Interval | None
    ratio: Interval | None
    gain_a: Interval | None
    gain_b: Interval | None
    gain: Interval | None


# Side by side ------------------------------------------------------------------------------------

def _matched(a: Side, b: Side, anyway: bool) -> list[tuple[Point, Point]]:
    """Points that are put side by side: the same, or told to, the only ones of their kind."""
    loose_load = anyway and not a.loads & b.loads and len(a.loads) == len(b.loads) == 1
    makers = [{p.exporter for p in s.points if p.arm == "dmabuf"} for s in (a, b)]
    loose_maker = anyway and not makers[0] & makers[1] and len(makers[0]) == len(makers[1]) == 1

    def key(p: Point) -> tuple[Any, ...]:
        return (p.mode, p.arm, "" if loose_maker else p.exporter, () if loose_load else p[3:])

    others = {key(p): p for p in b.points}
    return [(p, others[key(p)]) for p in a.points if key(p) in others]


def lines(a: Side, b: Side, pairs: Sequence[tuple[Point, Point]]) -> list[Line]:
    """The comparison, point by point."""
    absolute = sides.absolute(a, b)
    out = []
    for p, q in pairs:
        mine, theirs = list(a.gains(p).values()), list(b.gains(q).values())
        out.append(Line(
            p, a.spread(p) if absolute else None, b.spread(q) if absolute else None,
            stats.ratio_of_runs([*b.points[q].values()], [*a.points[p].values()])
            if absolute else None,
            stats.interval(mine) if mine else None, stats.interval(theirs) if theirs else None,
            stats.ratio_of_runs(theirs, mine)))
    return out


def _arm(p: Point) -> str:
    return plan.arm_name(p.arm, p.exporter)


def _figure(kind: str, r: Interval | None) -> str:
    return "-" if r is None else units.human(r.mid) if kind == "sweep" else f"{r.mid:.0f}"


def _left_out(a: Side, b: Side, pairs: Sequence[tuple[Point, Point]]) -> list[str]:
    notes = []
    for name, side, seen in (("A", a, {p for p, _ in pairs}), ("B", b, {q for _, q in pairs})):
        alone = [p.name for p in side.points if p not in seen]
        if alone:
            more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
            notes.append(f"only in {name}: {', '.join(alone[:3])}{more}")
    return notes


def _certainty(runs: Sequence[Side]) -> list[str]:
    """What the fewest repeats are worth."""
    few = min(len(values) for s in runs for values in s.points.values())
    if stats.coverage(few) >= 0.95:
        return []
    return [f"With {few} repeat{'s' if few != 1 else ''} no interval holds the true median with "
            f"more than {100 * stats.coverage(few):.0f} % certainty."] if few > 2 else \
        [f"{few} repeat{'s' if few != 1 else ''}: too few for intervals, which take 3."]


class Told(NamedTuple):
    """What is to be shown: lines before, a table, lines after; and all of it for programs."""

    before: list[str]
    head: tuple[str, ...]
    body: list[tuple[str, ...]]
    left: int
    after: list[str]
    data: dict[str, Any]


def _of_interval(name: str, r: Interval | None) -> dict[str, float | None]:
    return dict(zip((name, f"{name}_lo", f"{name}_hi"), r or (None, None, None)))


def two_runs(a: Side, b: Side, anyway: bool) -> tuple[Told, list[Line]]:
    """Two runs side by side; refuses what is unlike unless ANYWAY."""
    what = f"compare {a.path} {b.path}"
    if a.kind != b.kind:
        raise Misuse(f"{what}: a run of {a.kind} and one of {b.kind} have no figure in common")
    apart = sides.differences(a, b)
    unlike = [f"{d.what}: {d.a}, {d.b}" for d in apart if d.unlike]
    if unlike and not anyway:
        raise Misuse(f"{what}: unlike in {'; '.join(unlike)}; --anyway compares them all the same")
    pairs = _matched(a, b, anyway)
    if not pairs:
        raise Misuse(f"{what}: no point in common: A has {next(iter(a.points)).name}, B has "
                     f"{next(iter(b.points)).name}, and so on")
    found = lines(a, b, pairs)
    noun, way = sides.NOUNS[a.kind]
    absolute = sides.absolute(a, b)
    head = ("mode", "arm", "load", *(("A", "B", "B/A") if absolute else ()), "A vs fixed",
            "B vs fixed", "B/A of these")
    body = []
    for x in found:
        shown = (_figure(a.kind, x.a), _figure(a.kind, x.b), table.span(x.ratio)) \
            if absolute else ()
        gains = ("control", "control", "-") if x.point.arm == CONTROL else \
            (table.span(x.gain_a), table.span(x.gain_b), table.span(x.gain))
        body.append((x.point.mode, _arm(x.point), x.point.load, *shown, *gains))
    before = [f"A: {a.path}: {sides.describe(a)}", f"B: {b.path}: {sides.describe(b)}"]
    before += [f"{'UNLIKE' if d.unlike else 'differs'}: {d.what}: {d.a} | {d.b}" for d in apart]
    if not apart:
        before.append("no difference is known between what they ran on")
    before.append(f"{noun}, {way}:" if absolute else
                  f"{noun}: only ratios, as a VM's or an unknown machine's figures say nothing of "
                  "another's:")
    after = _left_out(a, b, pairs) + _certainty((a, b))
    if absolute and sides.drive(a) == "emulated" and a.kind == "sweep":
        after.append("Emulated drive: ratios stand, absolute IOPS say nothing of real drives.")
    after.append("The runs are not paired: whatever else changed between them is in B/A too; what "
                 "is vs fixed ran side by side.")
    data = {"a": sides.about(a), "b": sides.about(b), "unit": noun,
            "differences": [d._asdict() for d in apart],
            "rows": [{**_where(x.point), **{k: v for name in Line._fields[1:] for k, v in
                                            _of_interval(name, getattr(x, name)).items()}}
                     for x in found], "notes": after}
    return Told(before, head, body, 3, after, data), found


def _where(p: Point) -> dict[str, Any]:
    return {("iommu_mode" if k == "mode" else k): v for k, v in p._asdict().items()}


# Beside what was published -----------------------------------------------------------------------

def beside_published(a: Side, anyway: bool) -> tuple[Told, list[tuple[Point, Interval, Source]]]:
    """A run's ratios beside the published ones."""
    noun, way = sides.NOUNS[a.kind]
    if a.kind != "sweep" and not anyway:
        raise Misuse(f"compare {a.path} {PUBLISHED}: unlike: {noun} here, throughput there; "
                     "--anyway puts their ratios side by side all the same")
    found = [(p, stats.interval([*a.gains(p).values()]), s) for p in a.points if p.arm == "dmabuf"
             for s in literature.ratios() if s.mode == p.mode and a.gains(p)]
    if not found:
        raise Misuse(f"compare {a.path} {PUBLISHED}: has no dmabuf beside fixed in a mode of which "
                     "there are published figures")
    sources = list({s.row["id"]: s.row for _, _, s in found}.values())
    before = [f"A: {a.path}: {sides.describe(a)}",
              *(f"{r['id']}: {r['source']}, {r['date']}: {r['device']}, {r['kernel']}; "
                f"{r['workload']}" for r in sources),
              f"{noun}, dmabuf to fixed, {way}; published: of IOPS, more is better:"]
    label = f"A, {sides.machine(a)}"
    head = ("mode", "arm", "load", label, "published", "source")
    body = [(p.mode, _arm(p), p.load, table.span(r), f"{s.ratio:.2f}", s.row["id"])
            for p, r, s in found]
    after = [*(f"{r['id']} does not say: {r['what_it_does_not_say']}" for r in sources),
             "Published ratios were not measured here, and have no interval."]
    if sides.drive(a) != "real":
        after.append("An emulated drive on an emulated processor: the ratio shows the direction, "
                     "not how much a real machine gains.")
    after += _certainty((a,))
    data = {"a": sides.about(a), "unit": noun, "rows": [
        {**_where(p), **_of_interval("ratio", r), "published": s.ratio, "id": s.row["id"],
         "source": s.row["source"], "date": s.row["date"]} for p, r, s in found], "notes": after}
    return Told(before, head, body, 3, after, data), found


# Showing -----------------------------------------------------------------------------------------

def _text(told: Told) -> str:
    return "\n".join((*told.before, table.columns(told.head, told.body, told.left), *told.after))


def _markdown(told: Told) -> str:
    def cells(row: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") for c in row) + " |"

    def items(some: Sequence[str]) -> list[str]:
        return [f"- {line}" for line in some]

    *facts, noun = told.before
    rule = ["---"] * told.left + ["---:"] * (len(told.head) - told.left)
    return "\n".join((*items(facts), "", noun, "", cells(told.head), cells(rule),
                      *map(cells, told.body), "", *items(told.after)))


def main(args: argparse.Namespace) -> int:
    """Compares, and presents it as asked."""
    a = sides.load(args.a)
    if args.b == PUBLISHED:
        told, beside = beside_published(a, args.anyway)
    else:
        b = sides.load(args.b)
        told, found = two_runs(a, b, args.anyway)
    print(json.dumps(told.data, indent=2) if args.json else
          _markdown(told) if args.markdown else _text(told))
    if args.out:
        from plot import compare
        if args.b == PUBLISHED:
            compare.draw_published(args.out, a, beside)
        else:
            compare.draw_runs(args.out, a, b, found)
    return 0
