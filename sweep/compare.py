# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf compare`: one run beside another, or beside what was published.

What differs between two runs is said, a line each. Most of it is what a comparison is made for:
another kernel, drive, date. Some of it makes the runs unlike, so that their figures answer no
question: those are refused, unless told otherwise. A VM's throughput is never put beside a real
machine's; their ratios to `fixed` are.
"""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sweep import content, paths, plan, read, stats, store, table, units
from sweep.errors import Misuse, Problem
from sweep.plan import CONTROL, Plan, Point
from sweep.stats import Interval
from sweep.tables import Row

PUBLISHED = "published"
UNKNOWN = "unknown"
# What a figure is called, and which of its ends is the good one.
NOUNS = {"sweep": ("IOPS", "more is better"), "cost": ("instructions per I/O", "less is better")}
# Kernel options that make a kernel watch itself, at many times the cost of an I/O.
_WATCHES = ("KASAN", "PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP")


class Side(NamedTuple):
    """One run: its good repeats, {point: {repeat: figure}}, and on what it ran."""

    path: str
    kind: str
    env: dict[str, Any]
    plan: Plan | None
    points: dict[Point, dict[int, float]]

    def spread(self, p: Point) -> Interval:
        """Median of a point's figures, and its interval."""
        return stats.interval([*self.points[p].values()])

    def gains(self, p: Point) -> dict[int, float]:
        """Of each repeat, the ratio to the control that ran beside it; none for the control."""
        control = self.points.get(p.control, {})
        return {} if p.arm == CONTROL else \
            {r: v / control[r] for r, v in self.points[p].items() if control.get(r)}

    @property
    def loads(self) -> set[tuple[Any, ...]]:
        """What is asked of the drive."""
        return {p[3:] for p in self.points}


class Difference(NamedTuple):
    """One thing that is not the same; UNLIKE if figures cannot be compared across it."""

    what: str
    a: str
    b: str
    unlike: bool


class Line(NamedTuple):
    """One point of both runs. What may not be put side by side is None."""

    point: Point
    a: Interval | None
    b: Interval | None
    ratio: Interval | None
    gain_a: Interval | None
    gain_b: Interval | None
    gain: Interval | None


# Reading -----------------------------------------------------------------------------------------

def _points(folder: read.Folder, kind: str) -> dict[Point, dict[int, float]]:
    out: dict[Point, dict[int, float]] = {}
    if kind == "sweep":
        rows, key = folder.rows(), "iops"
    else:
        from sweep import cost
        rows, key = folder.rows("runs.csv"), "instructions_per_io"
        cost.check_regime(rows)
        rows = [{"rw": "randread", "numjobs": "1", "status": "ok", **r} for r in rows]
    for r in rows:
        if r["status"] == "ok":
            out.setdefault(store.point_of(r), {})[int(r["repeat"])] = float(r[key])
    return {p: out[p] for p in plan.in_order(out)}


def load(path: str) -> Side:
    """A run folder with figures; Misuse if it is another thing, Problem if it has none."""
    folder = read.Folder.open(path, "compare")
    kind = next((k for k in folder.kinds if k in NOUNS), "")
    if not kind:
        raise Misuse(f"compare {path}: holds a run of {folder.kinds[0]}; only those of sweep and "
                     "cost have figures to compare")
    points = _points(folder, kind)
    if not points:
        name = "points.csv" if kind == "sweep" else "runs.csv"
        raise Problem(f"compare {path}: has no good repeat in {name}")
    return Side(folder.path, kind, folder.env(), folder.plan_if_known(), points)


# What differs ------------------------------------------------------------------------------------

def _fact(*way: str) -> Callable[[Side], str]:
    """A fact of env.json as text."""
    def get(side: Side) -> str:
        inner: Any = side.env
        for name in way:
            inner = inner.get(name, {}) if isinstance(inner, dict) else {}
        return UNKNOWN if inner in ({}, "") else str(inner)
    return get


def _either(way: str, yes: str, no: str, test: Callable[[dict[str, Any]], bool]
            ) -> Callable[[Side], str]:
    """One of two words, where the fact that decides is there."""
    return lambda side: (yes if test(side.env) else no) if way in side.env else UNKNOWN


def _watches(side: Side) -> str:
    config = side.env.get("kernel", {}).get("config")
    return UNKNOWN if not config else \
        ", ".join(o for o in _WATCHES if config.get(o) == "y") or "none"


def _options(side: Side) -> dict[str, str]:
    return {k: v for k, v in side.env.get("kernel", {}).get("config", {}).items()
            if k not in _WATCHES}


def _queue(side: Side) -> dict[str, str]:
    return {k.removeprefix("queue_"): str(v) for k, v in side.env.get("drive", {}).items()
            if k.startswith("queue_")}


def _planned(name: str, unit: str = "") -> Callable[[Side], str]:
    return lambda side: f"{getattr(side.plan, name)}{unit}" if side.plan else \
        "-" if side.kind == "cost" else UNKNOWN


