# SPDX-License-Identifier: GPL-2.0-only
"""What a report says of a run: the headline, what to know first, tables, figures, provenance."""

import os
from collections.abc import Sequence
from typing import Any

from plot import again, figures, words
from plot.blocks import Block, Cell, Code, Figures, Heading, Table, Text, Warnings, number
from plot.data import Data, of_cost
from plot.draw import Figure
from sweep import (content, cost, device, literature, plan, stats, store, table, units,
                   verify)
from sweep.errors import Misuse, Problem
from sweep.read import Folder
from sweep.store import point_of
from sweep.tables import Row

# Of a mail's table.
_ROWS = 24


def _by_question(folder: Folder, drawn: Sequence[Figure], *, first: int = 0) -> list[Block]:
    """The figures under the questions that they answer; FIRST are shown elsewhere."""
    out: list[Block] = []
    for key, question in figures.QUESTIONS.items():
        some = [f for f in drawn[first:] if f.question == key]
        if some:
            out += [Heading(question), Figures(folder, some)]
    return out


def _range(row: Row, lo: str, hi: str) -> str:
    return f"{units.human(float(row[lo]))}..{units.human(float(row[hi]))}" if row[lo] else "-"


def _ratio(row: Row) -> Cell:
    return Cell(table.ratio(row), float(row["ratio"]) if row["ratio"] else None)


def _where(rows: Sequence[Row]) -> list[list[str | Cell]]:
    """The columns that say which point each row is."""
    points = [point_of(r) for r in rows]
    # Loads are put in order by what they are, not by how they are spelt.
    loads = sorted({p[3:] for p in points})
    modes = [*plan.MODES, *(p.mode for p in points)]
    return [[Cell(p.mode, modes.index(p.mode)), plan.arm_name(p.arm, p.exporter),
             Cell(words.load(p), loads.index(p[3:]))] for p in points]


def _results(rows: Sequence[Row]) -> Table:
    body = [[*where,
             number(r["iops"], "{:.0f}")._replace(text=units.human(float(r["iops"]))) if r["iops"]
             else Cell("void", None),
             _range(r, "iops_lo", "iops_hi"), _ratio(r),
             number(r["bw_bytes"], "{:.0f}", 1e6), number(r["cpu_ns_per_io"], "{:.1f}", 1e3),
             *(number(r[f"lat_{p}_ns"], "{:.0f}", 1e3) for p in ("p50", "p99", "p999"))]
            for where, r in zip(_where(rows), rows)]
    return Table(("mode", "arm", "load", "IOPS", "95 %", "ratio to fixed", "MB/s", "CPU µs/IO",
                  "p50 µs", "p99 µs", "p99.9 µs"), body,
                 brief=(_ROWS, "all of them are in summary.csv"))


def _proofs(rows: Sequence[Row]) -> Table:
    return Table(("mode", "arm", "load", "effective mode", "good repeats", "maps/IO", "unmaps/IO",
                  "EAGAIN", "short", "errors", "mismatches"),
                 [[*where, r["effective_mode"], number(r["repeats"], "{:.0f}"),
                   number(r["maps_per_io"]), number(r["unmaps_per_io"]),
                   *(number(r[k], "{:.0f}") for k in ("eagain", "short", "errors", "mismatches"))]
                  for where, r in zip(_where(rows), rows)],
                 brief=(_ROWS, "all of them are in summary.csv"))


def _sweep_warnings(env: dict[str, Any], rows: Sequence[Row],
                    summary: Sequence[Row], made: plan.Plan | None) -> list[str]:
    """What was noted, before, during and after."""
    out = []
    if words.emulated(env):
        out.append("The drive is emulated. The ratio between arms on it, the proof columns and the "
                   "checks stand; the absolute figures say nothing of a real drive and must not be "
                   "set beside one's.")
    void = sum(r["status"] != "ok" for r in rows)
    if void:
        out.append(f"{void} of {len(rows)} repeats are void and lend no figure; why, is below.")
    if made:
        left = sum(s.repeat < made.repeats for s in made.steps) - \
            len({(int(r["repeat"]), point_of(r)) for r in rows if int(r["repeat"]) < made.repeats})
        if left > 0:
            out.append(f"The run is not complete: {left} of its planned repeats were not run "
                       "(fio-dmabuf sweep --resume goes on).")
        vague = [r for r in summary if made.precision and r["arm"] != plan.CONTROL and r["ratio"]
                 and not stats.precise(_interval(r), made.precision)]
        if vague:
            out.append(f"{len(vague)} ratios are not known to {made.precision:.2g}, as was asked.")
    far = table.outliers(rows)
    if far:
        out.append(far + ".")
    few = min((int(r["repeats"]) for r in summary if r["iops"]), default=0)
    if stats.FEWEST <= few and stats.coverage(few) < 0.95:
        out.append(f"With {few} repeats no interval can hold the true median with more than "
                   f"{100 * stats.coverage(few):.0f} % certainty.")
    elif 0 < few < stats.FEWEST:
        out.append(f"{few} repeat{'s are' if few > 1 else ' is'} too few for an interval: no ratio "
                   "here can be told from none.")
    if any(r["iommu_mode"] in plan.MODES and not r["maps_per_io"] for r in summary if r["iops"]):
        out.append("Of some points the kernel's DMA mappings were not counted: that they took the "
                   "path claimed is not proven.")
    if env.get("empty_share", 0) >= content.MANY_EMPTY:
        out.append(f"{100 * env['empty_share']:.0f} % of the drive's blocks hold zeros, as those "
                   "that were never written do. Many drives answer reads of such without work.")
    out += [f"This blurs the figures: {what}." for what in env.get("blurs", [])]
    return out + _kernel_note(env)


