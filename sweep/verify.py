# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf verify`: does the data arrive? Both directions, each alone.

Each combination runs one job file: what the dma-buf carried one way, an independent path carries
the other way, and every byte is compared. What is in the job file decides what is checked. In which
way data is wrong, the engine says; its words are passed on.
"""

import argparse
import csv
import errno
import os
import sys
import time
from typing import Any, NamedTuple

from sweep import env, exporters, fio, kmsg, paths, plan, store, table, tables, units
from sweep.errors import Misuse, Problem
from sweep.session import VM_DEV, Session, in_vm

JOBS = {"write": "jobs/verify-write.fio", "read": "jobs/verify-read.fio"}
_TRY = "jobs/randread.fio"
_VM_DRIVE = "256M"
# So many exporters are in the machine that --vm boots, and no more than that.
_VM_FEW = 4
_LEAST_BYTES = 2 << 20
_SIZES = (512, 4096, 65536, 131072, 1 << 20)
_DEPTHS = (1, 32, 128)
_OFFSETS = (512, 1024, 4096)
_TIMEOUT = 600.0


class Combination(NamedTuple):
    """One way to carry data."""

    mode: str
    direction: str
    exporter: str
    bs: int
    iodepth: int
    offset: int

    @property
    def name(self) -> str:
        return (f"{self.mode}-{self.direction}-{plan.file_name(self.exporter)}"
                f"-{units.human_size(self.bs)}-qd{self.iodepth}-at{self.offset}")


def combinations(modes: list[str], makers: list[str], logical: int, quick: bool
                 ) -> tuple[list[Combination], list[str]]:
    """What is checked, and in words what is left out and why.

    Depths and sizes are crossed; buffer offsets are tried on a small block, and on one that
    takes a list of pages; more would only repeat these.
    """
    sizes = [b for b in ((4096, 131072) if quick else _SIZES) if b >= logical]
    ways = [(b, d, 0) for b in sizes for d in ((32,) if quick else _DEPTHS)]
    ways += [(b, 32, o) for b in (4096, 131072) for o in ((512,) if quick else _OFFSETS)
             if o >= logical or o % logical == 0]
    left_out = []
    if logical > 512 and not quick:
        left_out.append(f"512-byte blocks: the drive's block is {logical}")
    return [Combination(m, d, e, *w) for m in modes for e in makers for w in ways
            for d in JOBS], left_out


def _at_hand(session: Session, folder: store.Folder) -> tuple[list[str], list[str]]:
    """The exporters of this machine from which the drive reads a block, and in words the others."""
    good, left_out = [], []
    for e in exporters.found():
        stem = folder.file("raw", f"try-{plan.file_name(e)}")
        text = fio.render(paths.read(os.path.join(paths.TOP, _TRY)), {
            "bs": 4096, "iodepth": 1, "time_based": 0, "ramp_time": 0, "runtime": 0,
            "io_size": 4096, "exporter": exporters.job_value(e),
            "counters": stem + ".counters.json"}, _TRY)
        try:
            fio.run(session.fio, stem, text, session.switcher.dev, _TIMEOUT)
            good.append(e)
        except fio.Failed as why:
            left_out.append(f"{e}: {why}")
    return good, left_out


def _makers(args: argparse.Namespace, session: Session, folder: store.Folder
            ) -> tuple[list[str], list[str]]:
    """--exporter with `all` replaced by what there is, and in words what is left out."""
    words, left_out = exporters.choose(args.exporter or "udmabuf", exporters.ALL), []
    if exporters.ALL in words:
        there, left_out = _at_hand(session, folder)
        at = words.index(exporters.ALL)
        words[at:at + 1] = there
    return list(dict.fromkeys(words)), left_out


def _job_errors(doc: dict[str, Any] | None) -> tuple[int, int]:
    """(I/O that fio counts as failed, bytes that it read in its last job)."""
    jobs = (doc or {}).get("jobs", [])
    return sum(int(j.get("total_err", 0)) for j in jobs), \
        int(jobs[-1]["read"]["io_bytes"]) if jobs else 0


def _only_data(doc: dict[str, Any] | None) -> bool:
    """Did the jobs that failed fail because of wrong data?"""
    return doc is not None and all(int(j.get("error", 0)) in (0, errno.EILSEQ)
                                   for j in doc.get("jobs", []))


def _wrong(row: dict[str, Any], stem: str) -> str:
    """What is wrong with the data, in words."""
    what = [fio.classes(row)]
    if row["refused"]:
        what.append(f"{row['refused']} refused by fio's verification")
    return "; ".join([f"data differs: {', '.join(filter(None, what))}", *fio.described(stem)])


def check(session: Session, folder: store.Folder, log: kmsg.KernelLog, c: Combination
          ) -> dict[str, Any]:
    """Runs one combination: a row of verify.csv."""
    session.switcher.set(c.mode)
    raw = os.path.join("raw", c.name)
    os.mkdir(folder.file(raw))
    stem = folder.file(raw, "run")
    name = JOBS[c.direction]
    size = max(_LEAST_BYTES, c.bs * c.iodepth)
    text = fio.render(paths.read(os.path.join(paths.TOP, name)), {
        "bs": c.bs, "iodepth": c.iodepth, "iomem_align": c.offset,
        "exporter": exporters.job_value(c.exporter), "size": size,
        "counters": stem + ".counters.json"}, name)
    row: dict[str, Any] = {
        "iommu_mode": c.mode, "mode_before": session.switcher.mode(), "raw": raw, "status": "ok",
        **{k: v for k, v in c._asdict().items() if k != "mode"}}
    log.start()
    failure = ""
    try:
        run = fio.run(session.fio, stem, text, session.switcher.dev, _TIMEOUT)
        counters, doc = run.counters, run.json
    except fio.Failed as e:
        counters, doc = e.counters, e.doc
        failure = str(e)
    if counters.get("engine"):
        session.engine = str(counters["engine"])
    failed, row["bytes"] = _job_errors(doc)
    row["ios"] = counters.get("ios", 0)
    row.update({k: int(counters.get(k, 0)) for k in fio.CLASSES})
    # What the engine found wrong fails in fio's eyes as well; the rest is what fio found.
    row["refused"] = max(failed - int(counters.get("errors", 0)), 0)
    row["mismatches"] = int(counters.get("mismatches", 0)) + row["refused"]
    # That fio failed because of the data is said below, and better.
    reasons = [failure] if failure and not (row["mismatches"] and _only_data(doc)) else []
    row["mode_after"] = session.switcher.mode()
    if not row["mode_before"] == row["mode_after"] == c.mode:
        reasons.append(f"IOMMU mode: asked for {c.mode}, found {row['mode_before']} before and "
                       f"{row['mode_after']} after")
    lines = log.new()
    with open(folder.file(raw, "kernel.log"), "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in lines)
    reasons += [f"kernel log: {line}" for line in kmsg.bad(lines)[:1]]
    if row["mismatches"]:
        reasons.append(_wrong(row, stem))
    done = min(int(counters.get("bytes", 0)), row["bytes"])
    if not reasons and done != size:
        # A check that looked at less must not pass.
        reasons.append(f"only {done} of {size} bytes were compared")
    if reasons:
        row["status"], row["reason"] = "FAIL", "; ".join(reasons)
    return row


def report(rows: list[store.Row]) -> str:
    """The table by combination, the modes side by side, and the totals."""
    modes = list(dict.fromkeys(r["iommu_mode"] for r in rows))
    cells: dict[tuple[str, ...], dict[str, store.Row]] = {}
    for r in rows:
        key = (r["direction"], r["exporter"], r["bs"], r["iodepth"], r["offset"])
        cells.setdefault(key, {})[r["iommu_mode"]] = r
    body = []
    for key, by_mode in sorted(cells.items(), key=lambda c: (c[0][:2], *map(int, c[0][2:]))):
        words = []
        for m in modes:
            r = by_mode.get(m)
            words.append("-" if r is None else "ok" if r["status"] == "ok"
                         else ", ".join(f"{r[c]} {c}" for c in (*fio.CLASSES, "refused")
                                        if r[c] != "0") or "FAIL")
        size = max(int(r["bytes"]) for r in by_mode.values()) / (1 << 20)
        body.append((key[0], key[1], units.human_size(int(key[2])), *key[3:], f"{size:.0f} MiB",
                     *words))
    head = ("direction", "exporter", "block", "depth", "offset", "each", *modes)
    total = sum(int(r["bytes"]) for r in rows)
    wrong = sum(int(r["mismatches"]) for r in rows)
    failed = sum(r["status"] != "ok" for r in rows)
    return (table.columns(head, body, 2)
            + f"\nchecked: {len(rows)} combinations, {total} bytes; mismatches: {wrong}; "
              f"failed: {failed}")


def _in_vm(args: argparse.Namespace) -> int:
    words = ["--device", VM_DEV, "--destroy-data", VM_DEV]
    for key in ("modes", "exporter"):
        if getattr(args, key):
            words += [f"--{key}", getattr(args, key)]
    if args.quick:
        words.append("--quick")
    if args.modes:
        plan.choose(args.modes, "--modes", plan.MODES)
    makers = exporters.choose(args.exporter or "udmabuf", exporters.ALL)
    exporters.refuse_fd(makers, "--vm")
    status, folder = in_vm(args, "verify", words, ["--drive", _VM_DRIVE], (
        900 if args.quick else 3600) * (_VM_FEW if exporters.ALL in makers else len(makers)))
    return _end(args, folder) or status


def _end(args: argparse.Namespace, folder: store.Folder) -> int:
    rows = folder.rows("verify.csv")
    if rows and not args.quiet:
        print(report(rows))
        for r in rows:
            if r["status"] != "ok":
                print(f"{r['raw']}: {r['reason']}")
        print(f"run folder: {folder.path}")
    return int(any(r["status"] != "ok" for r in rows))


def main(args: argparse.Namespace) -> int:
    """Checks every combination; 1 if one fails."""
    if args.vm:
        return _in_vm(args)
    exporters.choose(args.exporter or "udmabuf", exporters.ALL)
    with Session(args, True) as session:
        session.announce()
        session.need_arms({"dmabuf"})
        modes = session.modes(args.modes or ",".join(plan.MODES))
        queue = f"/sys/class/block/{session.name}/queue"
        folder = store.Folder(store.new_folder(args.out, os.uname().nodename, "-verify"))
        folder.merge_env(env.collect([session.name], session.fio_version))
        makers, not_there = _makers(args, session, folder)
        todo, left_out = combinations(modes, makers, int(paths.read(
            f"{queue}/logical_block_size")), args.quick)
        left_out += not_there
        log = kmsg.KernelLog()
        began = time.monotonic()
        with open(folder.file("verify.csv"), "w", encoding="utf-8", newline="") as f:
            out = csv.DictWriter(f, tables.VERIFY, lineterminator="\n")
            out.writeheader()
            for i, c in enumerate(todo):
                row = check(session, folder, log, c)
                out.writerow(row)
                f.flush()
                left = (time.monotonic() - began) / (i + 1) * (len(todo) - i - 1)
                sys.stderr.write(f"[{i + 1}/{len(todo)}] {c.name}: {row['status']}, "
                                 f"{row['bytes']} bytes, {row['mismatches']} mismatches "
                                 f"(left: {units.human_time(left)})\n")
                sys.stderr.flush()
                if row["status"] != "ok" and not row["ios"] and i == 0:
                    raise Problem(f"{c.name}: {row['reason']}")
        folder.merge_env({"engine": session.engine})
    for line in left_out:
        sys.stderr.write(f"left out: {line}\n")
    if not todo:
        raise Misuse("verify: nothing left to check on this drive")
    return _end(args, folder)
