# SPDX-License-Identifier: GPL-2.0-only
"""The two sides of a comparison: their figures, and what is known to differ between them.

Most of that is what runs are compared for: another kernel, drive, date. Some of it makes them
unlike, so that their figures together answer no question.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from sweep import content, device, plan, read, stats, store
from sweep.errors import Misuse, Problem
from sweep.plan import CONTROL, Plan, Point
from sweep.stats import Interval

UNKNOWN = "unknown"
# What a figure is called, and which of its ends is the good one.
NOUNS = {"sweep": ("IOPS", "more is better"), "cost": ("instructions per I/O", "less is better")}
# Of a kernel's command line, what says where its files are.
_WHERE = ("BOOT_IMAGE=", "init=", "initrd=", "root=", "rootflags=", "rootfstype=")
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


def _points(folder: read.Folder, kind: str) -> dict[Point, dict[int, float]]:
    out: dict[Point, dict[int, float]] = {}
    if kind == "sweep":
        rows, key = folder.rows(), "iops"
    else:
        from sweep import cost
        rows, key = folder.rows("runs.csv"), "instructions_per_io"
        cost.check_regime(rows)
        rows = [{**cost.ALWAYS, "status": "ok", **r} for r in rows]
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


def fact(*way: str) -> Callable[[Side], str]:
    """A fact of env.json as text."""
    def get(side: Side) -> str:
        inner: Any = side.env
        for name in way:
            inner = inner.get(name, {}) if isinstance(inner, dict) else {}
        return UNKNOWN if inner in ({}, "") else str(inner)
    return get


def _drives(name: str) -> Callable[[Side], str]:
    """A fact of each drive."""
    return lambda side: ", ".join(str(d.get(name) or UNKNOWN) for d in device.of_env(side.env))


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
    return {k.removeprefix("queue_") + (f" of drive {n}" if n > 1 else ""): str(v)
            for n, d in enumerate(device.of_env(side.env), 1) for k, v in d.items()
            if k.startswith("queue_")}


def _planned(name: str, unit: str = "") -> Callable[[Side], str]:
    return lambda side: f"{getattr(side.plan, name) or 'none'}{unit}" if side.plan else \
        "-" if side.kind == "cost" else UNKNOWN


machine = _either("machine", "VM", "bare machine", lambda e: e["machine"] == "vm")
drive = _either("emulated_drive", "emulated", "real", lambda e: e["emulated_drive"])
# Those that make runs unlike, then those for which runs are compared.
_UNLIKE: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("machine", machine), ("drive is", drive),
    ("processor", _either("cpu", "emulated", "real", lambda e: "TCG" in e["cpu"].get("model", ""))),
    ("kernel watches itself", _watches),
    ("blocks never written", _either("empty_share", "many", "few",
                                     lambda e: e["empty_share"] >= content.MANY_EMPTY)),
    ("job", _planned("job")),
)
_OBJECTS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("kernel", fact("kernel", "release")), ("kernel build", fact("kernel", "version")),
    ("DMA mapping of fixed", fact("dma_mapping", "kind")),
    ("IOMMU", lambda s: ", ".join(s.env.get("iommu", {}).get("kinds", [])) or UNKNOWN),
    ("drive", _drives("model")), ("drive's serial", _drives("serial")),
    ("drive's firmware", _drives("firmware")), ("drive's bytes", _drives("bytes")),
    ("CPU", fact("cpu", "model")), ("CPUs", fact("cpu", "cpus")),
    ("governor", fact("cpu", "governor")), ("boost", fact("cpu", "boost")),
    ("microcode", fact("cpu", "microcode")), ("clocksource", fact("clocksource")),
    ("emulator", fact("vm", "qemu")), ("host's CPU", fact("vm", "host_cpu")),
    ("filled before", fact("prefilled")), ("fio", fact("fio")), ("engine", fact("engine")),
    ("timed run", _planned("runtime_ms", " ms")), ("ramp", _planned("ramp_ms", " ms")),
    ("steady state", _planned("steadystate")),
    ("host", fact("host")), ("date", lambda s: fact("started")(s)[:10]),
)


def _changed(what: str, a: dict[str, str], b: dict[str, str]) -> list[Difference]:
    """Where two tables of settings differ."""
    return [Difference(f"{what} {k}", a.get(k, UNKNOWN), b.get(k, UNKNOWN), False)
            for k in dict.fromkeys((*a, *b)) if a.get(k) != b.get(k)] if a and b else []


def _command_line(a: Side, b: Side) -> list[Difference]:
    """The words of the kernels' command lines that only one has, but for where its files are."""
    every = [fact("kernel", "cmdline")(s).split() for s in (a, b)]
    only = [" ".join(w for w in mine if w not in others and not w.startswith(_WHERE))
            for mine, others in (every, every[::-1])]
    return [Difference("kernel command line", only[0] or "-", only[1] or "-", False)] \
        if any(only) else []


def differences(a: Side, b: Side) -> list[Difference]:
    """Everything known to differ, what makes the runs unlike first."""
    out = [Difference(what, get(a), get(b), get in (machine, drive)
                      or UNKNOWN not in (get(a), get(b)))
           for what, get in _UNLIKE if get(a) != get(b)]
    if not a.loads & b.loads:
        out.append(Difference("load", _loads(a), _loads(b), True))
    out += [Difference(what, get(a), get(b), False) for what, get in _OBJECTS if get(a) != get(b)]
    return (out + _command_line(a, b) + _changed("kernel option", _options(a), _options(b))
            + _changed("drive's queue", _queue(a), _queue(b)))


def _loads(side: Side) -> str:
    names = list(dict.fromkeys(p.load for p in side.points))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def absolute(a: Side, b: Side) -> bool:
    """Whether figures may be put side by side, and not only ratios."""
    return all(get(a) == get(b) != UNKNOWN for get in (machine, drive))


def describe(side: Side) -> str:
    """On what a run ran, in one line."""
    qemu = fact("vm", "qemu")(side).split("(", maxsplit=1)[0].replace(" emulator version", "")
    return ", ".join((
        f"Linux {fact('kernel', 'release')(side)}", _drives("model")(side),
        f"{machine(side)}{f' ({qemu.strip()})' if qemu != UNKNOWN else ''}", fact("fio")(side),
        f"engine {fact('engine')(side)}", fact("started")(side)[:10]))


def about(side: Side) -> dict[str, Any]:
    return {"run": side.path, "kind": side.kind, "machine": machine(side), "drive": drive(side),
            "kernel": fact("kernel", "release")(side), "fio": fact("fio")(side),
            "engine": fact("engine")(side), "started": fact("started")(side)}
