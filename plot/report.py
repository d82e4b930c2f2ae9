# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf report`: figures, report.md and report.html, from run folders alone."""

import html
import os
import re
from typing import Any

from plot import figures
from sweep import content, cost, paths, plan, stats, store, table, units, verify
from sweep.errors import Misuse, Problem
from sweep.store import Row

_CSS = """body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#202020}table{border-collapse:collapse;margin:1rem 0;font-size:14px}
td,th{border-bottom:1px solid #d0d0d0;padding:.25rem .7rem;text-align:left;white-space:nowrap}
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto}
figure{margin:1rem 0}figcaption,small{color:#505050}"""

Block = tuple[str, Any]


def _sweep_blocks(folder: store.Folder, rows: list[Row]) -> list[Block]:
    env = folder.env()
    out: list[Block] = [("h2", "Throughput by IOMMU mode and buffer kind")]
    out += [("figure", (folder, f)) for f in figures.sweep_figures(folder, rows)]
    head = ("mode", "effective", "arm", "load", "repeats", "IOPS", "95 %", "ratio to fixed",
            "maps/IO", "unmaps/IO", "CPU ns/IO", "p50 us", "p99 us", "EAGAIN", "errors",
            "mismatches")
    body = []
    for r in rows:
        span = f"{units.human(float(r['iops_lo']))}..{units.human(float(r['iops_hi']))}" \
            if r["iops_lo"] else "-"
        body.append((
            r["iommu_mode"], r["effective_mode"], figures.arm_name(r), figures.load_name(r),
            r["repeats"], units.human(float(r["iops"])) if r["iops"] else "void", span,
            table.ratio(r), table.number(r["maps_per_io"]), table.number(r["unmaps_per_io"]),
            table.number(r["cpu_ns_per_io"], "{:.0f}"),
            *(f"{float(r[k]) / 1000:.0f}" if r[k] else "-" for k in ("lat_p50_ns", "lat_p99_ns")),
            r["eagain"], r["errors"], r["mismatches"]))
    out.append(("table", (head, body)))
    if env.get("emulated_drive"):
        out.append(("p", "The drive is emulated. The ratio between arms on it, the proof columns "
                         "and the checks stand; the absolute figures say nothing of a real drive and "
                         "must not be set beside one's."))
    if env.get("empty_share", 0) >= content.MANY_EMPTY:
        out.append(("p", f"{100 * env['empty_share']:.0f} % of the drive's blocks hold zeros, as "
                         "those that were never written do. Many drives answer reads of such "
                         "without work."))
    n = min((int(r["repeats"]) for r in rows), default=0)
    if n:
        out.append(("p", f"Ratios are medians over repeats run side by side; an interval that "
                         f"holds 1 is called no difference. With {n} repeats no interval can hold the "
                         f"true median with more than {100 * stats.coverage(n):.0f} % "
                         "certainty."))
    void = [r for r in folder.rows() if r["status"] != "ok"]
    if void:
        out.append(("p", f"{len(void)} repeats are void and lend no figure:"))
        out.append(("table", (("repeat", "why"), [(r["raw"], r["reason"]) for r in void])))
    return out


def _cost_blocks(folder: store.Folder, rows: list[Row]) -> list[Block]:
    out: list[Block] = [("h2", "Cost: instructions per I/O")]
    out += [("figure", (folder, f)) for f in figures.cost_figures(folder, rows)]
    head = ("mode", "effective", "arm", "block", "depth", "repeats", "instructions/IO", "range",
            "ratio to fixed", "switches/IO", "drive interrupts/IO")
    out.append(("table", (head, [(
        r["iommu_mode"], r["effective_mode"], figures.arm_name(r), units.human_size(int(r["bs"])),
        r["iodepth"], r["repeats"], table.number(r["instructions_per_io"], "{:.0f}"),
        f"{float(r['lo']):.0f}..{float(r['hi']):.0f}" if r["lo"] else "-", table.ratio(r),
        table.number(r["switches_per_io"], "{:.4f}"),
        table.number(r["drive_interrupts_per_io"], "{:.4f}")) for r in rows])))
    out.append(("p", "All instructions of the guest, idle left out, counted by the emulator: "
                     "repeatable on any host. They do not show what waiting for the IOMMU's "
                     "hardware costs; real machines differ more between the modes."))
    return out