def _interval(row: Row) -> stats.Interval:
    lo, hi = (float(row[k]) if row[k] else None for k in ("ratio_lo", "ratio_hi"))
    return stats.Interval(float(row["ratio"]), lo, hi)


def _kernel_note(env: dict[str, Any]) -> list[str]:
    """What the figures of a kernel that maps in the older way leave out."""
    if env.get("dma_mapping", {}).get("kind") != "sg_table":
        return []
    return [f"Linux {env.get('kernel', {}).get('release', '?')} maps ordinary buffers in the way "
            "that was in use before 6.17; newer kernels do it in another way, so the ratio may "
            "differ there."]


def _sweep(folder: store.Folder) -> tuple[str, list[Figure], list[Block]]:
    env, rows = folder.env(), folder.rows()
    if not rows:
        raise Problem(f"report {folder.path}: points.csv has no rows yet")
    summary = folder.summarise()
    made = folder.plan_if_known()
    drawn = figures.of_sweep(env, rows)
    data = Data(rows)
    out: list[Block] = []
    if drawn:
        headline = f"{drawn[0].title} ({words.load(figures.headlines(data.points)[0])})"
        loads = {p[3:] for p in data.points}
        every = words.compared(data, data.points, "iops") if len(loads) > 1 else ""
        if every:
            out.append(Text(f"IOPS over all {len(loads)} loads: {every}."))
    else:
        headline = f"No figure: all {len(rows)} repeats are void"
    out += [Figures(folder, drawn[:1])] if drawn else []
    out += [Warnings(_sweep_warnings(env, rows, summary, made)),
            Heading("Results"), _results(summary),
            Text("Medians of the repeats; ratios are of repeats run side by side, with 95 % "
                 "intervals. One whose interval holds 1 is called no difference.")]
    out += _by_question(folder, drawn, first=1)
    out += [Heading("Is it proven?"), _proofs(summary),
            Text("The effective mode is what the kernel said before and after each repeat. Maps and "
                 "unmaps are the kernel's, counted in a run of its own: none per I/O for dmabuf, "
                 "about one for the others behind an IOMMU that translates. Mismatches are I/O "
                 "whose data was wrong; all memory was poisoned before.")]
    void = [r for r in rows if r["status"] != "ok"]
    if void:
        out += [Heading("Void repeats"),
                Table(("repeat", "why"), [(r["raw"], r["reason"]) for r in void])]
    if made:
        out += [Heading("Again"), Code(again.sweep(env, made)), Text(_built(env))]
    return headline, drawn, out


def _built(env: dict[str, Any]) -> str:
    return (f"With engine {words.engine(env)} (a version of the repository), "
            f"{env.get('fio', 'fio')} and Linux {env.get('kernel', {}).get('release', '?')}.")


def _cost(folder: Folder) -> tuple[str, list[Figure], list[Block]]:
    env, runs = folder.env(), folder.rows("runs.csv")
    if not runs:
        raise Problem(f"report {folder.path}: runs.csv has no rows")
    cost.check_regime(runs)
    drawn = figures.of_cost(env, of_cost(runs))
    rows = cost.summary(runs)
    places = _where([{**cost.ALWAYS, **r} for r in rows])
    body = [[*where, number(r["instructions_per_io"], "{:.0f}"),
             f"{float(r['lo']):.0f}..{float(r['hi']):.0f}" if r["lo"] else "-", _ratio(r),
             r["effective_mode"], number(r["repeats"], "{:.0f}"),
             number(r["switches_per_io"], "{:.4f}"), number(r["drive_interrupts_per_io"], "{:.4f}")]
            for where, r in zip(places, rows)]
    return drawn[0].title, drawn, [
        Figures(folder, drawn), Warnings(_kernel_note(env)),
        Table(("mode", "arm", "load", "instructions/IO", "range", "ratio to fixed",
               "effective mode", "repeats", "switches/IO", "drive interrupts/IO"), body),
        Text("All instructions of the guest, idle left out, counted by the emulator: repeatable on "
             "any host. They do not show what waiting for the IOMMU's hardware costs; real "
             "machines differ more between the modes."),
        Heading("Again"), Code(again.cost(runs)), Text(_built(env))]


