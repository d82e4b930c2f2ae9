# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a run folder: the columns of each, in order, and what may be in them."""

import math
import re
from collections.abc import Callable
from typing import Any

from sweep import fio, plan

Row = dict[str, str]
Kind = Callable[[str], bool]


def _count(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


def _size(text: str) -> bool:
    return _count(text) and int(text) > 0


def _number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}(\.[0-9]+)?", text) is not None


def _word(text: str) -> bool:
    return re.fullmatch(r"[\w:/.,+@-]+", text) is not None


def _any(_text: str) -> bool:
    return True


def _host(text: str) -> bool:
    return re.fullmatch(r"[\w:/.,@[\]-]+", text) is not None


def _exporter(text: str) -> bool:
    return _word(text) and text.partition(":")[0] in (*plan.EXPORTERS, plan.NO_EXPORTER)


def _rw(text: str) -> bool:
    return plan.mix(text)[0] in plan.RWS and ":" not in text


def _or_nothing(kind: Kind) -> Kind:
    return lambda text: not text or kind(text)


def _of(*words: str) -> Kind:
    return lambda text: text in words


_MAYBE = _or_nothing(_number)
_COUNTED = _or_nothing(_count)
_arm = _of(*plan.ARMS)

POINTS: dict[str, Kind] = {
    "repeat": _count, "iommu_mode": _word, "mode_before": _or_nothing(_word),
    "mode_after": _or_nothing(_word), "arm": _arm, "exporter": _exporter, "rw": _rw, "bs": _size,
    "iodepth": _size, "numjobs": _size, "status": _of("ok", "void"), "ios": _COUNTED,
    "iops": _MAYBE, "bw_bytes": _MAYBE, "lat_p50_ns": _MAYBE, "lat_p99_ns": _MAYBE,
    "lat_p999_ns": _MAYBE, "cpu_ns_per_io": _MAYBE, "maps_per_io": _MAYBE,
    "unmaps_per_io": _MAYBE, "eagain": _COUNTED, "short": _COUNTED, "errors": _COUNTED,
    "mismatches": _COUNTED, "checked_ios": _COUNTED, "started": _any, "raw": _any, "reason": _any,
    "drives": _size, "cpu_mhz": _MAYBE, "drive_celsius": _MAYBE}

# Each host's share of a row of points.csv.
HOSTS: dict[str, Kind] = {"repeat": _count, "host": _host, "device": _any, "start_skew_s": _MAYBE,
                          **{name: kind for name, kind in POINTS.items() if name != "repeat"}}

SUMMARY: dict[str, Kind] = {
    "iommu_mode": _word, "effective_mode": _or_nothing(_word), "arm": _arm, "exporter": _exporter,
    "rw": _rw, "bs": _size, "iodepth": _size, "numjobs": _size, "repeats": _count,
    **dict.fromkeys(("iops", "iops_lo", "iops_hi", "ratio", "ratio_lo", "ratio_hi", "bw_bytes",
                     "lat_p50_ns", "lat_p99_ns", "lat_p999_ns", "cpu_ns_per_io", "maps_per_io",
                     "unmaps_per_io"), _MAYBE),
    **dict.fromkeys(("eagain", "short", "errors", "mismatches"), _count), "drives": _size}

# Columns that tables of before do not have, and what a row without them means.
ADDED = {"drives": "1", "cpu_mhz": "", "drive_celsius": "", "ratio_min": "", "ratio_max": ""}

COST_RUNS: dict[str, Kind] = {
    "repeat": _count, "iommu_mode": _word, "mode_before": _word, "mode_after": _word, "arm": _arm,
    "exporter": _exporter, "bs": _size, "iodepth": _size, "ios": _size,
    "instructions_per_io": _number, "switches_per_io": _number, "drive_interrupts_per_io": _number,
    "interrupts_per_io": _number, "raw": _any}

COST: dict[str, Kind] = {
    "iommu_mode": _word, "effective_mode": _word, "arm": _arm, "exporter": _exporter, "bs": _size,
    "iodepth": _size, "repeats": _count, "instructions_per_io": _number, "lo": _MAYBE,
    "hi": _MAYBE, "ratio": _MAYBE, "ratio_lo": _MAYBE, "ratio_hi": _MAYBE,
    "switches_per_io": _number, "drive_interrupts_per_io": _number, "interrupts_per_io": _number}

VERIFY: dict[str, Kind] = {
    "iommu_mode": _word, "mode_before": _word, "mode_after": _word,
    "direction": _of("write", "read"), "exporter": _exporter, "bs": _size, "iodepth": _size,
    "offset": _count, "ios": _count, "bytes": _count, "mismatches": _count,
    **dict.fromkeys(fio.CLASSES, _count), "refused": _count, "status": _of("ok", "FAIL"),
    "raw": _any, "reason": _any}

BENCH_RUNS: dict[str, Kind] = {
    "repeat": _count, "drive": _word, "batch": _size, "engine": _word,
    "instructions_per_io": _number, "switches_per_io": _number, "interrupts_per_io": _number}

BENCH: dict[str, Kind] = {
    "drive": _word, "batch": _size, "engine": _word, "repeats": _count,
    "instructions_per_io": _number, "lo": _MAYBE, "hi": _MAYBE, "ratio": _MAYBE,
    "ratio_min": _MAYBE, "ratio_max": _MAYBE, "switches_per_io": _number,
    "interrupts_per_io": _number}

PUBLISHED: dict[str, Kind] = {
    "id": _word, "source": _any, "date": _word, "device": _any, "workload": _any, "kernel": _any,
    "exporter": _or_nothing(_exporter), "iommu_mode": _word, "arm": _arm, "iops": _size,
    "what_it_does_not_say": _any}

# Which tables a file of that name may be.
BY_NAME: dict[str, tuple[dict[str, Kind], ...]] = {
    "points.csv": (POINTS,), "hosts.csv": (HOSTS,), "summary.csv": (SUMMARY,),
    "runs.csv": (COST_RUNS, BENCH_RUNS),
    "cost.csv": (COST,), "bench.csv": (BENCH,), "verify.csv": (VERIFY,),
    "published.csv": (PUBLISHED,)}


def text(value: Any) -> str:
    """A number as the tables write it; nothing for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4f}"
    return str(value)


def fault(row: Row, columns: dict[str, Kind]) -> str:
    """What is wrong with a row, in words; nothing if it is one of the table's."""
    for name, kind in columns.items():
        if not kind(row[name]):
            return f"{name} is {row[name][:40]!r}"
    if row.get("status") == "ok" and not row.get("iops", "1").strip("0."):
        return "it is ok and has no iops"
    return ""