def _verify_blocks(rows: list[Row]) -> list[Block]:
    modes = list(dict.fromkeys(r["iommu_mode"] for r in rows))
    body = []
    for mode in modes:
        for way in verify.JOBS:
            some = [r for r in rows if r["iommu_mode"] == mode and r["direction"] == way]
            body.append((mode, way, str(len(some)), str(sum(int(r["bytes"]) for r in some)),
                         str(sum(int(r["mismatches"]) for r in some)),
                         str(sum(r["status"] != "ok" for r in some))))
    return [("h2", "Does the data arrive?"),
            ("table", (("mode", "direction", "combinations", "bytes checked", "mismatches",
                        "failed"), body))]


def _kernel_note(folder: store.Folder) -> list[Block]:
    """What the figures of a kernel that maps in the older way leave out."""
    env = folder.env()
    if env.get("dma_mapping", {}).get("kind") != "sg_table":
        return []
    return [("p", f"Linux {env.get('kernel', {}).get('release', '?')} maps ordinary buffers in the "
                  "way that was in use before 6.17; newer kernels do it in another way, so the "
                  "ratio may differ there.")]


def _env_blocks(folder: store.Folder) -> list[Block]:
    env = folder.env()
    vm, drive, cpu = (env.get(k, {}) for k in ("vm", "drive", "cpu"))
    kernel = env.get("kernel", {})
    body = [
        ("machine", "VM, emulated" if env.get("machine") == "vm" else "bare machine"),
        ("emulator", f"{vm.get('qemu', '')} on {vm.get('host_cpu', '')}" if vm else ""),
        ("kernel", f"{kernel.get('release', '')} {kernel.get('version', '')}"),
        ("kernel command line", kernel.get("cmdline", "")),
        ("IOMMU", f"{', '.join(env.get('iommu', {}).get('kinds', []))}; mode found: "
                  f"{env.get('iommu', {}).get('mode_found', '')}"),
        ("CPU", f"{cpu.get('model', '')}, {cpu.get('cpus', '')} CPUs, governor "
                f"{cpu.get('governor', '')}"),
        ("clocksource", env.get("clocksource", "")),
        ("drive", f"{drive.get('model', '')}, {drive.get('bytes', 0) / 1e9:.1f} GB, PCI "
                  f"{drive.get('pci', '')}, filled before: "
                  f"{'yes' if env.get('prefilled') else 'no'}"),
        ("fio", env.get("fio", "")), ("engine", figures.engine_of(env)),
        ("started", env.get("started", "")),
    ]
    return [("h2", f"On what: {os.path.basename(folder.path)}"),
            ("table", (("", ""), [(k, str(v)) for k, v in body if v]))]


def _published() -> list[Block]:
    rows = store.read_csv(os.path.join(paths.RESULTS, "published", "published.csv"))
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    above: Row = {}
    for r in rows:
        above = {k: above[k] if v == "same" else v for k, v in r.items()}
        r = above
        pairs.setdefault((r["id"], r["iommu_mode"]), {})[r["arm"]] = r
    body = [(mode, f"{float(p['dmabuf']['iops']) / float(p['fixed']['iops']):.2f}",
             p["dmabuf"]["device"], p["dmabuf"]["date"], ident, p["fixed"]["what_it_does_not_say"])
            for (ident, mode), p in pairs.items() if {"dmabuf", "fixed"} <= p.keys()]
    if not body:
        return []
    return [("h2", "Published, for orientation"),
            ("p", "Ratios only, from results/published/published.csv, where the sources are; not "
                  "measured here, and not comparable with an emulated drive's."),
            ("table", (("mode", "dmabuf to fixed", "device", "date", "source", "not said"), body))]