def _verify(folder: Folder) -> tuple[str, list[Figure], list[Block]]:
    env, rows = folder.env(), folder.rows("verify.csv")
    if not rows:
        raise Problem(f"report {folder.path}: verify.csv has no rows")
    body: list[list[str | Cell]] = []
    for mode in dict.fromkeys(r["iommu_mode"] for r in rows):
        for way in verify.JOBS:
            some = [r for r in rows if r["iommu_mode"] == mode and r["direction"] == way]
            body.append([mode, way, number(str(len(some)), "{:.0f}"), *(
                number(str(sum(int(r[k]) for r in some)), "{:.0f}")
                for k in ("bytes", "mismatches")),
                number(str(sum(r["status"] != "ok" for r in some)), "{:.0f}")])
    failed = [r for r in rows if r["status"] != "ok"]
    wrong = sum(int(r["mismatches"]) for r in rows)
    headline = f"{len(rows)} combinations checked: {wrong} mismatches, {len(failed)} failed"
    out: list[Block] = [Table(("mode", "direction", "combinations", "bytes checked", "mismatches",
                               "failed"), body)]
    if failed:
        out += [Heading("What failed"),
                Table(("combination", "why"), [(r["raw"], r["reason"]) for r in failed])]
    return headline, [], [*out, Heading("Again"), Code(again.verify(env, rows)), Text(_built(env))]


def provenance(folder: Folder) -> list[Block]:
    """On what it ran."""
    env = folder.env()
    vm, cpu, kernel, iommu = (env.get(k, {}) for k in ("vm", "cpu", "kernel", "iommu"))
    drives = device.of_env(env)
    firmwares, addresses = (words.listed([str(d[k]) for d in drives if d.get(k)])
                            for k in ("firmware", "pci"))
    body = [
        ("machine", words.machine(env)),
        ("emulator's host", f"{vm.get('host_cpu', '')}, Linux {vm.get('host_kernel', '')}"
         if vm else ""),
        ("kernel", f"{kernel.get('release', '')} {kernel.get('version', '')}"),
        ("kernel command line", kernel.get("cmdline", "")),
        ("IOMMU", f"{', '.join(iommu.get('kinds', []))}; mode found: "
                  f"{iommu.get('mode_found', '')}"),
        ("CPU", f"{cpu.get('model', '')}, {cpu.get('cpus', '')} CPUs, governor "
                f"{cpu.get('governor', '')}"),
        ("clocksource", env.get("clocksource", "")),
        ("drive" if len(drives) == 1 else "drives",
         f"{words.drive(env)}, firmware {firmwares}, PCI {addresses}, filled before: "
         f"{'yes' if env.get('prefilled') else 'no'}"),
        ("fio", env.get("fio", "")), ("engine", words.engine(env)),
        ("started", env.get("started", "")),
    ]
    return [Heading(f"On what: {os.path.basename(folder.path)}"),
            Table(("fact", "found"), [(k, str(v)) for k, v in body if v], sortable=False)]


def published() -> list[Block]:
    """Ratios from the literature, where there are pairs."""
    body = [(s.mode, f"{s.ratio:.2f}", s.row["device"], s.row["date"], s.row["id"],
             s.row["what_it_does_not_say"]) for s in literature.ratios()]
    if not body:
        return []
    return [Heading("Published, for orientation"),
            Text("Ratios only, from results/published/published.csv, where the sources are; not "
                 "measured here, and not comparable with an emulated drive's."),
            Table(("mode", "dmabuf to fixed", "device", "date", "source", "not said"), body,
                  sortable=False)]


_KINDS = {"sweep": _sweep, "cost": _cost, "verify": _verify}


def of_folder(path: str) -> tuple[store.Folder, str, list[Figure], list[Block]]:
    """The folder, its headline, what has to be drawn in it, and what there is to say."""
    folder = store.Folder.open(path, "report")
    headlines: list[str] = []
    drawn: list[Figure] = []
    out: list[Block] = []
    for kind in folder.kinds:
        if kind in _KINDS:
            headline, more, told = _KINDS[kind](folder)
            out += [Heading(headline)] if headlines else []
            headlines.append(headline)
            drawn += more
            out += told
    if not headlines:
        raise Misuse(f"report {path}: holds a run of {folder.kinds[0]}; there are reports of "
                     f"{', '.join(_KINDS)}")
    return folder, headlines[0], drawn, out
