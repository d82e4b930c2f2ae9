# SPDX-License-Identifier: GPL-2.0-only
"""What a figure says in words: its finding, its load, its footer. All of it is computed."""

from collections.abc import Iterable, Sequence
from typing import Any

from plot.data import Data
from sweep import device, stats, units
from sweep.plan import Point
from sweep.stats import Interval

NO_DIFFERENCE = "no difference"


def load(p: Point, *without: str) -> str:
    """`randread 4k, depth 32`. WITHOUT: fields that vary within the figure."""
    words = [p.rw if "bs" in without else f"{p.rw} {units.human_size(p.bs)}"]
    if "iodepth" not in without:
        words.append(f"depth {p.iodepth}")
    if p.numjobs != 1:
        words.append(f"{p.numjobs} jobs")
    if p.drives != 1:
        words.append(f"{p.drives} drives")
    return ", ".join(words)


def file_name(p: Point, *without: str) -> str:
    """The same for a file: `randread-4k-qd32-j1`."""
    parts = {"rw": p.rw, "bs": units.human_size(p.bs), "iodepth": f"qd{p.iodepth}",
             "numjobs": f"j{p.numjobs}"}
    if p.drives != 1:
        parts["drives"] = f"d{p.drives}"
    return "-".join(text for key, text in parts.items() if key not in without)


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def in_modes(*modes: str) -> str:
    """Where: `in strict and lazy`. A drive that no IOMMU stands before has the one mode none."""
    return "without an IOMMU" if modes == ("none",) else f"in {listed(modes)}"


def _times(found: list[Interval]) -> str:
    """How large the ratios of one mode are; those that show no difference lend no number."""
    verdicts = [stats.verdict(r) for r in found]
    apart = [r.mid for r, v in zip(found, verdicts) if v != NO_DIFFERENCE]
    least, most = f"{min(apart):.2f}", f"{max(apart):.2f}"
    if len(apart) < len(found) and set(verdicts) == {NO_DIFFERENCE, "higher"}:
        return f"up to {most} times"
    if len(apart) < len(found) and set(verdicts) == {NO_DIFFERENCE, "lower"}:
        return f"down to {least} times"
    return f"{least} times" if least == most else f"{least} to {most} times"


def compared(data: Data, points: Iterable[Point], key: str) -> str:
    """`dmabuf 1.15 times fixed in strict, 1.10 times in lazy; no difference in passthrough`.

    Several points of one mode are told as a range. Nothing where nothing is compared.
    """
    arms: dict[str, dict[str, list[Interval]]] = {}
    for p in points:
        r = data.ratio(p, key)
        if r:
            arms.setdefault(p.arm, {}).setdefault(p.mode, []).append(r)
    told = []
    for arm, by_mode in arms.items():
        apart, same, fixed = [], [], " fixed"
        unsure = not data.counted and all(r.lo is None for some in by_mode.values() for r in some)
        for mode, every in by_mode.items():
            # One of too few repeats says nothing where others say something.
            found = [r for r in every if r.lo is not None] or every
            if all(stats.verdict(r) == NO_DIFFERENCE for r in found):
                same.append(mode)
                continue
            apart.append(f"{_times(found)}{fixed} {in_modes(mode)}")
            fixed = ""
        parts = [f"{arm} {', '.join(apart)}"] if apart else []
        if same:
            whom = "" if apart else f"between {arm} and fixed "
            parts.append(f"{NO_DIFFERENCE} {whom}{in_modes(*same)}")
        told.append("; ".join([*parts, *(["too few repeats to be sure"] if unsure else [])]))
        # The others are in the picture.
        if arm == "dmabuf":
            return told[-1]
    return "; ".join(told)


def finding(data: Data, points: Iterable[Point], key: str, noun: str, plain: str) -> str:
    """A title: the finding under its noun, or what the axes show where nothing is compared."""
    found = compared(data, points, key)
    return f"{noun}: {found}" if found else f"{noun} {plain}"


def exchange(data: Data, points: Iterable[Point], keys: dict[str, str]) -> str:
    """`strict 1.15× IOPS, 0.41× p99; passthrough no difference`: several columns at one load.

    KEYS: what each column is called. Of the dma-bufs, the first of each mode.
    """
    told: dict[str, str] = {}
    for p in points:
        found = {name: r for key, name in keys.items() if (r := data.ratio(p, key))}
        if p.arm != "dmabuf" or p.mode in told or not found:
            continue
        apart = [f"{r.mid:.2f}× {name}" for name, r in found.items()
                 if stats.verdict(r) != NO_DIFFERENCE]
        same = [name for name, r in found.items() if stats.verdict(r) == NO_DIFFERENCE]
        if apart and same:
            apart.append(f"{NO_DIFFERENCE} in {listed(same)}")
        told[p.mode] = f"{p.mode} {', '.join(apart) or NO_DIFFERENCE}"
    return "; ".join(told.values())


def ratios(data: Data, points: Iterable[Point], key: str) -> str:
    """The intervals to go with a finding, where it is of one point in each mode."""
    told: list[str] = []
    modes = []
    for p in points:
        r = data.ratio(p, key)
        if r and r.lo is not None and p.arm == "dmabuf":
            told.append(f"{p.mode} {r.mid:.2f} [{r.lo:.2f}, {r.hi:.2f}]")
            modes.append(p.mode)
    if len(set(modes)) < len(modes):
        return ""
    return "ratio to fixed, 95 %: " + ", ".join(told) if told else ""


def emulated(env: dict[str, Any]) -> bool:
    return bool(env.get("emulated_drive"))


def engine(env: dict[str, Any]) -> str:
    return str(env.get("engine") or "unknown")


def drive(env: dict[str, Any]) -> str:
    """`QEMU NVMe Ctrl, 268 MB`; of several, how many there are of each kind."""
    kinds: dict[str, int] = {}
    for d in device.of_env(env):
        size = f", {units.human(d['bytes'])}B" if d.get("bytes") else ""
        kind = f"{d.get('model') or 'unknown drive'}{size}"
        kinds[kind] = kinds.get(kind, 0) + 1
    return listed([f"{n} × {kind}" if n > 1 else kind for kind, n in kinds.items()])


def machine(env: dict[str, Any]) -> str:
    """`VM (QEMU 7.2.22)`, or `bare machine`."""
    if env.get("machine") != "vm":
        return "bare machine"
    kind = str(env.get("vm", {}).get("qemu", "")).split("(", maxsplit=1)[0]
    kind = kind.replace(" emulator version", "").strip() or str(env.get("product") or "kind unknown")
    return f"VM ({kind})"


def footer(env: dict[str, Any], data: Data, points: Sequence[Point]) -> str:
    """Provenance in one line."""
    least, most = data.repeats(points)
    several = f"{least}" if least == most else f"{least} to {most}"
    return "  ·  ".join((
        drive(env), machine(env), f"Linux {env.get('kernel', {}).get('release', '?')}",
        str(env.get("fio", "fio ?")), f"engine {engine(env)}", str(env.get("started", ""))[:10],
        f"{several} repeat{'' if several == '1' else 's'}, median"
        + (" and 95 % interval" if least > 2 else "; too few for intervals")))
