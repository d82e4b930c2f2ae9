# SPDX-License-Identifier: GPL-2.0-only
"""`fio-dmabuf bench`: this engine beside fio's own io_uring engine, instructions per I/O in the VM.

The same fio, the same job (jobs/bench.fio, jobs/bench-io_uring.fio), registered buffers and a
registered file on both sides, counted as `cost` counts. On null_blk, which does nothing, and on
the emulated NVMe drive; in batches of 32 and one by one. IOMMU mode passthrough, so that nothing
is mapped whatever the arm.
"""

import argparse
import csv
import os
import sys
from typing import Any, NamedTuple

from sweep import cost, env, fio, paths, plan, stats, store, table, tables
from sweep.errors import Misuse, Problem
from sweep.session import VM_DEV, Session, in_vm

_OURS, _THEIRS = "jobs/bench.fio", "jobs/bench-io_uring.fio"
_NULL = "nullb0"
_DRIVE = "null:64G"
_TIMEOUT = 900.0
_BS = 4096
IO_URING = "io_uring"


class Case(NamedTuple):
    """One cell: `engine` is io_uring, or an arm of ours."""

    drive: str
    batch: int
    engine: str

    @property
    def ios(self) -> int:
        """As many as take long enough to be looked at, on what is fast and on what sleeps."""
        if self.drive == _NULL:
            return 150_000
        return 20_000 if self.batch > 1 else 5_000


def cases(drive: str) -> list[Case]:
    """null_blk takes no dma-bufs."""
    return [Case(d, batch, engine) for d in (_NULL, drive) for batch in (32, 1)
            for engine in (IO_URING, plan.CONTROL, "dmabuf") if (d, engine) != (_NULL, "dmabuf")]


def _measure(session: Session, folder: store.Folder, case: Case, repeat: int) -> dict[str, Any]:
    """One fio run; what it took per I/O in its window."""
    stem = folder.file("raw", f"{repeat}-{case.drive}-{case.batch}-{case.engine}")
    job = _THEIRS if case.engine == IO_URING else _OURS
    warm = case.ios // 8
    values: dict[str, str | int] = {
        "number_ios": warm + 2 * case.ios, "iodepth_batch_submit": case.batch,
        "iodepth_batch_complete_min": case.batch, "iodepth_batch_complete_max": case.batch}
    if job == _OURS:
        values |= {"arm": case.engine, "counters": stem + ".counters.json"}
    watcher = cost.Watcher(case.drive, warm * _BS, case.ios * _BS)
    run = fio.run(session.fio, stem, fio.render(paths.read(os.path.join(paths.TOP, job)), values,
                                                job), f"/dev/{case.drive}", _TIMEOUT, watcher)
    session.engine = str(run.counters.get("engine", "")) or session.engine
    looks = watcher.windows()
    if len(looks) < 2:
        raise Problem(f"{stem}: fio ended before the window did")
    ran, moved, switches, _, interrupts = (b - a for a, b in zip(*looks))
    done = moved // _BS
    return {"repeat": repeat, **case._asdict(), "instructions_per_io": ran / done,
            "switches_per_io": switches / done, "interrupts_per_io": interrupts / done}


def _guest(args: argparse.Namespace) -> int:
    """In the guest: measures, and writes runs.csv."""
    args.device, args.destroy_data, args.vm = args.guest, None, True
    repeats = plan.numbers(args.repeat, "--repeat", 100)[0]
    with Session(args, False) as session:
        session.switcher.set("passthrough")
        if not os.path.exists(f"/dev/{_NULL}"):
            raise Misuse(f"bench: no /dev/{_NULL}: this kernel has no CONFIG_BLK_DEV_NULL_BLK; "
                         "use a kernel of kernel/build")
        folder = store.Folder(store.new_folder(args.out, "vm", "-bench"))
        folder.merge_env(env.collect(session.name, session.fio_version))
        with open(folder.file("runs.csv"), "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(tables.BENCH_RUNS)
            for repeat in range(repeats):
                for case in cases(session.switcher.name):
                    row = _measure(session, folder, case, repeat)
                    out.writerow([store.text(row[k]) for k in tables.BENCH_RUNS])
                    f.flush()
                    sys.stderr.write(f"{case.drive}, batch {case.batch}, {case.engine}: "
                                     f"{row['instructions_per_io']:.0f} instructions/IO\n")
        folder.merge_env({"engine": session.engine})
    return 0


def summary(runs: list[store.Row]) -> list[store.Row]:
    """One row per case, with the ratio to fio's own engine."""
    every: dict[tuple[str, str, str], list[store.Row]] = {}
    for r in runs:
        every.setdefault((r["drive"], r["batch"], r["engine"]), []).append(r)
    costs = {k: {int(r["repeat"]): float(r["instructions_per_io"]) for r in rs}
             for k, rs in every.items()}
    out = []
    for key, rs in every.items():
        ratio = stats.ratio(costs[key], costs[(*key[:2], IO_URING)])
        row: dict[str, Any] = dict(zip(tables.BENCH, (
            *key, len(rs), *stats.interval(list(costs[key].values())), ratio and ratio.mid)))
        for k in ("switches_per_io", "interrupts_per_io"):
            row[k] = stats.median([float(r[k]) for r in rs])
        out.append({k: store.text(row[k]) for k in tables.BENCH})
    return out


def show(rows: list[store.Row]) -> str:
    """The table for people."""
    body = [(r["drive"], r["batch"], r["engine"] if r["engine"] == IO_URING
             else f"dmabuf, arm={r['engine']}", table.number(r["instructions_per_io"], "{:.0f}"),
             table.number(r["ratio"], "{:.3f}"), table.number(r["switches_per_io"], "{:.3f}"),
             table.number(r["interrupts_per_io"], "{:.3f}")) for r in rows]
    return table.columns(("drive", "batch", "engine", "instructions/IO", "vs io_uring",
                          "switches/IO", "irqs/IO"), body, 3)


def main(args: argparse.Namespace) -> int:
    """Boots the VM, measures there, and prints the table."""
    if args.guest:
        return _guest(args)
    repeats = plan.numbers(args.repeat, "--repeat", 100)[0]
    status, folder = in_vm(args, "bench", ["--guest", VM_DEV, "--repeat", args.repeat],
                           ["--icount", "--drive", _DRIVE], 300 + 1000 * repeats)
    if status:
        return status
    rows = summary(folder.rows("runs.csv"))
    with open(folder.file("bench.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.DictWriter(f, tables.BENCH, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    if not args.quiet:
        facts = folder.env()
        print(show(rows))
        print(f"{facts['fio']}, engine {facts['engine']}, Linux {facts['kernel']['release']}, "
              f"{facts['started'][:10]}; run folder: {folder.path}")
    return 0
