# SPDX-License-Identifier: GPL-2.0-only
"""Figures of one run folder, drawn by the gnuplot templates beside this file."""

import os
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

from sweep import paths, plan, stats, store, units
from sweep.errors import Impossible, Problem
from sweep.store import Row

_TEMPLATE = os.path.join(paths.TOP, "plot", "bars.gp")


class Figure(NamedTuple):
    """One drawn figure: its base name in figures/, and what it says."""

    name: str
    title: str


def arm_name(row: Row) -> str:
    """`fixed`, or `dmabuf (udmabuf)`."""
    return row["arm"] if row["exporter"] == plan.NO_EXPORTER \
        else f"{row['arm']} ({row['exporter']})"


def load_name(row: Row) -> str:
    """`randread 4k, depth 32`."""
    text = f"{row.get('rw', 'randread')} {units.human_size(int(row['bs']))}, depth {row['iodepth']}"
    return text + (f", {row['numjobs']} jobs" if row.get("numjobs", "1") != "1" else "")


def engine_of(env: dict[str, Any]) -> str:
    return str(env.get("engine") or "unknown")


def footer(env: dict[str, Any], repeats: str, interval: bool) -> str:
    """Provenance in one line. INTERVAL: whether there were repeats enough for one."""
    vm = env.get("vm", {})
    qemu = str(vm.get("qemu", "")).split("(", maxsplit=1)[0]
    qemu = qemu.replace(" emulator version", "").strip()
    machine = f"VM ({qemu or 'QEMU'})" if env.get("machine") == "vm" else "bare machine"
    return "   ".join((
        f"Linux {env.get('kernel', {}).get('release', '?')}", str(env.get("fio", "fio ?")),
        f"engine {engine_of(env)}", str(env.get("started", ""))[:10], machine,
        f"{repeats} repeats, median" + (" and 95 % interval" if interval else "")))


def _ratios(rows: list[Row]) -> list[tuple[str, stats.Interval]]:
    """(mode, dmabuf to fixed), in the order of the modes."""
    return [(r["iommu_mode"], stats.Interval(float(r["ratio"]), *(
        float(r[k]) if r[k] else None for k in ("ratio_lo", "ratio_hi"))))
        for mode in (*plan.MODES, "none") for r in rows
        if r["iommu_mode"] == mode and r["arm"] == "dmabuf" and r["ratio"]]


def finding(rows: list[Row], noun: str) -> str:
    """What the figure shows, from its numbers: dmabuf against fixed, mode by mode."""
    words, same = [], []
    for mode, r in _ratios(rows):
        if stats.verdict(r) == "no difference":
            same.append(mode)
        else:
            words.append(f"{r.mid:.2f}x in {mode}")
    if same:
        listed = " and ".join(filter(None, (", ".join(same[:-1]), same[-1])))
        words.append(f"no difference in {listed}")
    if not words:
        return f"{noun[0].upper()}{noun[1:]} by IOMMU mode and arm"
    return f"{noun[0].upper()}{noun[1:]}, dmabuf to fixed: " + ", ".join(words)


def intervals(rows: list[Row]) -> str:
    """The intervals to go with the finding."""
    words = [f"{mode} {r.mid:.2f} [{r.lo:.2f}, {r.hi:.2f}]" for mode, r in _ratios(rows)
             if r.lo is not None and r.hi is not None]
    return "; ratio and 95 %: " + ", ".join(words) if words else ""


def _draw(folder: store.Folder, name: str, rows: list[Row], keys: tuple[str, str, str],
          labels: Callable[[float], str], words: dict[str, str]) -> None:
    """Writes the data beside the figure and calls gnuplot."""
    modes = list(dict.fromkeys(r["iommu_mode"] for r in rows))
    arms = list(dict.fromkeys((r["arm"], arm_name(r)) for r in rows))
    wide = 0.9 / (len(arms) + 1)
    blocks = []
    for i, (_arm, label) in enumerate(arms):
        lines = []
        for r in rows:
            if arm_name(r) == label and r[keys[0]]:
                x = modes.index(r["iommu_mode"]) + (i - (len(arms) - 1) / 2) * wide * 1.08
                mid, lo, hi = (r[k] or r[keys[0]] for k in keys)
                lines.append(f'{x:.4f} {mid} {lo} {hi} "{labels(float(mid))}"')
        blocks.append("\n".join([f"# {label}: x {keys[0]} low high label", *lines]))
    base = folder.file("figures", name)
    with open(base + ".dat", "w", encoding="utf-8") as f:
        f.write("\n\n\n".join(blocks) + "\n")
    argv = ["gnuplot", "-c", _TEMPLATE, base + ".dat", base, words["title"], words["subtitle"],
            words["ylabel"], words["footer"], " ".join(modes), " ".join(a for a, _ in arms),
            "|".join(label for _, label in arms)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Impossible("report: gnuplot is not installed; apt-get install gnuplot-nox") from None
    if done.returncode or done.stderr.strip():
        raise Problem(f"gnuplot: {done.stderr.strip() or done.returncode} (figure {name})")


def sweep_figures(folder: store.Folder, rows: list[Row]) -> list[Figure]:
    """IOPS by mode and arm, one figure per load."""
    env = folder.env()
    out = []
    loads: dict[str, list[Row]] = {}
    for r in rows:
        if r["iops"]:
            loads.setdefault(load_name(r), []).append(r)
    for load, some in loads.items():
        r = some[0]
        name = (f"iops-{r['rw']}-{units.human_size(int(r['bs']))}-qd{r['iodepth']}-j{r['numjobs']}")
        title = finding(some, "IOPS")
        _draw(folder, name, some, ("iops", "iops_lo", "iops_hi"), units.human, {
            "title": title, "subtitle": load + intervals(some),
            "ylabel": "IOPS (emulated drive: compare bars only)"
            if env.get("emulated_drive") else "IOPS",
            "footer": footer(env, r["repeats"], bool(r["iops_lo"]))})
        out.append(Figure(name, title))
    return out


def cost_figures(folder: store.Folder, rows: list[Row]) -> list[Figure]:
    """Instructions per I/O by mode and arm."""
    if not rows:
        return []
    title = finding(rows, "instructions per I/O")
    _draw(folder, "cost", rows, ("instructions_per_io", "lo", "hi"), lambda v: f"{v:.0f}", {
        "title": title,
        "subtitle": load_name(rows[0]) + intervals(rows),
        "ylabel": "instructions per I/O, whole machine but idle",
        "footer": footer(folder.env(), rows[0]["repeats"], bool(rows[0]["lo"]))})
    return [Figure("cost", title)]