_machine = _either("machine", "VM", "bare machine", lambda e: e["machine"] == "vm")
_drive = _either("emulated_drive", "emulated", "real", lambda e: e["emulated_drive"])
# Those that make runs unlike, then those for which runs are compared.
_UNLIKE: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("machine", _machine), ("drive is", _drive),
    ("processor", _either("cpu", "emulated", "real", lambda e: "TCG" in e["cpu"].get("model", ""))),
    ("kernel watches itself", _watches),
    ("blocks never written", _either("empty_share", "many", "few",
                                     lambda e: e["empty_share"] >= content.MANY_EMPTY)),
    ("job", _planned("job")),
)
_OBJECTS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("kernel", _fact("kernel", "release")), ("kernel build", _fact("kernel", "version")),
    ("DMA mapping of fixed", _fact("dma_mapping", "kind")),
    ("IOMMU", lambda s: ", ".join(s.env.get("iommu", {}).get("kinds", [])) or UNKNOWN),
    ("drive", _fact("drive", "model")), ("drive's serial", _fact("drive", "serial")),
    ("drive's firmware", _fact("drive", "firmware")), ("drive's bytes", _fact("drive", "bytes")),
    ("CPU", _fact("cpu", "model")), ("CPUs", _fact("cpu", "cpus")),
    ("governor", _fact("cpu", "governor")), ("boost", _fact("cpu", "boost")),
    ("microcode", _fact("cpu", "microcode")), ("clocksource", _fact("clocksource")),
    ("emulator", _fact("vm", "qemu")), ("host's CPU", _fact("vm", "host_cpu")),
    ("filled before", _fact("prefilled")), ("fio", _fact("fio")), ("engine", _fact("engine")),
    ("timed run", _planned("runtime_ms", " ms")), ("ramp", _planned("ramp_ms", " ms")),
    ("host", _fact("host")), ("date", lambda s: _fact("started")(s)[:10]),
)


def _changed(what: str, a: dict[str, str], b: dict[str, str]) -> list[Difference]:
    """Where two tables of settings differ."""
    return [Difference(f"{what} {k}", a.get(k, UNKNOWN), b.get(k, UNKNOWN), False)
            for k in dict.fromkeys((*a, *b)) if a.get(k) != b.get(k)] if a and b else []


def differences(a: Side, b: Side) -> list[Difference]:
    """Everything known to differ, what makes the runs unlike first."""
    out = [Difference(what, get(a), get(b), get in (_machine, _drive)
                      or UNKNOWN not in (get(a), get(b)))
           for what, get in _UNLIKE if get(a) != get(b)]
    if not a.loads & b.loads:
        out.append(Difference("load", _loads(a), _loads(b), True))
    out += [Difference(what, get(a), get(b), False) for what, get in _OBJECTS if get(a) != get(b)]
    return (out + _changed("kernel option", _options(a), _options(b))
            + _changed("drive's queue", _queue(a), _queue(b)))


def _loads(side: Side) -> str:
    names = list(dict.fromkeys(p.load for p in side.points))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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


def _absolute(a: Side, b: Side) -> bool:
    """Whether figures may be put side by side, and not only ratios."""
    return all(get(a) == get(b) != UNKNOWN for get in (_machine, _drive))


def lines(a: Side, b: Side, pairs: Sequence[tuple[Point, Point]]) -> list[Line]:
    """The comparison, point by point."""
    absolute = _absolute(a, b)
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


def describe(side: Side) -> str:
    """On what a run ran, in one line."""
    qemu = _fact("vm", "qemu")(side).split("(", maxsplit=1)[0].replace(" emulator version", "")
    return ", ".join((
        f"Linux {_fact('kernel', 'release')(side)}", _fact("drive", "model")(side),
        f"{_machine(side)}{f' ({qemu.strip()})' if qemu != UNKNOWN else ''}", _fact("fio")(side),
        f"engine {_fact('engine')(side)}", _fact("started")(side)[:10]))


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


def _certainty(sides: Sequence[Side]) -> list[str]:
    few = min(len(values) for s in sides for values in s.points.values())
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


def _about(side: Side) -> dict[str, Any]:
    return {"run": side.path, "kind": side.kind, "machine": _machine(side), "drive": _drive(side),
            "kernel": _fact("kernel", "release")(side), "fio": _fact("fio")(side),
            "engine": _fact("engine")(side), "started": _fact("started")(side)}