def blocks_of(path: str) -> tuple[store.Folder, list[Block]]:
    """What one run folder has to tell; draws its figures."""
    folder = store.Folder(os.path.abspath(path))
    found = [n for n in ("points.csv", "cost.csv", "verify.csv")
             if os.path.exists(folder.file(n))]
    if not found:
        raise Misuse(f"report {path}: not a run folder (no points.csv, cost.csv or verify.csv in "
                     "it)")
    os.makedirs(folder.file("figures"), exist_ok=True)
    out: list[Block] = []
    if "points.csv" in found:
        rows = folder.summarise()
        if not rows:
            raise Problem(f"report {path}: points.csv has no rows yet")
        out += _sweep_blocks(folder, rows)
    if "cost.csv" in found:
        runs = store.read_csv(folder.file("runs.csv"))
        cost.check_regime(runs)
        out += _cost_blocks(folder, cost.summary(runs))
    if out:
        out += _kernel_note(folder)
    if "verify.csv" in found:
        out += _verify_blocks(store.read_csv(folder.file("verify.csv")))
    return folder, out


def _markdown(blocks: list[Block], home: store.Folder) -> str:
    out = ["# fio-dmabuf report\n"]
    for kind, what in blocks:
        if kind == "h2":
            out.append(f"## {what}\n")
        elif kind == "p":
            out.append(what + "\n")
        elif kind == "figure":
            folder, figure = what
            path = os.path.relpath(folder.file("figures", figure.name + ".png"), home.path)
            out.append(f"![{figure.title}]({path})\n")
        else:
            head, body = what
            lines = ["| " + " | ".join(row) + " |" for row in
                     (head, ["---"] * len(head), *([c.replace("|", "\\|") for c in r]
                                                   for r in body))]
            out.append("\n".join(lines) + "\n")
    return "\n".join(out)


def _inline(folder: store.Folder, figure: figures.Figure) -> str:
    """The SVG itself: the page has no other files. Ids are made unique within the page."""
    svg = paths.read(folder.file("figures", figure.name + ".svg"))
    svg = svg[svg.index("<svg"):]
    tag = re.sub(r"\W", "_", os.path.basename(folder.path) + figure.name)
    svg = re.sub(r"\bid='([^']+)'", rf"id='{tag}_\1'", svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{tag}_\1)", svg)
    svg = re.sub(r"href='#([^']+)'", rf"href='#{tag}_\1'", svg)
    return f"<figure>{svg}<figcaption>{html.escape(figure.title)}</figcaption></figure>"


def _html(blocks: list[Block]) -> str:
    out = ["<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\">"
           f"<title>fio-dmabuf report</title><style>{_CSS}</style><h1>fio-dmabuf report</h1>"]
    for kind, what in blocks:
        if kind in ("h2", "p"):
            out.append(f"<{kind}>{html.escape(what)}</{kind}>")
        elif kind == "figure":
            out.append(_inline(*what))
        else:
            head, body = what
            rows = ["<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + "</tr>"] \
                if any(head) else []
            for r in body:
                rows.append("<tr>" + "".join(
                    f"<td{' class=n' if re.match(r'^[-0-9.]+( [KMG])?$', c) else ''}>"
                    f"{html.escape(c)}</td>" for c in r) + "</tr>")
            out.append("<table>" + "".join(rows) + "</table>")
    return "\n".join(out) + "\n</html>\n"


def main(runs: list[str]) -> int:
    """A report in each run folder; the first one's covers all of them."""
    told = [blocks_of(r) for r in runs]
    for i, (folder, own) in enumerate(told):
        some = told if i == 0 else [(folder, own)]
        blocks = [b for _, more in some for b in more]
        if any(kind == "h2" and "Throughput" in what for kind, what in blocks):
            blocks += _published()
        blocks += [b for f, _ in some for b in _env_blocks(f)]
        for name, text in (("report.md", _markdown(blocks, folder)),
                           ("report.html", _html(blocks))):
            with open(folder.file(name), "w", encoding="utf-8") as f:
                f.write(text)
        print(f"{folder.path}/report.html")
        for kind, what in own:
            if kind == "figure":
                print(f"{folder.path}/figures/{what[1].name}.png")
    return 0