def runs(a: Side, b: Side, anyway: bool) -> tuple[Told, list[Line]]:
    """Two runs side by side; refuses what is unlike unless ANYWAY."""
    what = f"compare {a.path} {b.path}"
    if a.kind != b.kind:
        raise Misuse(f"{what}: a run of {a.kind} and one of {b.kind} have no figure in common")
    apart = differences(a, b)
    unlike = [f"{d.what}: {d.a}, {d.b}" for d in apart if d.unlike]
    if unlike and not anyway:
        raise Misuse(f"{what}: unlike in {'; '.join(unlike)}; --anyway compares them all the same")
    pairs = _matched(a, b, anyway)
    if not pairs:
        raise Misuse(f"{what}: no point in common: A has {next(iter(a.points)).name}, B has "
                     f"{next(iter(b.points)).name}, and so on")
    found = lines(a, b, pairs)
    noun, way = NOUNS[a.kind]
    absolute = _absolute(a, b)
    head = ("mode", "arm", "load", *(("A", "B", "B/A") if absolute else ()), "A vs fixed",
            "B vs fixed", "B/A of vs fixed")
    body = []
    for x in found:
        shown = (_figure(a.kind, x.a), _figure(a.kind, x.b), table.span(x.ratio)) \
            if absolute else ()
        gains = ("control", "control", "-") if x.point.arm == CONTROL else \
            (table.span(x.gain_a), table.span(x.gain_b), table.span(x.gain))
        body.append((x.point.mode, _arm(x.point), x.point.load, *shown, *gains))
    before = [f"A: {a.path}: {describe(a)}", f"B: {b.path}: {describe(b)}"]
    before += [f"{'UNLIKE' if d.unlike else 'differs'}: {d.what}: {d.a} | {d.b}" for d in apart]
    if not apart:
        before.append("no difference is known between what they ran on")
    before.append(f"{noun}, {way}:" if absolute else
                  f"{noun}: only ratios, as a VM's or an unknown machine's figures say nothing of "
                  "another's:")
    after = _left_out(a, b, pairs) + _certainty((a, b))
    if absolute and _drive(a) == "emulated" and a.kind == "sweep":
        after.append("Emulated drive: ratios stand, absolute IOPS say nothing of real drives.")
    after.append("The runs are not paired: whatever else changed between them is in B/A too; what "
                 "is vs fixed ran side by side.")
    data = {"a": _about(a), "b": _about(b), "unit": noun,
            "differences": [d._asdict() for d in apart],
            "rows": [{**_where(x.point), **{k: v for name in Line._fields[1:] for k, v in
                                            _of_interval(name, getattr(x, name)).items()}}
                     for x in found], "notes": after}
    return Told(before, head, body, 3, after, data), found


def _where(p: Point) -> dict[str, Any]:
    return {("iommu_mode" if k == "mode" else k): v for k, v in p._asdict().items()}


# Beside what was published -----------------------------------------------------------------------

class Source(NamedTuple):
    """A published pair of figures: what dmabuf was to fixed in a mode."""

    mode: str
    ratio: float
    row: Row


def published() -> list[Source]:
    """Every published ratio of dmabuf to fixed, from results/published/."""
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    for r in read.read_csv(os.path.join(paths.RESULTS, PUBLISHED, "published.csv")):
        pairs.setdefault((r["id"], r["iommu_mode"]), {})[r["arm"]] = r
    return [Source(mode, float(p["dmabuf"]["iops"]) / float(p[CONTROL]["iops"]), p["dmabuf"])
            for (_, mode), p in pairs.items() if {"dmabuf", CONTROL} <= p.keys()]


def beside_published(a: Side, anyway: bool) -> tuple[Told, list[tuple[Point, Interval, Source]]]:
    """A run's ratios beside the published ones."""
    noun, way = NOUNS[a.kind]
    if a.kind != "sweep" and not anyway:
        raise Misuse(f"compare {a.path} {PUBLISHED}: unlike: {noun} here, throughput there; "
                     "--anyway puts their ratios side by side all the same")
    found = [(p, stats.interval([*a.gains(p).values()]), s) for p in a.points if p.arm == "dmabuf"
             for s in published() if s.mode == p.mode and a.gains(p)]
    if not found:
        raise Misuse(f"compare {a.path} {PUBLISHED}: has no dmabuf beside fixed in a mode of which "
                     "there are published figures")
    sources = list({s.row["id"]: s.row for _, _, s in found}.values())
    before = [f"A: {a.path}: {describe(a)}",
              *(f"{r['id']}: {r['source']}, {r['date']}: {r['device']}, {r['kernel']}; "
                f"{r['workload']}" for r in sources),
              f"{noun}, dmabuf to fixed, {way}; published: of IOPS, more is better:"]
    label = f"A, {_machine(a)}"
    head = ("mode", "arm", "load", label, "published", "source")
    body = [(p.mode, _arm(p), p.load, table.span(r), f"{s.ratio:.2f}", s.row["id"])
            for p, r, s in found]
    after = [*(f"{r['id']} does not say: {r['what_it_does_not_say']}" for r in sources),
             "Published ratios were not measured here, and have no interval."]
    if _drive(a) != "real":
        after.append("An emulated drive on an emulated processor: the ratio shows the direction, not "
                     "how much a real machine gains.")
    after += _certainty((a,))
    data = {"a": _about(a), "unit": noun, "rows": [
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
    a = load(args.a)
    if args.b == PUBLISHED:
        told, beside = beside_published(a, args.anyway)
    else:
        b = load(args.b)
        told, found = runs(a, b, args.anyway)
    print(json.dumps(told.data, indent=2) if args.json else
          _markdown(told) if args.markdown else _text(told))
    if args.out:
        from plot import compare
        if args.b == PUBLISHED:
            compare.draw_published(args.out, a, beside)
        else:
            compare.draw_runs(args.out, a, b, found)
    return 0
